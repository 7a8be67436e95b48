//! What accepting an event and background work need of an endpoint: some hundred bytes, where the
//! endpoint itself may have 40 KB.

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    endpoint::{Endpoint, Status},
    topic::{Selector, Topic, selects},
};
use crate::{id::EndpointId, shape::BodyShape, system_event::SystemTopic};

/// Which events an endpoint gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The endpoint.
    pub id: EndpointId,
    /// Its URL, as it is shown.
    pub url: String,
    /// What it subscribes to.
    pub topics: Vec<Selector>,
    /// Whether it gets events.
    pub status: Status,
    /// What the request's body looks like. `None` for a shape that only newer code knows: its
    /// deliveries are enqueued, and wait until code that knows it sends them.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyShape>,
    /// How many requests a second it takes, if that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u16>,
    /// The worker whose webhook it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_id: Option<String>,
}

fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BodyShape>, D::Error> {
    Ok(String::deserialize(deserializer)?.parse().ok())
}

impl From<&Endpoint> for Subscription {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url.to_string(),
            topics: endpoint.topics.clone(),
            status: endpoint.status,
            body: Some(endpoint.body),
            rate_limit: endpoint.rate_limit,
            worker_id: endpoint.worker_id.clone(),
        }
    }
}

impl Subscription {
    /// Whether an event of this topic must be delivered to the endpoint now.
    pub fn wants(&self, topic: &Topic) -> bool {
        self.status == Status::Active && self.subscribes(topic)
    }

    /// Whether the endpoint subscribes to this topic, whatever its status.
    pub fn subscribes(&self, topic: &Topic) -> bool {
        selects(&self.topics, topic)
    }

    /// Whether the endpoint subscribes to system events, whatever its status.
    pub fn listens(&self) -> bool {
        let topics = SystemTopic::ALL.map(|topic| topic.name().parse());
        topics.iter().flatten().any(|topic| self.subscribes(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(body: &str, status: Status) -> Subscription {
        let stored = serde_json::json!({
            "id": "we_01JZ0000000000000000000001", "url": "https://example.com/",
            "topics": ["*"], "status": status, "body": body,
        });
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn only_an_active_endpoint_wants_events() {
        let topic = "task.created".parse().unwrap();
        for (status, wants) in
            [(Status::Active, true), (Status::Paused, false), (Status::Disabled, false)]
        {
            assert_eq!(subscription("event", status).wants(&topic), wants, "{status:?}");
        }
    }

    #[test]
    fn all_topics_do_not_include_our_own() {
        let topic = "webhook.endpoint.failing".parse().unwrap();
        let all = subscription("event", Status::Active);
        assert!(!all.wants(&topic));
        assert!(Subscription { topics: vec!["webhook.*".parse().unwrap()], ..all }.wants(&topic));
    }

    #[test]
    fn a_body_shape_of_newer_code_is_unknown_and_no_error() {
        assert_eq!(subscription("event", Status::Active).body, Some(BodyShape::EVENT));
        let newer = subscription("of_tomorrow", Status::Active);
        assert_eq!(newer.body, None);
        assert!(newer.wants(&"task.created".parse().unwrap()));
    }
}
