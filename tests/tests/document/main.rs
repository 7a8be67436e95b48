//! The document against the code, the template, and what it must hold.

mod conventions;
mod examples;
mod openapi;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use api::ALLOWED;
use sam_template::{Settings, Template};
use serde_json::Value as Json;

use openapi::{document, functions, operations};

/// The file that `admin` serves.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/admin/openapi.json");
/// The command that makes it again.
const REFRESH: &str = "UPDATE_OPENAPI=1 cargo test --workspace --test document";

#[test]
fn the_committed_document_is_what_the_code_says() {
    let made = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(COMMITTED, &made).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    let difference =
        made.lines().zip(committed.lines()).position(|(made, committed)| made != committed);
    assert!(
        made == committed,
        "openapi.json is not what the code says (from line {difference:?} on): run {REFRESH}"
    );
}

#[test]
fn every_route_is_documented_and_every_documented_route_is_there() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = Template::read(&template, &Settings::default()).unwrap();
    let routes = template
        .functions
        .iter()
        .flat_map(|function| &function.routes)
        .filter(|route| route.path != "$default");
    let urls = template
        .functions
        .iter()
        .filter_map(|function| function.url.as_ref())
        .map(|url| format!("GET {}", url.path));
    let routes: BTreeSet<_> =
        routes.map(|route| format!("{} {}", route.method, route.path)).chain(urls).collect();
    let mut document = document();
    let documented: BTreeSet<_> = operations(&mut document)
        .into_iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    assert_eq!(
        routes, documented,
        "the routes of template.yaml (left), those of the document (right)"
    );
    let allowed = ALLOWED.iter().flat_map(|(path, methods)| {
        methods.split(", ").map(move |method| format!("{method} {path}"))
    });
    assert_eq!(
        routes,
        allowed.collect(),
        "the routes of template.yaml (left), those that 405 knows (right)"
    );
}

#[test]
fn every_operation_has_what_a_reader_needs() {
    let mut document = document();
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].clone().to_string())
        .collect();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&mut document) {
        let what = format!("{method} {path}");
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{what}: its operation id is there twice"
        );
        assert!(
            operation["summary"].as_str().is_some_and(|text| !text.ends_with('.')),
            "{what} has no summary"
        );
        assert!(
            operation["tags"]
                .as_array()
                .is_some_and(|own| own.len() == 1 && tags.contains(&own[0].to_string())),
            "{what}: its tag"
        );
        assert!(operation["security"].is_array(), "{what} doesn't say who may call it");
        let own = |response: &&Json| response.get("$ref").is_none();
        let bodies = operation["responses"]
            .as_object()
            .unwrap()
            .values()
            .filter(own)
            .chain(operation.get("requestBody"));
        for body in bodies {
            let content = body["content"].as_object().unwrap();
            assert!(
                content.values().all(|content| content.get("example").is_some()),
                "{what}: a body without an example: {body}"
            );
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_nothing_is_left_over() {
    let document = document();
    let mut named = BTreeSet::new();
    references(&document, &mut named);
    let lost: Vec<_> = named
        .iter()
        .filter(|path| document.pointer(path.trim_start_matches('#')).is_none())
        .collect();
    assert!(lost.is_empty(), "these lead nowhere: {lost:?}");
    let components = document["components"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(group, _)| *group != "securitySchemes");
    let paths = components.flat_map(|(group, all)| {
        all.as_object().unwrap().keys().map(move |name| format!("#/components/{group}/{name}"))
    });
    let unused: Vec<_> = paths.filter(|path| !named.contains(path)).collect();
    assert!(unused.is_empty(), "no operation names these: {unused:?}");
}

/// One would silently stand for both.
#[test]
fn no_two_functions_call_different_schemas_by_one_name() {
    let mut seen: BTreeMap<String, Json> = BTreeMap::new();
    for (name, schema) in functions()
        .into_iter()
        .filter_map(|function| function.components)
        .flat_map(|components| components.schemas)
    {
        let schema = serde_json::to_value(schema).unwrap();
        let other = seen.entry(name.clone()).or_insert_with(|| schema.clone());
        assert_eq!(
            *other, schema,
            "there are two schemas of the name {name}: give one of them another by #[schema(as = \
                …)]"
        );
    }
}

fn references(part: &Json, found: &mut BTreeSet<String>) {
    if let Some(path) = part["$ref"].as_str() {
        found.insert(path.to_owned());
    }
    let parts = part
        .as_object()
        .into_iter()
        .flat_map(|object| object.values())
        .chain(part.as_array().into_iter().flatten());
    parts.for_each(|part| references(part, found));
}
