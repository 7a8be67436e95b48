//! The blocks of code in `docs/verify.md` that a comment before them marks: `<!-- test: digest node
//! -->`.

use std::collections::HashMap;

/// The page, as it stands.
const PAGE: &str = include_str!("../../../docs/verify.md");

/// The marked blocks by style and language.
pub(crate) struct Blocks(HashMap<(&'static str, &'static str), String>);

impl Blocks {
    pub(crate) fn of_the_page() -> Self {
        Self(PAGE.split("<!-- test: ").skip(1).map(marked).collect())
    }

    /// One block's code.
    pub(crate) fn get(&self, style: &str, language: &str) -> &str {
        let found = self.0.iter().find(|((s, l), _)| (*s, *l) == (style, language));
        found
            .unwrap_or_else(|| {
                panic!("docs/verify.md has no block marked `<!-- test: {style} {language} -->`")
            })
            .1
    }

    /// How many there are in a language.
    pub(crate) fn count(&self, language: &str) -> usize {
        self.0.keys().filter(|(_, l)| *l == language).count()
    }
}

/// The block at the start of a text that follows `<!-- test: `.
fn marked(text: &'static str) -> ((&'static str, &'static str), String) {
    let (mark, rest) = text.split_once(" -->\n```").expect("a mark is followed by a block");
    let (style, language) = mark.split_once(' ').expect("a mark names a style and a language");
    let (_, code) = rest.split_once('\n').expect("a fence has a line of its own");
    let (code, _) = code.split_once("\n```").expect("a block ends");
    ((style, language), format!("{code}\n"))
}
