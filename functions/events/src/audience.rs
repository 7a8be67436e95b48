//! Who gets an event: the endpoints of its topic, its worker's webhook, the automations that it
//! sets off, and its own URL.

use std::collections::{BTreeSet, HashMap};

use api::ApiError;
use domain::{
    endpoint_url::EndpointUrl,
    id::EndpointId,
    message::{Recipient, SettingsSource},
    model::{Endpoint, Origin, Target},
};
use store::{
    Access,
    endpoints::{ProjectConfig, Subscriber},
};

use crate::{App, input::Draft};

/// All who may want an event of the project.
pub(crate) struct Audience {
    project: ProjectConfig,
    workers: HashMap<String, Endpoint>,
    access: Access,
}

impl Audience {
    /// The project, and the webhooks of the workers that the events name: a call for each of those,
    /// and none for events without a worker.
    pub(crate) async fn of(
        app: &App,
        access: Access,
        project: ProjectConfig,
        drafts: impl Iterator<Item = &Draft>,
    ) -> Result<Self, ApiError> {
        let named: BTreeSet<_> = drafts.filter_map(|draft| draft.worker_id.clone()).collect();
        let found = app.projects.workers(access, named).await?;
        let workers = found
            .into_iter()
            .filter_map(|endpoint| Some((endpoint.worker_id.clone()?, endpoint)))
            .collect();
        Ok(Self { project, workers, access })
    }

    /// Refuses an event that cannot be delivered to one of its recipients.
    pub(crate) fn check(&self, draft: &Draft) -> Result<(), ApiError> {
        let own = self.own_url(draft).and_then(|recipient| recipient.via);
        let own = own.iter().filter_map(|via| {
            if let SettingsSource::Url { body, .. } = via { Some(*body) } else { None }
        });
        for shape in self.endpoints(draft).map(|endpoint| endpoint.body).chain(own) {
            shape
                .check(&draft.data)
                .map_err(|misfit| ApiError::validation("data", misfit.to_string()))?;
        }
        if draft.webhook_url.is_some() && !self.project.has_secret {
            let message = "can't be signed, as there is no such project";
            return Err(ApiError::validation("webhook_url", message));
        }
        Ok(())
    }

    /// Everybody who gets the event.
    pub(crate) fn recipients(&self, draft: &Draft) -> Vec<Recipient> {
        let endpoints = self.endpoints(draft).map(to_endpoint);
        let set_off =
            self.project.automations.iter().filter(|automation| automation.wants(&draft.kind));
        let steps = set_off.flat_map(|automation| {
            let origin = Origin::Automation(automation.id);
            automation
                .workflow
                .iter()
                .map(move |step| self.to_url(automation.endpoint_of(step), &step.url, origin))
        });
        let unreadable = self
            .project
            .unreadable
            .iter()
            .filter(|subscriber| subscriber.wants(&draft.kind))
            .map(to_subscriber);
        endpoints.chain(unreadable).chain(steps).chain(self.own_url(draft)).collect()
    }

    /// The name in brand-specific headers, if the project has one of its own.
    pub(crate) fn brand(&self) -> Option<String> {
        self.project.project.as_ref().and_then(|project| project.brand.clone())
    }

    fn endpoints<'a>(&'a self, draft: &'a Draft) -> impl Iterator<Item = &'a Endpoint> {
        let worker = draft.worker_id.as_ref().and_then(|id| self.workers.get(id));
        self.project.endpoints.iter().chain(worker).filter(|endpoint| endpoint.wants(&draft.kind))
    }

    fn own_url(&self, draft: &Draft) -> Option<Recipient> {
        let url = draft.webhook_url.as_ref()?;
        Some(self.to_url(
            EndpointId::of_url(self.access.project(), url.normalised()),
            url,
            Origin::Event,
        ))
    }

    fn to_url(&self, endpoint: EndpointId, url: &EndpointUrl, origin: Origin) -> Recipient {
        Recipient {
            target: Target::new(endpoint, url.to_string(), origin),
            via: Some(SettingsSource::url(self.project.project.as_ref(), url.clone(), origin)),
        }
    }
}

fn to_subscriber(subscriber: &Subscriber) -> Recipient {
    let target = Target::new(subscriber.id, subscriber.url.clone(), Origin::Endpoint);
    Recipient { target, via: None }
}

fn to_endpoint(endpoint: &Endpoint) -> Recipient {
    let origin = if endpoint.worker_id.is_some() { Origin::Worker } else { Origin::Endpoint };
    Recipient {
        target: Target::new(endpoint.id, endpoint.url.to_string(), origin),
        via: endpoint.worker_id.clone().map(SettingsSource::Worker),
    }
}
