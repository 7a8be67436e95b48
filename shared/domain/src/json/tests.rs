//! What the canonical form is, by table, by property and by Node.

mod bodies;
mod model;
mod node;
mod properties;

use std::time::{Duration, Instant};

use super::*;

fn canonical(input: &str) -> String {
    canonicalise(input.as_bytes()).unwrap_or_else(|error| panic!("{input:?}: {error}"))
}

/// Input, and what JavaScript prints after parsing it.
pub(super) const NASTY: &[(&str, &str)] = &[
    // Layout
    (" \t\r\n null \n", "null"),
    ("[ 1 , [ ] , { } , \"a b\" ]", r#"[1,[],{},"a b"]"#),
    ("{ \"a\" : { \"b\" : [ true , false ] } }", r#"{"a":{"b":[true,false]}}"#),
    // Strings
    (r#""\/""#, r#""/""#),
    (r#""\u002F\u0041\u0022\u005C""#, r#""/A\"\\""#),
    (
        r#""\u0000\u0008\u0009\u000A\u000B\u000C\u000D\u001F\u007F""#,
        "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\"",
    ),
    (r#""\uD83D\uDE00""#, "\"😀\""),
    ("\"😀é\u{2028}\u{2029}\u{feff}\"", "\"😀é\u{2028}\u{2029}\u{feff}\""),
    (r#""\uFFFE\uFFFF""#, "\"\u{fffe}\u{ffff}\""),
    (r#""\uD800""#, r#""\ud800""#),
    (r#""\uDFFF\uD800""#, r#""\udfff\ud800""#),
    (r#""\uD83D\uD83D\uDE00""#, "\"\\ud83d😀\""),
    (r#""\uD83Dx\uDE00""#, r#""\ud83dx\ude00""#),
    (r#""\uD83D\n\uDE00""#, r#""\ud83d\n\ude00""#),
    (r#""\uD83D\\uDE00""#, r#""\ud83d\\uDE00""#),
    (r#""\uDBFF\uDFFF\uD800\uDC00""#, "\"\u{10ffff}\u{10000}\""),
    // Numbers
    ("[1.0,-0,-0.0,1e2,1E-7,0.10,1e21]", "[1,0,0,100,1e-7,0.1,1e+21]"),
    // Keys
    (r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
    (r#"{"b":1,"10":2,"a":3,"9":4,"0":5}"#, r#"{"0":5,"9":4,"10":2,"b":1,"a":3}"#),
    (r#"{"a":1,"4294967295":2,"4294967294":3}"#, r#"{"4294967294":3,"a":1,"4294967295":2}"#),
    (
        r#"{"01":1,"-1":2,"1.0":3,"1e1":4,"+1":5," 1":6,"1":7}"#,
        r#"{"1":7,"01":1,"-1":2,"1.0":3,"1e1":4,"+1":5," 1":6}"#,
    ),
    (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
    (r#"{"a":1,"\u0061":[2]}"#, r#"{"a":[2]}"#),
    (r#"{"\u0031":1,"0":2}"#, r#"{"0":2,"1":1}"#),
    (r#"{"1":1,"x":0,"1":{"2":2,"1":1}}"#, r#"{"1":{"1":1,"2":2},"x":0}"#),
    (
        r#"{"":1,"__proto__":{"b":1},"toString":2,"constructor":3}"#,
        r#"{"":1,"__proto__":{"b":1},"toString":2,"constructor":3}"#,
    ),
    (r#"{"__proto__":1,"a":2,"__proto__":3}"#, r#"{"__proto__":3,"a":2}"#),
    (r#"{"\ud800":1,"\uD800":2}"#, r#"{"\ud800":2}"#),
    (
        r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"c":2,"3":0,"a":3}"#,
        r#"{"3":0,"a":3,"b":1,"c":2,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}"#,
    ),
];

#[test]
fn nasty_cases_come_out_as_javascript_prints_them() {
    for (input, expected) in NASTY {
        assert_eq!(canonical(input), *expected, "{input}");
        assert_eq!(canonical(expected), *expected, "canonical text is left alone");
    }
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    use JsonProblem::*;
    let cases: &[(&[u8], JsonProblem, usize)] = &[
        (b"", UnexpectedEnd, 0),
        (b"  ", UnexpectedEnd, 2),
        (b"\xef\xbb\xbf{}", ByteOrderMark, 0),
        (b"\"a\xff\"", NotUtf8, 2),
        (b"\"\xed\xa0\x80\"", NotUtf8, 1),
        (b"nul", UnexpectedEnd, 3),
        (b"nulL", UnexpectedCharacter, 3),
        (b"True", UnexpectedCharacter, 0),
        (b"NaN", UnexpectedCharacter, 0),
        (b"'a'", UnexpectedCharacter, 0),
        (b"null null", TrailingText, 5),
        (b"truefalse", TrailingText, 4),
        (b"[1,]", UnexpectedCharacter, 3),
        (b"[,1]", UnexpectedCharacter, 1),
        (b"[1 2]", UnexpectedCharacter, 3),
        (b"[1", UnexpectedEnd, 2),
        (b"[1}", UnexpectedCharacter, 2),
        (b"{\"a\":1,}", UnexpectedCharacter, 7),
        (b"{\"a\" 1}", UnexpectedCharacter, 5),
        (b"{a:1}", UnexpectedCharacter, 1),
        (b"{\"a\"", UnexpectedEnd, 4),
        (b"{1:1}", UnexpectedCharacter, 1),
        (b"[1]//", TrailingText, 3),
        (b"\"a", UnexpectedEnd, 2),
        (b"\"a\nb\"", ControlCharacter, 2),
        (b"\"\0\"", ControlCharacter, 1),
        (br#""\x41""#, InvalidEscape, 1),
        (br#""\u12G4""#, InvalidEscape, 1),
        (br#""\u+123""#, InvalidEscape, 1),
        (br#""\ud800\u""#, InvalidEscape, 7),
        (br#""\u12"#, UnexpectedEnd, 5),
        (b"\"\\", UnexpectedEnd, 2),
        (b"01", InvalidNumber, 1),
        (b"-01", InvalidNumber, 2),
        (b"-", InvalidNumber, 1),
        (b"+1", UnexpectedCharacter, 0),
        (b".5", UnexpectedCharacter, 0),
        (b"1.", InvalidNumber, 2),
        (b"1.e5", InvalidNumber, 2),
        (b"1e", InvalidNumber, 2),
        (b"1e+", InvalidNumber, 3),
        (b"0x10", TrailingText, 1),
        ("\u{a0}1".as_bytes(), UnexpectedCharacter, 0),
        (b"\x0b1", UnexpectedCharacter, 0),
    ];
    for (input, problem, offset) in cases {
        let expected = JsonError { problem: *problem, offset: *offset };
        assert_eq!(canonicalise(input), Err(expected), "{}", String::from_utf8_lossy(input));
    }
}

#[test]
fn an_error_says_what_and_where() {
    let error = canonicalise(b"[1,]").unwrap_err();
    assert_eq!(error.to_string(), "unexpected character in JSON at byte 3");
}

#[test]
fn nesting_is_allowed_up_to_the_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(canonical(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
    let expected = JsonError { problem: JsonProblem::TooDeep, offset: MAX_DEPTH };
    assert_eq!(canonicalise(nested(MAX_DEPTH + 1).as_bytes()), Err(expected));
    assert_eq!(
        canonicalise("{\"a\":".repeat(1 << 18).as_bytes()).unwrap_err().problem,
        JsonProblem::TooDeep
    );
}

#[test]
fn the_characters_that_sqs_refuses_are_escaped_and_come_back() {
    let json = "\"a\u{fffe}b\u{ffff}\u{fffd}\"";
    let escaped = escape_for_sqs(json);
    assert_eq!(escaped, "\"a\\ufffeb\\uffff\u{fffd}\"");
    assert_eq!(canonical(&escaped), json);
    assert!(matches!(escape_for_sqs("\"plain\""), std::borrow::Cow::Borrowed(_)));
}

#[test]
fn a_mebibyte_of_anything_takes_linear_time() {
    let fill = |part: &str, open: &str, close: &str| {
        let parts = vec![part; (1 << 20) / (part.len() + 1)].join(",");
        format!("{open}{parts}{close}")
    };
    let keys: Vec<String> = (0..90_000).rev().map(|key| format!("\"{key}\":1")).collect();
    let names: Vec<String> = (0..90_000).map(|key| format!("\"k{}\":1", key % 50_000)).collect();
    // Each level reorders all that lies within it.
    let nested = (0..MAX_DEPTH - 1)
        .fold(fill("1", "[", "]"), |inner, _| format!("{{\"1\":{inner},\"0\":0}}"));
    let inputs = [
        fill("1e20", "[", "]"),
        fill("0.1", "[", "]"),
        fill("{}", "[", "]"),
        fill(r#"{"b":1,"a":2,"b":3}"#, "[", "]"),
        fill(r#""a":1"#, "{", "}"),
        fill(r#""\u0041\ud800""#, "[", "]"),
        format!("{{{}}}", keys.join(",")),
        format!("{{{}}}", names.join(",")),
        nested,
    ];
    for input in inputs {
        let started = Instant::now();
        let once = canonical(&input);
        // Quadratic time would be minutes; this only has to tell the two apart on the slowest
        // machine.
        assert!(started.elapsed() < Duration::from_secs(20), "{}…", &input[..40]);
        assert_eq!(canonical(&once), once);
    }
}
