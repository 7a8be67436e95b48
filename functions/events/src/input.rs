//! What a producer may post.

use std::{collections::HashSet, time::Duration};

use api::{ABSURD_SECONDS, ApiError, MAX_FOREIGN_ID, judge::TargetCheck, parse_json, worker_id};
use domain::{
    endpoint_url::{EndpointUrl, TargetError, TargetPolicy},
    id::EventId,
    json::canonicalise,
    model::{
        Catalogue, Topic,
        event::{LoggedEvent, MAX_PAYLOAD},
        topic::SYSTEM_PREFIX,
    },
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// The most events of a batch.
pub(crate) const MAX_BATCH: usize = 100;
/// The largest body of a batch, and the most that its payloads may be in compact form: 2 MiB.
/// Lambda takes and gives 6 MB, in which the body is a JSON string with its quotes escaped: at
/// worst twice as long.
pub(crate) const MAX_BATCH_BYTES: usize = 2 << 20;
/// The largest body of a single event: its payload, and room for white space and the other fields.
pub(crate) const MAX_EVENT_BYTES: usize = 1 << 20;
/// The largest metadata, in bytes of its compact form.
const MAX_METADATA: usize = 16 * 1_024;
/// How far an event's own id may be ahead of our clock.
const AHEAD: Duration = Duration::from_mins(1);

/// An event to send to every endpoint that subscribes to it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEvent, example = json!({"kind": "task.succeeded", "data": {"id": "task_1",
    "object": "task", "status": "succeeded"}}))]
pub(crate) struct Posted {
    kind: Topic,
    /// The payload: any JSON of at most 256 KiB in compact form.
    #[schema(value_type = Value, required)]
    data: Box<RawValue>,
    /// Your own id of the event. Its time must lie within the retention of the log. Posting the
    /// same id twice creates one event.
    #[serde(default)]
    id: Option<EventId>,
    /// The id of your end user that the event is about.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    user_id: Option<String>,
    /// The id of your worker that the event is about: the worker's webhook gets the event too. It
    /// must not contain control characters or `/`, `\`, `?`, `#`, `%`.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f/\\?#%]+$")]
    worker_id: Option<String>,
    /// A URL to send the event to as well, without an endpoint, signed with the project's secret.
    #[serde(default)]
    #[schema(value_type = Option<EndpointUrl>)]
    webhook_url: Option<String>,
    /// Your own data: any JSON of at most 16 KiB in compact form.
    #[serde(default)]
    #[schema(value_type = Value)]
    metadata: Option<Box<RawValue>>,
    /// When it happened, in Unix seconds. Now if absent or null.
    #[serde(default)]
    #[schema(maximum = 99_999_999_999_i64)]
    created_at: Option<u64>,
}

/// Events of which all or none are accepted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEvents, example = json!({"events": [{"kind": "task.created",
    "data": {"id": "task_1"}}, {"kind": "task.succeeded", "data": {"id": "task_1"}}]}))]
pub(crate) struct PostedBatch {
    /// At most 2 MiB in all.
    #[schema(value_type = Vec<Posted>, min_items = 1, max_items = 100)]
    events: Vec<Box<RawValue>>,
}

/// What the checks are made against.
pub(crate) struct Rules {
    /// The topics that exist.
    pub(crate) catalogue: Catalogue,
    /// Where requests may go.
    pub(crate) judge: TargetCheck,
    /// When the request came.
    pub(crate) now: Timestamp,
    /// How long the log keeps events, in days.
    pub(crate) retention_days: u32,
}

/// An event that is well-formed, whatever the project's rules say of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Draft {
    pub(crate) kind: Topic,
    pub(crate) data: Box<RawValue>,
    pub(crate) id: Option<EventId>,
    pub(crate) user_id: Option<String>,
    pub(crate) worker_id: Option<String>,
    pub(crate) webhook_url: Option<EndpointUrl>,
    pub(crate) metadata: Option<Box<RawValue>>,
    pub(crate) created_at: Option<u64>,
}

/// Well-formed events, and why they are refused.
pub(crate) struct Refused {
    /// All of the request; `None` if some are not well-formed: then nothing like it can have been
    /// accepted before.
    pub(crate) drafts: Option<Vec<Draft>>,
    pub(crate) error: ApiError,
}

