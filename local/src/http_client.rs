//! The HTTP client with which the stack calls itself: its own API, and its own counters.
//!
//! A proxy from the environment must not come between a stack and itself.

use std::time::Duration;

/// The longest that the stack waits for itself; the API gives up after 30 s.
const TIMEOUT: Duration = Duration::from_secs(35);

/// A client without proxies and redirects.
pub(crate) fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it calls this stack only, never a customer's URL"
    )]
    let builder = reqwest::Client::builder();
    builder.no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build()
}
