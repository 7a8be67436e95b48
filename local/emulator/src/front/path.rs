//! The path that a function of an HTTP API is told, which isn't the one that was sent.
//!
//! API Gateway chooses the route by the path as it was sent. Then it decodes the path, cuts it at a
//! `?`, and decodes it once more. Its documentation doesn't say so; events that others have
//! captured do. A function's own URL leaves the path as it was sent.

use percent_encoding::percent_decode_str;

/// The path that the function is told. `None` where the first decoding leaves a `%` that begins no
/// escape: API Gateway answers 400 to that.
pub(super) fn told(sent: &str) -> Option<String> {
    let once = decode(sent);
    let path = once.split('?').next().unwrap_or_default();
    has_whole_escapes(path).then(|| decode(path))
}

/// The text behind percent-encoding; what isn't UTF-8 then is replaced.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn has_whole_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        matches!(rest.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_twice_and_cut_at_a_question_mark_between() {
        for (sent, expected) in [
            ("/a/plain", Some("/a/plain")),
            ("/a/x%20y", Some("/a/x y")),
            ("/a/question%3Fvalue", Some("/a/question")),
            ("/a/hash%23value", Some("/a/hash#value")),
            ("/a/slash%2Fvalue", Some("/a/slash/value")),
            ("/a/literal%252Fvalue", Some("/a/literal/value")),
            ("/a/literal%253Fvalue", Some("/a/literal?value")),
            ("/a/literal%2525value", Some("/a/literal%value")),
            ("/a/%C3%A4", Some("/a/ä")),
            ("/a/%25done", None),
            ("/a/%zz", None),
            ("/a/%", None),
            ("/a/b%3F%", Some("/a/b")),
        ] {
            assert_eq!(told(sent).as_deref(), expected, "{sent}");
        }
    }

    #[test]
    fn broken_percent_encoding_is_left_as_it_is() {
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%e4%é"), "\u{fffd}%é");
    }
}
