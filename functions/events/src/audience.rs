//! Who gets an event: the endpoints of its topic, its worker's webhook, the automations that it
//! sets off, and its own URL.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use api::ApiError;
use domain::{
    endpoint_url::EndpointUrl,
    id::{AutomationId, EndpointId},
    message::{Recipient, SettingsSource},
    model::{
        Event, Origin, Status, Subscription, Target,
        automation::WorkflowStep,
        event::{MAX_MISSED, Missed},
    },
};
use store::{Access, project_config::ProjectConfig};

use crate::{App, input::Draft};

/// All who may want an event of the project.
pub(crate) struct Audience {
    project: Arc<ProjectConfig>,
    workers: HashMap<String, Subscription>,
    access: Access,
}

impl Audience {
    /// The project, and the webhooks of the workers that the events name: a call for each of those,
    /// and none for events without a worker.
    pub(crate) async fn of(
        app: &App,
        access: Access,
        project: Arc<ProjectConfig>,
        drafts: impl Iterator<Item = &Draft>,
    ) -> Result<Self, ApiError> {
        let named: BTreeSet<_> = drafts.filter_map(|draft| draft.worker_id.clone()).collect();
        let found = app.projects.workers(access, named).await?;
        let workers = found
            .into_iter()
            .filter_map(|webhook| Some((webhook.worker_id.clone()?, webhook)))
            .collect();
        Ok(Self { project, workers, access })
    }

    /// Refuses an event that cannot be delivered to one of its recipients.
    pub(crate) fn check(&self, draft: &Draft) -> Result<(), ApiError> {
        let own = self.own_url(draft).and_then(|recipient| recipient.via);
        let own = own.iter().filter_map(|via| {
            if let SettingsSource::Url { body, .. } = via { Some(*body) } else { None }
        });
        for shape in self.subscribed(draft).filter_map(|endpoint| endpoint.body).chain(own) {
            shape
                .check(&draft.data)
                .map_err(|misfit| ApiError::validation("data", misfit.to_string()))?;
        }
        if draft.webhook_url.is_some() && self.project.project.is_none() {
            let message = "can't be signed, as there is no such project";
            return Err(ApiError::validation("webhook_url", message));
        }
        Ok(())
    }

    /// Everybody who gets the event.
    pub(crate) fn recipients(&self, draft: &Draft) -> Vec<Recipient> {
        let subscribed = self.subscribed(draft).map(to_endpoint);
        let set_off =
            self.project.automations.iter().filter(|automation| automation.wants(&draft.kind));
        let steps = set_off.flat_map(|automation| {
            let origin = Origin::Automation(automation.id);
            automation
                .workflow
                .iter()
                .map(move |step| self.to_url(automation.endpoint_of(step), &step.url, origin))
        });
        subscribed.chain(steps).chain(self.own_url(draft)).collect()
    }

    /// Who would get the event, were it not paused or disabled.
    pub(crate) fn missed(&self, draft: &Draft) -> Vec<Missed> {
        let inactive = self.known(draft).filter(|endpoint| endpoint.status != Status::Active);
        let missed = inactive.filter(|endpoint| endpoint.subscribes(&draft.kind));
        let missed =
            missed.map(|endpoint| Missed { endpoint: endpoint.id, because: endpoint.status });
        missed.take(MAX_MISSED).collect()
    }

    /// A target of an event that is in the log, with its present settings. What has none any more
    /// is refused by `deliver`, in the log.
    pub(crate) fn recipient_again(&self, event: &Event, target: &Target) -> Recipient {
        let url = match target.origin {
            Origin::Endpoint | Origin::Worker => None,
            Origin::Event => event.webhook_url.clone(),
            Origin::Automation(id) => self.step_url(id, target.endpoint),
        };
        let project = self.project.project.as_ref();
        let via = match (target.origin, url) {
            (Origin::Worker, _) => event.worker_id.clone().map(SettingsSource::Worker),
            (origin, url) => url.map(|url| SettingsSource::url(project, url, origin)),
        };
        Recipient { target: target.clone(), via }
    }

    fn step_url(&self, id: AutomationId, endpoint: EndpointId) -> Option<EndpointUrl> {
        let automation = self.project.automations.iter().find(|one| one.id == id)?;
        let is_it = |step: &&WorkflowStep| automation.endpoint_of(step) == endpoint;
        automation.workflow.iter().find(is_it).map(|step| step.url.clone())
    }

    /// The name in brand-specific headers, if the project has one of its own.
    pub(crate) fn brand(&self) -> Option<String> {
        self.project.project.as_ref().and_then(|project| project.brand.clone())
    }

    fn subscribed<'a>(&'a self, draft: &'a Draft) -> impl Iterator<Item = &'a Subscription> {
        self.known(draft).filter(|endpoint| endpoint.wants(&draft.kind))
    }

    /// The project's endpoints, and the webhook of the event's worker.
    fn known<'a>(&'a self, draft: &'a Draft) -> impl Iterator<Item = &'a Subscription> {
        let worker = draft.worker_id.as_ref().and_then(|id| self.workers.get(id));
        self.project.endpoints.iter().chain(worker)
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

fn to_endpoint(to: &Subscription) -> Recipient {
    let origin = if to.worker_id.is_some() { Origin::Worker } else { Origin::Endpoint };
    Recipient {
        target: Target::new(to.id, to.url.clone(), origin),
        via: to.worker_id.clone().map(SettingsSource::Worker),
    }
}
