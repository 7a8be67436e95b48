//! The HTTP API in front of the functions, as API Gateway's: routes, payload format 2.0, limits.
//!
//! A path with the wrong method isn't 405 here. It is no route at all, as on API Gateway, unless
//! the template has a `$default` route.

pub mod answer;
mod cors;
mod date;
pub(crate) mod door;
mod path;
pub mod payload;
pub mod route;
mod server;
mod streamed;

pub use route::{EntryPoint, Match, RouteTable};
pub use server::{Front, Service};
