//! The one byte form of a payload: JSON text that survives JavaScript.
//!
//! Receivers verify a signature over the body as they have it, and many have it only as
//! `JSON.stringify(JSON.parse(body))`. So a payload is rewritten once, when it is accepted, into
//! the text that JavaScript would print, and those bytes are signed and sent: compact, strings and
//! numbers as ECMAScript prints them, keys in the order of a JavaScript object.
//!
//! # Pitfalls
//!
//! A number whose decimal value isn't the one that JavaScript would print (`1e400`,
//! `12345678901234567891`, and also 2^60, which a double holds but JavaScript prints as
//! `1152921504606847000`) keeps its text, since receivers in other languages read it exactly. Lone
//! surrogates (`"\ud800"`), which no Rust string can hold, stay escapes.
//!
//! No `serde_json::Value` on the way: it would lose number text, refuse lone surrogates, and forget
//! what a duplicate key means to JavaScript. The scanner checks RFC 8259 strictly itself.

mod error;
mod numbers;
mod objects;
mod scanner;
mod sqs;
mod strings;

#[cfg(test)]
mod tests;

pub use self::{
    error::{JsonError, JsonProblem, MAX_DEPTH},
    sqs::escape_for_sqs,
};

use self::scanner::Scanner;

/// Rewrites one JSON text into its canonical form. Takes time and memory in proportion to the
/// input's length.
///
/// Any value may stand at the top, nested at most [`MAX_DEPTH`] deep. Canonical text comes back
/// unchanged. The result may be longer than the input, by a factor of 21/4 at most (`1e20` is
/// written out), so limit the length of both.
pub fn canonicalise(input: &[u8]) -> Result<String, JsonError> {
    let text =
        str::from_utf8(input).map_err(|error| JsonProblem::NotUtf8.at(error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(JsonProblem::ByteOrderMark.at(0));
    }
    Scanner::new(text).canonicalise()
}
