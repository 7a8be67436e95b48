//! Permission to touch one project's rows.
//!
//! Whatever belongs to a project is read and written through an [`Access`]. No constructor takes a
//! bare project id, which a request could name: each takes one of our own rows or messages, of
//! which an API key's row is the one that authentication finds.

use domain::{
    id::ProjectId,
    message::Message,
    model::{Endpoint, KeyRecord, Project},
    recovery::Recovery,
    system_event::Report,
};

/// Permission to touch one project's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(ProjectId);

impl Access {
    /// To the project that an API key belongs to.
    pub fn of_key(key: &KeyRecord) -> Self {
        Self(key.project)
    }

    /// To this project.
    pub fn of_project(project: &Project) -> Self {
        Self(project.id)
    }

    /// To the project that owns an endpoint.
    pub fn of_endpoint(endpoint: &Endpoint) -> Self {
        Self(endpoint.project)
    }

    /// To the project whose event a message delivers.
    pub fn of_message(message: &Message) -> Self {
        Self(message.project)
    }

    /// To the project that a recovery is for.
    pub fn of_recovery(recovery: &Recovery) -> Self {
        Self(recovery.project)
    }

    /// To the project that a report is for.
    pub fn of_report(report: &Report) -> Self {
        Self(report.key.project)
    }

    /// The project.
    pub fn project(self) -> ProjectId {
        self.0
    }
}
