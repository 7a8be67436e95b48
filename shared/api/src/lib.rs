//! The API's conventions: authentication, errors, bodies, lists, routes.

mod account;
pub mod auth;
mod body;
mod error;
mod event_view;
mod filter;
pub mod judge;
mod list;
mod params;
mod rewrite;
mod routes;
mod rule;
mod strict;
mod texts;

pub use body::{Body, Field, given, parse_json, read_json};
pub use error::{ApiError, EntryError, ErrorView};
pub use event_view::EventView;
pub use filter::{ABSURD_SECONDS, And, Filter, NoFilter, TimeRange};
pub use list::{ListParams, listed, page_request};
pub use params::{MAX_FOREIGN_ID, Params, WorkerPath, worker_id};
pub use rewrite::{RewriteError, rewrite};
pub use routes::{ALLOWED, Routes, no_such_route, refuse_default_route, router};
pub use texts::Texts;
