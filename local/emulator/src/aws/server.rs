//! One HTTP server for both stand-ins, and for the counters at `/_posthaste/calls`.
//!
//! DynamoDB answers 400, SQS 403 and names the code in `x-amzn-query-error`, which is what its SDK
//! reads.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::caller::Caller;
use super::counters::{Call, Counters, attempts_in};
use super::dynamo::Dynamo;
use super::faults::{Fault, Faults, Split, error as fault_error};
use super::iam::{Denied, Policies};
use super::requirement::{Requirement, Service, requirements};
use crate::recursion::trace::HEADER as TRACE_HEADER;
use crate::sqs::{self, Sqs};
use sam_template::Settings;

/// Where the counters are read (GET) and set to zero (DELETE).
pub const COUNTERS_PATH: &str = "/_posthaste/calls";

/// DynamoDB takes requests of up to 16 MiB, SQS of 1 MiB.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

const DYNAMODB_TARGET: &str = "DynamoDB_20120810";
const SQS_TARGET: &str = "AmazonSQS";

/// A data file that can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("can't open {file}: {reason}")]
pub struct OpenError {
    file: String,
    reason: String,
}

/// The two stores behind the server.
#[derive(Clone)]
pub struct Stores {
    /// DynamoDB's.
    pub dynamo: Dynamo,
    /// SQS's.
    pub sqs: Sqs,
}

impl Stores {
    /// Opens or creates `dynamodb.sqlite` and `sqs.sqlite` in `directory`; `base_url` is where the
    /// server will be reached. SQS goes by `clock`.
    pub fn open(
        directory: &Path,
        base_url: &str,
        settings: &Settings,
        clock: sqs::Clock,
    ) -> Result<Self, OpenError> {
        let path = directory.join("dynamodb.sqlite");
        let dynamo = Dynamo::open(&path).map_err(|error| failed(&path, &error))?;
        let path = directory.join("sqs.sqlite");
        let sqs_settings = sqs::Settings {
            region: settings.region.clone(),
            account: settings.account.clone(),
            base_url: base_url.to_owned(),
            clock,
            ..sqs::Settings::default()
        };
        let sqs = Sqs::open(&path, sqs_settings).map_err(|error| failed(&path, &error))?;
        Ok(Self { dynamo, sqs })
    }
}

fn failed(path: &Path, error: &impl ToString) -> OpenError {
    OpenError { file: path.display().to_string(), reason: error.to_string() }
}

/// The running server; it stops when this is dropped.
pub struct AwsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    stores: Stores,
    settings: Settings,
    policies: RwLock<Policies>,
    counters: Counters,
    faults: Faults,
}

impl AwsServer {
    /// Serves `stores` on `listener`.
    pub fn start(
        listener: TcpListener,
        stores: Stores,
        settings: Settings,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            stores,
            settings,
            policies: RwLock::default(),
            counters: Counters::default(),
            faults: Faults::default(),
        });
        let router = Router::new()
            .route(
                "/",
                post(answer).get(|| async { "Posthaste's stand-ins for DynamoDB and SQS\n" }),
            )
            .route(COUNTERS_PATH, get(report).delete(reset))
            .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
            .with_state(Arc::clone(&shared));
        // Small answers must not wait for more to send.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let task = tokio::spawn(async move {
            // Serving ends only with the task: accept errors are retried inside.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, task })
    }

    /// Base URL of both services.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Port of both services.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on, functions may do what these policies allow and nothing else.
    pub fn enforce(&self, policies: Policies) {
        *self.shared.policies.write().unwrap_or_else(PoisonError::into_inner) = policies;
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The faults that calls are to meet: none, unless a test orders some.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The stores behind it.
    pub fn stores(&self) -> &Stores {
        &self.shared.stores
    }
}

impl Drop for AwsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A call without its body.
#[derive(Clone, Copy)]
struct Forwarded<'a> {
    service: Service,
    operation: &'a str,
    /// By which its sender says in which chain of invocations it runs.
    trace: Option<&'a str>,
}

async fn report(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    axum::Json(shared.counters.report())
}

async fn reset(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.counters.reset();
    StatusCode::NO_CONTENT
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let target =
        headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (service, operation) = match target.split_once('.') {
        Some((DYNAMODB_TARGET, operation)) => (Service::DynamoDb, operation),
        Some((SQS_TARGET, operation)) => (Service::Sqs, operation),
        _ => return unknown_target(target),
    };
    let Ok(parsed) = serde_json::from_slice::<Json>(&body) else {
        return error(
            StatusCode::BAD_REQUEST,
            "com.amazon.coral.service#SerializationException",
            "the body isn't JSON",
        );
    };
    let caller = Caller::of(&headers);
    let trace = headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok());
    let call = Forwarded { service, operation, trace };
    let needed = requirements(service, operation, &parsed, &shared.settings);

    let response = match shared.check(&caller, &needed) {
        Ok(()) => match shared.faults.next(&caller, operation, &needed) {
            None => Some(shared.pass_on(call, &body).await),
            Some(fault) => shared.pass_on_with(fault, call, &body, &parsed).await,
        },
        Err(denied) => Some(refusal(service, &denied)),
    };

    let units = response.as_ref().and_then(|response| response.extensions().get().copied());
    let succeeded = response.as_ref().is_some_and(|response| response.status() == StatusCode::OK);
    shared.counters.count(Call {
        caller: &caller,
        service,
        operation,
        resource: resources(&needed),
        outcome: response.as_ref().map_or_else(|| "unanswered".to_owned(), outcome),
        attempts: if succeeded && service == Service::DynamoDb {
            attempts_in(operation, &parsed)
        } else {
            0
        },
        units: units.unwrap_or_default(),
    });
    response.map_or_else(hang_up, |response| response.map(Body::from))
}

