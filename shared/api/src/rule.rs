//! What serde says of a wrong value, in the words of the API.

/// The rule that was broken. serde calls the words of an enum its variants, and lists them as code.
pub(crate) fn rule(message: &str) -> String {
    let words = message.strip_prefix("unknown variant `").and_then(|rest| {
        let (_, words) = rest.rsplit_once("`, expected ")?;
        Some(words.strip_prefix("one of ").unwrap_or(words))
    });
    words.map_or_else(
        || whole_numbers(message),
        |words| format!("must be one of: {}", words.replace(" or ", ", ").replace('`', "")),
    )
}

/// serde names a number by its Rust type.
fn whole_numbers(message: &str) -> String {
    match message.rsplit_once(", expected ") {
        Some((found, "u8" | "u16" | "u32" | "u64" | "usize")) => {
            format!("{found}, expected a whole number, 0 or more")
        }
        _ => message.to_owned(),
    }
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
}
