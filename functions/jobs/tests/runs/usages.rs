//! What projects have used, summed up by the hour.

use domain::{
    budget::Cost,
    model::{Origin, Target},
    usage::{HOUR, Usage, closes_at, hour_of},
};
use emulator::testing::Trouble;
use futures::stream::{self, StreamExt};
use store::{
    due::DueRow,
    usage::{Hour, UsageReader, UsageStore},
};

use super::*;

/// Events of the hour, and of the one after it.
const EVENTS: u128 = 40;

fn access() -> Access {
    Access::of_project(&samples::project().unwrap())
}

/// The hour before this one.
fn hour() -> Timestamp {
    hour_of(Timestamp::from_seconds(clock::now().seconds() - HOUR.as_secs()))
}

/// An event of this time that went to three endpoints.
fn to_three(at: Timestamp, number: u128) -> LoggedEvent {
    let target = |place| {
        let id = EndpointId::new(at, place);
        Target::new(id, samples::RECEIVER.to_owned(), Origin::Endpoint)
    };
    LoggedEvent { targets: (0..3).map(target).collect(), ..logged(at, number) }
}

impl Started {
    fn usage(&self) -> UsageStore {
        UsageStore::new(self.table("StateTable"))
    }

    /// Events in the hour, and in the next one, with what was noted of them.
    async fn use_some(&self) {
        let writer = EventWriter::new(self.table("LogTable"), 30);
        let last = hour() + Duration::from_millis(3_599_999);
        for (number, at) in [(0, hour()), (1, last), (2, hour() + HOUR)] {
            let events: Vec<_> = (0..EVENTS / 2).map(|n| to_three(at, number * 100 + n)).collect();
            writer.record(access(), &events, || at).await.unwrap();
        }
        self.usage().note(access(), hour()).await;
        self.usage().add(access(), Cost::of_deliveries(7, 10), hour()).await;
        for (process, count) in [(1, 1), (2, 3), (1, 1)] {
            self.usage().write_refusals(access(), hour(), process, count).await.unwrap();
        }
    }

    async fn hours(&self) -> Vec<Hour> {
        let reader = UsageReader::new(self.table("StateTable"), self.table("LogTable"));
        reader.hours(access().project(), (hour(), hour() + HOUR), clock::now()).await.unwrap()
    }

    async fn sum_up_at(&self, now: Timestamp) {
        let (config, settings) = (self.aws.sdk_config_of("jobs"), self.aws.settings_of("jobs"));
        let app = App::by_clock(&config, &settings, move || now).unwrap();
        jobs::run(&app, now + Duration::from_secs(8)).await.unwrap();
    }
}

/// Each event has two bytes of data.
const USED: Usage = Usage { events: 40, deliveries: 127, bytes: 310, refusals: 4 };

#[tokio::test]
async fn an_hour_is_summed_up_five_minutes_after_its_end() {
    let started = start().await;
    started.use_some().await;
    let open = Hour { since: hour(), usage: USED, is_closed: false };
    assert_eq!(started.hours().await, [open], "a glimpse of the log");
    started.sum_up_at(Timestamp::from_millis(closes_at(hour()).millis() - 1)).await;
    assert_eq!(started.hours().await, [open]);
    started.sum_up_at(closes_at(hour())).await;
    let closed = Hour { is_closed: true, ..open };
    assert_eq!(started.hours().await, [closed]);
    started.sum_up_at(closes_at(hour()) + Duration::from_mins(9)).await;
    assert_eq!(started.hours().await, [closed], "once");
    // What comes later is added.
    started.usage().add(access(), Cost::of_deliveries(1, 10), hour()).await;
    assert_eq!(started.hours().await[0].usage.deliveries, 128);
}

#[tokio::test]
async fn what_is_noted_without_an_event_makes_the_hour_due_as_well() {
    let started = start().await;
    started.usage().add(access(), Cost::of_deliveries(7, 10), hour()).await;
    started.sum_up_at(closes_at(hour())).await;
    let [hour] = started.hours().await.try_into().unwrap();
    assert_eq!((hour.is_closed, hour.usage.deliveries, hour.usage.bytes), (true, 7, 70));
}

#[tokio::test]
async fn of_two_runs_at_once_each_shard_counts_once() {
    let started = start().await;
    started.use_some().await;
    let (config, settings) = (started.aws.sdk_config_of("jobs"), started.aws.settings_of("jobs"));
    let app = App::by_clock(&config, &settings, || closes_at(hour())).unwrap();
    let steps = (0..4).map(|_| app.step(DueRow::Usage(access().project(), hour())));
    join_all(steps).await;
    started.sum_up_at(closes_at(hour())).await;
    assert_eq!(started.hours().await[0], Hour { since: hour(), usage: USED, is_closed: true });
}

#[tokio::test]
async fn an_hour_is_exact_whatever_fails_in_jobs() {
    let story = async |place, trouble: Option<Trouble>| {
        let started = start().await;
        started.use_some().await;
        if let Some(trouble) = trouble {
            started.aws.trouble("jobs", place, trouble);
        }
        let before = started.calls();
        let (config, settings) =
            (started.aws.sdk_config_of("jobs"), started.aws.settings_of("jobs"));
        let app = App::by_clock(&config, &settings, || closes_at(hour())).unwrap();
        let _ = jobs::run(&app, closes_at(hour()) + Duration::from_secs(8)).await;
        let calls = usize::try_from(started.calls() - before).unwrap();
        started.aws.faults().heal();
        started.sum_up_at(closes_at(hour()) + Duration::from_mins(9)).await;
        let closed = Hour { since: hour(), usage: USED, is_closed: true };
        assert_eq!(started.hours().await, [closed], "call {place}: {trouble:?}");
        calls
    };
    let calls = story(0, None).await;
    assert!(calls > 30, "{calls}");
    // The first 16 calls read what is due. Of the rest, every third, each time others.
    let cases = Trouble::all().enumerate().flat_map(|(first, trouble)| {
        (16 + first % 3..calls).step_by(3).map(move |place| (place, trouble))
    });
    let tried = stream::iter(cases).map(async |(place, trouble)| story(place, Some(trouble)).await);
    tried.buffer_unordered(4).map(drop).collect::<()>().await;
}
