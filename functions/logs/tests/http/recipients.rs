//! Resends to those who are no endpoints: an event's own URL, an automation's step, a worker's
//! webhook.

use domain::{
    endpoint_url::{EndpointUrl, TargetPolicy},
    id::{AutomationId, EndpointId},
    message::{Message, SettingsSource},
    model::{Automation, Endpoint, Event, Origin, Target, automation::WorkflowStep},
};
use emulator::samples;
use serde_json::{Value as Json, json};
use store::{Access, automations::AutomationStore, endpoints::EndpointStore};

use super::support::{Started, event, minute, start};

fn access() -> Access {
    Access::of_project(&samples::project().unwrap())
}

fn url(path: &str) -> EndpointUrl {
    EndpointUrl::parse(&format!("http://127.0.0.1:9001/{path}"), TargetPolicy::Local).unwrap()
}

async fn automation(started: &Started) -> Automation {
    let now = minute(0);
    let automation = Automation {
        id: AutomationId::new(now, 1),
        project: access().project(),
        name: None,
        trigger: "task.created".parse().unwrap(),
        workflow: vec![WorkflowStep { name: "notify".to_owned(), url: url("step") }],
        active: true,
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    AutomationStore::new(started.config()).create(access(), &automation).await.unwrap();
    automation
}

async fn worker(started: &Started) -> Endpoint {
    let id = EndpointId::of_worker(access().project(), "worker_1");
    let blank = samples::endpoint_of(id, samples::RECEIVER, samples::SECRETS_KEY).unwrap();
    let webhook = Endpoint { worker_id: Some("worker_1".to_owned()), ..blank };
    EndpointStore::new(started.config()).create(access(), &webhook).await.unwrap();
    webhook
}

/// A resend's status and the messages that it made.
async fn resend(started: &Started, event: &Event, body: Json) -> (u16, Vec<Message>) {
    let path = format!("/webhooks/messages/{}/resend", event.id);
    let answer = started.api.ask("POST", &path, body).await;
    (answer.status, started.enqueued().await)
}

#[tokio::test]
async fn each_of_them_gets_it_again_the_way_it_got_it_first() {
    let started = start().await;
    let (automation, webhook) = (automation(&started).await, worker(&started).await);
    let step = automation.endpoint_of(&automation.workflow[0]);
    let own = EndpointId::of_url(access().project(), url("own").normalised());
    let event = Event {
        worker_id: Some("worker_1".to_owned()),
        webhook_url: Some(url("own")),
        ..event(r#"{"id":"task_1"}"#, minute(1))
    };
    let target =
        |endpoint, path: &str, origin| Target::new(endpoint, url(path).to_string(), origin);
    let targets = vec![
        target(own, "own", Origin::Event),
        target(step, "step", Origin::Automation(automation.id)),
        target(webhook.id, "", Origin::Worker),
    ];
    started.logged(event.clone(), targets, minute(1)).await;

    let (status, messages) = resend(&started, &event, json!({})).await;
    assert_eq!((status, messages.len()), (202, 3));
    let to = |endpoint| messages.iter().find(|message| message.endpoint == endpoint).unwrap();
    let url_of = |message: &Message| match &message.via {
        Some(SettingsSource::Url { url, body, .. }) => (url.as_written().to_owned(), body.name()),
        other => panic!("{other:?}"),
    };
    assert_eq!(url_of(to(own)), (url("own").to_string(), "data"));
    assert_eq!(url_of(to(step)), (url("step").to_string(), "data"));
    assert_eq!(
        to(step).event.data.get(),
        format!(r#"{{"id":"task_1","automation_id":"{}"}}"#, automation.id)
    );
    assert_eq!(to(own).event.data.get(), r#"{"id":"task_1"}"#);
    assert_eq!(to(webhook.id).via, Some(SettingsSource::Worker("worker_1".to_owned())));

    let (status, messages) = resend(&started, &event, json!({"endpoint_id": step})).await;
    assert_eq!((status, messages.len(), messages[0].endpoint), (202, 1, step));
}

#[tokio::test]
async fn what_is_gone_gets_nothing_any_more() {
    let started = start().await;
    let (automation, webhook) = (automation(&started).await, worker(&started).await);
    let step = automation.endpoint_of(&automation.workflow[0]);
    let of_step = Target::new(step, String::new(), Origin::Automation(automation.id));
    let of_worker = Target::new(webhook.id, String::new(), Origin::Worker);
    let event = Event { worker_id: Some("worker_1".to_owned()), ..event("{}", minute(1)) };
    started.logged(event.clone(), vec![of_step, of_worker], minute(1)).await;

    // A step of another URL is another endpoint.
    let moved = Automation {
        workflow: vec![WorkflowStep { name: "notify".to_owned(), url: url("moved") }],
        ..automation.clone()
    };
    AutomationStore::new(started.config()).replace(access(), &moved).await.unwrap();
    let (status, messages) = resend(&started, &event, json!({})).await;
    assert_eq!((status, messages.len(), messages[0].endpoint), (202, 1, webhook.id));
    assert_eq!(resend(&started, &event, json!({"endpoint_id": step})).await.0, 409);

    let paused = Automation { active: false, revision: 2, ..automation.clone() };
    AutomationStore::new(started.config()).replace(access(), &paused).await.unwrap();
    assert_eq!(
        resend(&started, &event, json!({"endpoint_id": step})).await.0,
        409,
        "as at a paused endpoint"
    );

    EndpointStore::new(started.config()).delete_worker(access(), "worker_1").await.unwrap();
    AutomationStore::new(started.config()).delete(access(), automation.id).await.unwrap();
    let (status, messages) = resend(&started, &event, json!({})).await;
    assert_eq!((status, messages.len()), (409, 0));
}
