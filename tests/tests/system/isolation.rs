//! One project's key can read, change or infer nothing of another project, on any route.
//!
//! The proof is a comparison: whatever project A asks with an id of project B must be answered as
//! if the id were of nothing at all. The ids of nothing differ from B's in their last character
//! only, so that they stand for the same moment.

use domain::id::EventId;
use http::Method;
use runtime::clock;
use sam_template::{HttpRoute, Settings, Template};
use serde_json::{Value as Json, json};
use system_tests::{Answer, Client, Receiver, Stack, workspace};

/// What project B has, or what does not exist.
#[derive(Clone)]
struct Ids {
    project: String,
    key: String,
    endpoint: String,
    event: String,
    attempt: String,
    recovery: String,
    topic: String,
    automation: String,
    worker: String,
    idempotency_key: String,
    /// An id that is free in every project.
    free: String,
}

impl Ids {
    /// Ids beside these, of nothing.
    fn of_nothing(&self) -> Self {
        Self {
            project: beside(&self.project),
            key: beside(&self.key),
            endpoint: beside(&self.endpoint),
            event: beside(&self.event),
            attempt: beside(&self.attempt),
            recovery: beside(&self.recovery),
            topic: beside(&self.topic),
            automation: beside(&self.automation),
            worker: beside(&self.worker),
            idempotency_key: beside(&self.idempotency_key),
            free: self.free.clone(),
        }
    }

    fn all(&self) -> [(&'static str, &str); 10] {
        [
            ("PROJECT", &self.project),
            ("KEY", &self.key),
            ("ENDPOINT", &self.endpoint),
            ("EVENT", &self.event),
            ("ATTEMPT", &self.attempt),
            ("RECOVERY", &self.recovery),
            ("TOPIC", &self.topic),
            ("AUTOMATION", &self.automation),
            ("WORKER", &self.worker),
            ("IDEMPOTENCY", &self.idempotency_key),
        ]
    }
}

/// The same but for the last character.
fn beside(id: &str) -> String {
    let (start, last) = id.split_at(id.len() - 1);
    format!("{start}{}", if last == "5" { "6" } else { "5" })
}

/// A request of project A.
struct Ask {
    method: Method,
    path: String,
    header: Option<(&'static str, String)>,
    body: Option<Json>,
}

impl Ask {
    fn get(path: String) -> Self {
        Self { method: Method::GET, path, header: None, body: None }
    }

