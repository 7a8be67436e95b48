//! A gate between a stack and its AWS, which stops one call for good: before it is made, or when it
//! was made and its answer is on the way.
//!
//! A test can then kill the caller at exactly this step. The functions and pollers of a stack that
//! was started with `--aws-proxy` call through it; its path names the server behind it, which is
//! another one after each restart.
//!
//! A caller that is stopped and not killed keeps waiting, and its SDK never tries again.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    response::Response,
};
use bytes::Bytes;
use emulator::aws::Caller;
use http::{HeaderMap, StatusCode, Uri, header};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

use crate::PATIENCE;

/// Where a call is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// AWS never gets it.
    Before,
    /// AWS has done it; its caller never hears of it.
    After,
}

/// The call to stop.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// A function's name, or `poller`.
    pub caller: &'static str,
    /// Such as `PutItem`.
    pub operation: &'static str,
    /// Which of its calls, from 1, since the stop was ordered.
    pub nth: usize,
    /// Where.
    pub moment: Moment,
}

/// A gate that lets everything through until it is told otherwise.
pub struct Gate {
    url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    http: reqwest::Client,
    order: Mutex<Option<Stop>>,
    reached: watch::Sender<bool>,
}

impl Gate {
    /// On a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url =
            format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        #[expect(clippy::disallowed_methods, reason = "it calls the embedded AWS and nothing else")]
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let shared =
            Arc::new(Shared { http, order: Mutex::default(), reached: watch::Sender::new(false) });
        let router = Router::new()
            .fallback(pass)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self { url, shared, task }
    }

    /// For `--aws-proxy`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, waits for this call, to stop it, and each later one of its kind: the SDK tries
    /// a call again that is not answered.
    pub fn stop_at(&self, stop: Stop) {
        self.shared.reached.send_replace(false);
        *self.shared.order() = Some(stop);
    }

    /// Stops no call any more.
    pub fn open(&self) {
        *self.shared.order() = None;
    }

    /// Returns once the call has come and is stopped.
    pub async fn reached(&self) {
        let mut reached = self.shared.reached.subscribe();
        let came = timeout(PATIENCE, reached.wait_for(|reached| *reached)).await.is_ok();
        assert!(came, "not within {} s: {:?}", PATIENCE.as_secs(), self.shared.order());
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let stop = shared.stop_of(&headers);
    if stop == Some(Moment::Before) {
        shared.hold().await;
    }
    let answer = shared.forward(&uri, headers, body).await;
    if stop == Some(Moment::After) {
        shared.hold().await;
    }
    answer.unwrap_or_else(|_| {
        let mut gone = Response::new(Body::empty());
        *gone.status_mut() = StatusCode::BAD_GATEWAY;
        gone
    })
}

impl Shared {
    /// Whether this is the call to stop.
    fn stop_of(&self, headers: &HeaderMap) -> Option<Moment> {
        let target =
            headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let mut order = self.order();
        let stop = order.as_mut()?;
        if stop.operation != operation || stop.caller != Caller::of(headers).label() {
            return None;
        }
        stop.nth = stop.nth.saturating_sub(1);
        (stop.nth == 0).then_some(stop.moment)
    }

    async fn hold(&self) -> Infallible {
        self.reached.send_replace(true);
        std::future::pending().await
    }

    async fn forward(
        &self,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> reqwest::Result<Response> {
        headers.remove(header::HOST);
        let request = self.http.post(format!("http:/{}", uri.path())).headers(headers).body(body);
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = Response::new(Body::from(answer.bytes().await?));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    fn order(&self) -> MutexGuard<'_, Option<Stop>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
