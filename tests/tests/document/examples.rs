//! An example for every body that has none of its own, put together from those of its parts.

use serde_json::{Map, Value as Json, json};

use crate::openapi::operations;

/// Adds them to a document.
pub(crate) fn add_to(document: &mut Json) {
    let schemas = document["components"]["schemas"].clone();
    for (_, _, operation) in operations(document) {
        for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
            // What creates something shows more of it, a secret above all.
            add(response, &Schemas { named: &schemas, whole: status == "201" || status == "202" });
        }
        if let Some(body) = operation.get_mut("requestBody") {
            add(body, &Schemas { named: &schemas, whole: true });
        }
    }
}

fn add(body: &mut Json, schemas: &Schemas) {
    if let Some(content) = body
        .pointer_mut("/content/application~1json")
        .filter(|content| content.get("example").is_none())
    {
        content["example"] = schemas.example(&content["schema"]);
    }
}

struct Schemas<'a> {
    named: &'a Json,
    /// Whether an example has the fields that may be absent.
    whole: bool,
}

impl Schemas<'_> {
    /// A value of a schema.
    fn example(&self, schema: &Json) -> Json {
        let first =
            |list: &str| schema[list].as_array()?.iter().find(|one| one["type"] != "null").cloned();
        if let Some(example) =
            schema.get("example").cloned().or_else(|| first("examples")).or_else(|| first("enum"))
        {
            return example;
        }
        if let Some(name) =
            schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/"))
        {
            return self.example(&self.named[name]);
        }
        if let Some(one) = first("oneOf") {
            return self.example(&one);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let parts = parts.iter().filter_map(|part| self.example(part).as_object().cloned());
            return parts.flatten().collect::<Map<_, _>>().into();
        }
        if schema["type"] == "array" {
            return json!([self.example(&schema["items"])]);
        }
        let required = |name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
        };
        let properties = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| self.whole || required(name));
        properties
            .map(|(name, property)| (name.clone(), self.example(property)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// What an error may say.
pub(crate) fn error(status: &str) -> Option<Json> {
    let (kind, message, field) = match status {
        "400" => ("validation_error", "must be a whole number from 1 to 100", Some("limit")),
        "401" => ("unauthorized", "no such API key", None),
        "403" => ("forbidden", "this route needs a key with the scope `endpoints`", None),
        "404" => ("not_found", "no such endpoint", None),
        "409" => ("conflict", "it was changed at the same time; read it again and try again", None),
        "413" => ("payload_too_large", "the request body must be at most 1048576 bytes", None),
        "415" => (
            "unsupported_media_type",
            "send a JSON body with `Content-Type: application/json`",
            None,
        ),
        "422" => {
            ("unprocessable", "this idempotency key or id was used with different content", None)
        }
        "429" => ("rate_limited", "too many events at once; nothing of it was done", None),
        "503" => ("unavailable", "the service can't do this right now; try again", None),
        _ => return None,
    };
    let mut example = json!({"kind": kind, "message": message});
    if let Some(field) = field {
        example["field"] = json!(field);
    }
    Some(example)
}
