//! One process of a function, from its start to its end.
//!
//! The process has a process group of its own, or a Ctrl-C in the terminal would end it in the
//! middle of an invocation instead of letting the stack drain.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::process::{Child, Command};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::api::{Answer, Invocation, RuntimeApi, SlotHandle};
use super::error::InvokeError;
use super::spec::FunctionSpec;
use crate::recursion::Trace;

/// The longest that a process may take until it asks for its first event. Lambda gives 10 s; a
/// loaded machine with debug builds gets more.
const INIT_LIMIT: Duration = Duration::from_mins(1);

/// A running process.
pub(super) struct Instance {
    api: Arc<RuntimeApi>,
    spec: Arc<FunctionSpec>,
    slot: SlotHandle,
    /// Ends the process when dropped.
    end: Option<oneshot::Sender<()>>,
    /// Why the process has ended, once it has.
    ended: watch::Receiver<Option<String>>,
}

impl Instance {
    /// Starts a process; it may not have asked for an event yet.
    ///
    /// It ends when this is dropped, or when `stop` becomes true.
    pub(super) fn spawn(
        api: &Arc<RuntimeApi>,
        spec: &Arc<FunctionSpec>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, InvokeError> {
        let slot = api.open_slot(Arc::clone(spec));
        let child = Command::new(&spec.binary)
            .args(&spec.arguments)
            .env_clear()
            .envs(&spec.environment)
            .env("AWS_LAMBDA_RUNTIME_API", api.url_for(&slot.id))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let child = child.map_err(|error| {
            api.close_slot(&slot.id);
            InvokeError::NotStarted(format!("{}: {error}", spec.binary.display()))
        })?;
        let (end, ending) = oneshot::channel();
        let (has_ended, ended) = watch::channel(None);
        tokio::spawn(live(child, Arc::clone(spec), ending, stop, has_ended));
        Ok(Self { api: Arc::clone(api), spec: Arc::clone(spec), slot, end: Some(end), ended })
    }

    /// Whether the process still runs.
    pub(super) fn is_alive(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Returns once the process asks for its first event.
    pub(super) async fn ready(&mut self) -> Result<(), InvokeError> {
        let ready = self.slot.ready.wait_for(|ready| *ready);
        tokio::select! {
            biased;
            Ok(_) = ready => Ok(()),
            reason = wait_for_end(&mut self.ended) => Err(InvokeError::NotStarted(reason)),
            () = tokio::time::sleep(INIT_LIMIT) => {
                let limit = INIT_LIMIT.as_secs();
                let reason = format!("it didn't ask for an event within {limit} s");
                Err(InvokeError::NotStarted(reason))
            }
        }
    }

    /// Has one event handled; a streamed answer has only begun then. After an error other than
    /// [`InvokeError::Failed`], the instance is of no use any more.
    pub(super) async fn invoke(
        &mut self,
        payload: Bytes,
        trace: Trace,
    ) -> Result<Answer, InvokeError> {
        self.ready().await?;
        let (taken, is_taken) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let invocation = Invocation { payload, trace, taken, answer };
        let exchange = async {
            if self.slot.inbox.send(invocation).await.is_err() || is_taken.await.is_err() {
                return Err(InvokeError::Crashed("it no longer asks for events".to_owned()));
            }
            match timeout(self.spec.timeout, answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(InvokeError::Crashed("it gave no answer".to_owned())),
                Err(_) => Err(InvokeError::TimedOut(self.spec.timeout)),
            }
        };
        tokio::select! {
            biased;
            answer = exchange => answer,
            reason = wait_for_end(&mut self.ended) => Err(InvokeError::Crashed(reason)),
        }
    }

    /// Ends the process and waits until it is gone.
    pub(super) async fn end(mut self) {
        self.end.take();
        wait_for_end(&mut self.ended).await;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.api.close_slot(&self.slot.id);
    }
}

async fn wait_for_end(ended: &mut watch::Receiver<Option<String>>) -> String {
    match ended.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        Err(_) => "it was ended".to_owned(),
    }
}

/// Looks after a process until it ends by itself, or is to end.
async fn live(
    mut child: Child,
    spec: Arc<FunctionSpec>,
    ending: oneshot::Receiver<()>,
    mut stop: watch::Receiver<bool>,
    has_ended: watch::Sender<Option<String>>,
) {
    let to_end = async {
        tokio::select! {
            // Resolves when the sender is dropped.
            _ = ending => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    };
    let stdout = child.stdout.take().map(|output| tokio::spawn(spec.log.clone().follow(output)));
    let stderr = child.stderr.take().map(|output| tokio::spawn(spec.log.clone().follow(output)));
    let (status, wanted) = tokio::select! {
        status = child.wait() => (status, false),
        () = to_end => {
            let _ = child.kill().await;
            (child.wait().await, true)
        }
    };
    let mut last = Vec::new();
    for output in [stdout, stderr].into_iter().flatten() {
        last.extend(output.await.unwrap_or_default());
    }
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    if !wanted {
        spec.log
            .note(&format!("ended by itself ({status}); more in {}", spec.log.path().display()));
    }
    let reason =
        last.into_iter().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" | ");
    has_ended.send_replace(Some(if reason.is_empty() {
        status
    } else {
        format!("{status}: {reason}")
    }));
}
