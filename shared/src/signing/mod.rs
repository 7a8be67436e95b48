//! Secrets, and the signatures that they make.
//!
//! The body is serialised once and these bytes are signed and sent: signing anything that is serialised again later breaks
//! receivers now and then, which is worse than always.

mod secret;
pub mod standard;

pub use secret::{Secret, SecretError};
