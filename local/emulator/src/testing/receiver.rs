//! A receiver of webhooks for tests: answers as told and remembers what it got.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes.
    pub body: Bytes,
}

impl Webhook {
    /// A header's text; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A running receiver; gone when it is dropped.
pub struct TestReceiver {
    url: String,
    state: Arc<Remembered>,
    server: JoinHandle<()>,
}

/// Decides the status of an answer.
type Decide = Box<dyn Fn(&Webhook) -> u16 + Send>;

struct Remembered {
    statuses: Mutex<Vec<u16>>,
    decide: Mutex<Option<Decide>>,
    webhooks: Mutex<Vec<Webhook>>,
}

impl Remembered {
    fn lock(&self) -> MutexGuard<'_, Vec<Webhook>> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self) -> MutexGuard<'_, Option<Decide>> {
        self.decide.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statuses(&self) -> MutexGuard<'_, Vec<u16>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TestReceiver {
    /// A receiver that answers with these statuses, one after the other, and then with the last for
    /// ever.
    ///
    /// # Panics
    /// If there is no port, since a test can't go on then.
    pub async fn answering(statuses: &[u16]) -> Self {
        let state = Arc::new(Remembered {
            statuses: Mutex::new(statuses.to_vec()),
            decide: Mutex::default(),
            webhooks: Mutex::default(),
        });
        let app = Router::new().fallback(take).with_state(Arc::clone(&state));
        #[expect(
            clippy::expect_used,
            reason = "only tests use this, and a panic is how a test fails"
        )]
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url =
            listener.local_addr().map(|address| format!("http://{address}/")).unwrap_or_default();
        let server = tokio::spawn(async move {
            // It ends only when it is aborted.
            let _ = axum::serve(listener, app).await;
        });
        Self { url, state, server }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it answers with this status.
    pub fn answer(&self, status: u16) {
        *self.state.statuses() = vec![status];
    }

    /// From now on each request is judged for itself.
    pub fn answer_by(&self, decide: impl Fn(&Webhook) -> u16 + Send + 'static) {
        *self.state.decide() = Some(Box::new(decide));
    }

    /// What it got so far, in order.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.state.lock().clone()
    }
}

impl Drop for TestReceiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(
    State(state): State<Arc<Remembered>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let mut webhooks = state.lock();
    let statuses = state.statuses();
    let mut status = statuses.get(webhooks.len()).or(statuses.last()).copied().unwrap_or(200);
    drop(statuses);
    let webhook = Webhook { headers, body };
    if let Some(decide) = state.decide().as_ref() {
        status = decide(&webhook);
    }
    webhooks.push(webhook);
    (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), "noted")
}
