//! The API's `OpenAPI` 3.1 document, made from the code: from the types that the functions read and
//! write, and from what stands above each handler.
//!
//! A handler describes its route: its doc comment is the summary, and `#[utoipa::path]` has the
//! method, the path, the body, the responses and the scopes. The function's `routes()` names the
//! handler. This file adds what every route has: [`conventions`](crate::conventions) the key, the
//! headers and the errors, [`examples`](crate::examples) an example for every body.
//!
//! The functions don't carry this generator. What it makes is committed as `openapi.json`, which
//! `admin` serves as it is; a test holds it to the code, to the template's routes and to the errors
//! that there are.

use api::ErrorView;
use serde_json::{Value as Json, json};
use utoipa::{PartialSchema, ToSchema};

/// What a reader is told first.
const INTRODUCTION: &str =
    "Posthaste sends webhooks: post an event, and everyone who asked to hear of it gets one \
signed HTTPS request, retried until it is taken, with every attempt on record.

Send a key as `Authorization: Bearer …`. A project's key opens that project, within its \
scopes. The operator key opens everything; for a route of a project it names the project by \
the header `Posthaste-Project`.

Errors have one form, `{kind, message, field}`. Lists are arrays, newest first. Times are \
Unix seconds.

In front of the API stands Amazon API Gateway, which answers by itself, with `{\"message\": \
…}`, when it is asked for too much at once (429) or too much in one request (413), or when a \
function doesn't answer (500, 503, 504).";

/// The groups of operations, in the order in which a reader needs them.
const TAGS: [(&str, &str); 9] = [
    ("Events", "What happened."),
    ("Endpoints", "URLs that subscribe to events of some topics."),
    ("Topics", "The kinds of events that there are."),
    ("Messages", "Events with the state of their deliveries."),
    ("Attempts", "Each request, and the receiver's answer."),
    ("Automations", "Topics that trigger requests to URLs without an endpoint."),
    ("Workers", "The one webhook of a worker, with a shared token in place of a signature."),
    ("Project", "The project's own secret."),
    ("Operator", "Projects and keys, for the operator only; and this document."),
];

/// The document.
pub(crate) fn document() -> Json {
    let described =
        functions().into_iter().reduce(utoipa::openapi::OpenApi::merge_from).unwrap_or_default();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Posthaste",
            "description": INTRODUCTION,
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{
            "url": "https://{api}.execute-api.{region}.amazonaws.com",
            "description": "A deployment: the output `ApiUrl` of its stack.",
            "variables": {"api": {"default": "api"}, "region": {"default": "us-east-1"}},
        }, here()],
        "tags": TAGS.map(|(name, description)| json!({"name": name, "description": description})),
        "paths": described.paths,
        "components": described.components,
    });
    document["paths"]["/events/stream"]["servers"] = json!([{
        "url": "https://{id}.lambda-url.{region}.on.aws",
        "description": "A deployment: the beginning of the output `StreamUrl` of its stack.",
        "variables": {"id": {"default": "id"}, "region": {"default": "us-east-1"}},
    }, here()]);
    for (name, schema) in errors() {
        document["components"]["schemas"][name] = schema;
    }
    drop_defaults_of_null(&mut document);
    crate::conventions::add_to(&mut document);
    crate::examples::add_to(&mut document);
    document
}

/// What each function says of its routes.
pub(crate) fn functions() -> Vec<utoipa::openapi::OpenApi> {
    vec![
        admin::routes().into_openapi(),
        endpoints::routes().into_openapi(),
        events::routes().into_openapi(),
        logs::routes().into_openapi(),
        stream::routes().into_openapi(),
    ]
}

/// The schemas of errors, which no handler names.
fn errors() -> Vec<(String, Json)> {
    let mut schemas = Vec::new();
    ErrorView::schemas(&mut schemas);
    schemas.push((ErrorView::name().into_owned(), ErrorView::schema()));
    schemas.into_iter().map(|(name, schema)| (name, json!(schema))).collect()
}

/// The server of the local stack.
fn here() -> Json {
    json!({"url": "http://127.0.0.1:8080", "description": "One machine: `cargo run`."})
}

/// utoipa takes a struct's `Default` for the defaults of its fields; where that is "not given",
/// null would say something else.
fn drop_defaults_of_null(part: &mut Json) {
    if let Json::Object(object) = part {
        if object.get("default").is_some_and(Json::is_null) {
            object.shift_remove("default");
        }
        object.values_mut().for_each(drop_defaults_of_null);
    } else if let Json::Array(parts) = part {
        parts.iter_mut().for_each(drop_defaults_of_null);
    }
}

/// Every operation of a document, with its method and path.
pub(crate) fn operations(document: &mut Json) -> Vec<(String, String, &mut Json)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods
                .as_object_mut()
                .into_iter()
                .flatten()
                .filter(|(method, _)| *method != "servers");
            methods.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation))
        })
        .collect()
}
