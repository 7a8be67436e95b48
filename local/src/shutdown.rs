//! Ctrl-C and SIGTERM.
//!
//! The first asks to drain, the second must end the process at once, wherever it is.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often the user has asked to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<u32>);

impl Shutdown {
    /// Listens from now on.
    pub fn listen() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // The terminal was closed.
        let mut hang_up = signal(SignalKind::hangup())?;
        let (asked, receiver) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
                asked.send_modify(|times| *times += 1);
            }
        });
        Ok(Self(receiver))
    }

    /// Returns once the user has asked.
    pub async fn asked(&self) {
        self.asked_times(1).await;
    }

    /// Returns once the user has asked again.
    pub async fn asked_again(&self) {
        self.asked_times(2).await;
    }

    async fn asked_times(&self, wanted: u32) {
        // Fails only if the listener is gone, and then the process is going too.
        let _ = self.0.clone().wait_for(|times| *times >= wanted).await;
    }
}
