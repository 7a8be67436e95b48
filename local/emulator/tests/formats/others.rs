//! Rows of another project: of circuits, recoveries, rate limits, automations, workers, and secrets
//! of projects; of reports, budgets and viewers.

use domain::{
    budget::{Cost, Resource},
    health::Phase,
    id::{EndpointId, EventId, RecoveryId},
    model::{Origin, Outcome, Status, Subscription, Trigger, event::Missed},
    recovery::{self, Recovery},
    signing::{Secret, Vault},
    system_event::{ReportKey, SystemTopic},
    time::Timestamp,
};
use emulator::samples;
use futures::TryStreamExt;
use runtime::clock;
use store::{
    StoreError,
    attempt_reader::{AttemptReader, Count},
    automations::AutomationStore,
    budgets::Budgets,
    deliveries::DeliveryEndpoints,
    due::{Due, DueList, DueRow},
    endpoints::EndpointStore,
    events::EventReader,
    feed::{Feed, Window, before},
    health::HealthStore,
    news::NewsStore,
    project_config::ProjectConfigs,
    projects::{ProjectReader, ProjectStore},
    rates::RateStore,
    receivers::ReceiverReader,
    recoveries::{RecoveryProgress, RecoveryStore, Turn},
    secrets::ProjectSecrets,
    standings::Standings,
    usage::UsageReader,
    viewers::ViewerPlaces,
};

use super::{MINIMAL, OTHER, Past, all, message, past};

pub(super) const LIMITED: &str = "we_01JZ0000000000000000000002";
pub(super) const STOPPED: &str = "we_01JZ0000000000000000000003";
pub(super) const TO_ALL: &str = "evt_01JZ1MH2Z80000000000000001";
pub(super) const TEST: &str = "evt_01JZ1MH3YG0000000000000002";
pub(super) const MOVED: &str = "evt_01JZ1MH4XR0000000000000003";

/// So many seconds after the samples were written.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(1_751_328_000 + seconds)
}

#[tokio::test]
async fn rows_carry_the_version_of_their_form() {
    let past = past("v1").await;
    past.aws
        .plant(&[samples::endpoint_of(
            LIMITED.parse().unwrap(),
            samples::RECEIVER,
            samples::SECRETS_KEY,
        )
        .unwrap()])
        .await;
    for row in past.aws.rows("ConfigTable").await {
        assert_eq!(row["v"]["N"], "1", "a new form needs samples in a folder of its own: {row}");
    }
}

#[tokio::test]
async fn projects_with_defaults_and_their_secrets() {
    let past = past("v1").await;
    let project =
        ProjectReader::new(past.config.clone()).get(past.other.project()).await.unwrap().unwrap();
    assert_eq!(
        project.default_signatures().iter().map(|style| style.name()).collect::<Vec<_>>(),
        ["svix", "timestamped"]
    );
    assert_eq!(
        (project.body.map(domain::shape::BodyShape::name), project.brand.as_deref()),
        (Some("data"), Some("Other"))
    );
    let listed =
        ProjectStore::new(past.config.clone()).list(&all(), clock::now()).await.unwrap().items;
    assert_eq!(listed.last(), Some(&project));

    // Only one of two can change it.
    let store = ProjectStore::new(past.config.clone());
    store.replace(&project).await.unwrap();
    assert!(matches!(store.replace(&project).await, Err(StoreError::Conflict)));

    let secrets = ProjectSecrets::new(past.config);
    let secret = secrets.get(past.other).await.unwrap().unwrap();
    let live = secret.secrets.live(&past.other.project(), clock::now(), &vault()).unwrap();
    assert_eq!(
        live.iter().map(Secret::reveal).collect::<Vec<_>>(),
        [samples::SECRET; 2],
        "the present one, and one that retires"
    );
    assert!(secret.decodable);
    secrets.replace(past.other, &secret).await.unwrap();
}

