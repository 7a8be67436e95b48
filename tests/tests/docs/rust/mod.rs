//! The page's blocks for Rust, in files of their own, so that they are compiled. A test holds the
//! page to them.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{blocks::Blocks, cases::Case, styles::STYLES};

#[expect(unreachable_pub, reason = "the page's readers copy it into a module of theirs")]
mod digest;
#[expect(unreachable_pub, reason = "as above")]
mod standard;
#[expect(unreachable_pub, reason = "as above")]
mod timestamped;
#[expect(unreachable_pub, reason = "as above")]
mod token;

/// The blocks as they are compiled, in the order of [`STYLES`].
const SOURCES: [(&str, &str); 4] = [
    ("standard", include_str!("standard.rs")),
    ("timestamped", include_str!("timestamped.rs")),
    ("digest", include_str!("digest.rs")),
    ("token", include_str!("token.rs")),
];

#[test]
fn the_rust_blocks_are_those_that_this_test_compiles() {
    let blocks = Blocks::of_the_page();
    for (style, source) in SOURCES {
        assert_eq!(
            blocks.get(style, "rust"),
            source,
            "the block of docs/verify.md for {style} is not tests/tests/docs/rust/{style}.rs"
        );
    }
}

#[test]
fn the_rust_blocks_tell_genuine_requests_from_others() {
    for style in STYLES.iter().filter(|style| style.name != "svix") {
        for case in style.cases() {
            assert_eq!(verify(style.name, &case), case.genuine, "{}: {}", style.name, case.what);
        }
    }
}

fn verify(style: &str, case: &Case) -> bool {
    let header = |(name, value): (&String, &String)| {
        (
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        )
    };
    let headers: HeaderMap = case.headers.iter().map(header).collect();
    match style {
        "standard" => standard::verify(&case.secret, &headers, case.body.as_bytes()),
        "timestamped" => timestamped::verify(&case.secret, &headers, case.body.as_bytes()),
        "digest" => digest::verify(&case.secret, &headers, case.body.as_bytes()),
        "token" => token::verify(&case.secret, &headers),
        other => panic!("there is no Rust block for {other}"),
    }
}
