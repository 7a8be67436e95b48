//! Rows of deliveries that did not end at once, and the messages about them.

use std::future::ready;

use domain::{
    delivery::End,
    delivery_row::{DeliveryRow, State},
    history::History,
    id::{AttemptId, RoundId},
    message::SettingsSource,
    model::{Outcome, attempt::DeliveryStatus, event::LoggedEvent},
    work::Again,
};
use futures::TryStreamExt;
use runtime::clock;
use store::{
    StoreError,
    delivery_rows::{DeliveryKey, DeliveryReader, DeliveryRows, EventFound},
    due::{Due, DueList, DueRow},
    events::EventReader,
    failures::FailureList,
};

use super::{
    again, all,
    others::{LIMITED, MOVED, STOPPED, TEST, TO_ALL, at, event},
    past,
};

#[tokio::test]
async fn parked_deliveries_and_the_messages_about_them() {
    let past = past("v1").await;
    let store = DeliveryRows::new(past.state.clone());
    let (project, endpoint) = (past.other.project(), LIMITED.parse().unwrap());
    let keys: Vec<_> = store.parked(project, endpoint, at(0)).try_collect().await.unwrap();
    let [free, claimed] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!((free.event, claimed.event), (event(TO_ALL), event(TEST)));
    let one = store.get(&[*free]).await.unwrap().pop().unwrap();
    assert_eq!(
        (one.enqueued_at, one.state),
        (at(1), State::Parked { since: at(7), held_by: None })
    );
    assert!(!one.is_claimed(at(9)) && one.round.is_some_and(|round| round.is_of_recovery()));
    let other = store.get(&[*claimed]).await.unwrap().pop().unwrap();
    assert!(other.is_claimed(at(9)));
    assert_eq!(other.via, Some(SettingsSource::Worker("worker_1".to_owned())));
    let find = async || store.get(&[*free]).await.unwrap().pop().unwrap();

    // Its messages find it, and what goes there.
    let (release, probe) = (again("message-again"), again("message-again-as-a-probe"));
    assert_eq!((release, probe), (one.again(false), one.again(true)));
    let void = Again { seq: 1, ..one.again(false) };
    let reader = DeliveryReader::new(past.state, past.log);
    let found = reader.load(&[&one.again(false), &void], at(9)).await.unwrap();
    let [Some((row, EventFound::There(logged))), None] = &found[..] else { panic!("{found:?}") };
    assert_eq!((row, logged.event.id), (&one, event(TO_ALL)));
    let message = one.message(Some(logged));
    assert_eq!((message.round, message.event.data.get()), (one.round, logged.event.data.get()));

    // It can be claimed, and end, unless another message acts for it.
    let later = store.claim(&one, 1, at(9), at(99)).await.unwrap();
    assert!(later.seq != one.seq && later.is_claimed(at(10)));
    assert!(matches!(store.claim(&other, 1, at(9), at(99)).await, Err(StoreError::Conflict)));
    let ended = one.ended(End::Failed, 4_102_444_800, at(9));
    assert!(!store.change(&one, &ended).await.unwrap(), "another message acts for it");
    assert_eq!(find().await.seq, later.seq);
    let ended = later.ended(End::Failed, 4_102_444_800, at(9));
    assert!(store.change(&later, &ended).await.unwrap());
    assert!(store.change(&later, &ended).await.unwrap(), "the answer was lost");
    assert_eq!(find().await.status(), DeliveryStatus::Failed);
    assert!(matches!(store.claim(&later, 2, at(99), at(999)).await, Err(StoreError::Conflict)));
}

