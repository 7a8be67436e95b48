//! Faults of AWS at every call of a recovery's step: everything that must be sent again arrives
//! once, and the counts are right.

use domain::recovery::{RecoveryCounts, State};
use emulator::testing::Trouble;
use futures::{StreamExt, stream};

use super::Past;

/// Steps that meet the trouble.
const TRIES: usize = 2;
/// Worlds at a time, as each mostly waits.
const AT_ONCE: usize = 8;

/// Returns how many calls the step makes.
async fn recover(place: usize, trouble: Option<Trouble>) -> usize {
    let (past, again) = Past::of_each_kind().await;
    let aws = &past.started.aws;
    let recovery = past.begin(false).await;
    if let Some(trouble) = trouble {
        aws.trouble("jobs", place, trouble);
    }
    let before = aws.faults().calls();
    for number in 0.. {
        if number == TRIES {
            aws.faults().heal();
        }
        let now = past.now(&recovery).await;
        if now.state != State::Running {
            break;
        }
        assert!(number < TRIES + 3, "call {place}: {trouble:?}: it doesn't end: {now:?}");
        past.step(&now).await;
    }
    let calls = aws.faults().calls() - before;
    aws.faults().heal();
    past.deliver().await;

    let (case, done) = (format!("call {place}: {trouble:?}"), past.now(&recovery).await);
    assert_eq!(done.state, State::Done, "{case}");
    assert_eq!(
        done.found,
        RecoveryCounts { examined: 9, failed: 1, missed: 1, succeeded: 0, enqueued: 2 },
        "{case}"
    );
    let mut expected = again.map(|event| event.event.id.to_string());
    expected.sort();
    assert_eq!(past.arrived(), expected, "{case}");
    // Another one can begin.
    assert_eq!(
        past.finish(&past.begin(false).await).await.0.found,
        RecoveryCounts { examined: 9, ..RecoveryCounts::default() },
        "{case}"
    );
    calls
}

#[tokio::test]
async fn recoveries_survive_every_fault_at_every_call() {
    let calls = Box::pin(recover(0, None)).await;
    // Every fourth; each trouble begins elsewhere, so that every call meets some.
    let cases = Trouble::all().enumerate().flat_map(|(first, trouble)| {
        (first % 4..calls).step_by(4).map(move |place| (place, trouble))
    });
    let tried = stream::iter(cases).map(|(place, trouble)| recover(place, Some(trouble)));
    let tried = tried.buffer_unordered(AT_ONCE).count().await;
    eprintln!("{calls} calls, {tried} cases");
}
