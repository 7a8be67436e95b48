//! The story of a connection: what has settled since the viewer's position, every second; a
//! heartbeat now and then; and at its end, why.
//!
//! # Pitfalls
//!
//! The position moves on with what is *not* shown too. Else a viewer of a rare topic would have
//! hours to read again whenever it comes back.

use std::{pin::pin, sync::Arc, time::Duration};

use api::ApiError;
use bytes::Bytes;
use domain::{
    budget::Cost,
    id::EventId,
    model::{Event, Scope, Selector},
};
use futures::TryStreamExt;
use http::{HeaderMap, StatusCode};
use runtime::clock;
use store::{Access, StoreError, feed::Window, tally::Tally};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};

use crate::{App, recent::Recent, sse};

/// How often the feed is read.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// How often something is sent, whatever happens: proxies close what is silent for a minute, some
/// for 30 s.
const BEATS_EVERY: Duration = Duration::from_secs(15);
/// How often the viewer's key is asked for again. It may come from the memory of the authenticator,
/// which is 30 s old at most: so a revoked key's streams end within a minute.
const CHECKS_EVERY: Duration = Duration::from_secs(20);
/// How long a viewer should wait before it comes back.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes after which a stream ends. Lambda's own limit is 200 MB (its guide, "Response streaming").
const MAX_BYTES: usize = 100 << 20;

/// Why a stream ends.
#[derive(Debug)]
enum End {
    /// It was as long as streams are, in seconds or bytes.
    Over,
    /// The key opens it no longer.
    Refused,
    /// A fault of ours or of AWS, which is in the log.
    Fault,
    /// The project reads too much.
    OverBudget,
    /// The viewer has gone.
    Gone,
}

/// One viewer.
pub(crate) struct Viewer {
    app: Arc<App>,
    access: Access,
    /// Of its request: they hold its key.
    headers: HeaderMap,
    topics: Vec<Selector>,
    /// All up to here is dealt with.
    position: EventId,
    recent: Recent,
    sent_bytes: usize,
    sent_at: Instant,
    checked_at: Instant,
}

impl Viewer {
    /// A viewer of these topics, from behind a position on.
    pub(crate) fn new(
        app: Arc<App>,
        access: Access,
        headers: HeaderMap,
        topics: Vec<Selector>,
        position: EventId,
    ) -> Self {
        let now = Instant::now();
        Self {
            app,
            access,
            headers,
            topics,
            position,
            recent: Recent::default(),
            sent_bytes: 0,
            sent_at: now,
            checked_at: now,
        }
    }

    /// Shows it everything until the stream ends.
    pub(crate) async fn watch(mut self, frames: mpsc::Sender<Bytes>, ends_at: Instant) {
        let tally = Arc::new(Tally::default());
        let watched = tally.of(timeout_at(ends_at, self.follow(&frames, &tally)));
        let Err(end) = watched.await.unwrap_or(Err(End::Over));
        let why = match end {
            End::Over => "its time is over, come back with Last-Event-ID",
            End::Refused => "the key no longer opens it",
            End::Fault => "a fault, come back with Last-Event-ID",
            End::OverBudget => "the project reads too much, come back with Last-Event-ID",
            End::Gone => return,
        };
        // A viewer that is too slow for it does without.
        let _ = frames.try_send(sse::end(self.position, why));
    }

    async fn follow(
        &mut self,
        frames: &mpsc::Sender<Bytes>,
        tally: &Tally,
    ) -> Result<std::convert::Infallible, End> {
        self.send(frames, sse::opening(RETRY, self.position)).await?;
        let mut charged = 0;
        loop {
            self.catch_up(frames).await?;
            charged += self.charge(tally.reads() - charged).await?;
            self.beat(frames).await?;
            self.check_key().await?;
            sleep(LOOKS_EVERY).await;
        }
    }

    /// Shows what has settled since the last look.
    async fn catch_up(&mut self, frames: &mpsc::Sender<Bytes>) -> Result<(), End> {
        let now = clock::now();
        let Some(window) = Window::settled(self.position, now) else { return Ok(()) };
        let feed = self.app.feed.clone();
        let mut entries = pin!(feed.read(self.access, window, now));
        while let Some((position, event)) =
            entries.try_next().await.map_err(|error| fault(&error))?
        {
            if self.wants(&event) && self.recent.add(event.id) {
                let frame = sse::event(position, event).map_err(|error| {
                    tracing::error!(%error, "could not show an event");
                    End::Fault
                })?;
                self.send(frames, frame).await?;
            }
            // Only now: if the stream ends while a slow viewer is waited for, the event is still to
            // come.
            self.position = position;
            if self.sent_bytes > MAX_BYTES {
                return Err(End::Over);
            }
            self.beat(frames).await?;
        }
        self.position = window.end();
        Ok(())
    }

    /// Charges reads to the project. How many.
    async fn charge(&self, reads: u64) -> Result<u64, End> {
        let cost = Cost { reads, ..Cost::default() };
        let charged = self.app.budgets.charge(self.access, cost, clock::now()).await;
        charged.map(|()| reads).map_err(|_| End::OverBudget)
    }

    fn wants(&self, event: &Event) -> bool {
        self.topics.iter().any(|topic| topic.matches(&event.kind))
    }

    async fn beat(&mut self, frames: &mpsc::Sender<Bytes>) -> Result<(), End> {
        if self.sent_at.elapsed() < BEATS_EVERY {
            Ok(())
        } else {
            self.send(frames, sse::heartbeat(self.position)).await
        }
    }

    async fn check_key(&mut self) -> Result<(), End> {
        if self.checked_at.elapsed() < CHECKS_EVERY {
            return Ok(());
        }
        self.checked_at = Instant::now();
        let caller = self.app.authenticator.caller(&self.headers).await;
        match caller.and_then(|caller| caller.access(&[Scope::Read])) {
            Ok(access) if access == self.access => Ok(()),
            Err(error) if error.status() == ApiError::unavailable().status() => Err(End::Fault),
            Err(error) if error.status() == StatusCode::TOO_MANY_REQUESTS => Err(End::OverBudget),
            Ok(_) | Err(_) => Err(End::Refused),
        }
    }

    async fn send(&mut self, frames: &mpsc::Sender<Bytes>, frame: Bytes) -> Result<(), End> {
        self.sent_bytes += frame.len();
        frames.send(frame).await.map_err(|_| End::Gone)?;
        self.sent_at = Instant::now();
        Ok(())
    }
}

/// The stream ends if the table does not answer. The viewer reconnects with its last position.
fn fault(error: &StoreError) -> End {
    tracing::error!(%error, "could not read the feed");
    End::Fault
}
