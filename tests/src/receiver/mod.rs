//! A customer's server, in the test's own process: it answers as it is told and remembers what it
//! got.
//!
//! - [`script`]: what it answers
//! - [`request`]: what it got
//! - [`connection`]: its sockets, plain or TLS
//! - [`raw`]: one that keeps to no rules

mod connection;
mod raw;
mod request;
mod script;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    response::Response,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};

pub(crate) use connection::authority_pem;
pub use raw::{RawReceiver, Then};
pub use request::Request;
pub use script::Reply;

use crate::PATIENCE;
use connection::{Connections, Cut};
use script::Script;

/// A server that stops when it is dropped. It answers 200 until it is told otherwise.
pub struct Receiver {
    base_url: String,
    shared: Arc<Shared>,
    received: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

struct Shared {
    requests: Mutex<Vec<Request>>,
    everywhere: Mutex<Script>,
    by_path: Mutex<HashMap<String, Script>>,
    count: watch::Sender<usize>,
}

impl Receiver {
    /// Plain HTTP on a free port.
    pub async fn start() -> Self {
        Self::serve("http", Connections::plain).await
    }

    /// HTTPS on a free port, with a certificate that stacks of these tests trust.
    pub async fn with_tls() -> Self {
        Self::serve("https", Connections::with_tls).await
    }

    /// HTTPS on a free port, with a certificate that clients don't trust.
    pub async fn with_strange_tls() -> Self {
        Self::serve("https", Connections::with_strange_tls).await
    }

    async fn serve(scheme: &str, connections: fn(TcpListener) -> Connections) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (count, received) = watch::channel(0);
        let shared = Arc::new(Shared {
            requests: Mutex::default(),
            everywhere: Mutex::default(),
            by_path: Mutex::default(),
            count,
        });
        let router = Router::new()
            .fallback(receive)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let service = router.into_make_service_with_connect_info::<Cut>();
        let connections = connections(listener);
        let task = tokio::spawn(async move {
            let _ = axum::serve(connections, service).await;
        });
        Self { base_url: format!("{scheme}://localhost:{port}"), shared, received, task }
    }

    /// The URL of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// The next `times` requests get 500, later ones 200.
    pub fn failing(&self, times: usize) {
        self.first(times, Reply::status(500));
    }

    /// The next `times` requests get this, later ones 200.
    pub fn first(&self, times: usize, reply: Reply) {
        *lock(&self.shared.everywhere) = Script::first(times, reply);
    }

    /// From now on, every request gets this.
    pub fn always(&self, reply: Reply) {
        *lock(&self.shared.everywhere) = Script::always(reply);
    }

    /// The next `times` requests to this path get 500, later ones 200.
    pub fn failing_at(&self, path: &str, times: usize) {
        lock(&self.shared.by_path)
            .insert(path.to_owned(), Script::first(times, Reply::status(500)));
    }

    /// From now on, every request to this path gets this.
    pub fn always_at(&self, path: &str, reply: Reply) {
        lock(&self.shared.by_path).insert(path.to_owned(), Script::always(reply));
    }

    /// From now on, every request gets what `choose` says.
    pub fn by(&self, choose: impl FnMut() -> Reply + Send + 'static) {
        *lock(&self.shared.everywhere) = Script::By(Box::new(choose));
    }

    /// The requests since they were last taken, which are then forgotten: for receivers of very
    /// many.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *lock(&self.shared.requests))
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// All requests to this path so far.
    pub fn received_at(&self, path: &str) -> Vec<Request> {
        self.received().into_iter().filter(|request| request.path == path).collect()
    }

    /// Waits until there are at least this many requests, and returns all.
    pub async fn wait_for(&self, count: usize) -> Vec<Request> {
        let mut received = self.received.clone();
        let arrived = timeout(PATIENCE, received.wait_for(|now| *now >= count)).await.is_ok();
        let requests = self.received();
        assert!(
            arrived,
            "{} of {count} requests arrived within {} s",
            requests.len(),
            PATIENCE.as_secs()
        );
        requests
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: axum::extract::Request,
) -> Response {
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::new(Body::empty());
    };
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let reply = shared.next_reply(&path);
    lock(&shared.requests).push(Request {
        method: parts.method,
        path,
        headers: parts.headers,
        body,
        arrived,
        answer: reply.answer(),
    });
    shared.count.send_modify(|count| *count += 1);
    tokio::time::sleep(reply.delay).await;
    if reply.hangs_up {
        cut.cut();
    }
    reply.into_response()
}

impl Shared {
    fn next_reply(&self, path: &str) -> Reply {
        if let Some(script) = lock(&self.by_path).get_mut(path) {
            return script.next();
        }
        lock(&self.everywhere).next()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