    async fn by(&self, client: &Client) -> Answer {
        let mut request = client.request(self.method.clone(), &self.path);
        if let Some((name, value)) = &self.header {
            request = request.header(*name, value);
        }
        if let Some(body) = &self.body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        client.send(request).await
    }
}

#[tokio::test]
async fn a_projects_key_learns_nothing_of_another_project_on_any_route() {
    let stack = Stack::shared().await;
    // Who asks with B's ids, and who asks with ids of nothing: two, as what one has posted is there
    // when it asks again.
    let (a, control, b) = (stack.project().await, stack.project().await, stack.project().await);
    let receiver = Receiver::start().await;
    let (theirs, secret) = what_b_has(&stack.operator(), &b, &receiver).await;
    let nothing = theirs.of_nothing();
    let before = snapshot(&b, &theirs).await;

    let routes = template().functions.into_iter().flat_map(|function| function.routes);
    let mut asked = 0;
    for route in routes.filter(|route| route.path != "$default") {
        let (mine, ghosts) = (asks(&route, &theirs), asks(&route, &nothing));
        for (ask, ghost) in mine.iter().zip(&ghosts) {
            let (answer, expected) = (ask.by(&a).await, ghost.by(&control).await);
            let what = format!("{} {} {:?}", ask.method, ask.path, ask.header);
            assert_eq!(
                seen(&answer, &theirs),
                seen(&expected, &nothing),
                "{what} tells B's from nothing"
            );
            assert!(!answer.text.contains(&secret), "{what} shows B's secret");
            asked += 1;
        }
    }
    assert!(asked > 60, "only {asked} requests were compared");
    assert_eq!(snapshot(&b, &theirs).await, before, "nothing of B's has changed");
    assert_eq!(receiver.received().len(), 1, "nothing was sent for B");
}

/// A project with everything in it that a project can have; and its endpoint's secret.
async fn what_b_has(operator: &Client, b: &Client, receiver: &Receiver) -> (Ids, String) {
    b.put("/webhooks/topics/b.own", json!({"description": "B's own"})).await.expect(201);
    let endpoint = b.create_endpoint(&receiver.url("/b"), &["b.own"]).await;
    let step = json!({"kind": "webhook", "url": receiver.url("/never")});
    let automation =
        json!({"trigger": {"kind": "event", "event": "task.created"}, "workflow": [step]});
    let automation =
        b.post("/automations", automation).await.expect(201)["id"].as_str().unwrap().to_owned();
    b.put("/api/workers/worker-of-b/webhook", json!({"url": receiver.url("/never")}))
        .await
        .expect(200);
    let key = "b-idempotency-key-1";
    let event: system_tests::Event =
        b.post_event_once(key, "b.own", json!({"secret of": "B"})).await.read(202);
    b.wait_for_message(&event.id, "succeeded").await;
    let attempt = b.attempts(&event.id).await.remove(0);
    let since = clock::now().seconds() - 60;
    let recovery = b
        .post(
            &format!("/webhooks/endpoints/{}/recover", endpoint.id),
            json!({"since": since, "dry_run": true}),
        )
        .await
        .expect(202);
    let (key_id, _) = operator.new_key(b.project(), &["read"]).await;
    let ids = Ids {
        project: b.project().to_owned(),
        key: key_id,
        endpoint: endpoint.id.clone(),
        event: event.id,
        attempt: attempt.id,
        recovery: recovery["id"].as_str().unwrap().to_owned(),
        topic: "b.own".to_owned(),
        automation,
        worker: "worker-of-b".to_owned(),
        idempotency_key: key.to_owned(),
        free: EventId::new(clock::now(), 1).to_string(),
    };
    (ids, endpoint.secret().to_owned())
}

/// All that B sees of itself.
async fn snapshot(b: &Client, ids: &Ids) -> Vec<String> {
    let mut seen = Vec::new();
    for path in [
        "/webhooks/endpoints".to_owned(),
        format!("/webhooks/endpoints/{}/secret", ids.endpoint),
        "/webhooks/topics".to_owned(),
        "/webhooks/secret".to_owned(),
        "/automations".to_owned(),
        format!("/api/workers/{}/webhook", ids.worker),
        "/webhooks/messages".to_owned(),
        format!("/webhooks/delivery-attempts?message_id={}", ids.event),
    ] {
        seen.push(b.get(&path).await.expect(200).to_string());
    }
    seen
}

/// What an answer tells, with ids replaced by their names.
fn seen(answer: &Answer, ids: &Ids) -> (u16, String, Vec<String>) {
    let named = |text: &str| {
        ids.all().into_iter().fold(text.to_owned(), |text, (name, id)| text.replace(id, name))
    };
    let headers = ["has-more", "link", "allow", "www-authenticate", "retry-after"]
        .map(|name| named(answer.header(name)));
    (answer.status, named(&answer.text), headers.to_vec())
}

fn template() -> Template {
    Template::read(&workspace().join("template.yaml"), &Settings::default()).unwrap()
}

/// Everything that A can ask of this route with these ids: in the path, in the query, in the body,
/// in headers.
fn asks(route: &HttpRoute, ids: &Ids) -> Vec<Ask> {
    let method: Method = route.method.parse().unwrap();
    let thing = match route.path.split('/').nth(1).unwrap_or_default() {
        "projects" => &ids.project,
        "operator-keys" => &ids.key,
        "events" => &ids.event,
        "automations" => &ids.automation,
        "api" => &ids.worker,
        _ if route.path.starts_with("/webhooks/messages") => &ids.event,
        _ => &ids.endpoint,
    };
    let path = route
        .path
        .replace("{id}", thing)
        .replace("{key_id}", &ids.key)
        .replace("{recovery_id}", &ids.recovery)
        .replace("{name}", &ids.topic);
    let ask =
        |body: Option<Json>| Ask { method: method.clone(), path: path.clone(), header: None, body };

    let mut asks: Vec<Ask> = bodies(route, ids).into_iter().map(ask).collect();
    // In B's name, on every route.
    asks.push(Ask {
        header: Some(("posthaste-project", ids.project.clone())),
        ..ask(bodies(route, ids).pop().flatten())
    });
    if route.path == "/events" && method == Method::POST {
        let body =
            Some(json!({"kind": "task.created", "data": 1, "id": ids.free, "created_at": 1}));
        asks.push(Ask {
            header: Some(("idempotency-key", ids.idempotency_key.clone())),
            ..ask(body)
        });
    }
    if method == Method::GET {
        asks.extend(
            queries(route, ids).into_iter().map(|query| Ask::get(format!("{path}?{query}"))),
        );
    }
    asks
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn bodies(route: &HttpRoute, ids: &Ids) -> Vec<Option<Json>> {
    match (route.method.as_str(), route.path.as_str()) {
        // Everybody has a secret of their own, so no two answers are alike.
        (_, "/webhooks/secret" | "/webhooks/secret/rotate") => vec![],
        ("GET" | "DELETE", _) | ("POST", "/api/workers/{id}/webhook/regenerate-token") => {
            vec![None]
        }
        ("POST", "/events") => vec![Some(
            json!({"kind": "task.created", "data": {"of": "A"}, "id": ids.event, "created_at": 1}),
        )],
        ("POST", "/events/batch") => {
            // B's topic, in an event of A's.
            vec![Some(json!({"events": [{"kind": ids.topic, "data": 1}]}))]
        }
        ("POST", "/operator-keys") => vec![Some(json!({"name": "A was here"}))],
        ("POST", "/webhooks/endpoints") => {
            vec![Some(json!({"url": "https://example.com/", "topics": [ids.topic]}))]
        }
        ("PATCH", "/webhooks/endpoints/{id}") => {
            vec![
                Some(json!({"name": "A was here"})),
                Some(json!({"status": "paused"})),
                Some(json!({"nonsense": 1})),
                Some(json!({})),
            ]
        }
        ("PUT", "/webhooks/endpoints/{id}") => {
            vec![Some(json!({"url": "https://example.com/", "topics": ["*"]}))]
        }
        ("POST", "/automations") => {
            let step = json!({"kind": "webhook", "url": "https://example.com/"});
            vec![Some(
                json!({"trigger": {"kind": "event", "event": ids.topic}, "workflow": [step]}),
            )]
        }
        ("PATCH", "/automations/{id}") => {
            vec![Some(json!({"name": "A was here"})), Some(json!({"nonsense": 1}))]
        }
        // Who puts one gets a token of their own; null puts none.
        ("PUT", "/api/workers/{id}/webhook") => {
            vec![Some(json!({"url": null})), Some(json!({"url": 1}))]
        }
        ("PUT", "/webhooks/topics/{name}") => {
            vec![Some(json!({"description": "A was here", "example": 1}))]
        }
        ("POST", "/webhooks/messages/{id}/resend") => {
            vec![None, Some(json!({"endpoint_id": ids.endpoint}))]
        }
        ("POST", "/webhooks/endpoints/{id}/recover") => {
            let since = clock::now().seconds() - 60;
            vec![
                None,
                Some(json!({})),
                Some(json!({"since": since, "dry_run": true})),
                Some(json!({"since": since})),
            ]
        }
        ("POST", path) if path.starts_with("/webhooks/endpoints/{id}/") => {
            vec![None, Some(json!({}))]
        }
        ("POST" | "PATCH", path) if path.starts_with("/projects") => {
            vec![Some(json!({"name": "A was here"}))]
        }
        _ => panic!("{} is new: what can one project ask of another there?", route.key()),
    }
}

fn queries(route: &HttpRoute, ids: &Ids) -> Vec<String> {
    let cursor = match route.path.as_str() {
        "/events" | "/webhooks/messages" => &ids.event,
        "/webhooks/endpoints" => &ids.endpoint,
        "/webhooks/endpoints/{id}/recoveries" => &ids.recovery,
        "/webhooks/delivery-attempts" | "/webhooks/endpoints/{id}/deliveries" => &ids.attempt,
        "/automations" => &ids.automation,
        "/projects" => &ids.project,
        "/projects/{id}/keys" => &ids.key,
        _ => return Vec::new(),
    };
    let mut queries = vec![
        format!("after={cursor}"),
        format!("before={cursor}"),
        format!("after={cursor}&order=asc"),
    ];
    match route.path.as_str() {
        "/webhooks/messages" => queries.push(format!("endpoint_id={}", ids.endpoint)),
        "/webhooks/delivery-attempts" => {
            queries.push(format!("message_id={}", ids.event));
            queries.push(format!("endpoint_id={}", ids.endpoint));
            queries.push(format!("message_id={}&endpoint_id={}", ids.event, ids.endpoint));
            queries.push(format!("endpoint_id={}&after={cursor}", ids.endpoint));
        }
        "/events" => queries.push(format!("kind={}", ids.topic)),
        _ => {}
    }
    queries
}

#[tokio::test]
async fn a_projects_lists_hold_nothing_of_another_project_even_with_its_cursors() {
    let stack = Stack::shared().await;
    let (a, b) = (stack.project().await, stack.project().await);
    let receiver = Receiver::start().await;
    let mut own = Vec::new();
    let mut foreign = Vec::new();
    for number in 0..6 {
        own.push(a.post_event("task.created", json!({"number": number})).await.id);
        foreign.push(b.post_event("task.created", json!({"number": number})).await.id);
    }
    b.create_endpoint(&receiver.url("/"), &["*"]).await;
    assert!(a.get("/webhooks/endpoints").await.ids().is_empty());
    own.reverse();
    assert_eq!(a.get("/events").await.ids(), own);
    assert_eq!(a.get("/webhooks/messages").await.ids(), own);
    // B's third event is only a moment: before it A has posted its first three, after it the
    // others.
    assert_eq!(a.get(&format!("/events?after={}", foreign[2])).await.ids(), own[3..]);
    assert_eq!(a.get(&format!("/events?before={}", foreign[2])).await.ids(), own[..3]);
}

#[tokio::test]
async fn the_operator_acts_for_the_project_that_it_names() {
    let stack = Stack::shared().await;
    let (a, b) = (stack.project().await, stack.project().await);
    let event = a.post_event("task.created", json!({})).await;
    let operator = stack.operator();
    let path = format!("/events/{}", event.id);
    operator.acting_for(a.project()).get(&path).await.expect(200);
    operator.acting_for(b.project()).get(&path).await.is_error(
        404,
        "not_found",
        "no such event",
        None,
    );
    operator.get(&path).await.is_error(
        400,
        "validation_error",
        "Posthaste-Project",
        Some("Posthaste-Project"),
    );
    operator.acting_for(&beside(a.project())).get(&path).await.is_error(
        404,
        "not_found",
        "no such project",
        None,
    );
    // A key may name its own project.
    a.acting_for(a.project()).get(&path).await.expect(200);
}
