//! Holds the pages to what they say. The code of `docs/verify.md` verifies what Posthaste signs and
//! refuses everything else; links, paths and headings exist.
//!
//! A refusal is `false`. A block that threw instead would make its reader's server answer 500 to a
//! forgery, and the mistake that made it throw would stay unnoticed.
//!
//! - [`blocks`]: the page's marked blocks
//! - [`styles`]: the styles, and what each signs
//! - [`cases`]: genuine requests, and others
//! - [`interpreter`]: runs a block in Node or Python, where these are installed
//! - [`links`]: what all pages refer to
//! - [`rust`]: the blocks for Rust, compiled

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod blocks;
mod cases;
mod interpreter;
mod links;
mod rust;
mod styles;

use blocks::Blocks;
use interpreter::Interpreter;

const NODE: Interpreter = Interpreter {
    language: "node",
    program: "node",
    block_file: "verify.mjs",
    driver_file: "run.mjs",
    driver: include_str!("drivers/run.mjs"),
};

const PYTHON: Interpreter = Interpreter {
    language: "python",
    program: "python3",
    block_file: "verify.py",
    driver_file: "run.py",
    driver: include_str!("drivers/run.py"),
};

#[test]
fn the_node_blocks_tell_genuine_requests_from_others() {
    NODE.check(&Blocks::of_the_page());
}

#[test]
fn the_python_blocks_tell_genuine_requests_from_others() {
    PYTHON.check(&Blocks::of_the_page());
}

#[test]
fn no_marked_block_goes_untested() {
    let blocks = Blocks::of_the_page();
    let tested = styles::STYLES.iter().filter(|style| style.name == style.block).count();
    for language in ["node", "python", "rust"] {
        assert_eq!(blocks.count(language), tested, "{language}");
    }
}
