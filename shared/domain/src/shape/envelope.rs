//! The `envelope` shape: `{timestamp, user_id, event_id, event_type, data: {task}}`. Of the event's
//! data, only its task is sent.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{JSON, Misfit, Shape};
use crate::{
    id::EventId,
    model::{Event, Topic},
};

/// The shape; see the module.
pub(super) const SHAPE: Shape = Shape {
    name: "envelope",
    content_type: JSON,
    misfit: |data| task(data).is_err().then_some(MISFIT),
    build: |event, _| serde_json::to_vec(&Body { data: task(&event.data)?, ..Body::around(event) }),
};

const MISFIT: Misfit = Misfit { shape: "envelope", needs: "an object with a `task`" };

#[derive(Serialize)]
struct Body<'a> {
    timestamp: u64,
    user_id: Option<&'a str>,
    event_id: EventId,
    event_type: &'a Topic,
    data: Task<'a>,
}

#[derive(Default, Serialize, Deserialize)]
struct Task<'a> {
    #[serde(borrow)]
    task: Option<&'a RawValue>,
}

impl<'a> Body<'a> {
    fn around(event: &'a Event) -> Self {
        Self {
            timestamp: event.created_at,
            user_id: event.user_id.as_deref(),
            event_id: event.id,
            event_type: &event.kind,
            data: Task::default(),
        }
    }
}

/// The task as it stands in an event's data.
fn task(data: &RawValue) -> Result<Task<'_>, serde_json::Error> {
    // serde would read the field from an array too.
    let object = data.get().starts_with('{');
    let task: Task<'_> = serde_json::from_str(data.get())?;
    match task.task {
        Some(_) if object => Ok(task),
        _ => Err(serde::de::Error::missing_field("task")),
    }
}
