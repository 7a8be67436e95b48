//! Whom a logged event can go to again: those of its targets that still take deliveries, with their
//! present settings; or an endpoint that it did not go to.

use api::ApiError;
use domain::{
    endpoint_url::EndpointUrl,
    id::{AutomationId, EndpointId},
    message::{Recipient, SettingsSource},
    model::{Endpoint, Origin, Project, Status, Target, event::LoggedEvent},
};
use futures::future::try_join_all;
use store::{Access, StoreError};

use crate::App;

impl App {
    /// The recipients: the named one must take deliveries, and of all some must.
    pub(crate) async fn recipients(
        &self,
        access: Access,
        project: Option<&Project>,
        logged: &LoggedEvent,
        only: Option<EndpointId>,
    ) -> Result<Vec<Recipient>, ApiError> {
        let targets: Vec<_> = logged
            .targets
            .iter()
            .filter(|target| only.is_none_or(|only| only == target.endpoint))
            .collect();
        if let (Some(only), []) = (only, targets.as_slice()) {
            return Ok(vec![self.newcomer(access, logged, only).await?]);
        }
        let found = try_join_all(
            targets.into_iter().map(|target| self.recipient(access, project, logged, target)),
        )
        .await?;
        let recipients: Vec<_> = found.into_iter().flatten().collect();
        if recipients.is_empty() {
            return Err(ApiError::conflict("none of the message's endpoints is active"));
        }
        Ok(recipients)
    }

    /// An endpoint that the event did not go to: it was made later, was paused, or wants other
    /// topics.
    async fn newcomer(
        &self,
        access: Access,
        logged: &LoggedEvent,
        id: EndpointId,
    ) -> Result<Recipient, ApiError> {
        let refused = |why: &str| ApiError::validation("endpoint_id", why.to_owned());
        let endpoint = self.endpoints.get(access, id).await?;
        let endpoint = endpoint.ok_or_else(|| {
            refused("the message did not go there, and the project has no such endpoint")
        })?;
        if logged.targets.iter().any(|target| target.test) {
            return Err(refused("a test goes to no other endpoint"));
        }
        if endpoint.status != Status::Active {
            return Err(ApiError::conflict("the endpoint is not active"));
        }
        endpoint.body.check(&logged.event.data).map_err(|misfit| refused(&misfit.to_string()))?;
        let target = Target::new(id, endpoint.url.to_string(), Origin::Endpoint);
        Ok(Recipient { target, via: None })
    }

    async fn recipient(
        &self,
        access: Access,
        project: Option<&Project>,
        logged: &LoggedEvent,
        target: &Target,
    ) -> Result<Option<Recipient>, StoreError> {
        let active = |endpoint: Option<Endpoint>| {
            endpoint.is_some_and(|endpoint| endpoint.status == Status::Active)
        };
        let to_url = |url: EndpointUrl| Some(SettingsSource::url(project, url, target.origin));
        let via = match target.origin {
            Origin::Endpoint => {
                active(self.endpoints.get(access, target.endpoint).await?).then_some(None)
            }
            Origin::Worker => match &logged.event.worker_id {
                Some(id) => active(self.endpoints.worker(access, id).await?)
                    .then(|| Some(SettingsSource::Worker(id.clone()))),
                None => None,
            },
            Origin::Event => logged.event.webhook_url.clone().map(to_url),
            Origin::Automation(id) => self.step_url(access, id, target.endpoint).await?.map(to_url),
        };
        Ok(via.map(|via| Recipient { target: target.clone(), via }))
    }

    /// The URL of an automation's step, if the automation is on and still has it; the log keeps
    /// only its beginning.
    async fn step_url(
        &self,
        access: Access,
        id: AutomationId,
        endpoint: EndpointId,
    ) -> Result<Option<EndpointUrl>, StoreError> {
        let Some(automation) =
            self.automations.get(access, id).await?.filter(|automation| automation.active)
        else {
            return Ok(None);
        };
        let step = automation.workflow.iter().find(|step| automation.endpoint_of(step) == endpoint);
        Ok(step.map(|step| step.url.clone()))
    }
}
