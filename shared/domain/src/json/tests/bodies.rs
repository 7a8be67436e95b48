//! Whole bodies, of every shape, around canonical data.

use serde_json::value::RawValue;

use crate::{
    id::{EventId, ProjectId},
    model::Event,
    shape::BodyShape,
    time::Timestamp,
};

/// The bodies of an event with this canonical data, about this user: one of each shape.
pub(super) fn bodies(data: &str, user_id: &str) -> Vec<String> {
    let event = Event {
        id: EventId::new(Timestamp::from_seconds(1_735_689_886), 7),
        kind: "task.succeeded".parse().unwrap(),
        data: RawValue::from_string(format!(r#"{{"task":{data}}}"#)).unwrap(),
        created_at: 1_735_689_886,
        user_id: Some(user_id.to_owned()),
        worker_id: None,
        webhook_url: None,
        metadata: None,
    };
    let project = ProjectId::new(Timestamp::from_seconds(1), 1);
    let body = |shape: BodyShape| match shape.build(&event, project) {
        Ok(body) if data != "null" => String::from_utf8(body).unwrap(),
        // An envelope of a task can't hold anything else.
        _ => event.data.get().to_owned(),
    };
    BodyShape::all().map(body).collect()
}
