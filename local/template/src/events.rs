//! What invokes a function: routes of the HTTP API, a URL of its own, queues, and the time.
//!
//! A route without a path, or with `/$default`, is the catch-all `$default`, which has no method.

use std::time::Duration;

use serde_json::Value as Json;

use super::intrinsic::{number, plain};

/// SAM's default for SQS sources.
const DEFAULT_BATCH_SIZE: usize = 10;

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpRoute {
    /// Upper-case method, or `ANY`.
    pub method: String,
    /// Path with variables (`/projects/{id}`), or `$default`.
    pub path: String,
}

impl HttpRoute {
    /// The key by which API Gateway names the route: `GET /projects/{id}` or `$default`.
    pub fn key(&self) -> String {
        if self.path == "$default" {
            self.path.clone()
        } else {
            format!("{} {}", self.method, self.path)
        }
    }
}

/// A URL of the function's own, by which it streams its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionUrl {
    /// Where the local stack has it (`Metadata.LocalPath`): on AWS it has a host of its own, here
    /// there is one port for everything.
    pub path: String,
    /// Which pages in browsers may ask.
    pub cors: Option<Cors>,
}

/// Which pages in browsers may ask at a function URL, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins, or `*`.
    pub origins: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Request headers.
    pub headers: Vec<String>,
    /// Seconds for which a browser may remember this.
    pub max_age: u64,
}

/// A queue that Lambda polls for a function (an event source mapping).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// ARN of the queue.
    pub queue_arn: String,
    /// Most messages per invocation (1–10,000).
    pub batch_size: usize,
    /// Seconds that a batch waits to fill up (0–300).
    pub batching_window_seconds: u64,
    /// Whether the function reports failed items one by one.
    pub reports_item_failures: bool,
    /// Most invocations at once (2–1,000), if limited.
    pub maximum_concurrency: Option<usize>,
    /// False if the source is there but switched off.
    pub enabled: bool,
}

/// A function's `Events`.
#[derive(Default)]
pub(super) struct Events {
    pub(super) routes: Vec<HttpRoute>,
    pub(super) sources: Vec<QueueSource>,
    pub(super) schedule: Option<Duration>,
}

pub(super) fn read(events: &Json) -> Result<Events, String> {
    let mut read = Events::default();
    for (name, event) in events.as_object().into_iter().flatten() {
        let (properties, at) =
            (&event["Properties"], |fault: String| format!("event {name}: {fault}"));
        match event["Type"].as_str() {
            Some("HttpApi") => read.routes.push(route(properties)?),
            Some("SQS") => read.sources.push(source(properties).map_err(at)?),
            Some("Schedule") if read.schedule.is_none() => {
                read.schedule = Some(rate(&properties["Schedule"]).map_err(at)?);
            }
            other => {
                return Err(at(format!(
                    "the local stack knows HttpApi, SQS and one Schedule, not {other:?}"
                )));
            }
        }
    }
    Ok(read)
}

/// `rate(5 minutes)`: how often.
fn rate(expression: &Json) -> Result<Duration, String> {
    let expression = plain(expression)?;
    let minutes = expression
        .strip_prefix("rate(")
        .and_then(|rest| rest.strip_suffix(" minute)").or_else(|| rest.strip_suffix(" minutes)")))
        .and_then(|number| number.parse().ok());
    minutes
        .map(Duration::from_mins)
        .ok_or_else(|| format!("the local stack knows rate(5 minutes), not {expression}"))
}

pub(super) fn url(config: &Json, metadata: &Json) -> Result<Option<FunctionUrl>, String> {
    if config.is_null() {
        return Ok(None);
    }
    let (auth, mode) = (config["AuthType"].as_str(), config["InvokeMode"].as_str());
    if (auth, mode) != (Some("NONE"), Some("RESPONSE_STREAM")) {
        return Err(format!(
            "the local stack knows function URLs with AuthType NONE and InvokeMode \
                RESPONSE_STREAM, not {auth:?} and {mode:?}"
        ));
    }
    let path = metadata["LocalPath"].as_str().filter(|path| path.starts_with('/'));
    let path = path.ok_or(
        "a function URL needs Metadata.LocalPath: the path at which the local stack serves it",
    )?;
    Ok(Some(FunctionUrl { path: path.to_owned(), cors: cors(&config["Cors"])? }))
}

fn cors(config: &Json) -> Result<Option<Cors>, String> {
    if config.is_null() {
        return Ok(None);
    }
    let texts = |name: &str| {
        config[name].as_array().into_iter().flatten().map(plain).collect::<Result<Vec<_>, _>>()
    };
    let max_age = number(&config["MaxAge"])?.unwrap_or(0);
    Ok(Some(Cors {
        origins: texts("AllowOrigins")?,
        methods: texts("AllowMethods")?,
        headers: texts("AllowHeaders")?,
        max_age,
    }))
}

fn route(properties: &Json) -> Result<HttpRoute, String> {
    let path = properties.get("Path").map_or_else(|| Ok("$default".to_owned()), plain)?;
    let path = if path == "/$default" { "$default".to_owned() } else { path };
    let method =
        properties.get("Method").map_or_else(|| Ok("ANY".to_owned()), plain)?.to_ascii_uppercase();
    let method = if method == "*" || method == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
        "ANY".to_owned()
    } else {
        method
    };
    Ok(HttpRoute { method, path })
}

fn source(properties: &Json) -> Result<QueueSource, String> {
    let response_types = properties["FunctionResponseTypes"].as_array();
    Ok(QueueSource {
        queue_arn: plain(&properties["Queue"])?,
        batch_size: number(&properties["BatchSize"])?.unwrap_or(DEFAULT_BATCH_SIZE),
        batching_window_seconds: number(&properties["MaximumBatchingWindowInSeconds"])?
            .unwrap_or(0),
        reports_item_failures: response_types
            .is_some_and(|types| types.contains(&Json::from("ReportBatchItemFailures"))),
        maximum_concurrency: number(&properties["ScalingConfig"]["MaximumConcurrency"])?,
        enabled: properties
            .get("Enabled")
            .is_none_or(|enabled| plain(enabled).is_ok_and(|enabled| enabled != "false")),
    })
}
