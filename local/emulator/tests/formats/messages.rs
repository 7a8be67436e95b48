//! Messages, of every version that may be on a queue.

use domain::{
    message::{Message, SettingsSource},
    model::Trigger,
    work::{self, Again, VERSION},
};
use emulator::testing::{again_in, delivery_in};
use serde_json::Value as Json;

use super::{MINIMAL, OTHER, samples_of};

/// A sample, read.
pub(crate) fn message(name: &str) -> Message {
    delivery_in(&samples_of("v1")[name])
}

/// A sample of a message about a delivery that has a row, read.
pub(crate) fn again(name: &str) -> Again {
    again_in(&samples_of("v1")[name])
}

/// Who raises the version writes a form that no sample has yet: add one of it, in a folder of its
/// own.
#[test]
fn every_version_has_samples_and_all_of_them_are_read() {
    for version in 1..=VERSION {
        let samples = samples_of(&format!("v{version}"));
        let queued: Vec<_> =
            samples.iter().filter(|(name, _)| name.starts_with("message-")).collect();
        assert!(!queued.is_empty(), "there is no sample of version {version}");
        for (name, text) in queued {
            let json: Json = serde_json::from_str(text).unwrap();
            assert_eq!(json["v"], version, "{name}");
            assert!(work::decode(text).is_ok(), "{name} can't be read any more");
        }
    }
}

#[test]
fn deliveries_to_endpoints() {
    let minimal = message("message-minimal");
    assert_eq!(
        (minimal.endpoint.to_string().as_str(), minimal.trigger),
        (MINIMAL, Trigger::Scheduled)
    );
    assert_eq!(minimal.event.data.get(), r#"{"id":"task_1","status":"succeeded"}"#);
    let full = message("message-full");
    assert_eq!((full.brand.as_deref(), full.trigger), (Some("Acme"), Trigger::Manual));
    assert_eq!(
        full.round.map(|round| round.to_string()).as_deref(),
        Some("rnd_01JZ1MH2000000000000000004")
    );
    assert_eq!(
        (full.event.user_id.as_deref(), full.event.worker_id.as_deref()),
        (Some("u"), Some("w"))
    );
    assert_eq!(
        (full.event.data.get(), full.event.metadata.unwrap().get()),
        ("{\"z\":\"\u{ffff}\",\"a\":1}", r#"{"b":2}"#)
    );
}

#[test]
fn deliveries_to_workers_urls_and_automations() {
    let worker = message("message-to-a-worker");
    assert_eq!(
        (worker.via, worker.brand.as_deref()),
        (Some(SettingsSource::Worker("worker_1".to_owned())), Some("Other"))
    );
    assert_eq!(
        (worker.project.to_string().as_str(), worker.event.worker_id.as_deref()),
        (OTHER, Some("worker_1"))
    );
    let url = message("message-to-a-url");
    let Some(SettingsSource::Url { url, signatures, body }) = url.via else { panic!("{url:?}") };
    assert_eq!((url.as_written(), body.name()), ("https://example.com/own", "data"));
    assert_eq!(
        signatures.iter().map(|style| style.name()).collect::<Vec<_>>(),
        ["svix", "timestamped"]
    );
    let automation = message("message-of-an-automation");
    assert_eq!(
        automation.event.data.get(),
        r#"{"id":"media_1","task_id":"task_1","automation_id":"auto_01JZ0000000000000000000000"}"#
    );
    let test = message("message-of-a-test");
    assert_eq!((test.trigger, test.via), (Trigger::Test, None));
}
