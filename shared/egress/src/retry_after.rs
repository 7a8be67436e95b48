//! `Retry-After`: how long a receiver asks us to wait.
//!
//! # Pitfalls
//!
//! The header has two forms (RFC 9110 §10.2.3), and the date form may already be past, which means
//! "now" and not "no header".

use std::time::{Duration, SystemTime};

/// The wait that a `Retry-After` value asks for, at `now`. `None` when it follows neither form of
/// RFC 9110.
///
/// Has no upper limit of its own: the retry schedule decides how much waiting it grants.
#[must_use]
pub fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // RFC 9111 §1.2.2: a number too large for us means "a very long time".
        return Some(Duration::from_secs(value.parse::<u32>().unwrap_or(u32::MAX).into()));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

    fn seconds(value: &str) -> Option<u64> {
        parse(value, SystemTime::UNIX_EPOCH + NOW).map(|wait| wait.as_secs())
    }

    #[test]
    fn both_forms_of_the_header_are_understood() {
        let cases = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 120\t", Some(120)),
            ("007", Some(7)),
            ("99999999999999999999", Some(u32::MAX.into())),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("5 seconds", None),
            ("tomorrow", None),
            ("Sun, 99 Nov 1994 08:50:37 GMT", None),
        ];
        for (value, expected) in cases {
            assert_eq!(seconds(value), expected, "Retry-After: {value}");
        }
    }
}
