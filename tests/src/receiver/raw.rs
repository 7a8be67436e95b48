//! A customer's server that keeps to no rules: it writes the bytes that it is told to, and perhaps
//! never stops.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What a connection sees behind the first bytes.
#[derive(Debug, Clone)]
pub enum Then {
    /// Its end.
    HangUp,
    /// Nothing, for ever.
    Silence,
    /// These bytes, for ever, as fast as they are taken.
    Flood(Vec<u8>),
    /// These bytes, a byte a second, again and again.
    Drip(Vec<u8>),
}

/// A server of bytes. It listens until it is dropped.
pub struct RawReceiver {
    port: u16,
    connections: Arc<AtomicUsize>,
    written: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl RawReceiver {
    /// Reads a request on each connection, and writes these bytes and what comes then.
    pub async fn answering(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self::start(true, bytes.into(), then).await
    }

    /// The same, without waiting for a request.
    pub async fn greeting(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self::start(false, bytes.into(), then).await
    }

    async fn start(reads: bool, bytes: Vec<u8>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (connections, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let (count, bytes_written) = (Arc::clone(&connections), Arc::clone(&written));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(
                    stream,
                    reads,
                    bytes.clone(),
                    then.clone(),
                    Arc::clone(&bytes_written),
                ));
            }
        });
        Self { port, connections, written, _tasks: tasks }
    }

    /// Where it listens: `http` or `https`, of which it speaks neither.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/", self.port)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many bytes were taken from it, the sockets' buffers included.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    reads: bool,
    bytes: Vec<u8>,
    then: Then,
    written: Arc<AtomicU64>,
) {
    // The head at least; the body of a test's event comes in the same packet.
    let mut request = Vec::new();
    while reads && !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    let mut write = async |bytes: &[u8]| {
        let taken = stream.write_all(bytes).await.is_ok();
        written.fetch_add(if taken { bytes.len() as u64 } else { 0 }, Ordering::SeqCst);
        taken
    };
    if !write(&bytes).await {
        return;
    }
    match then {
        Then::HangUp => {}
        Then::Silence => std::future::pending().await,
        Then::Flood(piece) => {
            let piece = piece.repeat(65_536_usize.div_ceil(piece.len()));
            while write(&piece).await {}
        }
        Then::Drip(bytes) => {
            for byte in bytes.iter().cycle() {
                if !write(&[*byte]).await {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
