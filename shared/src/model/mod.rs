//! The things Posthaste knows, as types whose constructors hold the rules.
//!
//! Serde forms here are the *stored* forms (DynamoDB items); what the API shows is each function's own view.

pub mod attempt;
pub mod catalogue;
pub mod endpoint;
pub mod event;
pub mod headers;
pub mod key;
pub mod project;
pub mod topic;

pub use attempt::{Attempt, Outcome, Trigger};
pub use catalogue::{Catalogue, CatalogueEntry};
pub use endpoint::{Endpoint, Status};
pub use event::{Event, Target};
pub use headers::CustomHeaders;
pub use key::{ApiKey, ApiKeyHash, KeyRecord, Scope};
pub use project::Project;
pub use topic::{Selector, Topic};
