//! The HTTP API: its routes, its limits and its log.

use std::collections::BTreeMap;

use sam_template::{HttpRoute, Template};
use serde_json::Value as Json;

use super::{properties, referred, resources};

/// What an access log must not hold: filters and cursors (query), keys (headers, authorizer).
const PRIVATE: [&str; 5] = ["query", "header", "authorizer", "authorization", "cookie"];

/// Two routes that differ only in the name of a variable are the same to API Gateway.
pub(super) fn no_route_is_declared_twice(template: &Template) -> Vec<String> {
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for function in &template.functions {
        for route in &function.routes {
            owners.entry(shape(route)).or_default().push(&function.name);
        }
    }
    owners
        .into_iter()
        .filter(|(_, owners)| owners.len() > 1)
        .map(|(route, owners)| format!("{route} is declared by {owners:?}"))
        .collect()
}

pub(super) fn one_function_answers_what_no_route_matches(template: &Template) -> Vec<String> {
    let defaults = template
        .functions
        .iter()
        .flat_map(|function| &function.routes)
        .filter(|route| route.path == "$default")
        .count();
    if defaults == 1 { Vec::new() } else { vec![format!("there are {defaults} default routes")] }
}

pub(super) fn is_throttled(template: &Template) -> Vec<String> {
    apis(template, "isn't throttled", |api| {
        let settings = &api["DefaultRouteSettings"];
        settings["ThrottlingRateLimit"].is_u64() && settings["ThrottlingBurstLimit"].is_u64()
    })
}

pub(super) fn logs_no_query_and_no_header(template: &Template) -> Vec<String> {
    apis(template, "has no access log, or one that may hold secrets", |api| {
        let settings = &api["AccessLogSettings"];
        let group = referred(&settings["DestinationArn"]);
        let format = settings["Format"].as_str().unwrap_or_default().to_lowercase();
        group.is_some() && !format.is_empty() && !PRIVATE.iter().any(|word| format.contains(word))
    })
}

pub(super) fn every_log_group_forgets(template: &Template) -> Vec<String> {
    let groups = resources(template, "AWS::Logs::LogGroup");
    let endless = groups.filter(|(id, _)| properties(template, id)["RetentionInDays"].is_null());
    endless.map(|(id, _)| format!("{id} keeps everything for ever")).collect()
}

fn apis(template: &Template, fault: &str, keeps: impl Fn(&Json) -> bool) -> Vec<String> {
    let apis: Vec<_> = resources(template, "AWS::Serverless::HttpApi").collect();
    if apis.len() != 1 {
        return vec![format!("there are {} APIs", apis.len())];
    }
    apis.into_iter()
        .filter(|(_, api)| !keeps(&api["Properties"]))
        .map(|(id, _)| format!("{id} {fault}"))
        .collect()
}

fn shape(route: &HttpRoute) -> String {
    let segments =
        route.path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    format!("{} {}", route.method, segments.collect::<Vec<_>>().join("/"))
}
