//! What holds for every route: who may call it, which headers it takes and returns, and which
//! errors it answers with.
//!
//! In the code this is done in one place too: by the extractors of the caller and of bodies, and by
//! `listed`.

use serde_json::{Value as Json, json};

use crate::{examples, openapi::operations};

/// An error that many routes answer with: its status, its name among the components, and what it
/// means.
type Common = (&'static str, &'static str, &'static str);

/// Errors that every route with a key can answer with.
const ALWAYS: [Common; 6] = [
    ("400", "BadRequest", "A field, parameter or header breaks a rule; the message names it"),
    ("401", "Unauthorized", "The key is missing or invalid"),
    ("403", "Forbidden", "The key lacks the required scope"),
    ("404", "NotFound", "Not found in this project, or no such project"),
    ("429", "OverLimits", "The project is over its limits; nothing was done"),
    (
        "503",
        "Unavailable",
        "A fault of Posthaste or of AWS: try again. The request may or may not have taken effect",
    ),
];
/// And those that take a body.
const WITH_BODY: [Common; 2] =
    [("413", "TooLarge", "The body is too large"), ("415", "NotJson", "The body is not JSON")];

/// Adds it to a document.
pub(crate) fn add_to(document: &mut Json) {
    document["components"]["securitySchemes"] = json!({
        "projectKey": {"type": "http", "scheme": "bearer", "bearerFormat": "phk_…",
            "description": "A project's key with a scope that the route requires: `endpoints`, \
                `events` or `read`."},
        "operatorKey": {"type": "http", "scheme": "bearer", "description": "An operator key. It \
            may do everything that a project's key may do, in the project that \
            `Posthaste-Project` names."},
    });
    document["components"]["parameters"] = json!({
        "Posthaste-Project": {
            "name": "Posthaste-Project", "in": "header",
            "schema": {"$ref": "#/components/schemas/ProjectId"},
            "description": "The project that the operator acts for. A project's key may only name \
                its own project.",
        },
    });
    document["components"]["headers"] = json!({
        "Has-More": {"description": "Whether the list continues after this page.", "required": true,
            "schema": {"type": "boolean"}},
        "Limit": {"description": "The `limit` of the request.", "required": true,
            "schema": {"type": "integer"}},
        "Link": {
            "description": "The next and the previous page, if there are any: `rel=\"next\"` and \
                `rel=\"prev\"` (RFC 8288).", "schema": {"type": "string"},
            "example": "</events?limit=20&after=evt_01JZ0000000000000000000000>; rel=\"next\"",
        },
        "Retry-After": {"description": "Seconds to wait before the next try.",
            "schema": {"type": "integer"}},
        "WWW-Authenticate": {"description": "`Bearer`", "required": true,
            "schema": {"type": "string"}},
    });
    let common = ALWAYS.iter().chain(&WITH_BODY).map(|(status, name, description)| {
        let mut response = json!({"description": description});
        describe_error(status, &mut response);
        ((*name).to_owned(), response)
    });
    document["components"]["responses"] = common.collect();
    for (_, _, operation) in operations(document) {
        describe_errors(operation);
        if operation["security"] != json!([{}]) {
            add_errors(operation, &ALWAYS);
            add_operator(operation);
        }
        if operation.get("requestBody").is_some() {
            describe_body(&mut operation["requestBody"]);
            add_errors(operation, &WITH_BODY);
        }
        describe_list(operation);
        allow_empty(operation);
        // In order of their numbers, for people who read the file.
        if let Some(responses) = operation["responses"].as_object_mut() {
            responses.sort_keys();
        }
    }
}

fn add_errors(operation: &mut Json, errors: &[Common]) {
    for (status, name, _) in errors {
        operation["responses"][*status] = json!({"$ref": format!("#/components/responses/{name}")});
    }
}

/// A handler that takes an `Option` takes requests without a body; one of `null` it doesn't.
fn describe_body(body: &mut Json) {
    let schema = &mut body["content"]["application/json"]["schema"];
    let optional = schema["oneOf"]
        .as_array()
        .and_then(|either| either.iter().find(|one| one.get("$ref").is_some()).cloned());
    let required = optional.is_none();
    if let Some(present) = optional {
        *schema = present;
    }
    body["required"] = json!(required);
}

/// What a project's key may do, the operator may for a project that it names.
fn add_operator(operation: &mut Json) {
    let operator = json!({"operatorKey": []});
    let Some(security) =
        operation["security"].as_array_mut().filter(|security| !security.contains(&operator))
    else {
        return;
    };
    security.push(operator);
    let parameter = json!({"$ref": "#/components/parameters/Posthaste-Project"});
    match operation["parameters"].as_array_mut() {
        Some(parameters) => parameters.push(parameter),
        None => operation["parameters"] = json!([parameter]),
    }
}

fn describe_errors(operation: &mut Json) {
    let responses = operation["responses"].as_object_mut();
    for (status, response) in responses.into_iter().flatten() {
        describe_error(status, response);
    }
}

fn describe_error(status: &str, response: &mut Json) {
    if let Some(example) = examples::error(status) {
        response["content"] = json!({"application/json": {
            "schema": {"$ref": "#/components/schemas/Error"},
            "example": example,
        }});
    }
    match status {
        "401" => response["headers"] = headers(&["WWW-Authenticate"]),
        "409" | "429" | "503" => response["headers"] = headers(&["Retry-After"]),
        _ => {}
    }
}

/// A list is known by its `limit`.
fn describe_list(operation: &mut Json) {
    let is_list = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|parameter| parameter["name"] == "limit");
    if is_list {
        operation["responses"]["200"]["headers"] = headers(&["Has-More", "Limit", "Link"]);
    }
}

/// A query parameter without a value is as good as absent.
fn allow_empty(operation: &mut Json) {
    let parameters =
        operation.get_mut("parameters").and_then(Json::as_array_mut).into_iter().flatten();
    for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
        parameter["allowEmptyValue"] = json!(true);
    }
}

fn headers(names: &[&str]) -> Json {
    names
        .iter()
        .map(|name| (*name, json!({"$ref": format!("#/components/headers/{name}")})))
        .collect()
}
