//! What a receiver answers.

use std::time::Duration;

use axum::{body::Body, response::Response};

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    pub(super) delay: Duration,
    pub(super) hangs_up: bool,
}

impl Reply {
    /// A status, and no more.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
            delay: Duration::ZERO,
            hangs_up: false,
        }
    }

    /// The connection is closed in place of an answer.
    pub fn hang_up() -> Self {
        Self { hangs_up: true, ..Self::status(200) }
    }

    /// 200, but only after so long.
    pub fn slow(delay: Duration) -> Self {
        Self { delay, ..Self::status(200) }
    }

    /// As it is, but only after so long.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The status that the caller sees, if it waits for it; `None` if the receiver hangs up.
    pub(super) fn answer(&self) -> Option<u16> {
        (!self.hangs_up).then_some(self.status)
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: impl Into<String>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(super) fn into_response(self) -> Response {
        let builder = Response::builder().status(self.status);
        let builder = self
            .headers
            .into_iter()
            .fold(builder, |builder, (name, value)| builder.header(name, value));
        builder.body(Body::from(self.body)).expect("a test's own answer is well formed")
    }
}

/// What is answered to one request after the other.
pub(super) enum Script {
    /// Some answers, and what comes after them.
    Steps { left: usize, first: Reply, then: Reply },
    /// Whatever this says.
    By(Box<dyn FnMut() -> Reply + Send>),
}

impl Default for Script {
    fn default() -> Self {
        Self::always(Reply::status(200))
    }
}

impl Script {
    pub(super) fn first(times: usize, reply: Reply) -> Self {
        Self::Steps { left: times, first: reply, then: Reply::status(200) }
    }

    pub(super) fn always(reply: Reply) -> Self {
        Self::Steps { left: 0, first: reply.clone(), then: reply }
    }

    pub(super) fn next(&mut self) -> Reply {
        match self {
            Self::By(choose) => choose(),
            Self::Steps { left: 0, then, .. } => then.clone(),
            Self::Steps { left, first, .. } => {
                *left -= 1;
                first.clone()
            }
        }
    }
}
