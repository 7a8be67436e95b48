//! JSON objects of texts, such as `metadata` and `headers`.
//!
//! # Pitfalls
//!
//! A map would silently keep the last of two equal keys. A caller who sends a key twice made a
//! mistake, so it is refused.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};

/// Texts by their keys, each key once. No `Debug`: headers hold credentials.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Texts(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachOnce)
    }
}

struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if texts.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` is duplicated")));
            }
            let value = map.next_value()?;
            texts.insert(key, value);
        }
        Ok(Texts(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_named() {
        let read = |json| serde_json::from_str::<Texts>(json);
        assert_eq!(read(r#"{"a":"1","b":"2"}"#).map(|texts| texts.0.len()).ok(), Some(2));
        assert!(
            read(r#"{"a":"1","\u0061":"2"}"#)
                .err()
                .unwrap()
                .to_string()
                .contains("`a` is duplicated")
        );
        assert!(read(r#"{"a":1}"#).is_err() && read("[]").is_err() && read("null").is_err());
    }
}
