//! Secrets, and the signatures that they make.
//!
//! The body is serialised once and these bytes are signed and sent: signing anything that is
//! serialised again later breaks receivers now and then, which is worse than always.

mod digest;
mod hmac;
mod secret;
pub mod standard;
mod style;
mod svix;
mod timestamped;
mod token;
pub mod vault;

pub use secret::{Secret, SecretError};
use style::Style;
pub use style::{SignatureStyle, Signing, StylesError, UnknownStyle, compatible};
pub use vault::{SealedSecret, Vault, VaultError};
