//! YAML with CloudFormation's short tags (`!Ref`, `!Sub`, …), read into JSON in which every
//! intrinsic function has its long form (`{"Ref": …}`, `{"Fn::Sub": …}`).
//!
//! `!GetAtt A.B.C` splits at the first dot only, and `!Condition` and `!Ref` have no `Fn::` prefix.

use serde_json::{Map, Number, Value as Json};
use serde_norway::Value as Yaml;

use super::TemplateError;

/// Reads a whole document; syntax errors carry their line.
pub(super) fn parse(text: &str) -> Result<Json, TemplateError> {
    let yaml: Yaml = serde_norway::from_str(text).map_err(|error| TemplateError {
        line: error.location().map(|location| location.line()),
        message: error.to_string(),
    })?;
    json_of(yaml).map_err(TemplateError::without_line)
}

fn json_of(yaml: Yaml) -> Result<Json, String> {
    Ok(match yaml {
        Yaml::Null => Json::Null,
        Yaml::Bool(value) => Json::Bool(value),
        Yaml::Number(number) => number_of(&number)?,
        Yaml::String(text) => Json::String(text),
        Yaml::Sequence(items) => {
            Json::Array(items.into_iter().map(json_of).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                object.insert(key_of(&key)?, json_of(value)?);
            }
            Json::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!').to_owned();
            intrinsic(&name, json_of(tagged.value)?)
        }
    })
}

fn key_of(key: &Yaml) -> Result<String, String> {
    match key {
        Yaml::String(text) => Ok(text.clone()),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Bool(value) => Ok(value.to_string()),
        other => Err(format!("a mapping key must be text, not {other:?}")),
    }
}

fn number_of(number: &serde_norway::Number) -> Result<Json, String> {
    if let Some(integer) = number.as_i64() {
        return Ok(integer.into());
    }
    number
        .as_f64()
        .and_then(Number::from_f64)
        .map(Json::Number)
        .ok_or_else(|| format!("{number} is no number that JSON can hold"))
}

fn intrinsic(name: &str, value: Json) -> Json {
    let (key, value) = match (name, value) {
        ("Ref" | "Condition", value) => (name.to_owned(), value),
        ("GetAtt", Json::String(path)) => ("Fn::GetAtt".to_owned(), split_attribute(&path)),
        (_, value) => (format!("Fn::{name}"), value),
    };
    Json::Object(Map::from_iter([(key, value)]))
}

fn split_attribute(path: &str) -> Json {
    match path.split_once('.') {
        Some((resource, attribute)) => Json::from(vec![resource, attribute]),
        None => Json::from(vec![path]),
    }
}

/// The 1-based line on which `key` is defined, at the shallowest indentation where it occurs.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
        })
        .min_by_key(|(_, line)| line.len() - line.trim_start().len())
        .map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_tags_become_long_forms() {
        let parsed = parse(
            "A: !Ref B\nC: !GetAtt D.E.F\nG: !Sub '${H}'\nI: !If [J, 1, !Ref 'AWS::NoValue']\n",
        )
        .unwrap();
        assert_eq!(
            parsed,
            json!({"A": {"Ref": "B"}, "C": {"Fn::GetAtt": ["D", "E.F"]}, "G": {"Fn::Sub": "${H}"},
                   "I": {"Fn::If": ["J", 1, {"Ref": "AWS::NoValue"}]}})
        );
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let error = parse("A: 1\nB: [1, 2\nC: 3\n").unwrap_err();
        assert!(error.line.is_some(), "{error}");
    }

    #[test]
    fn a_key_is_found_where_it_is_defined_and_not_where_it_is_mentioned() {
        let text = "Resources:\n  A:\n    Properties:\n      B: !Ref B\n  B:\n    Type: T\n";
        assert_eq!(line_of(text, "B"), Some(5));
    }
}
