//! Messages, of every version that may be on a queue.

use serde_json::Value as Json;
use shared::{
    job::{self, Job},
    message::{self, Message, Via},
    model::Trigger,
};

use super::{MINIMAL, OTHER, samples_of};

fn sample(version: &str, name: &str) -> String {
    samples_of(version)[name].trim_end().to_owned()
}

/// A sample, read as a delivery.
pub(crate) fn message(version: &str, name: &str) -> Message {
    Message::decode(&sample(version, name)).unwrap()
}

/// Who raises a version writes a form that no sample has yet: add one of it, in a folder of its own.
#[test]
fn every_version_has_samples_and_all_of_them_are_read() {
    for version in 1..=message::VERSION.max(job::VERSION) {
        let samples = samples_of(&format!("v{version}"));
        let queued: Vec<_> = samples.iter().filter(|(name, _)| name.starts_with("message-") || name.starts_with("job-")).collect();
        assert!(!queued.is_empty(), "there is no sample of version {version}");
        for (name, text) in queued {
            let json: Json = serde_json::from_str(text).unwrap();
            assert_eq!(json["v"], version, "{name}");
            let read = if version == job::VERSION { Job::decode(text).is_some() } else { Message::decode(text).is_ok() };
            assert!(read, "{name} can't be read any more");
        }
    }
}

#[test]
fn messages_of_version_1() {
    let minimal = message("v1", "message-minimal");
    assert_eq!((minimal.endpoint.to_string().as_str(), minimal.trigger, minimal.recheck), (MINIMAL, Trigger::Scheduled, false));
    assert_eq!(minimal.event.data.get(), r#"{"id":"task_1","status":"succeeded"}"#);
    let full = message("v1", "message-full");
    assert_eq!((full.brand.as_deref(), full.trigger, full.recheck), (Some("Acme"), Trigger::Manual, true));
    assert_eq!(full.round.map(|round| round.to_string()).as_deref(), Some("rnd_01JZ1MH2000000000000000004"));
    assert_eq!((full.event.user_id.as_deref(), full.event.worker_id.as_deref()), (Some("u"), Some("w")));
    assert_eq!((full.event.data.get(), full.event.metadata.unwrap().get()), ("{\"z\":\"\u{ffff}\",\"a\":1}", r#"{"b":2}"#));
}

#[test]
fn messages_of_version_2() {
    let worker = message("v2", "message-to-a-worker");
    assert_eq!((worker.via, worker.brand.as_deref()), (Some(Via::Worker("worker_1".to_owned())), Some("Other")));
    assert_eq!((worker.project.to_string().as_str(), worker.event.worker_id.as_deref()), (OTHER, Some("worker_1")));
    let url = message("v2", "message-to-a-url");
    let Some(Via::Url { url, signatures, body }) = url.via else { panic!("{url:?}") };
    assert_eq!((url.as_written(), body.name()), ("https://example.com/own", "data"));
    assert_eq!(signatures.iter().map(|style| style.name()).collect::<Vec<_>>(), ["svix", "timestamped"]);
    let automation = message("v2", "message-of-an-automation");
    assert_eq!(automation.event.data.get(), r#"{"id":"media_1","task_id":"task_1","automation_id":"auto_01JZ0000000000000000000000"}"#);
    let test = message("v2", "message-of-a-test");
    assert_eq!((test.trigger, test.via), (Trigger::Test, None));
}

#[test]
fn jobs_of_version_3() {
    let job = |name| Job::decode(&sample("v3", name));
    let Some(Job::Circuit(step)) = job("job-circuit") else { panic!("{:?}", job("job-circuit")) };
    assert_eq!((step.endpoint.to_string().as_str(), step.opening.as_str(), step.step), ("we_01JZ00000000000000000000R0", "0f1e2d3c", 4));
    let Some(Job::Recovery(step)) = job("job-recovery") else { panic!("{:?}", job("job-recovery")) };
    assert_eq!(
        (step.recovery.to_string().as_str(), step.step, step.project.to_string().as_str()),
        ("rcv_01JZ0000000000000000000000", 2, OTHER)
    );
}

#[test]
fn messages_of_version_4() {
    let slot = |name| message("v4", name).reserved.map(|slot| (slot.number, slot.at.millis(), slot.passed)).unwrap();
    assert_eq!(slot("message-with-a-slot"), (2, 1_751_328_009_000, 1));
    assert_eq!(slot("message-to-a-worker-with-a-slot"), (2, 1_751_328_009_000, 0));
    assert_eq!(message("v4", "message-to-a-worker-with-a-slot").via, Some(Via::Worker("worker_1".to_owned())));
}