#[tokio::test]
async fn automations() {
    let past = past("v1").await;
    let store = AutomationStore::new(past.config.clone());
    let [full, minimal] = store
        .list(past.other, &all(), clock::now(), |_| true)
        .await
        .unwrap()
        .items
        .try_into()
        .unwrap();
    assert_eq!(
        (full.name.as_deref(), full.active, full.trigger.as_str()),
        (Some("Publish"), true, "media.created")
    );
    let steps: Vec<_> =
        full.workflow.iter().map(|step| (step.name.as_str(), step.url.as_written())).collect();
    assert_eq!(steps, [("notify", "https://example.com/a"), ("step-2", "https://example.com/b")]);
    assert_eq!((minimal.name.as_deref(), minimal.active), (None, false));
    let config = ProjectConfigs::new(past.config).load(past.other).await.unwrap();
    assert_eq!(config.automations, [full.clone(), minimal]);
    assert_eq!(config.endpoints.len(), 1);
    assert!(config.project.is_some());
    store.replace(past.other, &full).await.unwrap();
}

#[tokio::test]
async fn receivers_that_are_no_endpoints() {
    let past = past("v1").await;
    let store = EndpointStore::new(past.config.clone());
    let worker = store.worker(past.other, "worker_1").await.unwrap().unwrap();
    assert_eq!(
        worker.id,
        EndpointId::of_worker(past.other.project(), "worker_1"),
        "its log goes on"
    );
    let [found] = ProjectConfigs::new(past.config.clone())
        .workers(past.other, ["worker_1".to_owned()])
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(found, Subscription::from(&worker));

    // Messages on their way find them.
    let messages = [
        message("message-to-a-worker"),
        message("message-to-a-url"),
        message("message-of-an-automation"),
    ];
    let mut found =
        DeliveryEndpoints::new(past.config, past.log).load(&messages).await.unwrap().endpoints;
    for (message, url) in messages.iter().zip([
        "https://example.com/worker",
        "https://example.com/own",
        "https://example.com/a",
    ]) {
        let endpoint = found.remove(&message.endpoint).unwrap().unwrap();
        assert_eq!(endpoint.url.as_written(), url);
        assert_eq!(
            endpoint.live_secrets(clock::now(), &vault()).unwrap()[0].reveal(),
            samples::SECRET,
            "{url}"
        );
    }
}

#[tokio::test]
async fn events_with_targets_of_every_origin() {
    let past = past("v1").await;
    let logged = EventReader::new(past.log.clone())
        .get(past.other, event(TO_ALL), clock::now())
        .await
        .unwrap()
        .unwrap();
    let [endpoint, worker, url, automation] = &logged.targets[..] else {
        panic!("{:?}", logged.targets)
    };
    let origins = (endpoint.origin, worker.origin, url.origin);
    assert_eq!(origins, (Origin::Endpoint, Origin::Worker, Origin::Event));
    assert_eq!(
        automation.origin,
        Origin::Automation("auto_01JZ0000000000000000000000".parse().unwrap())
    );
    assert_eq!(
        url.endpoint,
        EndpointId::of_url(past.other.project(), logged.event.webhook_url.unwrap().normalised())
    );

    let missed = Missed { endpoint: MINIMAL.parse().unwrap(), because: Status::Paused };
    assert_eq!(logged.missed, [missed]);

    let events = EventReader::new(past.log);
    let test = events.get(past.other, event(TEST), clock::now()).await.unwrap().unwrap();
    assert!(test.targets[0].test);
}

#[tokio::test]
async fn the_feed_with_an_event_out_of_its_place() {
    let past = past("v1").await;
    let window = Window::settled(before(at(0)), at(200)).unwrap();
    let feed: Vec<_> =
        Feed::new(past.log).read(past.other, window, at(200)).try_collect().await.unwrap();
    let ids: Vec<_> =
        feed.iter().map(|(position, event)| (position.time(), event.id.to_string())).collect();
    assert_eq!(
        ids,
        [(at(1), TO_ALL.to_owned()), (at(2), TEST.to_owned()), (at(60), MOVED.to_owned())]
    );
}

#[tokio::test]
async fn executions_of_a_worker() {
    let past = past("v1").await;
    let reader = AttemptReader::new(past.log);
    let endpoint = EndpointId::of_worker(past.other.project(), "worker_1");
    assert_eq!(
        reader.count(past.other, endpoint, 9, clock::now()).await.unwrap(),
        Count { number: 1, complete: true }
    );
    let attempts = reader.slice(past.other, endpoint, 0, 9, clock::now()).await.unwrap();
    let [attempt] = attempts.try_into().unwrap();
    assert_eq!(
        (attempt.trigger, attempt.outcome, attempt.duration_ms),
        (Trigger::Probe, Outcome::Timeout, 5_000)
    );
}

