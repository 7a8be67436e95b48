//! Message attributes: the typed name-value pairs that travel beside a message's body.
//!
//! A receive returns only the attributes that it names, and the digest it returns is over those
//! alone, not over all that were sent.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    digest,
    error::{ErrorCode, SqsError},
    limits,
};

/// A message's attributes by name; sorted, as their digest needs them.
pub(crate) type MessageAttributes = BTreeMap<String, AttributeValue>;

/// One attribute's type and value, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AttributeValue {
    /// `String`, `Number` or `Binary`, with a custom label after a dot if wanted.
    #[serde(default)]
    pub(crate) data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

enum Decoded<'a> {
    Text(&'a str),
    Binary(Vec<u8>),
}

impl AttributeValue {
    fn decoded(&self) -> Option<Decoded<'_>> {
        match self.data_type.split('.').next()? {
            "String" | "Number" => {
                self.string_value.as_deref().filter(|text| !text.is_empty()).map(Decoded::Text)
            }
            "Binary" => STANDARD
                .decode(self.binary_value.as_deref()?)
                .ok()
                .filter(|bytes| !bytes.is_empty())
                .map(Decoded::Binary),
            _ => None,
        }
    }

    fn check(&self, name: &str) -> Result<(), SqsError> {
        let base = self.data_type.split('.').next().unwrap_or_default();
        let refuse = |reason: String| Err(SqsError::new(ErrorCode::InvalidParameterValue, reason));
        if !matches!(base, "String" | "Number" | "Binary") {
            return refuse(format!(
                "The type of message (user) attribute '{name}' is invalid. You must use only the \
                    following supported type prefixes: Binary, Number, String."
            ));
        }
        if self.decoded().is_none() {
            return refuse(format!(
                "The message (user) attribute '{name}' must contain a non-empty value of type \
                    '{base}'."
            ));
        }
        if base == "Number"
            && self.string_value.as_deref().is_some_and(|text| text.parse::<f64>().is_err())
        {
            return refuse(format!(
                "Can't cast the value of message (user) attribute '{name}' to a number."
            ));
        }
        if self.string_value.as_deref().is_some_and(|text| !text.chars().all(is_allowed)) {
            return refuse(format!(
                "Invalid characters found in the value of message (user) attribute '{name}'."
            ));
        }
        Ok(())
    }
}

/// Refuses what SQS refuses: too many, bad names, bad types, empty values.
pub(crate) fn check(attributes: &MessageAttributes) -> Result<(), SqsError> {
    if attributes.len() > limits::MESSAGE_ATTRIBUTES {
        return Err(SqsError::new(
            ErrorCode::InvalidParameterValue,
            format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{}].",
                attributes.len(),
                limits::MESSAGE_ATTRIBUTES
            ),
        ));
    }
    for (name, value) in attributes {
        check_name(name)?;
        value.check(name)?;
    }
    Ok(())
}

/// SQS: up to 256 of `A-Za-z0-9_-.`, no dot at the ends or doubled, not starting with `AWS.` or
/// `Amazon.`.
fn check_name(name: &str) -> Result<(), SqsError> {
    let lower = name.to_ascii_lowercase();
    let well_formed = !name.is_empty()
        && name.len() <= 256
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    if well_formed {
        Ok(())
    } else {
        Err(SqsError::new(
            ErrorCode::InvalidParameterValue,
            format!("The message (user) attribute name '{name}' is invalid."),
        ))
    }
}

/// How many bytes the attributes add to a message: names, types and values.
pub(crate) fn size(attributes: &MessageAttributes) -> usize {
    attributes
        .iter()
        .map(|(name, value)| {
            let payload = match value.decoded() {
                Some(Decoded::Text(text)) => text.len(),
                Some(Decoded::Binary(bytes)) => bytes.len(),
                None => 0,
            };
            name.len() + value.data_type.len() + payload
        })
        .sum()
}

/// The digest SDKs check; `None` without attributes.
pub(crate) fn digest(attributes: &MessageAttributes) -> Option<String> {
    let decoded: Vec<_> = attributes
        .iter()
        .filter_map(|(name, value)| {
            Some((name.as_str(), value.data_type.as_str(), value.decoded()?))
        })
        .collect();
    let parts = decoded.iter().map(|(name, data_type, value)| {
        let value = match value {
            Decoded::Text(text) => digest::Value::Text(text),
            Decoded::Binary(bytes) => digest::Value::Binary(bytes),
        };
        (*name, *data_type, value)
    });
    (!decoded.is_empty()).then(|| digest::of_attributes(parts))
}

/// Keeps what a receive asked for: a name, a prefix (`trace.*`), or all (`All`, `.*`).
pub(crate) fn select(attributes: MessageAttributes, wanted: &[String]) -> MessageAttributes {
    attributes
        .into_iter()
        .filter(|(name, _)| {
            wanted.iter().any(|pattern| {
                pattern == "All"
                    || match pattern.strip_suffix(".*") {
                        Some(prefix) => name.starts_with(prefix),
                        None => name == pattern,
                    }
            })
        })
        .collect()
}

/// Whether SQS takes this character in a message: those of XML 1.0.
pub(crate) fn is_allowed(character: char) -> bool {
    matches!(
        character,
        '\u{9}' | '\u{A}' | '\u{D}'
            | '\u{20}'..='\u{D7FF}'
            | '\u{E000}'..='\u{FFFD}'
            | '\u{10000}'..='\u{10FFFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> AttributeValue {
        AttributeValue {
            data_type: "String".into(),
            string_value: Some(value.into()),
            binary_value: None,
        }
    }

    #[test]
    fn a_receive_gets_the_attributes_it_names() {
        let all = MessageAttributes::from([
            ("trace.id".into(), text("1")),
            ("trace.span".into(), text("2")),
            ("kind".into(), text("3")),
        ]);
        let names = |wanted: &[&str]| {
            let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
            select(all.clone(), &wanted).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(names(&["kind"]), ["kind"]);
        assert_eq!(names(&["trace.*"]), ["trace.id", "trace.span"]);
        assert_eq!(names(&["All"]).len(), 3);
        assert_eq!(names(&[".*"]).len(), 3);
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn bad_attribute_names_are_refused() {
        for name in ["", ".a", "a.", "a..b", "AWS.trace", "amazon.x", "a b"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a", "a.b", "Trace_Id-1"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
