//! Who gets an event without being an endpoint: its own URL, automations, its worker's webhook.

use domain::{
    endpoint_url::{EndpointUrl, TargetPolicy},
    id::{AutomationId, EndpointId},
    message::{Message, SettingsSource},
    model::{Automation, Endpoint, Origin, Scope, Status, automation::WorkflowStep},
    signing::SignatureStyle,
};
use emulator::samples;
use runtime::clock;
use serde_json::{Value as Json, json};
use store::{automations::AutomationStore, endpoints::EndpointStore};

use super::support::{Started, event, project, start, start_with};

pub(crate) const OWN_URL: &str = "https://example.com/own";

fn url(path: &str) -> EndpointUrl {
    EndpointUrl::parse(&format!("http://127.0.0.1:9001/{path}"), TargetPolicy::Local).unwrap()
}

/// An automation that task.created sets off.
pub(crate) async fn automation(started: &Started, steps: &[&str]) -> Automation {
    let now = clock::now();
    let automation = Automation {
        id: AutomationId::new(now, rand::random()),
        project: project().project(),
        name: None,
        trigger: "task.created".parse().unwrap(),
        workflow: steps
            .iter()
            .map(|step| WorkflowStep { name: (*step).to_owned(), url: url(step) })
            .collect(),
        active: true,
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    AutomationStore::new(started.config()).create(project(), &automation).await.unwrap();
    automation
}

pub(crate) async fn worker(started: &Started, id: &str) -> EndpointId {
    let endpoint_id = EndpointId::of_worker(project().project(), id);
    let blank = samples::endpoint_of(endpoint_id, samples::RECEIVER, samples::SECRETS_KEY).unwrap();
    let webhook = Endpoint {
        worker_id: Some(id.to_owned()),
        signatures: vec![SignatureStyle::TOKEN],
        ..blank
    };
    EndpointStore::new(started.config()).create(project(), &webhook).await.unwrap();
    endpoint_id
}

/// An event with these fields besides.
fn with(fields: &Json) -> Json {
    let mut event = event();
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

async fn posted(started: &Started, event: Json) -> String {
    let answer = started.api.ask("POST", "/events", event).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.text("id").to_owned()
}

#[tokio::test]
async fn the_log_names_the_endpoints_that_are_paused_or_disabled_and_would_have_got_it() {
    let started = start().await;
    let with = async |number, topic: &str, status| {
        let id = EndpointId::new(clock::now(), number);
        let mut new = samples::endpoint_of(id, samples::RECEIVER, samples::SECRETS_KEY).unwrap();
        (new.status, new.topics) = (status, vec![topic.parse().unwrap()]);
        EndpointStore::new(started.config()).create(project(), &new).await.unwrap();
        id
    };
    let paused = with(1, "task.*", Status::Paused).await;
    let disabled = with(2, "*", Status::Disabled).await;
    with(3, "run.*", Status::Paused).await;
    let id = posted(&started, event()).await;
    let logged = started.logged(&id).await.unwrap();
    let mut missed: Vec<_> =
        logged.missed.iter().map(|missed| (missed.endpoint, missed.because)).collect();
    missed.sort_by_key(|(endpoint, _)| *endpoint);
    assert_eq!(missed, [(paused, Status::Paused), (disabled, Status::Disabled)]);
    assert_eq!(logged.targets.len(), 1, "the samples' endpoint");
}

fn to(messages: &[Message], endpoint: EndpointId) -> &Message {
    messages.iter().find(|message| message.endpoint == endpoint).unwrap()
}

#[tokio::test]
async fn an_events_own_url_is_one_more_target_and_says_how_it_is_signed() {
    let started = start().await;
    let id = posted(&started, with(&json!({"webhook_url": OWN_URL}))).await;
    let implicit = EndpointId::of_url(project().project(), OWN_URL);
    let logged = started.logged(&id).await.unwrap();
    let origins: Vec<_> =
        logged.targets.iter().map(|target| (target.endpoint.to_string(), target.origin)).collect();
    assert_eq!(
        origins,
        [(samples::ENDPOINT.to_owned(), Origin::Endpoint), (implicit.to_string(), Origin::Event)]
    );

    let messages = started.messages().await;
    assert_eq!(messages.len(), 2);
    let Some(SettingsSource::Url { url, signatures, body }) = &to(&messages, implicit).via else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (url.as_written(), signatures.as_slice(), body.name()),
        (OWN_URL, &[SignatureStyle::STANDARD][..], "data")
    );
    assert!(to(&messages, samples::id().unwrap()).via.is_none());
    let read = started.api.ask("POST", "/events", with(&json!({"webhook_url": OWN_URL}))).await;
    assert_eq!(read.text("webhook_url"), OWN_URL, "the answer shows it");
}

#[tokio::test]
async fn each_step_of_each_automation_gets_the_resource_with_its_automations_id() {
    let started = start_with(&[]).await;
    let (first, second) =
        (automation(&started, &["a", "b"]).await, automation(&started, &["a"]).await);
    posted(&started, event()).await;
    posted(&started, json!({"kind": "task.failed", "data": {}})).await;
    let messages = started.messages().await;
    assert_eq!(messages.len(), 3, "and none for the other topic");
    for automation in [&first, &second] {
        for step in &automation.workflow {
            let message = to(&messages, automation.endpoint_of(step));
            assert_eq!(
                message.event.data.get(),
                format!(r#"{{"id":"task_1","automation_id":"{}"}}"#, automation.id)
            );
        }
    }
}

#[tokio::test]
async fn a_workers_webhook_gets_its_events_for_one_call_more() {
    let started = start_with(&[]).await;
    let ours = worker(&started, "worker_1").await;
    worker(&started, "worker_2").await;
    posted(&started, with(&json!({"worker_id": "worker_1"}))).await;
    posted(&started, with(&json!({"worker_id": "worker_3"}))).await;
    let messages = started.messages().await;
    let targets: Vec<_> =
        messages.iter().map(|message| (message.endpoint, message.via.clone())).collect();
    assert_eq!(targets, [(ours, Some(SettingsSource::Worker("worker_1".to_owned())))]);

    started.aws.forget_calls();
    let batch: Vec<_> = (0..10).map(|_| with(&json!({"worker_id": "worker_1"}))).collect();
    let answer = started.api.ask("POST", "/events/batch", json!({"events": batch})).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let reads = started
        .calls()
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call[0] == "GetItem")
        .cloned()
        .collect::<Vec<_>>();
    assert!(
        reads.iter().all(|call| call[2].as_u64().unwrap() <= 3),
        "the worker is read once for the batch: {reads:?}"
    );
}

#[tokio::test]
async fn an_own_url_is_judged_and_needs_a_project_whose_secret_signs() {
    let started = start().await;
    for url in [
        "",
        "http",
        "http://10.0.0.1/",
        "https://user:pass@example.com/",
        "https://api.example.com/events",
    ] {
        let answer = started.api.ask("POST", "/events", with(&json!({"webhook_url": url}))).await;
        assert_eq!(
            (answer.status, answer.text("field")),
            (400, "webhook_url"),
            "{url}: {}",
            answer.body
        );
    }
    let nobodys = started
        .api
        .with_key(&started.aws.key_of("proj_01JZ0000000000000000000009", &Scope::ALL).await);
    let answer = nobodys.ask("POST", "/events", with(&json!({"webhook_url": OWN_URL}))).await;
    assert_eq!(
        (answer.status, answer.text("field")),
        (400, "webhook_url"),
        "a project that is not there"
    );
    assert!(answer.text("message").contains("no such project"), "{}", answer.body);
    let batch = json!({"events": [event(), with(&json!({"webhook_url": "http://10.0.0.1/"}))]});
    let answer = started.api.ask("POST", "/events/batch", batch).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["errors"][0]["field"], "events[1].webhook_url", "{}", answer.body);
    assert!(started.messages().await.is_empty(), "nothing was accepted");
}

#[tokio::test]
async fn an_idempotency_key_stands_for_the_url_as_well() {
    let started = start().await;
    let api = started.api.with_header("idempotency-key", "once");
    let first = api.ask("POST", "/events", with(&json!({"webhook_url": OWN_URL}))).await;
    let again = api.ask("POST", "/events", with(&json!({"webhook_url": OWN_URL}))).await;
    assert_eq!((first.status, again.status, first.text("id")), (202, 202, again.text("id")));
    assert_eq!(started.messages().await.len(), 2, "the endpoint's and the URL's, once");
    let other =
        api.ask("POST", "/events", with(&json!({"webhook_url": format!("{OWN_URL}/other")}))).await;
    assert!(
        (400..500).contains(&other.status) && other.status != 404,
        "another request by the same key: {}",
        other.body
    );
}
