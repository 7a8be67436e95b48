//! A step of a report: it publishes what has happened in a project's minute.
//!
//! The report is closed first, and names its event. So a step that is done again publishes the same
//! event again, whose repeated deliveries receivers know by its id.

use domain::{
    budget::Cost,
    id::EventId,
    message::{Message, Recipient},
    model::{Event, Origin, Subscription, Target, event::LoggedEvent},
    system_event::{MAX_LISTENERS, Report, ReportKey},
};
use runtime::clock::Clock;
use serde_json::value::to_raw_value;
use store::{
    Access, StoreError, budgets::Budgets, news::NewsStore, project_config::ProjectConfigs,
    publish::Publisher, usage::UsageStore,
};

use crate::outcome::{Next, StepError};

/// Publishes reports to the endpoints that subscribe to them.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) reports: NewsStore,
    pub(crate) projects: ProjectConfigs,
    pub(crate) publisher: Publisher,
    pub(crate) budgets: Budgets,
    pub(crate) usage: UsageStore,
    pub(crate) clock: Clock,
}

impl News {
    /// Publishes a report, if it is due.
    pub(crate) async fn step(&self, key: ReportKey) -> Result<Next, StepError> {
        let now = self.clock.now();
        if now < key.due_at() {
            // A run does not wait for it: until its end, no other run works.
            return Ok(None);
        }
        let Some(report) = self.reports.close(key, EventId::new(now, rand::random())).await? else {
            return Ok(None);
        };
        if self.publish(&report).await? {
            self.reports.published(&report).await?;
        }
        Ok(None)
    }

    /// Whether that is done: not as long as the project is over its budget. A later run does it
    /// then.
    async fn publish(&self, report: &Report) -> Result<bool, StepError> {
        let (now, access) = (self.clock.now(), Access::of_report(report));
        let topic = report.key.topic;
        let config = self.projects.load(access).await?;
        let damaged = |_| StoreError::Damaged("a system event");
        let data = to_raw_value(&report.data()).map_err(damaged)?;
        // Some body shapes can't carry it.
        let can = |subscription: &&Subscription| {
            topic.is_wanted_by(subscription)
                && !report.is_only_about(subscription.id)
                && subscription.body.is_none_or(|body| body.check(&data).is_ok())
        };
        let recipients = config.endpoints.iter().filter(can).take(MAX_LISTENERS).map(recipient);
        let recipients: Vec<_> = recipients.collect();
        if recipients.is_empty() {
            return Ok(true);
        }
        let cost = Cost::of_deliveries(recipients.len(), data.get().len());
        if self.budgets.charge(access, cost, now).await.is_err() {
            return Ok(false);
        }
        let kind = topic.name().parse().map_err(|_| StoreError::Damaged("a topic of our own"))?;
        let event = Event {
            id: report.event,
            kind,
            data,
            created_at: now.seconds(),
            user_id: None,
            worker_id: None,
            webhook_url: None,
            metadata: None,
        };
        let targets = recipients.iter().map(|recipient| recipient.target.clone()).collect();
        let logged =
            LoggedEvent { event: event.clone(), targets, missed: Vec::new(), accepted_at: now };
        let brand = config.project.as_ref().and_then(|project| project.brand.clone());
        let message =
            |to: &Recipient| Message::first(access.project(), brand.clone(), &event, to, now);
        let messages: Vec<_> = recipients.iter().map(message).collect();
        let clock = || self.clock.now();
        self.publisher.publish(access, &[logged], messages.into_iter(), clock).await?;
        self.usage.note(access, now).await;
        Ok(true)
    }
}

fn recipient(to: &Subscription) -> Recipient {
    Recipient { target: Target::new(to.id, to.url.clone(), Origin::Endpoint), via: None }
}
