//! The Lambda Runtime API (version 2018-06-01), for every instance on one port: the path starts
//! with the instance's id, which reaches a process as part of `AWS_LAMBDA_RUNTIME_API`.
//!
//! A function may stream its answer (`Lambda-Runtime-Function-Response-Mode: streaming`): its
//! request then lasts as long as the answer.
//!
//! `next` is a long poll that may last for days. It must answer only when there is an invocation,
//! and must not take one along when the process goes away meanwhile.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::error::InvokeError;
use super::spec::FunctionSpec;
use crate::recursion::Trace;

/// What says that an answer is streamed.
const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";

/// The pieces of a streamed answer. An error is the last of them; without one, the answer is whole.
pub type Pieces = mpsc::Receiver<Result<Bytes, InvokeError>>;

/// What a function answers.
pub(super) enum Answer {
    Whole(Bytes),
    Streamed(Pieces),
}

/// An event on its way to a process.
pub(super) struct Invocation {
    pub(super) payload: Bytes,
    /// The chain that it belongs to, this invocation included.
    pub(super) trace: Trace,
    /// Told when the process has taken it: from then on its timeout runs.
    pub(super) taken: oneshot::Sender<()>,
    pub(super) answer: oneshot::Sender<Result<Answer, InvokeError>>,
}

/// One instance as the Runtime API sees it.
pub(super) struct Slot {
    spec: Arc<FunctionSpec>,
    inbox: AsyncMutex<mpsc::Receiver<Invocation>>,
    running: Mutex<Option<Running>>,
    ready: watch::Sender<bool>,
}

struct Running {
    request_id: String,
    answer: oneshot::Sender<Result<Answer, InvokeError>>,
}

/// The side of a slot that a pool keeps.
pub(super) struct SlotHandle {
    pub(super) id: String,
    pub(super) inbox: mpsc::Sender<Invocation>,
    pub(super) ready: watch::Receiver<bool>,
}

type Slots = Arc<Mutex<HashMap<String, Arc<Slot>>>>;

/// The server; it stops when this is dropped, and every function process with it.
pub struct RuntimeApi {
    address: SocketAddr,
    slots: Slots,
    task: JoinHandle<()>,
}

impl RuntimeApi {
    /// Starts on a port of its own on the loopback.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let slots = Slots::default();
        let router = Router::new()
            .route("/{instance}/2018-06-01/runtime/invocation/next", get(next))
            .route("/{instance}/2018-06-01/runtime/invocation/{request}/response", post(response))
            .route("/{instance}/2018-06-01/runtime/invocation/{request}/error", post(error))
            .route("/{instance}/2018-06-01/runtime/init/error", post(init_error))
            // A response is bounded by Lambda at 6 MB; base64 of it is checked where it is read.
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&slots));
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, slots, task })
    }

    /// Makes room for one instance.
    pub(super) fn open_slot(&self, spec: Arc<FunctionSpec>) -> SlotHandle {
        let id = Uuid::new_v4().simple().to_string();
        // One invocation at a time: the second waits in the pool, not here.
        let (inbox, receiver) = mpsc::channel(1);
        let (ready, is_ready) = watch::channel(false);
        let slot =
            Slot { spec, inbox: AsyncMutex::new(receiver), running: Mutex::default(), ready };
        lock(&self.slots).insert(id.clone(), Arc::new(slot));
        SlotHandle { id, inbox, ready: is_ready }
    }

    /// Forgets an instance; an invocation that is still running there fails.
    pub(super) fn close_slot(&self, id: &str) {
        lock(&self.slots).remove(id);
    }

    /// Value of `AWS_LAMBDA_RUNTIME_API` for an instance. With a scheme, since it has a path.
    pub(super) fn url_for(&self, id: &str) -> String {
        format!("http://{}/{id}", self.address)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn next(State(slots): State<Slots>, Path(instance): Path<String>) -> Response<Body> {
    let Some(slot) = find(&slots, &instance) else {
        return status(StatusCode::GONE);
    };
    let mut inbox = slot.inbox.lock().await;
    slot.ready.send_replace(true);
    let Some(invocation) = inbox.recv().await else {
        return status(StatusCode::GONE);
    };
    let request_id = Uuid::new_v4().to_string();
    *lock(&slot.running) =
        Some(Running { request_id: request_id.clone(), answer: invocation.answer });
    // The pool may have given up in the meantime; then no one reads the answer.
    let _ = invocation.taken.send(());
    invocation_response(&slot.spec, &request_id, invocation.payload, &invocation.trace)
}

fn invocation_response(
    spec: &FunctionSpec,
    request_id: &str,
    payload: Bytes,
    trace: &Trace,
) -> Response<Body> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline_ms = (now + spec.timeout).as_millis();
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", request_id)
        .header("lambda-runtime-deadline-ms", deadline_ms.to_string())
        .header("lambda-runtime-invoked-function-arn", &spec.arn)
        .header("lambda-runtime-trace-id", trace.to_string())
        .body(Body::from(payload));
    response.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn response(
    State(slots): State<Slots>,
    Path((instance, request)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response<Body> {
    if headers.get(RESPONSE_MODE).is_some_and(|mode| mode == "streaming") {
        // One piece at a time: a slow client slows the function down.
        let (pieces, receiver) = mpsc::channel(1);
        let accepted = finish(&slots, &instance, &request, Ok(Answer::Streamed(receiver)));
        pass_on(body, pieces).await;
        return accepted;
    }
    match to_bytes(body, usize::MAX).await {
        Ok(body) => finish(&slots, &instance, &request, Ok(Answer::Whole(body))),
        Err(_) => status(StatusCode::BAD_REQUEST),
    }
}

/// Until the answer ends or its reader leaves.
async fn pass_on(body: Body, pieces: mpsc::Sender<Result<Bytes, InvokeError>>) {
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        let piece =
            piece.map_err(|error| InvokeError::Crashed(format!("its answer broke off: {error}")));
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

async fn error(
    State(slots): State<Slots>,
    Path((instance, request)): Path<(String, String)>,
    body: Bytes,
) -> Response<Body> {
    finish(&slots, &instance, &request, Err(InvokeError::Failed(text_of(&body))))
}

async fn init_error(
    State(slots): State<Slots>,
    Path(instance): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let Some(slot) = find(&slots, &instance) else {
        return status(StatusCode::GONE);
    };
    let kind =
        headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
    eprintln!(
        "{}: can't initialise: {} {}",
        slot.spec.name,
        kind.unwrap_or_default(),
        text_of(&body)
    );
    status(StatusCode::ACCEPTED)
}

fn finish(
    slots: &Slots,
    instance: &str,
    request: &str,
    answer: Result<Answer, InvokeError>,
) -> Response<Body> {
    let running = find(slots, instance)
        .and_then(|slot| lock(&slot.running).take_if(|running| running.request_id == request));
    match running {
        Some(running) => {
            // If the invocation has timed out, its reader has left.
            let _ = running.answer.send(answer);
            status(StatusCode::ACCEPTED)
        }
        None => status(StatusCode::BAD_REQUEST),
    }
}

fn find(slots: &Slots, instance: &str) -> Option<Arc<Slot>> {
    lock(slots).get(instance).map(Arc::clone)
}

fn text_of(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from("{}"));
    *response.status_mut() = status;
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
