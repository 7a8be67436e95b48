//! A function for these tests: this test binary itself, told by its arguments to run only
//! [`fake_function`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use emulator::runtime::{FunctionSpec, LogSink, Pool, RuntimeApi};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use lambda_runtime::{
    Error, FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse, service_fn,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A pool of fake functions, and where their logs are.
pub(crate) struct Fake {
    pub(crate) pool: Arc<Pool>,
    pub(crate) logs: TempDir,
}

impl Fake {
    /// At most this many instances, each invocation at most this long.
    pub(crate) async fn start(max_instances: usize, timeout: Duration) -> Self {
        Self::of(|spec| (spec.max_instances, spec.timeout) = (max_instances, timeout)).await
    }

    /// As usual, but for what `change` does.
    pub(crate) async fn of(change: impl FnOnce(&mut FunctionSpec)) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let api = Arc::new(RuntimeApi::start().await.unwrap());
        let mut spec = spec(logs.path());
        change(&mut spec);
        Self { pool: Pool::new(api, spec), logs }
    }

    /// Has an event handled, and reads the answer.
    pub(crate) async fn invoke(
        &self,
        event: Value,
    ) -> Result<Value, emulator::runtime::InvokeError> {
        let answer = self.pool.invoke(event.to_string().into()).await?;
        Ok(serde_json::from_slice(&answer).unwrap())
    }
}

fn spec(logs: &Path) -> FunctionSpec {
    let environment = [
        ("AWS_LAMBDA_FUNCTION_NAME", "fake"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ];
    FunctionSpec {
        name: "fake".to_owned(),
        arn: "arn:aws:lambda:us-east-1:000000000000:function:fake".to_owned(),
        binary: std::env::current_exe().unwrap(),
        arguments: arguments(),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        timeout: Duration::from_secs(30),
        max_instances: 1,
        log: LogSink::open(logs, "fake", false).unwrap(),
    }
}

/// What makes this binary the fake function.
pub(crate) fn arguments() -> Vec<String> {
    ["--exact", "fake::fake_function", "--nocapture"].map(str::to_owned).into()
}

/// The function, where the Runtime API is; else nothing.
#[test]
fn fake_function() {
    if std::env::var("AWS_LAMBDA_RUNTIME_API").is_err() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(lambda_runtime::run(service_fn(handle))).unwrap();
}

type Pieces = BoxStream<'static, Result<Bytes, Error>>;

async fn handle(event: LambdaEvent<Value>) -> Result<FunctionResponse<Value, Pieces>, Error> {
    // By its URL, the query says what to do.
    if event.payload["routeKey"] == "$default" {
        return Ok(FunctionResponse::StreamingResponse(streamed(
            event.payload["rawQueryString"].as_str().unwrap_or_default(),
        )));
    }
    Ok(FunctionResponse::BufferedResponse(answer(event).await?))
}

/// `pieces=3` streams three, one every 200 ms; `endless` never stops; `exit` ends the process after
/// the first. All begin with the process's id.
fn streamed(order: &str) -> StreamResponse<Pieces> {
    let (end, exits) =
        (order.strip_prefix("pieces=").map(|count| count.parse().unwrap()), order == "exit");
    let pieces = stream::unfold(0, move |number: u64| async move {
        if number > 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if exits && number == 1 {
            std::process::exit(7);
        }
        let piece = if number == 0 {
            format!("{}\n", std::process::id())
        } else {
            format!("piece {number}\n")
        };
        end.is_none_or(|end| number <= end).then(|| (Ok(Bytes::from(piece)), number + 1))
    });
    let mut metadata_prelude = MetadataPrelude::default();
    metadata_prelude.headers.insert("x-fake", "yes".parse().unwrap());
    StreamResponse { metadata_prelude, stream: pieces.boxed() }
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let (event, context) = event.into_parts();
    if event.get("Records").is_some() {
        return Ok(batch(&event));
    }
    // Behind the API, the body says what to do.
    let order: Value = match event["body"].as_str() {
        Some(body) => serde_json::from_str(body)?,
        None => event.clone(),
    };
    match order["do"].as_str().unwrap_or_default() {
        "sleep" => tokio::time::sleep(Duration::from_millis(order["ms"].as_u64().unwrap())).await,
        "exit" => std::process::exit(7),
        "fail" => return Err("as told".into()),
        "panic" => panic!("as told"),
        _ => {}
    }
    let seen = json!({"pid": std::process::id(), "event": event, "deadline": context.deadline,
        "arn": context.invoked_function_arn});
    if event.get("routeKey").is_some() {
        return Ok(
            json!({"statusCode": 201, "headers": {"x-fake": "yes"}, "body": seen.to_string()}),
        );
    }
    Ok(seen)
}

fn batch(event: &Value) -> Value {
    let records = event["Records"].as_array().unwrap();
    let failed = records.iter().filter(|record| record["body"] == "fail");
    let failed: Vec<_> =
        failed.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
    json!({"batchItemFailures": failed})
}
