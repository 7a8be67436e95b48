//! Judges the answer of a receiver.

use std::time::Duration;

use domain::{
    id::AttemptId,
    message::Message,
    model::{Attempt, Outcome},
    time::Timestamp,
};
use egress::{Exchange, ExchangeResult, UnreachableClass};

/// The status of a receiver that is gone for good (RFC 9110, 15.5.11).
const GONE: u16 = 410;

/// An exchange as the log and the schedule see it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) response_status: Option<u16>,
    pub(crate) response_body: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) duration: Duration,
    /// Whether it reflects the health of the receiver. A name that resolves to a private address
    /// does; a delivery that is not sent because its endpoint is paused does not.
    pub(crate) judges: bool,
}

impl Verdict {
    /// Judges an exchange; `None` if the fault is on our side, which never counts against the
    /// receiver.
    pub(crate) fn of(exchange: Exchange) -> Option<Self> {
        let failed = |outcome, error| Self {
            outcome,
            response_status: None,
            response_body: None,
            error: Some(error),
            retry_after: None,
            duration: exchange.duration,
            judges: true,
        };
        match exchange.outcome {
            ExchangeResult::Unreachable { class: UnreachableClass::Internal, detail } => {
                tracing::error!(detail, "a request failed on this side");
                None
            }
            ExchangeResult::Answered { status, retry_after, body, .. } => {
                let succeeded = (200..300).contains(&status);
                Some(Self {
                    outcome: if succeeded { Outcome::Succeeded } else { Outcome::HttpError },
                    response_status: Some(status),
                    response_body: Some(body),
                    error: (!succeeded).then(|| explain(status)),
                    retry_after,
                    duration: exchange.duration,
                    judges: true,
                })
            }
            ExchangeResult::Unreachable { class, detail } => {
                Some(failed(Outcome::Unreachable, format!("{class}: {detail}")))
            }
            ExchangeResult::Timeout { detail } => Some(failed(Outcome::Timeout, detail)),
            ExchangeResult::Refused { reason } => Some(failed(Outcome::Refused, reason)),
        }
    }

    /// A delivery that is not sent.
    pub(crate) fn refused(reason: &str) -> Self {
        Self {
            outcome: Outcome::Refused,
            response_status: None,
            response_body: None,
            error: Some(reason.to_owned()),
            retry_after: None,
            duration: Duration::ZERO,
            judges: false,
        }
    }

    /// The attempt that it makes, for the log.
    pub(crate) fn attempt(
        self,
        id: AttemptId,
        message: &Message,
        url: String,
        number: u32,
        started: Timestamp,
        next_attempt_at: Option<Timestamp>,
    ) -> Attempt {
        Attempt {
            id,
            project: message.project,
            event: message.event.id,
            endpoint: message.endpoint,
            kind: message.event.kind.clone(),
            url,
            number,
            round: message.round,
            trigger: message.trigger,
            outcome: self.outcome,
            response_status: self.response_status,
            response_body: self.response_body,
            error: self.error,
            duration_ms: u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            created_at: started,
            next_attempt_at,
        }
    }

    /// Whether the receiver asked never to be called again.
    pub(crate) fn is_gone(&self) -> bool {
        self.response_status == Some(GONE)
    }
}

fn explain(status: u16) -> String {
    match status {
        300..400 => format!("the receiver answered {status}; redirects are not followed"),
        GONE => {
            "the receiver answered 410: it is gone, and the delivery is not tried again".to_owned()
        }
        _ => format!("the receiver answered {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: ExchangeResult) -> Option<Verdict> {
        Verdict::of(Exchange { outcome, duration: Duration::from_millis(5) })
    }

    fn answered(status: u16) -> ExchangeResult {
        ExchangeResult::Answered { status, retry_after: None, body: "b".into(), truncated: false }
    }

    #[test]
    fn only_2xx_is_success() {
        for (status, outcome) in [
            (200, Outcome::Succeeded),
            (204, Outcome::Succeeded),
            (299, Outcome::Succeeded),
            (199, Outcome::HttpError),
            (301, Outcome::HttpError),
            (404, Outcome::HttpError),
            (500, Outcome::HttpError),
        ] {
            assert_eq!(verdict(answered(status)).unwrap().outcome, outcome, "{status}");
        }
        assert!(verdict(answered(410)).unwrap().is_gone());
    }

    #[test]
    fn a_fault_of_ours_is_no_verdict() {
        assert_eq!(
            verdict(ExchangeResult::Unreachable {
                class: UnreachableClass::Internal,
                detail: "no sockets".into()
            }),
            None
        );
    }

    #[test]
    fn failures_keep_their_kind_and_reason() {
        let unreachable = verdict(ExchangeResult::Unreachable {
            class: UnreachableClass::Dns,
            detail: "no address".into(),
        })
        .unwrap();
        assert_eq!(
            (unreachable.outcome, unreachable.error.as_deref()),
            (Outcome::Unreachable, Some("dns: no address"))
        );
        assert_eq!(
            verdict(ExchangeResult::Timeout { detail: "no answer".into() }).unwrap().outcome,
            Outcome::Timeout
        );
        assert_eq!(
            verdict(ExchangeResult::Refused { reason: "private".into() }).unwrap().outcome,
            Outcome::Refused
        );
    }
}
