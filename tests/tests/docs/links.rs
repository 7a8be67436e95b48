//! What the pages refer to is there: links to pages and their headings, paths of files in code
//! spans, and tests by name.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The pages, and what each says.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    docs.chain([root().join("README.md"), root().join("tests/fuzz/README.md")]).map(page).collect()
}

/// What stands between `open` and `close`, again and again.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| Some(rest.split_once(close)?.0)).collect()
}

/// A heading as the fragment that GitHub makes of it.
fn fragment(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

fn fragments(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    headings.map(fragment).collect()
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_of_it() {
    let mut links = 0;
    for (page, text) in pages() {
        for link in between(&text, "](", ")") {
            if link.starts_with("http") {
                continue;
            }
            links += 1;
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let there =
                if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(there.exists(), "{}: no file {link}", page.display());
            let known = heading.is_empty() || fragments(&there).contains(&heading.to_owned());
            assert!(known, "{}: no heading {link}", page.display());
        }
    }
    assert!(links > 20, "only {links} links were found");
}

#[test]
fn every_path_that_a_page_names_is_there() {
    let folders = ["docs/", "events/", "functions/", "local/", "shared/", "tests/"];
    let mut paths = 0;
    for (page, text) in pages() {
        for path in text.split('`') {
            let plain = |c: char| c.is_alphanumeric() || "./_-".contains(c);
            if folders.iter().any(|folder| path.starts_with(folder)) && path.chars().all(plain) {
                paths += 1;
                assert!(root().join(path).exists(), "{}: no file {path}", page.display());
            }
        }
    }
    assert!(paths > 20, "only {paths} paths were found");
}
