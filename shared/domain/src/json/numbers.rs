//! Numbers as ECMAScript prints them, where that doesn't change their value.
//!
//! JavaScript reads a number as the nearest double and prints the shortest decimal that leads back
//! to it. When that decimal has the value that the producer wrote (`1.0`, `1.10`, `1e2`), the
//! number is printed so; else its text is kept.
//!
//! # Pitfalls
//!
//! Two numbers are compared as digits and a power of ten. As floats, each would equal its nearest
//! double, and written out, `1e999999999` would fill the memory. No more than 17 digits matter,
//! since ECMAScript never prints more.

use super::error::{JsonError, JsonProblem};

/// ECMA-262 §6.1.6.1.20: the shortest decimal of a double has at most 17 significant digits.
const MAX_DIGITS: usize = 17;

/// Appends the canonical text of the number at `start`; returns the place after it.
pub(super) fn canonicalise(
    input: &str,
    start: usize,
    out: &mut String,
) -> Result<usize, JsonError> {
    let end = start
        + length(&input.as_bytes()[start..])
            .map_err(|at| JsonProblem::InvalidNumber.at(start + at))?;
    let text = &input[start..end];
    if is_small_integer(text) {
        out.push_str(text);
        return Ok(end);
    }
    match Decimal::of(text).and_then(|value| value.as_ecmascript()) {
        Some(printed) => out.push_str(&printed),
        None => out.push_str(text),
    }
    Ok(end)
}

/// Nearly every number in practice, and printed by ECMAScript as it is.
fn is_small_integer(text: &str) -> bool {
    text.len() <= 15 && !text.starts_with('-') && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The length of the number at the start of the bytes, by the grammar of RFC 8259 §6; or where it
/// departs from it.
fn length(bytes: &[u8]) -> Result<usize, usize> {
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let leading_zero = bytes.get(at) == Some(&b'0');
    let integer = digits(bytes, at)?;
    if leading_zero && integer > at + 1 {
        return Err(at + 1);
    }
    at = integer;
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
        at = digits(bytes, at)?;
    }
    Ok(at)
}

/// The end of the digits at `from`, of which there must be one.
fn digits(bytes: &[u8], from: usize) -> Result<usize, usize> {
    let count = bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 { Err(from) } else { Ok(from + count) }
}

/// A number of at most [`MAX_DIGITS`] significant digits, exactly: `±digits × 10^exponent`. Zero
/// has no digits, and no sign, as in `JSON.stringify(-0)`.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    /// Without zeros at either end.
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// The value of a number text, or `None` when it has too many digits for JavaScript.
    fn of(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = integer.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit);

        let mut significant = String::new();
        let mut zeros = 0_usize;
        for digit in digits {
            if digit == b'0' {
                // Kept back: zeros count only when another digit follows, and at the start not even
                // then.
                zeros += usize::from(!significant.is_empty());
                continue;
            }
            if significant.len() + zeros >= MAX_DIGITS {
                return None;
            }
            significant.extend(std::iter::repeat_n('0', zeros));
            significant.push(char::from(digit));
            zeros = 0;
        }
        if significant.is_empty() {
            return Some(Self { negative: false, digits: significant, exponent: 0 });
        }
        let shift = i64::try_from(zeros).ok()? - i64::try_from(fraction.len()).ok()?;
        let exponent = parse_exponent(exponent).saturating_add(shift);
        Some(Self { negative: text.starts_with('-'), digits: significant, exponent })
    }

    /// What ECMAScript prints for this value, if that has the same value.
    fn as_ecmascript(&self) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        let sign = if self.negative { "-" } else { "" };
        let nearest: f64 = format!("{sign}{}e{}", self.digits, self.exponent).parse().ok()?;
        let mut buffer = ryu_js::Buffer::new();
        let printed =
            if nearest.is_finite() { buffer.format_finite(nearest) } else { return None };
        (Self::of(printed).as_ref() == Some(self)).then(|| printed.to_owned())
    }
}

/// An exponent beyond the range of `i64` is as good as its end: both are far out of a double's
/// range, even after a shift by the number of digits.
fn parse_exponent(text: &str) -> i64 {
    let end = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    text.parse().unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = String::new();
        let end = canonicalise(text, 0, &mut out).unwrap();
        assert_eq!(end, text.len());
        out
    }

    #[test]
    fn numbers_are_printed_as_ecmascript_does_when_their_value_stays() {
        let cases = [
            ("0", "0"),
            ("-0", "0"),
            ("-0.0e7", "0"),
            ("0e999999999999999999999999", "0"),
            ("1.0", "1"),
            ("1.10", "1.1"),
            ("-1.50", "-1.5"),
            ("1e2", "100"),
            ("1E+2", "100"),
            ("100e-2", "1"),
            ("0.1", "0.1"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1000000000000000000000", "1e+21"),
            ("123456789012345680000", "123456789012345680000"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("9007199254740991", "9007199254740991"),
            ("9007199254740992", "9007199254740992"),
            ("4.35", "4.35"),
            ("0.30000000000000004", "0.30000000000000004"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_that_javascript_would_change_keep_their_text() {
        let cases = [
            "1E400",
            "-1e400",
            "1e-400",
            "1e999999999",
            "1e-999999999",
            "1e99999999999999999999999999",
            "1e-99999999999999999999999999",
            "9007199254740993",
            "1152921504606846976",
            "12345678901234567891",
            "0.1000000000000000055511151231257827021181583404541015625",
            "3.14159265358979323846",
            "4.9e-324",
            "1.00000000000000000000000000000001",
        ];
        for text in cases {
            assert_eq!(canonical(text), text);
        }
    }

    #[test]
    fn very_long_numbers_are_compared_without_writing_them_out() {
        let zeros = "0".repeat(1 << 20);
        assert_eq!(canonical(&format!("0.{zeros}1e{}", zeros.len() + 1)), "1");
        assert_eq!(canonical(&format!("1{zeros}e-{}", zeros.len())), "1");
        let long = format!("1{zeros}");
        assert_eq!(canonical(&long), long);
        let nines = "9".repeat(1 << 20);
        assert_eq!(canonical(&nines), nines);
    }
}
