//! What an endpoint is by the time of an attempt.

use domain::model::{Endpoint, Outcome, Status};
use emulator::samples;
use serde_json::Value as Json;
use store::{Access, Table, endpoints::EndpointStore};

use super::support::{Started, event_of, message_of, start, start_with};

async fn endpoint(started: &Started) -> Endpoint {
    let config = Table::new(
        aws_sdk_dynamodb::Client::new(&started.aws.sdk_config()),
        started.aws.table_name("ConfigTable"),
    );
    let project = Access::of_project(&samples::project().unwrap());
    EndpointStore::new(config)
        .get(project, samples::ENDPOINT.parse().unwrap())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn a_disabled_endpoint_gets_nothing_and_its_deliveries_have_failed() {
    let started = start_with(&[200], |endpoint| endpoint.status = Status::Disabled).await;
    assert_eq!(started.handle(event_of("first-attempt.json")).await, [""; 0]);
    let [attempt] =
        started.attempts(message_of("first-attempt.json", 0).event.id).await.try_into().unwrap();
    assert_eq!((attempt.outcome, attempt.next_attempt_at), (Outcome::Refused, None));
    assert!(started.receiver.webhooks().is_empty());
    assert_eq!(started.count("DeadLetterQueue").await, 0);
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_endpoint() {
    let started = start(&[410], &[600]).await;
    assert_eq!(started.handle(event_of("first-attempt.json")).await, [""; 0]);
    let endpoint = endpoint(&started).await;
    assert_eq!((endpoint.status, endpoint.revision), (Status::Disabled, 2));
    assert!(endpoint.disabled_reason.is_some_and(|reason| reason.contains("410")));
    assert_eq!(
        (started.count("RetriesQueue").await, started.count("DeadLetterQueue").await),
        (0, 0)
    );
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_not_followed() {
    let started = start(&[302], &[600]).await;
    assert_eq!(started.handle(event_of("first-attempt.json")).await, [""; 0]);
    let [attempt] =
        started.attempts(message_of("first-attempt.json", 0).event.id).await.try_into().unwrap();
    assert_eq!((attempt.outcome, attempt.response_status), (Outcome::HttpError, Some(302)));
    assert_eq!(started.receiver.webhooks().len(), 1);
}

#[tokio::test]
async fn as_deployed_no_request_goes_to_this_machine() {
    let started = start(&[200], &[600]).await;
    let settings = started.aws.environment_of("deliver").into_iter().collect();
    let app = deliver::App::new(&started.aws.sdk_config_of("deliver"), &settings).unwrap();
    let strict = Started { app: std::sync::Arc::new(app), ..started };
    assert_eq!(strict.handle(event_of("first-attempt.json")).await, [""; 0]);
    let [attempt] =
        strict.attempts(message_of("first-attempt.json", 0).event.id).await.try_into().unwrap();
    assert_eq!((attempt.outcome, strict.receiver.webhooks().len()), (Outcome::Refused, 0));
}

#[tokio::test]
async fn an_endpoints_own_headers_go_along_and_never_in_place_of_ours() {
    let started = start_with(&[200], |endpoint| {
        let headers = [("X-Team".to_owned(), "a".to_owned())];
        endpoint.headers = domain::model::CustomHeaders::new(headers).unwrap();
    })
    .await;
    assert_eq!(started.handle(event_of("first-attempt.json")).await, [""; 0]);
    let [webhook] = started.receiver.webhooks().try_into().unwrap();
    assert_eq!(
        (webhook.header("x-team"), webhook.header("content-type")),
        ("a", "application/json")
    );
    assert!(webhook.header("user-agent").starts_with("Posthaste/"));
    assert!(serde_json::from_slice::<Json>(&webhook.body).is_ok());
}
