//! JSON text in an SQS message.
//!
//! # Pitfalls
//!
//! SQS takes "any Unicode", less a few characters, and refuses the whole message for one of them.

use std::borrow::Cow;

/// Escapes the two characters that JSON may hold as they are and SQS may not: U+FFFE and U+FFFF.
///
/// SQS allows #x9, #xA, #xD, #x20 to #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF
/// (`SendMessage`, `MessageBody`); all other controls are escaped in valid JSON anyway.
/// [`super::canonicalise`] undoes this, and any JSON parser reads the same value.
#[must_use]
pub fn escape_for_sqs(json: &str) -> Cow<'_, str> {
    if !json.contains(['\u{fffe}', '\u{ffff}']) {
        return Cow::Borrowed(json);
    }
    Cow::Owned(json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"))
}
