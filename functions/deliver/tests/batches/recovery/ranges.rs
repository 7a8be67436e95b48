//! What a recovery finds besides what has failed: what has succeeded, if it is asked to; and events
//! whose ids are older than its range.

use domain::{
    delivery::End,
    delivery_row::State as RowState,
    id::EventId,
    model::{Event, Outcome, event::LoggedEvent},
    recovery::{Recovery, RecoveryCounts},
};
use runtime::clock;
use store::{events::EventWriter, recoveries::RecoveryStore};

use super::{Past, ago, event_at, table};
use crate::support::start;

impl Past {
    async fn replay(&self) -> Recovery {
        let new = Recovery { include_succeeded: true, ..self.new_recovery(false) };
        let store = RecoveryStore::new(table(&self.started, "StateTable"));
        store.begin(new.clone(), clock::now(), clock::now()).await.unwrap();
        new
    }
}

#[tokio::test]
async fn a_receiver_that_has_lost_everything_gets_it_again() {
    let past = Past::new(start(&[200], &[]).await).await;
    let own = past.endpoint.id;
    let [at_once, retried, on_its_way] = [1, 2, 3].map(|number| event_at(number, "{}", &[own]));
    past.log(&[at_once.clone(), retried.clone(), on_its_way]).await;
    past.attempted_at_once(&at_once).await;
    past.attempted(&retried, &[(Outcome::HttpError, None), (Outcome::Succeeded, None)]).await;

    let (done, _) = past.finish(&past.begin(false).await).await;
    assert_eq!(done.found.enqueued, 0, "all is well");
    let (done, _) = past.finish(&past.replay().await).await;
    let expected =
        RecoveryCounts { examined: 3, succeeded: 2, enqueued: 2, ..RecoveryCounts::default() };
    assert_eq!(done.found, expected);
    past.deliver().await;
    let mut expected = [&at_once, &retried].map(|event| event.event.id.to_string());
    expected.sort();
    assert_eq!(past.arrived(), expected);
    for (event, attempts) in [(&at_once, 2), (&retried, 3)] {
        let row = past.row_of(event).await.unwrap();
        assert_eq!(row.state, RowState::Ended(End::Succeeded));
        assert_eq!(row.history.attempts, attempts, "counted on");
    }
}

#[tokio::test]
async fn what_was_accepted_in_its_range_with_an_older_id_is_found_once() {
    let past = Past::new(start(&[200], &[]).await).await;
    // The range begins an hour ago.
    let with = |id_ago, accepted_ago, number| {
        let logged = event_at(1, "{}", &[]);
        let event = Event { id: EventId::new(ago(id_ago), number), ..logged.event };
        LoggedEvent { event, accepted_at: ago(accepted_ago), ..logged }
    };
    let writer = EventWriter::new(table(&past.started, "LogTable"), 30);
    for (event, written_ago) in [
        (with(9_000, 1_000, 1), 1_000),
        (with(3_601, 3_599, 2), 3_600),
        (with(9_000, 8_999, 3), 8_999),
        (with(1_000, 900, 4), 900),
    ] {
        writer.record(past.project, [&event], || ago(written_ago)).await.unwrap();
    }
    let (done, _) = past.finish(&past.begin(false).await).await;
    assert_eq!((done.found.missed, done.found.enqueued), (3, 3));
    past.deliver().await;
    assert_eq!(past.arrived().len(), 3);
}