impl Draft {
    /// Reads one event.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        let posted: Posted = parse_json(bytes)?;
        if posted.created_at.is_some_and(|seconds| seconds >= ABSURD_SECONDS) {
            return Err(ApiError::validation(
                "created_at",
                "must be Unix seconds, not milliseconds",
            ));
        }
        let data = payload(&posted.data)?;
        let metadata = posted.metadata.filter(|metadata| metadata.get() != "null");
        Ok(Self {
            kind: posted.kind,
            data,
            id: posted.id,
            user_id: posted.user_id.map(|text| short(text, "user_id")).transpose()?,
            worker_id: posted
                .worker_id
                .map(|text| worker_id("worker_id", &text).map(str::to_owned))
                .transpose()?,
            webhook_url: posted.webhook_url.map(|url| well_formed(&url)).transpose()?,
            metadata: metadata
                .map(|metadata| canonical(&metadata, "metadata", MAX_METADATA))
                .transpose()?,
            created_at: posted.created_at,
        })
    }

    /// Judges it by rules that change.
    pub(crate) fn check(&self, rules: &Rules) -> Result<(), ApiError> {
        if !rules.catalogue.knows(&self.kind) {
            return Err(ApiError::validation(
                "kind",
                format!("no such topic: `{}`; GET /webhooks/topics lists them", self.kind),
            ));
        }
        if self.kind.is_system() {
            return Err(ApiError::validation(
                "kind",
                format!("topics under `{SYSTEM_PREFIX}` are reserved for Posthaste"),
            ));
        }
        if let Some(id) = self.id {
            check_id(id, rules)?;
        }
        match &self.webhook_url {
            Some(url) => {
                rules.judge.url(url.as_written()).map(drop).map_err(|error| refused_url(&error))
            }
            None => Ok(()),
        }
    }

    /// Reads a batch: each of its entries, or what is wrong with it.
    pub(crate) fn read_batch(bytes: &[u8]) -> Result<Vec<Result<Self, ApiError>>, ApiError> {
        let PostedBatch { events } = parse_json(bytes)?;
        if events.is_empty() || events.len() > MAX_BATCH {
            return Err(ApiError::validation(
                "events",
                format!("must have 1 to {MAX_BATCH} events"),
            ));
        }
        let mut ids = HashSet::new();
        let read = |event: &RawValue| match Self::read(event.get().as_bytes()) {
            Ok(Self { id: Some(id), .. }) if !ids.insert(id) => {
                Err(ApiError::validation("id", "is duplicated"))
            }
            other => other,
        };
        Ok(events.iter().map(Box::as_ref).map(read).collect())
    }

    /// All entries of a batch, if `check` allows each of them; otherwise what is wrong with every
    /// refused one.
    pub(crate) fn accepted(
        entries: Vec<Result<Self, ApiError>>,
        check: impl Fn(&Self) -> Result<(), ApiError>,
    ) -> Result<Vec<Self>, Refused> {
        let (count, mut drafts, mut refused) = (entries.len(), Vec::new(), Vec::new());
        for (place, entry) in entries.into_iter().enumerate() {
            match entry {
                Ok(draft) => {
                    refused.extend(check(&draft).err().map(|error| (place, error)));
                    drafts.push(draft);
                }
                Err(error) => refused.push((place, error)),
            }
        }
        // Compact is not always shorter: `1e20` is written out.
        let error = if !refused.is_empty() {
            ApiError::batch(count, refused)
        } else if drafts.iter().map(Self::size).sum::<usize>() > MAX_BATCH_BYTES {
            ApiError::too_large(
                Some("events"),
                format!("must be at most {MAX_BATCH_BYTES} bytes of compact JSON in all"),
            )
        } else {
            return Ok(drafts);
        };
        Err(Refused { drafts: (drafts.len() == count).then_some(drafts), error })
    }

    /// Whether an event of the log is what this one became.
    pub(crate) fn is(&self, LoggedEvent { event, accepted_at, .. }: &LoggedEvent) -> bool {
        self.kind == event.kind
            && self.data.get() == event.data.get()
            && self.user_id == event.user_id
            && self.worker_id == event.worker_id
            && self.webhook_url == event.webhook_url
            && self.metadata.as_deref().map(RawValue::get)
                == event.metadata.as_deref().map(RawValue::get)
            && self.created_at.unwrap_or(accepted_at.seconds()) == event.created_at
    }

    fn size(&self) -> usize {
        self.data.get().len() + self.metadata.as_ref().map_or(0, |metadata| metadata.get().len())
    }
}

/// An event's own id gives its place in the log, so its time must be one that the log holds.
fn check_id(id: EventId, rules: &Rules) -> Result<(), ApiError> {
    let (now, retention_days) = (rules.now, rules.retention_days);
    let oldest = Duration::from_secs(u64::from(retention_days) * 86_400);
    if id.time() > now + AHEAD || now.since(id.time()) > oldest {
        return Err(ApiError::validation(
            "id",
            format!("must be a ULID of the last {retention_days} days"),
        ));
    }
    Ok(())
}

/// An event's data, as it is kept and sent.
pub(crate) fn payload(data: &RawValue) -> Result<Box<RawValue>, ApiError> {
    canonical(data, "data", MAX_PAYLOAD)
}

/// A URL that requests may go to by the most lenient policy.
fn well_formed(url: &str) -> Result<EndpointUrl, ApiError> {
    EndpointUrl::parse(url, TargetPolicy::Local).map_err(|error| refused_url(&error))
}

fn refused_url(error: &TargetError) -> ApiError {
    ApiError::validation("webhook_url", error.to_string())
}

