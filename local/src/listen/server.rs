//! The receiver's listener.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use domain::signing::Secret;
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use super::ListenArgs;
use super::behaviour::Behaviour;
use super::hang_up::HangUp;
use super::report::Received;

/// Why the receiver doesn't listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Something else does.
    #[error(
        "{0} is in use already: stop what listens there, or choose another address with --addr"
    )]
    InUse(SocketAddr),
    /// The system says no.
    #[error("can't listen on {0}: {1}")]
    Refused(SocketAddr, std::io::Error),
}

/// A receiver that has its port.
pub struct Receiver {
    listener: TcpListener,
    args: ListenArgs,
}

struct Shared {
    secrets: Vec<Secret>,
    behaviour: Behaviour,
    hang_up: bool,
    json: bool,
}

impl Receiver {
    /// Takes the port.
    pub async fn bind(args: ListenArgs) -> Result<Self, ListenError> {
        let address = args.addr;
        let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => ListenError::InUse(address),
            _ => ListenError::Refused(address, error),
        })?;
        Ok(Self { listener, args })
    }

    /// Address that it listens on.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What to say at first, on stderr.
    pub fn greeting(&self) -> String {
        let address = self.address().unwrap_or(self.args.addr);
        let mut text = format!("listening on http://{address}/\n");
        if self.args.secrets.is_empty() {
            text.push_str(
                "Signatures aren't verified without --secret. The secret is in the answer to \
                 POST /webhooks/endpoints, and at GET /webhooks/endpoints/{id}/secret.\n",
            );
        }
        text
    }

    /// Serves until the task is dropped.
    pub async fn serve(self) -> std::io::Result<()> {
        let hang_up = self.args.hang_up;
        let behaviour = Behaviour::of(&self.args);
        let shared =
            Shared { behaviour, secrets: self.args.secrets, hang_up, json: self.args.json };
        let router = Router::new()
            .fallback(receive)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(shared));
        if hang_up {
            axum::serve(HangUp(self.listener), router).await
        } else {
            axum::serve(self.listener, router).await
        }
    }
}

async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return StatusCode::BAD_REQUEST;
    };
    let body = body.to_bytes();
    let status = shared.behaviour.next_status();
    let answered = (!shared.hang_up).then_some(status);
    let path =
        parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let line = (parts.method.to_string(), path);
    print(
        &Received::new(unix_seconds(), line, &parts.headers, &body, &shared.secrets, answered),
        shared.json,
    );
    tokio::time::sleep(shared.behaviour.delay).await;
    StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
}

fn print(received: &Received, json: bool) {
    let text = if json { format!("{}\n", received.to_json()) } else { format!("{received}\n") };
    // The reader of our output may have left; requests are still answered.
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
