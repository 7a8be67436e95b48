//! What came of one HTTP exchange.
//!
//! An answer of any status is an answer. The reader of the outcome decides whether 500 or 302 is a
//! failure.

use std::{fmt, time::Duration};

/// One exchange: what happened, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What happened.
    pub outcome: ExchangeResult,
    /// From the call to the outcome: name lookup, connecting, sending and reading.
    pub duration: Duration,
}

/// What happened. Details are for people: short, in English, and free of the URL and of header
/// values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeResult {
    /// An HTTP response came.
    Answered {
        /// Its status, 100 to 999.
        status: u16,
        /// The wait that its `Retry-After` asks for.
        retry_after: Option<Duration>,
        /// The first [`super::RESPONSE_BODY_LIMIT`] bytes of its body, with U+FFFD for what isn't
        /// UTF-8.
        body: String,
        /// Whether the body was longer than that.
        truncated: bool,
    },
    /// No (whole) response came, and not for lack of time.
    Unreachable {
        /// At which step it broke.
        class: UnreachableClass,
        /// What is known about it.
        detail: String,
    },
    /// The exchange was not complete within its time.
    Timeout {
        /// Which part was missing.
        detail: String,
    },
    /// The target policy forbids the target. Nothing was sent.
    Refused {
        /// The rule that it breaks.
        reason: String,
    },
}

/// At which step an exchange broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnreachableClass {
    /// The host name has no address.
    Dns,
    /// No TCP connection could be made.
    Connect,
    /// TLS: no common version, a certificate that isn't trusted, a broken handshake.
    Tls,
    /// The connection ended before the response did.
    Closed,
    /// What came back isn't HTTP/1.1, or exceeds limits: more than 100 header fields, or more than
    /// 400 KiB of them (hyper).
    Protocol,
    /// This side is at fault: out of sockets, file handles or memory. Not to be held against the
    /// receiver.
    Internal,
}

impl UnreachableClass {
    /// The name in snake case, as logs and the API show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for UnreachableClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