fn canonical(value: &RawValue, field: &str, most: usize) -> Result<Box<RawValue>, ApiError> {
    let text = canonicalise(value.get().as_bytes())
        .map_err(|error| ApiError::validation(field, error.to_string()))?;
    if text.len() > most {
        return Err(ApiError::too_large(
            Some(field),
            format!("must be at most {most} bytes of compact JSON, not {}", text.len()),
        ));
    }
    RawValue::from_string(text).map_err(|error| ApiError::validation(field, error.to_string()))
}

fn short(text: String, field: &str) -> Result<String, ApiError> {
    if text.is_empty() || text.chars().count() > MAX_FOREIGN_ID {
        return Err(ApiError::validation(
            field,
            format!("must be 1 to {MAX_FOREIGN_ID} characters"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let settings = [("TARGET_POLICY".to_owned(), "strict".to_owned())].into_iter().collect();
        Rules {
            catalogue: "a;task.created".parse().unwrap(),
            judge: api::judge::TargetRules::from_settings(&settings)
                .unwrap()
                .judge(&http::HeaderMap::new()),
            now: Timestamp::from_seconds(1_800_000_000),
            retention_days: 30,
        }
    }

    fn read(json: &str) -> Result<Draft, ApiError> {
        let draft = Draft::read(json.as_bytes())?;
        draft.check(&rules()).map(|()| draft)
    }

    #[test]
    fn data_survives_as_javascript_would_print_it() {
        let data = r#"{"z": 1.0, "a": [12345678901234567890, "\u00e9\ud83d\ude00"]}"#;
        let draft = read(&format!(r#"{{"kind":"task.created","data": {data}}}"#)).unwrap();
        assert_eq!(draft.data.get(), r#"{"z":1,"a":[12345678901234567890,"é😀"]}"#);
    }

    #[test]
    fn payloads_up_to_256_kib_pass_and_larger_ones_are_too_large() {
        let event =
            |bytes: usize| read(&format!(r#"{{"kind":"a","data":"{}"}}"#, "x".repeat(bytes - 2)));
        assert!(event(MAX_PAYLOAD).is_ok());
        assert_eq!(event(MAX_PAYLOAD + 1).unwrap_err().status(), 413);
    }

    #[test]
    fn an_id_must_have_a_time_that_the_log_holds() {
        let event = |seconds: u64| {
            read(&format!(
                r#"{{"kind":"a","data":{{}},"id":"{}"}}"#,
                EventId::new(Timestamp::from_seconds(seconds), 7)
            ))
        };
        assert!(event(1_800_000_000).is_ok());
        assert!(event(1_800_000_060).is_ok());
        assert_eq!(event(1_800_000_061).unwrap_err().status(), 400);
        assert_eq!(event(1_800_000_000 - 31 * 86_400).unwrap_err().status(), 400);
    }

    #[test]
    fn bad_fields_are_refused() {
        for json in [
            r#"{"data":{}}"#,
            r#"{"kind":"a"}"#,
            r#"{"kind":"a b","data":{}}"#,
            r#"{"kind":"unknown","data":{}}"#,
            r#"{"kind":"a","data":{},"colour":1}"#,
            r#"{"kind":"a","data":{},"created_at":1735689886000}"#,
            r#"{"kind":"a","data":{},"created_at":"now"}"#,
            r#"{"kind":"a","data":{},"id":"evt_1"}"#,
            r#"{"kind":"a","data":{},"user_id":""}"#,
            r#"{"kind":"a","data":{},"webhook_url":"http://example.com/"}"#,
            r#"{"kind":"a","data":{},"webhook_url":"https://127.0.0.1/"}"#,
            r"[]",
        ] {
            assert_eq!(read(json).map(|_| ()).unwrap_err().status(), 400, "{json}");
        }
    }

    #[test]
    fn a_batch_names_every_refused_entry_with_its_rule() {
        let batch = br#"{"events":[{"kind":"a","data":1},{"kind":"nope","data":1},{"data":1}]}"#;
        let refused = |batch| {
            let entries = Draft::read_batch(batch).unwrap();
            Draft::accepted(entries, |draft| draft.check(&rules())).map(drop).unwrap_err()
        };
        let Refused { drafts, error } = refused(batch);
        assert!(error.to_string().contains("2 of 3 events were refused"), "{error}");
        assert!(drafts.is_none(), "one is not well-formed");
        let unknown = refused(br#"{"events":[{"kind":"a","data":1},{"kind":"nope","data":1}]}"#);
        assert_eq!(unknown.drafts.map(|drafts| drafts.len()), Some(2));
    }

    #[test]
    fn depth_beyond_the_limit_is_refused_and_does_no_harm() {
        let nested = |depth: usize| {
            read(&format!(r#"{{"kind":"a","data":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)))
        };
        assert!(nested(100).is_ok());
        assert_eq!(nested(100_000).unwrap_err().status(), 400);
    }
}
