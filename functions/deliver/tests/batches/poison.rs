//! Any text as a message's body.

use domain::{
    id::EventId,
    model::Outcome,
    work::{self, Unreadable},
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::json;

use super::support::{event_of, message_of, start};

/// Batches of nine bodies and one good message.
const BATCHES: u128 = 20;

/// The sample's body, torn, with a piece doubled, or with something else in its middle; or anything
/// at all. Of characters that SQS takes.
fn bodies() -> impl Strategy<Value = String> {
    let good = event_of("first-attempt.json").records[0].body.clone().unwrap();
    let piece = "[\\t -\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]{1,40}";
    let deep = (1..20_000_usize)
        .prop_map(|depth| format!(r#"{{"v":1,"first":{{"event":{{"data":{}"#, "[".repeat(depth)));
    let sample = (0..good.len(), 0..good.len(), piece);
    prop_oneof![
        piece,
        deep,
        sample.prop_map(move |(one, other, text)| match text.len() % 3 {
            0 => good[..one.max(1)].to_owned(),
            1 => format!("{}{}", &good[..one], &good[other..]),
            _ => format!("{}{text}{}", &good[..one], &good[one..]),
        }),
    ]
    .prop_filter("SQS takes no empty body", |body| !body.is_empty())
}

proptest! {
    #[test]
    fn no_body_makes_reading_panic(body in prop_oneof![any::<String>(), bodies()]) {
        let _ = work::decode(&body);
    }
}

#[tokio::test]
async fn whatever_else_is_in_its_batch_a_good_message_arrives_and_the_rest_is_accounted_for() {
    let started = start(&[200], &[]).await;
    let mut runner = TestRunner::deterministic();
    for batch in 0..BATCHES {
        let mut event = event_of("first-attempt.json");
        let mut message = message_of("first-attempt.json", 0);
        message.event.id = EventId::new(message.event.id.time(), 1_000 + batch);
        let record = event.records.pop().unwrap();
        let others: Vec<_> =
            (0..9).map(|_| bodies().new_tree(&mut runner).unwrap().current()).collect();
        for (place, body) in others.iter().chain([&work::encode(&message).unwrap()]).enumerate() {
            let mut record = record.clone();
            record.message_id = Some(format!("{place}"));
            record.body = Some(body.clone());
            event.records.push(record);
        }
        let failed = started.handle(event).await;
        let [attempt] = started.attempts(message.event.id).await.try_into().unwrap();
        assert_eq!(attempt.outcome, Outcome::Succeeded);
        assert!(!failed.contains(&"9".to_owned()));

        let poison = others
            .iter()
            .filter(|body| {
                matches!(work::decode(body), Err(Unreadable::Poison(_) | Unreadable::Kind))
            })
            .count();
        assert!(poison > 0);
        let mut dead = 0;
        while dead < poison {
            dead += started.received("DeadLetterQueue").await.records.len();
        }
        assert_eq!(dead, poison, "{others:?}");
    }
}

#[tokio::test]
async fn a_record_with_nothing_but_its_id_is_poison_like_any_other() {
    let started = start(&[200], &[]).await;
    let bare = json!({"Records": [{"messageId": "1"}, {"messageId": "2", "body": "x",
        "attributes": {"SentTimestamp": "soon"}}]});
    let failed = started.handle(serde_json::from_value(bare).unwrap()).await;
    assert!(failed.iter().all(|id| id == "1" || id == "2"), "{failed:?}");
    assert!(started.receiver.webhooks().is_empty());
}
