//! The platform's side: calls of the API, as the operator or with a project's key.

mod answer;
mod things;

use std::time::Duration;

use http::Method;
use serde_json::{Value as Json, json};

pub use answer::Answer;
pub use things::{Attempt, Delivery, Endpoint, Event, Message};

use crate::eventually;

/// A caller of the API.
#[derive(Clone)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    base_url: String,
    key: String,
    project: String,
    /// Set for the operator acting for a project.
    acting_for: Option<String>,
}

impl Client {
    pub(crate) fn new(base_url: &str, key: &str) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the API's caller; it never reaches customers' URLs"
        )]
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self {
            http,
            base_url: base_url.to_owned(),
            key: key.to_owned(),
            project: String::new(),
            acting_for: None,
        }
    }

    /// The same place with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), acting_for: None, ..self.clone() }
    }

    /// The operator, acting for a project.
    #[must_use]
    pub fn acting_for(&self, project: &str) -> Self {
        Self { project: project.to_owned(), acting_for: Some(project.to_owned()), ..self.clone() }
    }

    /// The same caller at another stack, or at one that was restarted.
    #[must_use]
    pub fn at(&self, base_url: &str) -> Self {
        Self { base_url: base_url.to_owned(), ..self.clone() }
    }

    /// The id of the caller's project.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The caller's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// As the operator: a new project, and a key that may do everything in it.
    pub async fn new_project(&self) -> Self {
        self.new_project_with(json!({"name": "A test"})).await
    }

    /// As [`Client::new_project`], with defaults for its endpoints.
    pub async fn new_project_with(&self, body: Json) -> Self {
        let project = self.post("/projects", body).await.expect(201);
        let id = project["id"].as_str().expect("a project has an id").to_owned();
        let key =
            self.post(&format!("/projects/{id}/keys"), json!({"name": "all"})).await.expect(201);
        Self { project: id, ..self.with_key(key["key"].as_str().expect("a new key is shown")) }
    }

    /// As the operator: a key of a project with these scopes. Returns its id and a client with it.
    pub async fn new_key(&self, project: &str, scopes: &[&str]) -> (String, Self) {
        let key = self
            .post(&format!("/projects/{project}/keys"), json!({"name": "some", "scopes": scopes}))
            .await
            .expect(201);
        let client = Self {
            project: project.to_owned(),
            ..self.with_key(key["key"].as_str().expect("a new key is shown"))
        };
        (key["id"].as_str().expect("a key has an id").to_owned(), client)
    }

    /// A request that is still to be sent, with the caller's key.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request =
            self.http.request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.key);
        match &self.acting_for {
            Some(project) => request.header("posthaste-project", project),
            None => request,
        }
    }

    /// Sends a request of [`Client::request`].
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request).await.expect("the API answers")
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Json) -> Answer {
        self.with_body(Method::POST, path, body).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: Json) -> Answer {
        self.with_body(Method::PATCH, path, body).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: Json) -> Answer {
        self.with_body(Method::PUT, path, body).await
    }

    async fn with_body(&self, method: Method, path: &str, body: Json) -> Answer {
        self.send_text(method, path, &body.to_string()).await
    }

    /// A request with this very text as its JSON body.
    pub async fn send_text(&self, method: Method, path: &str, text: &str) -> Answer {
        self.send(
            self.request(method, path)
                .header("content-type", "application/json")
                .body(text.to_owned()),
        )
        .await
    }

    /// Creates an endpoint.
    pub async fn create_endpoint(&self, url: &str, topics: &[&str]) -> Endpoint {
        self.create_endpoint_with(json!({"url": url, "topics": topics})).await
    }

    /// Creates an endpoint with more than URL and topics.
    pub async fn create_endpoint_with(&self, body: Json) -> Endpoint {
        self.post("/webhooks/endpoints", body).await.read(201)
    }

    /// An endpoint.
    pub async fn endpoint(&self, id: &str) -> Endpoint {
        self.get(&format!("/webhooks/endpoints/{id}")).await.read(200)
    }

    /// Posts an event that must be accepted.
    pub async fn post_event(&self, kind: &str, data: Json) -> Event {
        self.post("/events", json!({"kind": kind, "data": data})).await.read(202)
    }

    /// Posts a batch of events that must be accepted, and waits as long as the API says where the
    /// project has posted too many a second.
    pub async fn post_batch(&self, events: Vec<Json>) -> Vec<Event> {
        let batch = json!({"events": events});
        loop {
            let answer = self.post("/events/batch", batch.clone()).await;
            if answer.status != 429 {
                return answer.read(202);
            }
            let seconds = answer.header("retry-after").parse().expect("seconds");
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    /// Posts an event with an idempotency key.
    pub async fn post_event_once(&self, key: &str, kind: &str, data: Json) -> Answer {
        let body = json!({"kind": kind, "data": data}).to_string();
        let request =
            self.request(Method::POST, "/events").header("content-type", "application/json");
        self.send(request.header("idempotency-key", key).body(body)).await
    }

    /// Posts an event to a stack that may die meanwhile; its id if it was accepted.
    pub async fn try_to_post_event(&self, kind: &str, data: Json) -> Option<String> {
        let body = json!({"kind": kind, "data": data}).to_string();
        let request = self
            .request(Method::POST, "/events")
            .header("content-type", "application/json")
            .body(body);
        let answer = Answer::of(request).await.ok().filter(|answer| answer.status == 202)?;
        Some(answer.read::<Event>(202).id)
    }

    /// Posts a batch of events with an idempotency key to a stack that may die meanwhile; their ids
    /// if they were accepted.
    pub async fn try_to_post_batch_once(
        &self,
        key: &str,
        events: Vec<Json>,
    ) -> Option<Vec<String>> {
        let body = json!({"events": events}).to_string();
        let request = self
            .request(Method::POST, "/events/batch")
            .header("content-type", "application/json")
            .body(body);
        let answer = Answer::of(request.header("idempotency-key", key))
            .await
            .ok()
            .filter(|answer| answer.status == 202)?;
        Some(answer.read::<Vec<Event>>(202).into_iter().map(|event| event.id).collect())
    }

    /// A message: an event with the state of its deliveries.
    pub async fn message(&self, id: &str) -> Message {
        self.get(&format!("/webhooks/messages/{id}")).await.read(200)
    }

    /// Waits until all deliveries of a message are in this state.
    pub async fn wait_for_message(&self, id: &str, status: &str) -> Message {
        eventually(&format!("message {id} is {status}"), async || {
            let message = self.message(id).await;
            let done = !message.deliveries.is_empty()
                && message.deliveries.iter().all(|delivery| delivery.status == status);
            done.then_some(message)
        })
        .await
    }

    /// The attempts of a message, oldest first.
    pub async fn attempts(&self, message: &str) -> Vec<Attempt> {
        self.get(&format!("/webhooks/delivery-attempts?message_id={message}&order=asc&limit=100"))
            .await
            .read(200)
    }

    /// Waits until a message has this many attempts, and returns them, oldest first.
    pub async fn wait_for_attempts(&self, message: &str, count: usize) -> Vec<Attempt> {
        eventually(&format!("{count} attempts of {message}"), async || {
            let attempts = self.attempts(message).await;
            (attempts.len() >= count).then_some(attempts)
        })
        .await
    }
}
