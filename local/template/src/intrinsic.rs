//! Resolves CloudFormation's intrinsic functions: what `sam deploy` would have put in their place.
//!
//! `AWS::NoValue` removes the key that holds it, so it is a value of its own here (`None`) until
//! the enclosing map or list drops it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::dynamic;
use super::settings::Settings;

/// What a reference to one resource stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Reference {
    /// The value of `!Ref`.
    pub(super) reference: String,
    /// The values of `!GetAtt`, by attribute.
    pub(super) attributes: BTreeMap<&'static str, String>,
}

/// Everything a function in the template may refer to.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    pub(super) settings: &'a Settings,
    pub(super) parameters: BTreeMap<String, Json>,
    pub(super) mappings: Json,
    pub(super) conditions: Json,
    pub(super) references: BTreeMap<String, Reference>,
    /// Names of resources that stand for nothing on one machine (an alarm, the API): `!Ref` gives
    /// the name back.
    pub(super) others: BTreeSet<String>,
}

impl Resolver<'_> {
    /// The value with every intrinsic function replaced; a value that is `AWS::NoValue` itself
    /// becomes null.
    pub(super) fn resolve(&self, value: &Json) -> Result<Json, String> {
        Ok(self.value(value)?.unwrap_or(Json::Null))
    }

    fn value(&self, value: &Json) -> Result<Option<Json>, String> {
        match value {
            Json::Object(object) => match function_of(object) {
                Some((name, argument)) => self.function(name, argument),
                None => self.object(object).map(Some),
            },
            Json::Array(items) => Ok(Some(Json::Array(self.list(items)?))),
            Json::String(text) => {
                dynamic::resolve(text, self.settings).map(|text| Some(text.into()))
            }
            plain => Ok(Some(plain.clone())),
        }
    }

    fn object(&self, object: &Map<String, Json>) -> Result<Json, String> {
        let mut resolved = Map::new();
        for (key, value) in object {
            if let Some(value) = self.value(value)? {
                resolved.insert(key.clone(), value);
            }
        }
        Ok(Json::Object(resolved))
    }

    fn list(&self, items: &[Json]) -> Result<Vec<Json>, String> {
        items.iter().filter_map(|item| self.value(item).transpose()).collect()
    }

    fn function(&self, name: &str, argument: &Json) -> Result<Option<Json>, String> {
        match name {
            "Ref" => self.reference(text(argument)?),
            "Fn::GetAtt" => self.attribute(argument).map(Some),
            "Fn::Sub" => self.substitute(argument).map(Some),
            "Fn::Join" => self.join(argument).map(Some),
            "Fn::If" => self.choose(argument),
            "Fn::Select" => self.select(argument).map(Some),
            "Fn::Split" => self.split(argument).map(Some),
            "Fn::FindInMap" => self.find_in_map(argument).map(Some),
            "Condition" | "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
                self.condition_function(name, argument).map(|truth| Some(Json::Bool(truth)))
            }
            other => Err(format!("{other} isn't supported by the local stack")),
        }
    }

    fn reference(&self, name: &str) -> Result<Option<Json>, String> {
        if name == "AWS::NoValue" {
            return Ok(None);
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(Some(value.clone()));
        }
        if let Some(value) = self.settings.pseudo_parameter(name) {
            return Ok(Some(value.into()));
        }
        if let Some(reference) = self.references.get(name) {
            return Ok(Some(reference.reference.clone().into()));
        }
        if self.others.contains(name) {
            return Ok(Some(name.into()));
        }
        Err(format!("!Ref {name}: there is no such parameter or resource"))
    }

    fn attribute(&self, argument: &Json) -> Result<Json, String> {
        let path: Vec<&str> = argument
            .as_array()
            .map(|parts| parts.iter().filter_map(Json::as_str).collect())
            .unwrap_or_default();
        let [resource, attribute] = path[..] else {
            return Err(format!("!GetAtt needs a resource and an attribute, not {argument}"));
        };
        match self.references.get(resource) {
            Some(reference) => {
                reference.attributes.get(attribute).map(|value| value.clone().into()).ok_or_else(
                    || {
                        format!(
                            "!GetAtt {resource}.{attribute}: the local stack doesn't \
                    know this attribute"
                        )
                    },
                )
            }
            None if self.others.contains(resource) => Ok(format!("{resource}.{attribute}").into()),
            None => Err(format!("!GetAtt {resource}.{attribute}: there is no resource {resource}")),
        }
    }

    fn substitute(&self, argument: &Json) -> Result<Json, String> {
        let (template, locals) = match argument {
            Json::String(template) => (template.as_str(), None),
            Json::Array(parts) => match &parts[..] {
                [Json::String(template), Json::Object(locals)] => (template.as_str(), Some(locals)),
                _ => return Err("!Sub needs a text, or a text and a map".to_owned()),
            },
            _ => return Err("!Sub needs a text, or a text and a map".to_owned()),
        };
        let mut result = String::new();
        let mut rest = template;
        while let Some(start) = rest.find("${") {
            let (before, after) = rest.split_at(start);
            let (name, tail) = after[2..]
                .split_once('}')
                .ok_or_else(|| format!("!Sub {template}: a ${{ isn't closed"))?;
            result.push_str(before);
            result.push_str(&self.substitution(name, locals)?);
            rest = tail;
        }
        result.push_str(rest);
        Ok(dynamic::resolve(&result, self.settings)?.into())
    }

    fn substitution(
        &self,
        name: &str,
        locals: Option<&Map<String, Json>>,
    ) -> Result<String, String> {
        // `${!Literal}` is how a template writes a `${Literal}` that isn't to be replaced.
        if let Some(literal) = name.strip_prefix('!') {
            return Ok(format!("${{{literal}}}"));
        }
        let value = match (locals.and_then(|locals| locals.get(name)), name.split_once('.')) {
            (Some(local), _) => self.resolve(local)?,
            (None, Some((resource, attribute))) => {
                self.attribute(&Json::from(vec![resource, attribute]))?
            }
            (None, None) => self.reference(name)?.unwrap_or(Json::Null),
        };
        plain(&value)
    }

    fn join(&self, argument: &Json) -> Result<Json, String> {
        let Some([separator, items]) = pair(argument) else {
            return Err("!Join needs a separator and a list".to_owned());
        };
        let items = self.resolve(items)?;
        let items = items.as_array().ok_or("!Join needs a list")?;
        let parts: Vec<String> = items.iter().map(plain).collect::<Result<_, _>>()?;
        Ok(parts.join(text(separator)?).into())
    }

    fn choose(&self, argument: &Json) -> Result<Option<Json>, String> {
        let Some([Json::String(condition), then, otherwise]) =
            argument.as_array().map(Vec::as_slice)
        else {
            return Err("!If needs a condition and two values".to_owned());
        };
        self.value(if self.holds(condition)? { then } else { otherwise })
    }

    fn select(&self, argument: &Json) -> Result<Json, String> {
        let Some([index, items]) = pair(argument) else {
            return Err("!Select needs an index and a list".to_owned());
        };
        let index: usize = plain(&self.resolve(index)?)?
            .parse()
            .map_err(|_| "!Select needs a number".to_owned())?;
        let items = self.resolve(items)?;
        items.get(index).cloned().ok_or_else(|| format!("!Select: the list has no item {index}"))
    }

    fn split(&self, argument: &Json) -> Result<Json, String> {
        let Some([separator, source]) = pair(argument) else {
            return Err("!Split needs a separator and a text".to_owned());
        };
        let source = plain(&self.resolve(source)?)?;
        Ok(source.split(text(separator)?).collect::<Vec<_>>().into())
    }

    fn find_in_map(&self, argument: &Json) -> Result<Json, String> {
        let path = self.resolve(argument)?;
        let keys: Vec<&str> = path
            .as_array()
            .map(|keys| keys.iter().filter_map(Json::as_str).collect())
            .unwrap_or_default();
        let found = keys.iter().try_fold(&self.mappings, |map, key| map.get(*key));
        found
            .filter(|_| keys.len() == 3)
            .cloned()
            .ok_or_else(|| format!("!FindInMap {path}: there is no such entry"))
    }

    /// Whether a named condition of the template holds.
    pub(super) fn holds(&self, condition: &str) -> Result<bool, String> {
        let definition = self
            .conditions
            .get(condition)
            .ok_or_else(|| format!("there is no condition {condition}"))?;
        self.truth(definition)
    }

    fn truth(&self, value: &Json) -> Result<bool, String> {
        let resolved = self.resolve(value)?;
        match plain(&resolved)?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("{other} is neither true nor false")),
        }
    }

    fn condition_function(&self, name: &str, argument: &Json) -> Result<bool, String> {
        if name == "Condition" {
            return self.holds(text(argument)?);
        }
        let operands = argument.as_array().ok_or_else(|| format!("{name} needs a list"))?;
        let truths =
            || operands.iter().map(|operand| self.truth(operand)).collect::<Result<Vec<_>, _>>();
        match (name, &operands[..]) {
            // CloudFormation compares as text: a parameter's 1 equals "1".
            ("Fn::Equals", [left, right]) => {
                Ok(plain(&self.resolve(left)?)? == plain(&self.resolve(right)?)?)
            }
            ("Fn::Not", [_]) => Ok(!truths()?[0]),
            ("Fn::And", _) => Ok(truths()?.into_iter().all(|truth| truth)),
            ("Fn::Or", _) => Ok(truths()?.into_iter().any(|truth| truth)),
            _ => Err(format!("{name} has the wrong number of operands")),
        }
    }
}

fn function_of(object: &Map<String, Json>) -> Option<(&str, &Json)> {
    let (name, argument) = object.iter().next()?;
    let condition = name == "Condition" && argument.is_string();
    (object.len() == 1 && (name == "Ref" || condition || name.starts_with("Fn::")))
        .then_some((name, argument))
}

fn pair(argument: &Json) -> Option<&[Json; 2]> {
    argument.as_array()?.as_slice().try_into().ok()
}

fn text(value: &Json) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("a text is needed here, not {value}"))
}

/// A scalar as the text that CloudFormation would make of it.
pub(super) fn plain(value: &Json) -> Result<String, String> {
    match value {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(truth) => Ok(truth.to_string()),
        other => Err(format!("a single value is needed here, not {other}")),
    }
}

/// A whole number that may be absent or stand as text.
pub(super) fn number<N: std::str::FromStr>(value: &Json) -> Result<Option<N>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let text = plain(value)?;
    text.parse().map(Some).map_err(|_| format!("{text} isn't a whole number that fits here"))
}
