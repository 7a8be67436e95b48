//! The things Posthaste knows, as types whose constructors hold the rules.
//!
//! Serde forms here are the *stored* forms (DynamoDB items); what the API shows is each function's
//! own view.

pub mod attempt;
pub mod automation;
pub mod catalogue;
pub mod endpoint;
pub mod event;
pub mod headers;
pub mod key;
pub mod project;
pub mod secrets;
pub mod subscription;
pub mod topic;

/// Whether a field may be left out of a stored form, as reading it back gives the same.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub use attempt::{Attempt, Outcome, Trigger};
pub use automation::Automation;
pub use catalogue::{Catalogue, CatalogueEntry};
pub use endpoint::{Endpoint, Status};
pub use event::{Event, Origin, Target};
pub use headers::CustomHeaders;
pub use key::{ApiKey, ApiKeyHash, KeyRecord, OperatorKeyRecord, Scope};
pub use project::Project;
pub use secrets::SecretRing;
pub use subscription::Subscription;
pub use topic::{Selector, Topic};
