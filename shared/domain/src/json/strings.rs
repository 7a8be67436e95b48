//! Strings as ECMAScript's `QuoteJSONString` prints them (ECMA-262 §25.5.2.3).
//!
//! Only `"`, `\`, controls below U+0020 and lone surrogates are escaped, everything else stands for
//! itself, U+007F, U+2028 and U+FFFF too.
//!
//! `\ud83d\ude00` is one character and is written out; a half without its other half can only be an
//! escape, in lower case. And a pair of halves in the wrong order is two lone ones.

use std::fmt::Write;

use super::error::{JsonError, JsonProblem};

/// Appends the canonical text of the string whose opening quote is at `start`; returns the place
/// after its closing quote.
pub(super) fn canonicalise(
    input: &str,
    start: usize,
    out: &mut String,
) -> Result<usize, JsonError> {
    let bytes = input.as_bytes();
    let mut position = start + 1;
    out.push('"');
    loop {
        let plain = bytes[position..].iter().take_while(|byte| is_plain(**byte)).count();
        out.push_str(&input[position..position + plain]);
        position += plain;
        match bytes.get(position) {
            Some(b'"') => {
                out.push('"');
                return Ok(position + 1);
            }
            Some(b'\\') => position = escape(bytes, position, out)?,
            Some(_) => return Err(JsonProblem::ControlCharacter.at(position)),
            None => return Err(JsonProblem::UnexpectedEnd.at(position)),
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// Appends the character that the escape at `start` stands for; returns the place after it.
fn escape(bytes: &[u8], start: usize, out: &mut String) -> Result<usize, JsonError> {
    let character = match bytes.get(start + 1) {
        Some(b'u') => return unicode_escape(bytes, start, out),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(_) => return Err(JsonProblem::InvalidEscape.at(start)),
        None => return Err(JsonProblem::UnexpectedEnd.at(start + 1)),
    };
    quote(character, out);
    Ok(start + 2)
}

fn unicode_escape(bytes: &[u8], start: usize, out: &mut String) -> Result<usize, JsonError> {
    let first = code_unit(bytes, start)?;
    // A low half is looked for only after a high one, and a bad escape there is reported when its
    // own turn comes.
    let second = if is_high_surrogate(first) { code_unit(bytes, start + 6).ok() } else { None };
    let units = [first, second.unwrap_or_default()];
    if let Some(Ok(character)) = char::decode_utf16(units).next() {
        quote(character, out);
        return Ok(start + 6 * character.len_utf16());
    }
    push_escape(first, out);
    Ok(start + 6)
}

fn is_high_surrogate(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

/// The code unit of `\uXXXX` at `start`.
fn code_unit(bytes: &[u8], start: usize) -> Result<u16, JsonError> {
    let mut unit = 0;
    for (index, expected) in
        [Some(b'\\'), Some(b'u'), None, None, None, None].into_iter().enumerate()
    {
        let byte = *bytes.get(start + index).ok_or(JsonProblem::UnexpectedEnd.at(bytes.len()))?;
        match (expected, char::from(byte).to_digit(16)) {
            (Some(expected), _) if byte == expected => {}
            (None, Some(digit)) => unit = unit << 4 | digit,
            _ => return Err(JsonProblem::InvalidEscape.at(start)),
        }
    }
    u16::try_from(unit).map_err(|_| JsonProblem::InvalidEscape.at(start))
}

fn quote(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        control @ '\0'..='\u{1f}' => push_escape(control as u16, out),
        other => out.push(other),
    }
}

fn push_escape(unit: u16, out: &mut String) {
    // Writing to a string can't fail.
    let _ = write!(out, "\\u{unit:04x}");
}
