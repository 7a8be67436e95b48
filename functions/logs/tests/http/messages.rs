//! Events, and messages with the state of their deliveries.

use domain::{
    delivery::End,
    delivery_row::State,
    id::{EndpointId, EventId},
    model::{
        Event, Origin, Outcome, Scope, Status, Target,
        event::{LoggedEvent, Missed},
    },
};
use emulator::samples;
use serde_json::{Value as Json, json};
use store::{Access, events::EventWriter};

use super::support::{STRANGER, attempt, event, minute, start};

const FAILED: State = State::Ended(End::Failed);

fn endpoint() -> EndpointId {
    samples::ENDPOINT.parse().unwrap()
}

fn ids(body: &Json) -> Vec<&str> {
    body.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_message_tells_how_its_deliveries_stand() {
    let started = start().await;
    let event = started.event("task.created", minute(1)).await;
    let path = format!("/webhooks/messages/{}", event.event.id);
    let deliveries =
        async || started.api.ask("GET", &path, Json::Null).await.body["deliveries"][0].clone();
    let expected = json!({"endpoint_id": samples::ENDPOINT, "url": samples::RECEIVER,
        "status": "pending", "attempts": 0,
        "last_attempt_at": null, "next_attempt_at": null});
    assert_eq!(deliveries().await, expected);

    let next = minute(500);
    started.record(&[attempt(&event, 1, Outcome::HttpError, Some(next))]).await;
    let delivery = deliveries().await;
    assert_eq!(
        (&delivery["status"], &delivery["next_attempt_at"]),
        (&json!("pending"), &json!(next.seconds()))
    );

    let second = attempt(&event, 2, Outcome::Succeeded, None);
    started.record(std::slice::from_ref(&second)).await;
    let delivery = deliveries().await;
    let told = (
        &delivery["status"],
        &delivery["attempts"],
        &delivery["last_attempt_at"],
        &delivery["next_attempt_at"],
    );
    assert_eq!(
        told,
        (&json!("succeeded"), &json!(2), &json!(second.created_at.seconds()), &Json::Null)
    );
}

#[tokio::test]
async fn a_delivery_that_waits_stands_as_its_row_says_and_by_the_log_if_that_cannot_be_read() {
    let started = start().await;
    let event = started.event("task.created", minute(1)).await;
    // As if a resend had failed for good, while the schedule before it waits.
    started.record(&[attempt(&event, 1, Outcome::HttpError, None)]).await;
    let (id, project) = (event.event.id, samples::PROJECT);
    let status = async || {
        let path = format!("/webhooks/messages/{id}");
        let body = started.api.ask("GET", &path, Json::Null).await.body;
        body["deliveries"][0]["status"].clone()
    };
    assert_eq!(status().await, "failed");
    let row = |state: Json| {
        json!({"pk": {"S": format!("D#{project}#{}", id.shard())},
            "sk": {"S": format!("{id}#{}", samples::ENDPOINT)}, "project": {"S": project},
            "event": {"S": id.to_string()}, "kind": {"S": "task.created"},
            "endpoint": {"S": samples::ENDPOINT}, "enqueued_at": {"N": "1"}, "seq": {"N": "1"},
            "trigger": {"S": "scheduled"}, "list_at": {"N": "1"}, "state": state})
    };
    for (state, shown) in [
        (json!({"M": {"waiting": {"M": {"until": {"N": "1"}}}}}), "pending"),
        (json!({"M": {"parked": {"M": {"since": {"N": "1"}}}}}), "parked"),
        (json!({"M": {"ended": {"S": "succeeded"}}}), "succeeded"),
        (json!({"M": {"ended": {"S": "failed"}}}), "failed"),
        (json!({"M": {"unheard_of": {"N": "1"}}}), "failed"),
    ] {
        started.aws.put_row("StateTable", &row(state)).await;
        assert_eq!(status().await, shown);
    }
}

#[tokio::test]
async fn messages_are_filtered_by_state_topic_and_time() {
    let started = start().await;
    let mut events = Vec::new();
    for (number, kind) in [(1, "task.created"), (2, "task.failed"), (3, "run.created")] {
        events.push(started.event(kind, minute(number)).await);
    }
    let at = |place: usize| events[place].event.id.to_string();
    started
        .record(&[
            attempt(&events[0], 1, Outcome::Succeeded, None),
            attempt(&events[1], 1, Outcome::HttpError, None),
        ])
        .await;
    started.row(&events[1].event, endpoint(), FAILED).await;
    let (since, until) = (minute(2).seconds(), minute(3).seconds());
    for (query, expected) in [
        (String::new(), vec![at(2), at(1), at(0)]),
        ("order=asc".to_owned(), vec![at(0), at(1), at(2)]),
        ("status=succeeded".to_owned(), vec![at(0)]),
        ("status=failed".to_owned(), vec![at(1)]),
        ("status=pending".to_owned(), vec![at(2)]),
        ("kind=task.*".to_owned(), vec![at(1), at(0)]),
        (format!("since={since}&until={until}"), vec![at(1)]),
        (format!("after={}", at(1)), vec![at(0)]),
    ] {
        let answer =
            started.api.ask("GET", &format!("/webhooks/messages?{query}"), Json::Null).await;
        assert_eq!(
            (answer.status, ids(&answer.body)),
            (200, expected.iter().map(String::as_str).collect()),
            "{query}"
        );
    }
    for (query, field) in [
        ("status=lost", "status"),
        ("limit=0", "limit"),
        ("after=evt_x", "after"),
        ("colour=red", "colour"),
    ] {
        let answer =
            started.api.ask("GET", &format!("/webhooks/messages?{query}"), Json::Null).await;
        assert_eq!((answer.status, answer.text("field")), (400, field));
    }
}

#[tokio::test]
async fn failed_messages_are_found_without_a_walk_through_all_others() {
    let started = start().await;
    let mut failed = Vec::new();
    // Two minutes with three events of one millisecond each, in no order.
    for (at, number) in [(5, 2), (5, 1), (3, 9), (3, 7), (5, 3), (3, 8)] {
        let event = Event { id: EventId::new(minute(at), number), ..event("{}", minute(at)) };
        let target = Target::new(endpoint(), String::new(), Origin::Endpoint);
        started.logged(event.clone(), vec![target], minute(at)).await;
        started.row(&event, endpoint(), FAILED).await;
        failed.push(event.id);
    }
    for number in 10..40 {
        started.event("task.created", minute(number)).await;
    }
    failed.sort();
    let sorted: Vec<_> = failed.iter().map(ToString::to_string).collect();
    let reversed: Vec<_> = sorted.iter().rev().cloned().collect();
    let list = async |query: &str| {
        let path = format!("/webhooks/messages?status=failed&{query}");
        let answer = started.api.ask("GET", &path, Json::Null).await;
        ids(&answer.body).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let before = started.aws.faults().calls();
    assert_eq!((list("").await, list("order=asc").await), (reversed.clone(), sorted.clone()));
    let calls = started.aws.faults().calls() - before;
    // Eight lists, and of each failed event itself, its rows and its attempts; a walk would read
    // those of 36 events.
    assert!(calls < 60, "{calls} calls for two lists");
    // Page by page, in both directions.
    for (order, expected) in [("asc", &sorted), ("desc", &reversed)] {
        let mut seen: Vec<String> = Vec::new();
        while let next @ [_, ..] = &list(&match seen.last() {
            None => format!("order={order}&limit=2"),
            Some(id) => format!("order={order}&limit=2&after={id}"),
        })
        .await[..]
        {
            seen.extend_from_slice(next);
        }
        assert_eq!(&seen, expected);
        let back = list(&format!("order={order}&limit=2&before={}", expected[3])).await;
        assert_eq!(back, expected[1..3]);
    }
    let since = minute(4).seconds();
    assert_eq!(list(&format!("since={since}")).await, reversed[..3]);
    assert_eq!(list(&format!("until={since}")).await, reversed[3..]);
    assert_eq!(list(&format!("endpoint_id={}", endpoint())).await, reversed);
    assert!(list("endpoint_id=we_01JZ0000000000000000000099").await.is_empty());

    // One that is sent again has not failed any more.
    let path = format!("/webhooks/messages/{}/resend", sorted[1]);
    assert_eq!(started.api.ask("POST", &path, Json::Null).await.status, 202);
    assert_eq!(list("order=asc").await, [&sorted[..1], &sorted[2..]].concat());
}

#[tokio::test]
async fn a_message_also_shows_the_endpoint_that_a_recovery_has_brought_it_to() {
    let started = start().await;
    let event = started.logged(event("{}", minute(1)), vec![], minute(1)).await;
    let id = event.event.id;
    let path = format!("/webhooks/messages/{id}");
    let deliveries =
        async || started.api.ask("GET", &path, Json::Null).await.body["deliveries"].clone();
    let resend = async || {
        let resend = format!("{path}/resend");
        let body = json!({"endpoint_id": samples::ENDPOINT});
        started.api.ask("POST", &resend, body).await.status
    };
    assert_eq!(deliveries().await, json!([]));
    started.row(&event.event, endpoint(), FAILED).await;
    let shown = deliveries().await[0].clone();
    let told = (&shown["endpoint_id"], &shown["url"], &shown["status"]);
    assert_eq!(told, (&json!(samples::ENDPOINT), &json!(samples::RECEIVER), &json!("failed")));
    let target = Target::new(endpoint(), String::new(), Origin::Endpoint);
    let as_if_sent = LoggedEvent { targets: vec![target], ..event };
    let made = attempt(&as_if_sent, 1, Outcome::HttpError, None);
    started.record(std::slice::from_ref(&made)).await;
    started.rows().note(&made, made.id).await.unwrap();
    for query in [format!("message_id={id}"), format!("endpoint_id={}", samples::ENDPOINT)] {
        let path = format!("/webhooks/delivery-attempts?{query}");
        assert_eq!(
            started.api.ask("GET", &path, Json::Null).await.body[0]["message_id"],
            json!(id)
        );
    }
    assert_eq!(resend().await, 202);
    assert_eq!(deliveries().await[0]["status"], "pending");
}

#[tokio::test]
async fn a_message_names_who_has_missed_it_and_why_until_it_is_brought_there() {
    let started = start().await;
    let other = EndpointId::new(minute(0), 9);
    let missed = vec![
        Missed { endpoint: endpoint(), because: Status::Paused },
        Missed { endpoint: other, because: Status::Disabled },
    ];
    let logged = LoggedEvent {
        event: event("{}", minute(1)),
        targets: vec![],
        missed,
        accepted_at: minute(1),
    };
    let project = Access::of_project(&samples::project().unwrap());
    let writer = EventWriter::new(started.log(), 30);
    writer.record(project, [&logged], || minute(1)).await.unwrap();
    let missed = async |query: &str| {
        let list = format!("/webhooks/messages?{query}");
        let answer = started.api.ask("GET", &list, Json::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body[0]["missed"].clone()
    };
    let of = |endpoint: EndpointId, because| json!({"endpoint_id": endpoint, "because": because});
    let [paused, disabled] = [of(endpoint(), "paused"), of(other, "disabled")];
    assert_eq!(missed("").await, json!([paused, disabled]));
    assert_eq!(missed(&format!("endpoint_id={other}")).await, json!([disabled]));
    assert_eq!(missed("endpoint_id=we_01JZ0000000000000000000007").await, Json::Null);
    started.row(&logged.event, endpoint(), FAILED).await;
    assert_eq!(missed("").await, json!([disabled]), "it has a delivery now");
}

#[tokio::test]
async fn events_are_listed_and_read() {
    let started = start().await;
    let event = started.event("task.created", minute(1)).await;
    let id = event.event.id;
    let expected = json!({"id": id, "object": "event", "kind": "task.created",
        "data": {"id": "task_1"}, "created_at": event.event.created_at});
    assert_eq!(started.api.ask("GET", &format!("/events/{id}"), Json::Null).await.body, expected);
    assert_eq!(
        started.api.ask("GET", "/events?kind=task.*", Json::Null).await.body,
        json!([expected])
    );
    assert_eq!(started.api.ask("GET", "/events?kind=run.*", Json::Null).await.body, json!([]));
}

#[tokio::test]
async fn another_projects_key_finds_nothing() {
    let started = start().await;
    let event = started.event("task.created", minute(1)).await;
    started.record(&[attempt(&event, 1, Outcome::Succeeded, None)]).await;
    let id = event.event.id;
    let stranger = started.api.with_key(&started.aws.key_of(STRANGER, &Scope::ALL).await);
    for path in [
        format!("/events/{id}"),
        format!("/webhooks/messages/{id}"),
        format!("/webhooks/endpoints/{}/deliveries", samples::ENDPOINT),
    ] {
        let (theirs, nobodys) =
            (stranger.ask("GET", &path, Json::Null).await, path.replace("01J", "01H"));
        let nobodys = stranger.ask("GET", &nobodys, Json::Null).await;
        assert_eq!(
            (theirs.status, &theirs.body),
            (404, &nobodys.body),
            "{path}: it looks as if it never was"
        );
    }
    for query in [format!("message_id={id}"), format!("endpoint_id={}", samples::ENDPOINT)] {
        let answer =
            stranger.ask("GET", &format!("/webhooks/delivery-attempts?{query}"), Json::Null).await;
        assert_eq!(answer.status, 404, "{query}");
    }
    for path in ["/events", "/webhooks/messages"] {
        assert_eq!(
            stranger.ask("GET", &format!("{path}?after={id}"), Json::Null).await.body,
            json!([])
        );
    }
    assert_eq!(
        stranger.ask("POST", &format!("/webhooks/messages/{id}/resend"), Json::Null).await.status,
        404
    );
}
