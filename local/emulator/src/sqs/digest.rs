//! The MD5 digests that SQS answers with and that SDKs check.
//!
//! Message attributes are digested in the order of their names, each part preceded by its length as
//! four big-endian bytes, and the kind of value as one byte (1 text, 2 binary).

use md5::{Digest, Md5};

/// The digest of a message's body, in hex.
pub(crate) fn of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// One attribute's value as it is digested.
pub(crate) enum Value<'a> {
    /// Of data types `String` and `Number`.
    Text(&'a str),
    /// Of data type `Binary`, decoded.
    Binary(&'a [u8]),
}

/// The digest of message attributes `(name, data type, value)`, in hex. They must be sorted by
/// name.
pub(crate) fn of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a str, Value<'a>)>,
) -> String {
    let mut digest = Md5::new();
    let part = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes(), bytes].concat()
    };
    for (name, data_type, value) in attributes {
        digest.update(part(name.as_bytes()));
        digest.update(part(data_type.as_bytes()));
        let (kind, bytes) = match value {
            Value::Text(text) => (1, text.as_bytes()),
            Value::Binary(bytes) => (2, bytes),
        };
        digest.update([kind]);
        digest.update(part(bytes));
    }
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_md5() {
        assert_eq!(of_body("hello"), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn text_and_binary_attributes_have_different_digests() {
        let text = of_attributes([("name", "String", Value::Text("value"))]);
        let binary = of_attributes([("name", "String", Value::Binary(b"value"))]);
        assert_ne!(text, binary);
    }
}
