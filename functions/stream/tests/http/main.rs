//! The function as a viewer meets it, on a stand-in for AWS with the roles of the template.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod moving;
mod open;
mod places;
mod showing;
mod support;
