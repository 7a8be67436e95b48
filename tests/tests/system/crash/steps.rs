//! A kill at a step: where it is done, what is killed, and what must hold afterwards.
//!
//! A message that a killed function had received comes back at its visibility timeout, six minutes
//! as deployed. The template of these stacks says ten seconds. A delivery of a repeated request
//! waits for 75 seconds as deployed, and here for five.

use std::{
    fmt::Display,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, stream};
use serde_json::json;
use system_tests::{Client, Gate, Receiver, Request, Stack, workspace};
use tempfile::TempDir;

/// Cases under way at once: they mostly wait.
const AT_ONCE: usize = 8;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    /// All processes of the function.
    Function,
    /// The stack with all of its functions.
    Stack,
}

impl Victim {
    pub(super) const BOTH: &[Self] = &[Self::Function, Self::Stack];
}

/// A stack behind a gate.
pub(super) struct Site {
    pub(super) stack: Stack,
    pub(super) gate: Gate,
    _template: TempDir,
}

impl Site {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let template = folder.path().join("template.yaml");
        std::fs::write(&template, impatient_template()).unwrap();
        let gate = Gate::start().await;
        let stack =
            Stack::with(&["--template", template.to_str().unwrap(), "--aws-proxy", gate.url()])
                .await;
        Self { stack, gate, _template: folder }
    }

    /// A new project, whose only endpoint has this retry schedule, and the endpoint's receiver.
    pub(super) async fn customer(&self, schedule: &[u32]) -> (Client, Receiver) {
        let (project, receiver) = (self.stack.project().await, Receiver::start().await);
        project
            .create_endpoint_with(
                json!({"url": receiver.url("/"), "topics": ["*"], "retry_schedule": schedule}),
            )
            .await;
        (project, receiver)
    }

    /// Kills, and starts again what isn't restarted by itself.
    pub(super) async fn kill(&mut self, victim: Victim, function: &str) {
        match victim {
            Victim::Function => {
                self.stack.kill_function(function);
                self.gate.open();
            }
            Victim::Stack => {
                self.stack.cut_power();
                self.gate.open();
                self.stack.restart().await;
            }
        }
    }

    /// Waits until these events have ended like this by the log, and nothing is pending; returns
    /// the number of requests that each of them took.
    pub(super) async fn requests_of(
        &self,
        events: &[String],
        ends: &str,
        project: &Client,
        receiver: &Receiver,
    ) -> Vec<usize> {
        for event in events {
            project.wait_for_message(event, ends).await;
        }
        self.stack.queues().wait_until_idle().await;
        let ids: Vec<_> = receiver.received().iter().map(Request::webhook_id).collect();
        assert!(ids.iter().all(|id| events.contains(id)), "every request has the id of an event");
        events.iter().map(|event| ids.iter().filter(|id| *id == event).count()).collect()
    }
}

fn impatient_template() -> String {
    let template = std::fs::read_to_string(workspace().join("template.yaml")).unwrap();
    let shorter = [
        ("VisibilityTimeout: 360", "VisibilityTimeout: 10", 2),
        (r#"CONFIRM_AFTER_SECONDS: "75""#, r#"CONFIRM_AFTER_SECONDS: "5""#, 1),
    ];
    shorter.into_iter().fold(template, |template, (deployed, here, times)| {
        assert_eq!(template.matches(deployed).count(), times, "{deployed}");
        template.replace(deployed, here)
    })
}

/// Runs all cases, and fails with the names of those that fail.
pub(super) async fn run_all<N: Display, F: Future<Output = ()>>(
    cases: impl IntoIterator<Item = (N, F)>,
) {
    let started = Instant::now();
    let run = |(name, case): (N, F)| async move {
        let started = Instant::now();
        let failed = AssertUnwindSafe(case).catch_unwind().await.is_err();
        eprintln!(
            "{} after {:>4.1} s: {name}",
            if failed { "FAILED" } else { "held" },
            seconds(started.elapsed())
        );
        failed.then(|| name.to_string())
    };
    let ran: Vec<_> = stream::iter(cases).map(run).buffer_unordered(AT_ONCE).collect().await;
    eprintln!("{} steps in {:.1} s", ran.len(), seconds(started.elapsed()));
    let failed: Vec<_> = ran.into_iter().flatten().collect();
    assert!(failed.is_empty(), "killed at these steps, the promise didn't hold: {failed:#?}");
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
