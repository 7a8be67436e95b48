//! What serde says of a wrong value, in the words of the API.

/// The rule that was broken. serde calls the words of an enum its variants, and lists them as code.
pub(crate) fn rule(message: &str) -> String {
    let words = message.strip_prefix("unknown variant `").and_then(|rest| {
        let (_, words) = rest.rsplit_once("`, expected ")?;
        Some(words.strip_prefix("one of ").unwrap_or(words))
    });
    words.map_or_else(
        || json_words(message),
        |words| format!("must be one of: {}", words.replace(" or ", ", ").replace('`', "")),
    )
}

/// serde names what it found, and what it wants, as Rust has it.
fn json_words(message: &str) -> String {
    let Some((found, wanted)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let found = match found {
        "invalid type: map" => "invalid type: object",
        "invalid type: sequence" => "invalid type: array",
        found => found,
    };
    let wanted = match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "a nonzero u32" => "a whole number, 1 or more",
        "a sequence" => "an array",
        "a map" => "an object",
        wanted if wanted.starts_with("struct ") => "an object",
        wanted => wanted,
    };
    format!("{found}, expected {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{
        Deserialize,
        de::{IntoDeserializer, value::Error},
    };

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum One {
        A,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Two {
        A,
        B,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Three {
        A,
        B,
        C,
    }

    fn refused<'de, T: std::fmt::Debug + Deserialize<'de>>() -> String {
        let deserializer = IntoDeserializer::<Error>::into_deserializer("`x`, expected ");
        rule(&T::deserialize(deserializer).unwrap_err().to_string())
    }

    #[test]
    fn a_wrong_word_gets_the_right_ones() {
        let texts = [refused::<One>(), refused::<Two>(), refused::<Three>()];
        assert_eq!(texts[2], "must be one of: a, b, c");
        assert_eq!(texts[1], "must be one of: a, b");
        assert_eq!(texts[0], "must be one of: a");
        assert_eq!(rule("must be short"), "must be short");
    }

    #[test]
    fn a_wrong_type_is_named_as_json_names_it() {
        for (said, rules) in [
            ("map, expected a sequence", "object, expected an array"),
            ("sequence, expected struct Limits", "array, expected an object"),
            ("null, expected u32", "null, expected a whole number, 0 or more"),
            (
                "string \"1\", expected a nonzero u32",
                "string \"1\", expected a whole number, 1 or more",
            ),
        ] {
            assert_eq!(rule(&format!("invalid type: {said}")), format!("invalid type: {rules}"));
        }
    }
}
