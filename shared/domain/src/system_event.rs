//! Events of Posthaste's own, which a project's endpoints may subscribe to like any others: an
//! endpoint fails, is disabled, or has recovered; a delivery was given up.
//!
//! # Pitfalls
//!
//! System events must not cause system events without end, and one event of a caller's must not
//! cause very many of them. So all that happens in a project within a [`MINUTE`] is one system
//! event of each topic, a [`Report`]; at most [`MAX_LISTENERS`] endpoints of a project get them;
//! and a system event whose delivery is given up causes none. The selector `*` does not include
//! these topics.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    id::{EndpointId, EventId, ProjectId},
    model::{Subscription, Topic},
    time::Timestamp,
};

/// What one system event sums up.
pub const MINUTE: Duration = Duration::from_mins(1);
/// How long after its minute a report is published: what was noted late is in it.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The most endpoints of a project that may subscribe to system events.
pub const MAX_LISTENERS: usize = 10;
/// The most entries of a report; what is over is only counted.
pub const MAX_ENTRIES: usize = 100;
/// The most bytes of a report's entries: its event must fit into a message of SQS.
const MAX_BYTES: usize = 100_000;

/// The topics of system events, which are in every catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemTopic {
    /// Endpoints keep failing.
    Failing,
    /// Endpoints that were failing have taken a delivery.
    Recovered,
    /// Posthaste has disabled endpoints.
    Disabled,
    /// Deliveries were given up.
    DeliveryFailed,
}

impl SystemTopic {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Failing, Self::Recovered, Self::Disabled, Self::DeliveryFailed];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failing => "webhook.endpoint.failing",
            Self::Recovered => "webhook.endpoint.recovered",
            Self::Disabled => "webhook.endpoint.disabled",
            Self::DeliveryFailed => "webhook.delivery.failed",
        }
    }

    /// What it means, for those who may subscribe to it.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Failing => "Endpoints keep failing",
            Self::Recovered => "Endpoints that were failing have taken a delivery",
            Self::Disabled => "Posthaste has disabled endpoints",
            Self::DeliveryFailed => "Deliveries were given up after their last attempts",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// Whether this endpoint gets its events now.
    pub fn is_wanted_by(self, subscription: &Subscription) -> bool {
        self.name().parse().is_ok_and(|topic| subscription.wants(&topic))
    }

    /// The request that lists what a report has no room for.
    fn query(self, until: Timestamp) -> String {
        match self {
            Self::DeliveryFailed => {
                format!("/webhooks/messages?status=failed&until={}", until.seconds())
            }
            Self::Disabled => "/webhooks/endpoints?status=disabled".to_owned(),
            Self::Failing | Self::Recovered => "/webhooks/endpoints".to_owned(),
        }
    }
}

/// Something that has happened to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemEvent {
    /// It keeps failing.
    Failing {
        /// Failures since the last success.
        consecutive_failures: u64,
        /// The first of them.
        failing_since: Option<Timestamp>,
    },
    /// It was failing, and has taken a delivery.
    Recovered,
    /// Posthaste has disabled it.
    Disabled {
        /// What its owner reads on it.
        reason: String,
    },
    /// A delivery to it was given up.
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
    /// In whose reports it is.
    pub fn topic(&self) -> SystemTopic {
        match self {
            Self::Failing { .. } => SystemTopic::Failing,
            Self::Recovered => SystemTopic::Recovered,
            Self::Disabled { .. } => SystemTopic::Disabled,
            Self::DeliveryFailed { .. } => SystemTopic::DeliveryFailed,
        }
    }

    /// Whether a project is told: a system event that is given up causes none.
    pub fn is_told(&self) -> bool {
        !matches!(self, Self::DeliveryFailed { kind, .. } if kind.is_system())
    }

    /// Its entry in a report, about an endpoint with this URL, as JSON.
    pub fn entry(&self, endpoint: EndpointId, url: &str) -> Value {
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

/// Which report of which project it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReportKey {
    /// Who is told.
    pub project: ProjectId,
    /// Of what.
    pub topic: SystemTopic,
    /// When its minute began.
    pub since: Timestamp,
}

impl ReportKey {
    /// The report for what happens now.
    pub fn at(project: ProjectId, topic: SystemTopic, now: Timestamp) -> Self {
        let minute = MINUTE.as_secs();
        let since = Timestamp::from_seconds(now.seconds() / minute * minute);
        Self { project, topic, since }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { since: self.since + MINUTE, ..self }
    }