#[tokio::test]
async fn health_in_every_phase() {
    let past = past("v1").await;
    let (store, project) = (HealthStore::new(past.state.clone()), past.other.project());
    let health = async |id: &str| store.get(project, id.parse().unwrap()).await.unwrap().unwrap();
    let failing = health("we_01JZ0000000000000000000080").await;
    assert_eq!((failing.failures, failing.announced, failing.circuit.is_none()), (12, false, true));
    assert_eq!((failing.failing_since, failing.last_failure_at), (Some(at(0)), Some(at(5))));
    let well = health("we_01JZ00000000000000000000G0").await;
    assert_eq!((well.failures, well.failing_since, well.last_success_at), (0, None, Some(at(6))));
    let due = DueList::new(past.state).until(at(9)).try_collect::<Vec<_>>().await.unwrap();
    for (id, phase) in [
        ("we_01JZ00000000000000000000R0", Phase::Open(3)),
        ("we_01JZ0000000000000000000100", Phase::Releasing(40)),
        ("we_01JZ0000000000000000000180", Phase::Lingering(4)),
    ] {
        let row = DueRow::Circuit(project, id.parse().unwrap());
        assert!(due.contains(&Due { row, at: at(9) }), "{due:?}");
        // The step that is next can be claimed, and done.
        let open = health(id).await;
        assert_eq!(open.due_at, Some(at(9)));
        let circuit = open.circuit.clone().unwrap();
        assert_eq!((circuit.phase, circuit.step), (phase, 1_751_328_000_004));
        assert_eq!(open.is_probing(), matches!(phase, Phase::Open(_)));
        let first = if open.is_probing() { 11 } else { 0 };
        assert_eq!(open.first_failures, first);
        let goes_on = matches!(phase, Phase::Releasing(_));
        assert_eq!(open.released(), goes_on.then_some(at(1)));
        let claimed = store.go_on(&open, phase, at(69), at(9)).await.unwrap();
        store.close(&claimed).await.unwrap();
    }
}

#[tokio::test]
async fn recoveries_and_their_turns() {
    let past = past("v1").await;
    let store = RecoveryStore::new(past.state.clone());
    let recovery = |id: &str| id.parse::<RecoveryId>().unwrap();
    let endpoint = limited(&past).await;
    let [running, done] =
        store.list(&endpoint, &all(), clock::now()).await.unwrap().items.try_into().unwrap();
    assert_eq!(
        (running.state, running.step, running.found.examined, running.found.enqueued),
        (recovery::State::Running, 1, 2, 1)
    );
    assert_eq!(running.looked_at, Some(event(TEST)));
    assert_eq!(
        (done.state, done.dry_run, done.found.missed, done.finished_at),
        (recovery::State::Done, true, 1, Some(at(201)))
    );
    assert_eq!(
        (done.include_succeeded, done.pass, done.found.succeeded),
        (true, recovery::Pass::Late, 4)
    );
    let stopped = store
        .get(
            past.other,
            STOPPED.parse().unwrap(),
            recovery("rcv_01JZ0000000000000000000002"),
            at(300),
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stopped.state, stopped.stopped_because.as_deref()),
        (recovery::State::Stopped, Some("the endpoint was paused"))
    );

    // One is running, and resumes where it was. The other has given back its turn.
    let wanted = Recovery::new(
        recovery("rcv_01JZ0000000000000000000009"),
        &endpoint,
        at(0),
        at(100),
        at(300),
    );
    assert!(matches!(store.begin(wanted.clone(), at(300), at(300)).await.unwrap(),
            Turn::Held(holder) if holder == running));
    let other = Recovery { endpoint: STOPPED.parse().unwrap(), ..wanted };
    assert!(matches!(store.begin(other.clone(), at(300), at(300)).await.unwrap(),
            Turn::Taken(taken) if taken == other));
    let row = DueRow::Recovery(past.other.project(), endpoint.id, running.id);
    let due =
        DueList::new(past.state.clone()).until(at(201)).try_collect::<Vec<_>>().await.unwrap();
    assert!(due.contains(&Due { row, at: at(201) }), "{due:?}");
    let progress = RecoveryProgress::new(past.state);
    let project = past.other.project();
    let loaded = progress.load(project, endpoint.id, running.id).await.unwrap().unwrap();
    progress.advance(&loaded, &loaded.after(&[], None, false, at(301)), at(301)).await.unwrap();
    let (receiver, project) = ReceiverReader::new(past.config).of_recovery(&running).await.unwrap();
    assert_eq!(receiver, Some(Subscription::from(&endpoint)));
    assert_eq!(project.map(|project| project.id.to_string()), Some(OTHER.to_owned()));
}

