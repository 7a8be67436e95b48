//! One delivery with its payload: everything that an attempt needs but the endpoint.

use serde::{Deserialize, Serialize};

use crate::{
    endpoint_url::EndpointUrl,
    id::{EndpointId, ProjectId, RoundId},
    model::{Event, Origin, Project, Target, Trigger},
    rate::RateSlot,
    shape::BodyShape,
    signing::SignatureStyle,
    time::Timestamp,
};

/// One event on its way to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Message {
    /// The endpoint's project.
    pub project: ProjectId,
    /// Where it goes.
    pub endpoint: EndpointId,
    /// How it gets there, where there is no endpoint's row to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<SettingsSource>,
    /// What goes there.
    pub event: Event,
    /// When the message was first sent.
    pub enqueued_at: Timestamp,
    /// The name in brand-specific headers: the project's when the event was accepted; the
    /// deployment's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Why it is delivered.
    pub trigger: Trigger,
    /// Which resend it is; `None` for the delivery's own schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundId>,
    /// When it may be sent, if its endpoint has a rate limit: from its row.
    #[serde(skip)]
    pub reserved: Option<RateSlot>,
}

/// Where to load the settings of a recipient that has no endpoint row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsSource {
    /// In the row of this worker's webhook.
    Worker(String),
    /// Here. Only the secret is elsewhere: it is the project's.
    Url {
        /// Where it goes.
        url: EndpointUrl,
        /// How it is signed.
        signatures: Vec<SignatureStyle>,
        /// What the body looks like.
        body: BodyShape,
    },
}

impl SettingsSource {
    /// To a URL of this origin, with the project's defaults. The body is the bare resource, as the
    /// systems that know such URLs publish it, unless the project says otherwise; an automation's
    /// always is.
    pub fn url(project: Option<&Project>, url: EndpointUrl, origin: Origin) -> Self {
        let body = match origin {
            Origin::Automation(_) => BodyShape::DATA,
            _ => project.and_then(|project| project.body).unwrap_or(BodyShape::DATA),
        };
        let mut signatures =
            project.map_or_else(|| vec![SignatureStyle::STANDARD], Project::default_signatures);
        // The project's secret signs for all of its URLs, so it is shown to none of them.
        signatures.retain(|style| *style != SignatureStyle::TOKEN);
        if signatures.is_empty() {
            signatures.push(SignatureStyle::STANDARD);
        }
        Self::Url { url, signatures, body }
    }
}

/// A target, and how to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The target, as the log has it.
    pub target: Target,
    /// See [`Message::via`].
    pub via: Option<SettingsSource>,
}

impl Message {
    /// Whose circuit opens when its receiver fails: its endpoint's; of a URL without one, its
    /// host's.
    pub fn circuit(&self) -> EndpointId {
        match &self.via {
            Some(SettingsSource::Url { url, .. }) => {
                let host = url.host().map(|host| host.to_string()).unwrap_or_default();
                EndpointId::of_host(self.project, &host)
            }
            Some(SettingsSource::Worker(_)) | None => self.endpoint,
        }
    }

    /// The first message of an event's way to a recipient, by the delivery's own schedule.
    pub fn first(
        project: ProjectId,
        brand: Option<String>,
        event: &Event,
        recipient: &Recipient,
        now: Timestamp,
    ) -> Self {
        Self {
            project,
            endpoint: recipient.target.endpoint,
            via: recipient.via.clone(),
            event: event.for_origin(recipient.target.origin),
            enqueued_at: now,
            brand,
            trigger: Trigger::Scheduled,
            round: None,
            reserved: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::{endpoint_url::TargetPolicy, id::EventId};

    #[test]
    fn urls_of_one_host_share_a_circuit_and_endpoints_have_their_own() {
        let at = Timestamp::from_seconds(1);
        let message = |via: Option<&str>| {
            let url = |url| EndpointUrl::parse(url, TargetPolicy::Strict).unwrap();
            let via = via.map(|text| SettingsSource::url(None, url(text), Origin::Event));
            Message {
                project: ProjectId::new(at, 1),
                endpoint: EndpointId::new(at, 2),
                via,
                event: Event {
                    id: EventId::new(at, 1),
                    kind: "task.created".parse().unwrap(),
                    data: RawValue::NULL.to_owned(),
                    created_at: 1,
                    user_id: None,
                    worker_id: None,
                    webhook_url: None,
                    metadata: None,
                },
                enqueued_at: at,
                brand: None,
                trigger: Trigger::Scheduled,
                round: None,
                reserved: None,
            }
        };
        let circuit = |via| message(via).circuit();
        assert_eq!(circuit(None), EndpointId::new(at, 2));
        let one = circuit(Some("https://example.com/1"));
        assert_eq!(one, circuit(Some("https://EXAMPLE.com:8443/2?x=y")));
        assert_ne!(one, circuit(Some("https://example.org/1")));
        let others =
            Message { project: ProjectId::new(at, 9), ..message(Some("https://example.com/1")) };
        assert_ne!(one, others.circuit(), "another project's");
    }
}