    /// When it is published.
    pub fn due_at(self) -> Timestamp {
        self.since + MINUTE + PATIENCE
    }
}

/// All that has happened of one topic in a project's minute.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which one.
    pub key: ReportKey,
    /// The event by which it is published.
    pub event: EventId,
    /// How much has happened.
    pub count: u64,
    /// The first of that: see [`SystemEvent::entry`].
    pub entries: Vec<Value>,
}

impl Report {
    /// The data of its event. It has as many entries as there is room for.
    pub fn data(&self) -> Value {
        let (since, until) = (self.key.since, self.key.since + MINUTE);
        let mut bytes = 0;
        let fitting = self.entries.iter().take(MAX_ENTRIES).take_while(|entry| {
            bytes += entry.to_string().len();
            bytes <= MAX_BYTES
        });
        json!({
            "count": self.count, "since": since.seconds(), "until": until.seconds(),
            "entries": fitting.collect::<Vec<_>>(), "all": self.key.topic.query(until),
        })
    }

    /// Whether it says nothing but what this endpoint did: then it is not sent there.
    pub fn is_only_about(&self, endpoint: EndpointId) -> bool {
        let id = endpoint.to_string();
        let about = |entry: &Value| entry["endpoint"]["id"] == id.as_str();
        u64::try_from(self.entries.len()) == Ok(self.count) && self.entries.iter().all(about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_059_999);

    fn report(count: u64, entries: usize, url: &str) -> Report {
        let event = SystemEvent::DeliveryFailed {
            event: EventId::new(NOW, 1),
            kind: "task.created".parse().unwrap(),
            attempts: 8,
        };
        let entry = |number| event.entry(EndpointId::new(NOW, number), url);
        Report {
            key: ReportKey::at(ProjectId::new(NOW, 1), SystemTopic::DeliveryFailed, NOW),
            event: EventId::new(NOW, 2),
            count,
            entries: (0..).map(entry).take(entries).collect(),
        }
    }

    #[test]
    fn a_report_is_of_a_whole_minute_and_comes_after_it() {
        let key = report(1, 1, "").key;
        assert_eq!(key.since, Timestamp::from_seconds(1_800_000_000));
        assert_eq!(key.due_at(), Timestamp::from_seconds(1_800_000_062));
        assert_eq!(key.next().since, Timestamp::from_seconds(1_800_000_060));
    }

    #[test]
    fn a_report_counts_everything_and_names_as_much_as_fits() {
        for (entries, url, named) in [
            (1, "https://example.com/", 1),
            (100, "https://example.com/", 100),
            (130, "https://example.com/", 100),
            (100, "x".repeat(2_000).as_str(), 45),
        ] {
            let data = report(250_000, entries, url).data();
            assert_eq!(data["count"], 250_000);
            let there = data["entries"].as_array().unwrap().len();
            assert!(there.abs_diff(named) <= 2, "{there} of {entries}");
            assert!(data.to_string().len() < 110_000);
            assert_eq!(data["all"], "/webhooks/messages?status=failed&until=1800000060");
        }
    }

    #[test]
    fn an_endpoint_is_not_told_of_itself_alone() {
        let id = EndpointId::new(NOW, 0);
        assert!(report(1, 1, "").is_only_about(id));
        assert!(!report(2, 1, "").is_only_about(id), "the other one may be another's");
        assert!(!report(2, 2, "").is_only_about(id));
        assert!(!report(1, 1, "").is_only_about(EndpointId::new(NOW, 1)));
    }

    #[test]
    fn system_events_that_are_given_up_cause_none() {
        for (kind, told) in [("task.created", true), ("webhook.delivery.failed", false)] {
            let kind = kind.parse().unwrap();
            let event =
                SystemEvent::DeliveryFailed { event: EventId::new(NOW, 1), kind, attempts: 1 };
            assert_eq!(event.is_told(), told);
        }
    }

    #[test]
    fn each_topic_is_found_by_its_name() {
        for topic in SystemTopic::ALL {
            assert_eq!(SystemTopic::named(topic.name()), Some(topic));
            assert!(topic.name().parse::<Topic>().unwrap().is_system());
        }
        assert_eq!(SystemTopic::named("webhook.other"), None);
    }
}
