//! `deliver` and the poller before it killed at each of their steps.

use std::time::Duration;

use serde_json::json;
use system_tests::{
    Moment::{After, Before},
    Reply, Stop, eventually,
};

use super::steps::{Site, Victim, run_all};

/// Where it is killed.
#[derive(Clone, Copy)]
enum Step {
    /// At a call of AWS.
    Call(Stop),
    /// When the receiver has the request and hasn't answered.
    Unanswered,
}

/// A kill and what it may cost.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    step: Step,
    victims: &'static [Victim],
    /// Requests that the receiver answers with 500 before it is well.
    failures: usize,
    /// Requests that the receiver must have got in the end: `failures` and one, but one more where
    /// a success was sent and not recorded.
    requests: usize,
    /// Attempts in the log: those requests, but for one that was not recorded.
    recorded: usize,
    /// How the delivery ends.
    ends: &'static str,
}

const DEAD_LETTERS: &str = "-dead-letters";

const fn before(operation: &'static str, nth: usize) -> Step {
    Step::Call(Stop { caller: "deliver", operation, nth, moment: Before })
}

const fn after(operation: &'static str, nth: usize) -> Step {
    Step::Call(Stop { caller: "deliver", operation, nth, moment: After })
}

const fn deleting(moment: system_tests::Moment) -> Step {
    Step::Call(Stop { caller: "poller", operation: "DeleteMessageBatch", nth: 1, moment })
}

/// The receiver takes the first request.
const fn healthy(name: &'static str, step: Step) -> Case {
    let ends = "succeeded";
    Case { name, step, victims: Victim::BOTH, failures: 0, requests: 1, recorded: 1, ends }
}

/// The receiver takes the request after this many failures.
const fn failing(failures: usize, name: &'static str, step: Step) -> Case {
    Case { failures, requests: failures + 1, recorded: failures + 1, ..healthy(name, step) }
}

impl Case {
    /// The crash falls between a success and its record.
    const fn sent_again(self) -> Self {
        Self { requests: self.requests + 1, ..self }
    }

    /// The crash falls between a failure and its record.
    const fn forgotten(self) -> Self {
        Self { recorded: self.recorded - 1, ..self }
    }

    /// The step is the stack's own.
    const fn of_the_stack(self) -> Self {
        Self { victims: &[Victim::Stack], ..self }
    }

    /// The last attempt was made before the crash, and no other one is.
    const fn given_up(self) -> Self {
        Self { requests: self.failures, recorded: self.failures, ends: "failed", ..self }
    }
}

/// Waits of the schedule, in seconds: three attempts, each long after the kill before it.
const SCHEDULE: [u32; 2] = [2, 2];

const CASES: [Case; 26] = [
    healthy("received, endpoints not read", before("BatchGetItem", 1)),
    healthy("endpoints read, nothing sent", after("BatchGetItem", 1)),
    healthy("request arrived, not answered", Step::Unanswered).sent_again(),
    healthy("answered, not recorded", before("BatchWriteItem", 1)).sent_again(),
    healthy("recorded, batch not answered for", after("BatchWriteItem", 1)),
    healthy("batch answered for, message not deleted", deleting(Before)).of_the_stack(),
    healthy("message deleted", deleting(After)).of_the_stack(),
    failing(1, "failed, row not written", before("PutItem", 1)).forgotten(),
    failing(1, "row written, log without the failure", after("PutItem", 1)),
    failing(1, "failure recorded, health not noted", after("BatchWriteItem", 1)),
    failing(1, "failure recorded, message not sent", before("SendMessageBatch", 1)),
    failing(1, "message sent, batch not answered for", after("SendMessageBatch", 1)),
    failing(1, "message sent, not deleted from deliveries", deleting(Before)).of_the_stack(),
    failing(1, "retry received, row not read", before("BatchGetItem", 2)),
    failing(1, "row read, endpoint and log not read", after("BatchGetItem", 2)),
    failing(1, "all read, retry not sent", after("BatchGetItem", 4)),
    failing(1, "retry answered, not written down", before("PutItem", 2)).sent_again(),
    failing(1, "row ended, log without the retry", after("PutItem", 2)),
    failing(1, "retry recorded, health not noted", after("BatchWriteItem", 2)),
    failing(2, "second failure not written down", before("PutItem", 2)).forgotten(),
    failing(2, "row changed, log without the failure", after("PutItem", 2)),
    failing(2, "second failure recorded, not hidden", before("ChangeMessageVisibilityBatch", 1)),
    failing(2, "hidden until the third attempt", after("ChangeMessageVisibilityBatch", 1)),
    failing(3, "third failure not written down", before("PutItem", 3)).forgotten(),
    failing(3, "row ended, log without the last failure", after("PutItem", 3)).given_up(),
    failing(3, "given up, batch not answered for", after("BatchWriteItem", 3)).given_up(),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_step_of_delivering_an_event_arrives_and_twice_only_if_sent_and_not_recorded()
{
    run_all(CASES.iter().map(|case| (format!("deliver, {}", case.name), killed(*case)))).await;
}

async fn killed(case: Case) {
    let mut site = Site::start().await;
    for victim in case.victims {
        Box::pin(killed_once(&mut site, *victim, case)).await;
    }
}

async fn killed_once(site: &mut Site, victim: Victim, case: Case) {
    let (project, receiver) = site.customer(&SCHEDULE).await;
    match case.step {
        Step::Call(stop) => {
            receiver.failing(case.failures);
            site.gate.stop_at(stop);
        }
        Step::Unanswered => receiver.first(1, Reply::slow(Duration::from_mins(1))),
    }
    let event = project.post_event("task.created", json!({"a": 1})).await;
    match case.step {
        Step::Call(_) => site.gate.reached().await,
        Step::Unanswered => drop(receiver.wait_for(1).await),
    }
    site.kill(victim, "deliver").await;
    let project = project.at(site.stack.base_url());

    assert_eq!(
        site.requests_of(std::slice::from_ref(&event.id), case.ends, &project, &receiver).await,
        [case.requests],
        "{victim:?} killed: requests"
    );
    // What the row says the log gets when the message comes again.
    let recorded = async || project.attempts(&event.id).await.len();
    eventually("all attempts are in the log", async || {
        (recorded().await >= case.recorded).then_some(())
    })
    .await;
    assert_eq!(recorded().await, case.recorded, "{victim:?} killed: attempts in the log");
    assert_eq!(
        site.stack.queues().depth(DEAD_LETTERS).await,
        (0, 0),
        "{victim:?} killed: dead letters"
    );
}
