//! The listener: request in, event to the function, answer out.
//!
//! A function with a URL of its own streams its answer, for as long as it runs.
//!
//! API Gateway waits 30 s for a function, whatever the function's own timeout is, and then answers
//! 503. The function keeps running.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::serve::ListenerExt;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::answer;
use super::cors;
use super::date::now;
use super::door;
use super::payload::{self, Circumstances};
use super::route::{EntryPoint, RouteTable};
use super::streamed;
use crate::runtime::{InvokeError, Pool};

/// API Gateway, HTTP APIs: payload size.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// Lambda: the largest event and answer of a synchronous invocation, as JSON in which an HTTP body
/// is a string.
const MAX_LAMBDA_PAYLOAD: usize = 6 * 1024 * 1024;

/// API Gateway, HTTP APIs: maximum integration timeout.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// What the front door serves.
pub struct Service {
    /// The template's routes.
    pub routes: RouteTable,
    /// The functions behind them, by short name.
    pub pools: BTreeMap<String, Arc<Pool>>,
}

/// The running front door.
pub struct Front {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Front {
    /// Serves on `listener`.
    pub fn start(listener: TcpListener, service: Service) -> std::io::Result<Self> {
        let (stop, mut stopping) = watch::channel(false);
        let state = Arc::new(Served {
            service,
            port: listener.local_addr()?.port(),
            stopping: stopping.clone(),
        });
        let router = Router::new().fallback(serve).with_state(state);
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let task = tokio::spawn(async move {
            let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            // Serving ends only when stopped: accept errors are retried inside.
            let _ = axum::serve(listener, service).with_graceful_shutdown(stopped).await;
        });
        Ok(Self { stop, task })
    }

    /// Accepts nothing more and returns once every request is answered, or `grace` is over.
    pub async fn shut_down(self, grace: Duration) {
        self.stop.send_replace(true);
        let abort = self.task.abort_handle();
        if timeout(grace, self.task).await.is_err() {
            abort.abort();
        }
    }
}

struct Served {
    service: Service,
    port: u16,
    stopping: watch::Receiver<bool>,
}

async fn serve(
    State(served): State<Arc<Served>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Some(refusal) = door::refusal(&parts) {
        return refusal;
    }
    let found = served.service.routes.find(parts.method.as_str(), parts.uri.path());
    let Some(found) = found else {
        return answer::not_found();
    };
    let cors = match &found.via {
        EntryPoint::Url(url) => url.cors.as_ref(),
        EntryPoint::HttpApi => None,
    };
    if let Some(cors) = cors.filter(|_| cors::is_preflight(&parts)) {
        return cors::preflight(cors, &parts.headers);
    }
    let Some(pool) = served.service.pools.get(&found.function) else {
        return answer::not_found();
    };
    let body = match whole_body(&parts.headers, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let about = Circumstances {
        source_ip: peer.ip(),
        port: served.port,
        now: now(),
        request_id: Uuid::new_v4().to_string(),
    };
    let event = payload::event(&parts, &body, &found, &about).to_string();
    if event.len() > MAX_LAMBDA_PAYLOAD {
        return answer::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "a request may be 6 MB at most as Lambda's event",
        );
    }
    let answered = match &found.via {
        EntryPoint::HttpApi => whole(pool, event).await,
        EntryPoint::Url(_) => stream(pool, event, served.stopping.clone()).await,
    };
    let mut response = answered.unwrap_or_else(|error| refusal(pool.name(), error));
    if let Some(cors) = cors {
        cors::admit(cors, &parts.headers, response.headers_mut());
    }
    if let Ok(id) = about.request_id.parse() {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}

/// The request's body, or the answer to one that is too large or ends early.
async fn whole_body(headers: &HeaderMap, body: Body) -> Result<Bytes, Response<Body>> {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(answer::error(
            StatusCode::BAD_REQUEST,
            "malformed_request",
            "the request's body ended early",
        )),
    }
}

async fn whole(pool: &Arc<Pool>, event: String) -> Result<Response<Body>, InvokeError> {
    let answered = timeout(INTEGRATION_TIMEOUT, pool.invoke(Bytes::from(event))).await;
    let answer = answered
        .unwrap_or(Err(InvokeError::TimedOut(INTEGRATION_TIMEOUT)))
        .and_then(within_lambda)?;
    answer::response(&answer).map_err(InvokeError::Failed)
}

async fn stream(
    pool: &Arc<Pool>,
    event: String,
    stopping: watch::Receiver<bool>,
) -> Result<Response<Body>, InvokeError> {
    let pieces = pool.stream(Bytes::from(event)).await?;
    streamed::response(pieces, stopping).await
}

/// Lambda fails an invocation whose answer is larger.
fn within_lambda(answer: Bytes) -> Result<Bytes, InvokeError> {
    if answer.len() > MAX_LAMBDA_PAYLOAD {
        return Err(InvokeError::Failed(format!(
            "its answer has {} bytes, over Lambda's 6 MB",
            answer.len()
        )));
    }
    Ok(answer)
}

fn refusal(function: &str, error: InvokeError) -> Response<Body> {
    match error {
        InvokeError::TooBusy => {
            let message = "too many requests run or wait already";
            let mut response =
                answer::error(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        InvokeError::TimedOut(_) => unavailable("the request took too long"),
        InvokeError::ShuttingDown => unavailable("the stack is shutting down"),
        InvokeError::NotStarted(_) | InvokeError::Crashed(_) => {
            unavailable("the function's process ended")
        }
        InvokeError::Failed(fault) => {
            eprintln!("[{function}] failed: {fault}");
            answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "the function failed",
            )
        }
    }
}

fn too_large() -> Response<Body> {
    answer::error(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        "a request's body may have 10 MB at most",
    )
}

fn unavailable(message: &str) -> Response<Body> {
    answer::error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
}