/// A body that fails before its first byte: the connection closes, and nothing of the answer has
/// been sent.
fn hang_up() -> Response<Body> {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(broken) })))
}

impl Shared {
    fn check(&self, caller: &Caller, needed: &[Requirement]) -> Result<(), Denied> {
        self.policies.read().unwrap_or_else(PoisonError::into_inner).check(caller, needed)
    }

    async fn pass_on(&self, call: Forwarded<'_>, body: &Bytes) -> Response<Bytes> {
        let Forwarded { service, operation, trace } = call;
        match service {
            Service::Sqs => self.stores.sqs.call_in(trace, operation, body).await.into(),
            Service::DynamoDb => {
                let answer =
                    self.stores.dynamo.call(operation, &String::from_utf8_lossy(body)).await;
                let mut response = json_response(answer.status, answer.body);
                response.extensions_mut().insert(answer.units);
                response
            }
        }
    }

    /// As [`Self::pass_on`], with a fault. None is no answer: the connection closes.
    async fn pass_on_with(
        &self,
        fault: Fault,
        call: Forwarded<'_>,
        body: &Bytes,
        parsed: &Json,
    ) -> Option<Response<Bytes>> {
        if let Some(refused) = fault_error(call.service, fault) {
            return Some(refused);
        }
        match fault {
            Fault::ConnectionLost => None,
            Fault::AnswerLost => {
                self.pass_on(call, body).await;
                None
            }
            Fault::Hanging => {
                self.pass_on(call, body).await;
                std::future::pending().await
            }
            Fault::Slow(wait) => {
                tokio::time::sleep(wait).await;
                Some(self.pass_on(call, body).await)
            }
            _ => match Split::of(call.operation, parsed) {
                Some(split) => Some(self.pass_on_partly(call, split).await),
                None => Some(self.pass_on(call, body).await),
            },
        }
    }

    async fn pass_on_partly(&self, call: Forwarded<'_>, split: Split) -> Response<Bytes> {
        let mut done = Json::Null;
        if let Some(request) = &split.done {
            let response = self.pass_on(call, &request.to_string().into()).await;
            if response.status() != StatusCode::OK {
                return response;
            }
            done = serde_json::from_slice(response.body()).unwrap_or_default();
        }
        json_response(StatusCode::OK, split.answer(done).to_string())
    }
}

/// Table and queue names, without the ARN around them.
fn resources(needed: &[Requirement]) -> String {
    let mut names: Vec<&str> =
        needed.iter().filter_map(|needed| needed.resource.rsplit(':').next()).collect();
    names.dedup();
    names.join(",").replace("table/", "")
}

fn outcome(response: &Response<Bytes>) -> String {
    if response.status() == StatusCode::OK {
        return "ok".to_owned();
    }
    let body: Json = serde_json::from_slice(response.body()).unwrap_or_default();
    let kind = body["__type"].as_str().and_then(|kind| kind.rsplit('#').next());
    kind.unwrap_or(response.status().as_str()).to_owned()
}

fn refusal(service: Service, denied: &Denied) -> Response<Bytes> {
    let status = match service {
        Service::DynamoDb => StatusCode::BAD_REQUEST,
        Service::Sqs => StatusCode::FORBIDDEN,
    };
    let body = json!({"__type": "com.amazon.coral.service#AccessDeniedException",
        "message": denied.to_string()});
    let mut response = json_response(status, body.to_string());
    if service == Service::Sqs {
        response
            .headers_mut()
            .insert("x-amzn-query-error", HeaderValue::from_static("AccessDenied;Sender"));
    }
    response
}

fn unknown_target(target: &str) -> Response<Body> {
    let message = if target.is_empty() {
        "only the JSON protocols of DynamoDB and SQS are spoken here, and they need X-Amz-Target"
            .to_owned()
    } else {
        format!("{target} is neither DynamoDB nor SQS")
    };
    error(StatusCode::BAD_REQUEST, "com.amazon.coral.service#UnknownOperationException", &message)
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    json_response(status, json!({"__type": kind, "message": message}).to_string()).map(Body::from)
}

pub(super) fn json_response(status: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}
