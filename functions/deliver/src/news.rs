//! Notes what a project is to be told of. `jobs` publishes it, a minute's at a time.

use domain::{
    model::Endpoint,
    system_event::{ReportKey, SystemEvent},
};
use runtime::clock::Clock;
use store::{Access, StoreError, news::NewsStore, project_config::ProjectConfigs};

/// Notes system events that somebody subscribes to.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) projects: ProjectConfigs,
    pub(crate) reports: NewsStore,
    pub(crate) clock: Clock,
}

impl News {
    /// Notes what has happened to endpoints of one project, all of one topic; as far as that goes:
    /// the log and the endpoints say it too.
    pub(crate) async fn note(&self, happened: &[(&Endpoint, SystemEvent)]) {
        if let Err(error) = self.try_note(happened).await
            && let [(about, _), ..] = happened
        {
            tracing::error!(project = %about.project, %error, "could not note a system event");
        }
    }

    async fn try_note(&self, happened: &[(&Endpoint, SystemEvent)]) -> Result<(), StoreError> {
        let told = || happened.iter().filter(|(_, event)| event.is_told());
        let Some((about, first)) = told().next() else { return Ok(()) };
        let topic = first.topic();
        let config = self.projects.load(Access::of_endpoint(about)).await?;
        if !config.endpoints.iter().any(|endpoint| topic.is_wanted_by(endpoint)) {
            return Ok(());
        }
        let entry = |(about, event): &(&Endpoint, SystemEvent)| {
            event.entry(about.id, about.url.as_written())
        };
        let entries: Vec<_> = told().map(entry).collect();
        self.reports.note(ReportKey::at(about.project, topic, self.clock.now()), &entries).await
    }
}