#[tokio::test]
async fn deliveries_that_have_ended() {
    let past = past("v1").await;
    let store = DeliveryRows::new(past.state.clone());
    let mut rows = store.of_event(past.other, event(MOVED)).await.unwrap();
    rows.sort_by_key(|row| row.endpoint);
    let [failed, succeeded] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((failed.state, succeeded.state), (ended(End::Failed), ended(End::Succeeded)));
    assert_eq!((failed.expires_at, failed.list_at), (Some(4_102_444_800), at(3)));
    assert!(failed.has_ended() && failed.due_at().is_none());
    assert_eq!(store.begin(DeliveryRow { seq: 1, ..failed.clone() }).await.unwrap(), None);
    let void = store.claim(succeeded, 1, at(9), at(99)).await;
    assert!(matches!(void, Err(StoreError::Conflict)));

    let (list, events) = (FailureList::new(past.state), EventReader::new(past.log));
    let keep = |logged: LoggedEvent| ready(Ok(Some(logged.event.id)));
    let page = list.page(past.other, &events, &all(), clock::now(), keep).await.unwrap();
    assert_eq!(page.items, [event(MOVED)]);

    // A resend begins a row anew.
    let round = Some(RoundId::new(at(50), 1));
    let again =
        DeliveryRow { round, seq: 9, expires_at: None, ..failed.waits_for(due(60), at(50)) };
    let before = DeliveryRow { unconfirmed: true, ..failed.clone() };
    assert!(store.change(failed, &before).await.unwrap());
    let begun = store.begin_again(again.clone(), None).await.unwrap().unwrap();
    assert!(begun.unconfirmed, "the log may still know more than the row");
    assert_eq!((begun.seq, begun.history.attempts, begun.history.turns), (9, 9, 0));
    let later = DeliveryRow { round: None, ..again };
    assert_eq!(store.begin_again(later, Some(begun)).await.unwrap(), None, "a later round has it");
    let page = list.page(past.other, &events, &all(), clock::now(), keep).await.unwrap();
    assert!(page.items.is_empty());
}

fn ended(end: End) -> State {
    State::Ended(end)
}

fn due(seconds: u64) -> State {
    State::Waiting { until: at(seconds), slot: None }
}

#[tokio::test]
async fn deliveries_that_wait_for_a_time() {
    let past = past("v1").await;
    let store = DeliveryRows::new(past.state.clone());
    let (project, endpoint) = (past.other.project(), STOPPED.parse().unwrap());
    let key = |id| DeliveryKey { project, event: event(id), endpoint };
    let one = store.get(&[key(TO_ALL)]).await.unwrap().pop().unwrap();
    assert_eq!((one.state, one.is_carried()), (State::Waiting { until: at(9), slot: None }, true));
    let other = store.get(&[key(TEST)]).await.unwrap().pop().unwrap();
    let State::Waiting { until, slot: Some(slot) } = other.state else { panic!("{other:?}") };
    assert_eq!((until, slot.at, slot.number, slot.passed), (at(7_200), at(7_200), 2, 1));
    assert!(slot.is_under(7) && !other.is_carried());

    // `jobs` finds them: the first when its message is taken for lost.
    let list = DueList::new(past.state);
    let due: Vec<_> = list.until(at(9_999)).try_collect().await.unwrap();
    for (id, at) in [(TO_ALL, at(909)), (TEST, at(7_200))] {
        let row = DueRow::Delivery(project, event(id), endpoint);
        assert!(due.contains(&Due { row, at }), "{due:?}");
    }

    // Their message goes on with them, if it is theirs.
    let later = one.waits_for(State::Waiting { until: at(99), slot: None }, at(9));
    assert!(store.change(&one, &later).await.unwrap());
    let there = async || store.get(&[key(TO_ALL)]).await.unwrap();
    assert_eq!(there().await, std::slice::from_ref(&later));
    let void = DeliveryRow { seq: 1, ..one.clone() };
    assert!(!store.change(&void, &one).await.unwrap());
    assert_eq!(there().await, std::slice::from_ref(&later));

    // And with its attempts.
    assert_eq!((one.history.attempts, one.history.turns, one.history.entries.len()), (1, 1, 1));
    let made = one.history.last.clone().unwrap().attempt(&one);
    assert_eq!((made.outcome, made.response_status), (Outcome::HttpError, Some(503)));
    store.note(&made, made.id).await.unwrap();
    let noted = there().await.pop().unwrap();
    assert_eq!((noted.history.attempts, noted.history.entries), (2, vec![made.id; 2]));
    assert!(!store.change(&later, &one).await.unwrap(), "another attempt was made");

    // What comes of an attempt is written down all the same, in its turn.
    let settle = async |end, before: &DeliveryRow| {
        let after = |row: &DeliveryRow| {
            let history = row.history.after(&made, AttemptId::new(at(77), 7));
            DeliveryRow { history, ..row.ended(end, 4_102_444_800, at(99)) }
        };
        store.settle(before, after).await.unwrap()
    };
    let other_turn = History { turns: 7, ..later.history.clone() };
    let other_turn = DeliveryRow { history: other_turn, ..later.clone() };
    assert_eq!(settle(End::Failed, &other_turn).await, None);
    let ended = settle(End::Failed, &later).await.unwrap();
    assert_eq!((ended.history.attempts, ended.history.turns), (3, 2));
    assert_eq!(ended.history.entries.len(), 3);
    assert_eq!(there().await, [ended]);
    assert_eq!(settle(End::Succeeded, &later).await, None, "it has ended");
}
