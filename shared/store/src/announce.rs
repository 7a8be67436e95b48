//! Events of Posthaste's own, which a project's endpoints may subscribe to like any others: an
//! endpoint fails, is disabled, or has recovered; a delivery was given up.
//!
//! # Pitfalls
//!
//! System events must not cause system events without end. So a system event whose delivery is
//! given up causes none ([`may_cause_system_event`]), and none is sent to the endpoint that it is
//! about. An endpoint that fails to take system events causes one like any other, but only one
//! until it has recovered. The selector `*` does not include these topics.

use domain::{
    id::{EndpointId, EventId},
    message::{Message, Recipient},
    model::{
        Event, Origin, Subscription, Target, Topic, catalogue::SYSTEM_TOPICS, event::LoggedEvent,
    },
    time::Timestamp,
};
use serde_json::{json, value::RawValue};

use crate::{
    Access, StoreError,
    project_config::ProjectConfigs,
    publish::{PublishError, Publisher},
};

/// An event of Posthaste about an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemEvent {
    /// An endpoint keeps failing.
    Failing {
        /// Failures since the last success.
        consecutive_failures: u64,
        /// The first of them.
        failing_since: Option<Timestamp>,
    },
    /// An endpoint that was failing has taken a delivery.
    Recovered,
    /// Posthaste has disabled an endpoint.
    Disabled {
        /// What its owner reads on it.
        reason: String,
    },
    /// A delivery was given up.
    DeliveryFailed {
        /// Its event.
        event: EventId,
        /// The event's topic.
        kind: Topic,
        /// How often it was tried.
        attempts: u32,
    },
}

impl SystemEvent {
    fn topic(&self) -> &'static str {
        let [failing, recovered, disabled, failed] = SYSTEM_TOPICS;
        let (topic, _) = match self {
            Self::Failing { .. } => failing,
            Self::Recovered => recovered,
            Self::Disabled { .. } => disabled,
            Self::DeliveryFailed { .. } => failed,
        };
        topic
    }

    fn data(&self, endpoint: EndpointId, url: &str) -> serde_json::Value {
        let about = json!({"object": "webhook_endpoint", "id": endpoint, "url": url});
        match self {
            Self::Failing { consecutive_failures, failing_since } => {
                let since = failing_since.map(Timestamp::seconds);
                json!({"endpoint": about, "consecutive_failures": consecutive_failures,
                    "failing_since": since})
            }
            Self::Recovered => json!({"endpoint": about}),
            Self::Disabled { reason } => json!({"endpoint": about, "disabled_reason": reason}),
            Self::DeliveryFailed { event, kind, attempts } => {
                json!({"endpoint": about, "message_id": event, "kind": kind, "attempts": attempts})
            }
        }
    }
}

/// Why a system event was not published.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The project's endpoints can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The event can't be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The event can't be written.
    #[error("an event of our own can't be written: {0}")]
    Data(#[from] serde_json::Error),
}

/// Publishes system events to the endpoints that subscribe to them.
#[derive(Clone, Debug)]
pub struct Announcer {
    projects: ProjectConfigs,
    publisher: Publisher,
}

impl Announcer {
    /// With what it takes to publish an event.
    pub fn new(projects: ProjectConfigs, publisher: Publisher) -> Self {
        Self { projects, publisher }
    }

    /// Publishes a system event about an endpoint with this URL, if another of the project's
    /// endpoints subscribes to it.
    pub async fn announce(
        &self,
        access: Access,
        (about, url): (EndpointId, &str),
        what: &SystemEvent,
        clock: impl Fn() -> Timestamp,
    ) -> Result<(), AnnounceError> {
        let (now, project) = (clock(), access.project());
        let config = self.projects.load(access).await?;
        let topic: Topic =
            what.topic().parse().map_err(|_| StoreError::Damaged("a topic of our own"))?;
        let data = RawValue::from_string(what.data(about, url).to_string())?;
        // Some body shapes can't carry it.
        let can = |subscription: &&Subscription| {
            subscription.id != about
                && subscription.wants(&topic)
                && subscription.body.is_none_or(|body| body.check(&data).is_ok())
        };
        let recipients: Vec<_> = config.endpoints.iter().filter(can).map(recipient).collect();
        if recipients.is_empty() {
            return Ok(());
        }
        let event = Event {
            id: EventId::new(now, rand::random()),
            kind: topic,
            data,
            created_at: now.seconds(),
            user_id: None,
            worker_id: None,
            webhook_url: None,
            metadata: None,
        };
        let targets = recipients.iter().map(|recipient| recipient.target.clone()).collect();
        let logged = LoggedEvent { event: event.clone(), targets, accepted_at: now };
        let brand = config.project.as_ref().and_then(|project| project.brand.clone());
        let messages = recipients
            .into_iter()
            .map(|recipient| Message::first(project, brand.clone(), &event, &recipient, now));
        Ok(self.publisher.publish(access, &[logged], messages, clock).await?)
    }
}

/// Whether a delivery of this topic that is given up causes a system event.
pub fn may_cause_system_event(topic: &Topic) -> bool {
    !topic.is_system()
}

fn recipient(to: &Subscription) -> Recipient {
    Recipient { target: Target::new(to.id, to.url.clone(), Origin::Endpoint), via: None }
}