#[tokio::test]
async fn slots() {
    let past = past("v1").await;
    let (project, endpoint) = (past.other.project(), LIMITED.parse().unwrap());
    let slot = RateStore::new(past.log).take(project, endpoint, 7, clock::now).await.unwrap();
    assert_eq!(slot, Timestamp::from_seconds(4_000_000_000), "behind those that are taken");
}

async fn limited(past: &Past) -> domain::model::Endpoint {
    EndpointStore::new(past.config.clone())
        .get(past.other, LIMITED.parse().unwrap())
        .await
        .unwrap()
        .unwrap()
}

fn vault() -> Vault {
    samples::SECRETS_KEY.parse().unwrap()
}

pub(super) fn event(id: &str) -> EventId {
    id.parse().unwrap()
}

#[tokio::test]
async fn what_a_project_is_to_be_told_of() {
    let past = past("v1").await;
    let (project, topic) = (past.other.project(), SystemTopic::DeliveryFailed);
    let report = ReportKey { project, topic, since: at(0) };
    let due = DueList::new(past.state.clone()).until(at(70)).try_collect::<Vec<_>>().await.unwrap();
    assert!(due.contains(&Due { row: DueRow::Report(report), at: report.due_at() }), "{due:?}");
    let store = NewsStore::new(past.state);
    let event = EventId::new(at(62), 1);
    let closed = store.close(report, event).await.unwrap().unwrap();
    assert_eq!((closed.event, closed.count, closed.entries.len()), (event, 3, 1));
    assert_eq!(closed.entries[0]["endpoint"]["id"], LIMITED);
    assert!(matches!(store.note(report, &closed.entries).await, Ok(())), "in the next one");
    store.published(&closed).await.unwrap();
    assert!(store.close(report, event).await.unwrap().is_none(), "it was published");
}

#[tokio::test]
async fn budgets_limits_and_places_of_viewers() {
    let past = past("v1").await;
    let standing = Standings::new(past.config.clone()).now().await.unwrap();
    assert!(standing.is_suspended("proj_01JZ0000000000000000000009".parse().unwrap()));
    let limits = standing.limits(past.other.project());
    assert_eq!((limits.of(Resource::Deliveries), limits.viewers()), (7, 1));
    let budgets = Budgets::new(past.config, past.state.clone());
    let refused =
        budgets.charge(past.other, Cost::of_deliveries(101, 1), clock::now()).await.unwrap_err();
    assert_eq!((refused.resource, refused.per_second), (Resource::Deliveries, 7));
    let places = ViewerPlaces::new(past.state);
    let taken = async |places: &ViewerPlaces, count| {
        let now = clock::now();
        places.take(past.other, count, now, now).await.unwrap().is_some()
    };
    assert!(!taken(&places, 1).await, "it is held");
    assert!(taken(&places, 2).await);
}

#[tokio::test]
async fn what_a_project_has_used() {
    let past = past("v1").await;
    let (project, hour) = (past.other.project(), at(0));
    let list = DueList::new(past.state.clone());
    let due = list.until(at(4_000)).try_collect::<Vec<_>>().await.unwrap();
    let row = DueRow::Usage(project, hour);
    assert!(due.contains(&Due { row, at: at(3_900) }));
    let reader = UsageReader::new(past.state, past.log);
    assert_eq!(reader.shards_done(project, hour).await.unwrap(), Some(7));
    reader.sum_shard(project, hour, 7).await.unwrap();
    let [closed] =
        reader.hours(project, (hour, at(3_600)), at(9_999)).await.unwrap().try_into().unwrap();
    assert!(closed.is_closed);
    assert!(closed.usage.deliveries >= 15 && closed.usage.events >= 4, "{closed:?}");
    assert_eq!(closed.usage.refusals, 3);
}
