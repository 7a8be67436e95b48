//! Why a text is not JSON, and where.

/// How deep arrays and objects may nest. Most JSON libraries stop somewhere near this.
pub const MAX_DEPTH: usize = 128;

/// A problem and its place. Displays as a phrase for the API's `message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {offset}")]
pub struct JsonError {
    /// What is wrong.
    pub problem: JsonProblem,
    /// Where, in bytes from the start of the input.
    pub offset: usize,
}

/// What is wrong with a JSON text, by RFC 8259.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// RFC 8259 §8.1: text between systems is UTF-8.
    #[error("invalid UTF-8")]
    NotUtf8,
    /// RFC 8259 §8.1: no byte order mark.
    #[error("a byte order mark")]
    ByteOrderMark,
    /// The text ends within a value, or before one.
    #[error("unexpected end of JSON")]
    UnexpectedEnd,
    /// A character that can't stand here.
    #[error("unexpected character in JSON")]
    UnexpectedCharacter,
    /// More text after the value.
    #[error("unexpected text after the JSON value")]
    TrailingText,
    /// A number not of RFC 8259 §6: `01`, `1.`, `.5`, `+1`.
    #[error("invalid number")]
    InvalidNumber,
    /// An escape not of RFC 8259 §7.
    #[error("invalid escape in a string")]
    InvalidEscape,
    /// A control character below U+0020 that isn't escaped.
    #[error("unescaped control character in a string")]
    ControlCharacter,
    /// Arrays and objects nested too deep.
    #[error("arrays and objects nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

impl JsonProblem {
    pub(super) fn at(self, offset: usize) -> JsonError {
        JsonError { problem: self, offset }
    }
}
