//! The routes of `cargo lambda watch` (`Cargo.toml`'s `workspace.metadata.lambda.watch.router`) are
//! the template's.
//!
//! Cargo-lambda leaves a request hanging whose path it knows and whose method it doesn't, so that a
//! path with a list of methods must name every method.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use sam_template::Template;
use serde_json::{Value as Json, json};

use crate::draft::Draft;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What cargo-lambda has in place of `$default`.
const CATCH_ALL: [&str; 2] = ["/", "/{*path}"];

#[test]
fn cargo_lambda_watch_has_the_routes_of_the_template() {
    let template = Draft::of_the_real_template().unwrap().read().unwrap();
    let faults = faults(&template, &router());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_router_that_differs_from_the_template_is_noticed() {
    let template = Draft::of_the_real_template().unwrap().read().unwrap();
    let cases = [
        ("a function of the wrong name", "/projects", json!("events")),
        ("a path that the template lacks", "/nowhere", json!("admin")),
        (
            "a method without a function",
            "/events",
            json!([{ "method": "POST", "function": "events" }]),
        ),
    ];
    for (how, path, value) in cases {
        let mut router = router();
        router[path] = value;
        assert!(!faults(&template, &router).is_empty(), "{how} goes unnoticed");
    }
}

/// As cargo-lambda gets it: from cargo.
fn router() -> Json {
    let mut metadata = Command::new(env!("CARGO"));
    metadata
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = metadata.output().map(|output| output.stdout).unwrap_or_default();
    let metadata: Json = serde_json::from_slice(&output).unwrap_or_default();
    metadata["metadata"]["lambda"]["watch"]["router"].clone()
}

fn faults(template: &Template, router: &Json) -> Vec<String> {
    let wanted = routes_by_path(template);
    let known = router.as_object().into_iter().flatten().map(|(path, _)| path.as_str());
    let unknown = known
        .filter(|path| !wanted.contains_key(*path))
        .map(|path| format!("the template has no {path}"));
    let wrong = wanted.iter().flat_map(|(path, functions)| {
        functions
            .iter()
            .filter(|(method, function)| target(&router[*path], method) != Some(function))
            .map(move |(method, function)| format!("{method} {path} should go to {function}"))
    });
    unknown.chain(wrong).collect()
}

/// For each path, the function of each method: the one that declares the route, or else the only
/// one that has the path (which knows what to say about the method), or else the default route's.
fn routes_by_path(template: &Template) -> BTreeMap<&str, BTreeMap<&str, &str>> {
    let mut declared: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    let mut default = "";
    for function in &template.functions {
        for route in &function.routes {
            if route.path == "$default" {
                default = &function.name;
            } else {
                declared.entry(&route.path).or_default().insert(&route.method, &function.name);
            }
        }
        // A URL of its own takes every method.
        if let Some(url) = &function.url {
            declared
                .entry(&url.path)
                .or_default()
                .extend(METHODS.map(|method| (method, function.name.as_str())));
        }
    }
    for functions in declared.values_mut() {
        let owners: BTreeSet<&str> = functions.values().copied().collect();
        let fallback =
            if owners.len() == 1 { owners.first().copied().unwrap_or(default) } else { default };
        for method in METHODS {
            functions.entry(method).or_insert(fallback);
        }
    }
    declared.extend(CATCH_ALL.map(|path| (path, METHODS.map(|method| (method, default)).into())));
    declared
}

/// A path's entry is a function's name, or a list of methods with a function each.
fn target<'a>(entry: &'a Json, method: &str) -> Option<&'a str> {
    match entry {
        Json::String(function) => Some(function),
        Json::Array(methods) => {
            methods.iter().find(|one| one["method"] == method)?["function"].as_str()
        }
        _ => None,
    }
}
