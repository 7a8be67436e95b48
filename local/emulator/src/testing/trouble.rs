//! The ways in which AWS's calls go wrong, for tests that try them all.

use std::collections::BTreeSet;
use std::time::Duration;

use super::AwsStandIn;
use crate::aws::Fault;
use crate::aws::requirement::Requirement;
use sam_template::Effect;

/// How often the SDK tries a call.
const TRIES: usize = 3;

/// What roles allow that no function calls: Lambda itself writes logs, and its pollers use the role
/// of the function that they feed.
const NOT_OURS: [&str; 5] = [
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
];

/// A fault, and how many calls in a row it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The fault.
    pub fault: Fault,
    /// How many calls.
    pub times: usize,
}

impl Trouble {
    /// Each fault but [`Fault::Hanging`] and [`Fault::Contended`]: for one call, for as many as the
    /// SDK tries, or until it is healed, where that makes a difference.
    pub fn all() -> impl Iterator<Item = Self> {
        let (once, tries, until_healed) = (1, TRIES, usize::MAX);
        let all = [
            (Fault::Throttled, once),
            (Fault::Throttled, tries),
            (Fault::InternalError, once),
            (Fault::Unavailable, until_healed),
            (Fault::ExpiredCredentials, once),
            (Fault::ExpiredCredentials, until_healed),
            (Fault::ConnectionLost, once),
            (Fault::AnswerLost, once),
            (Fault::AnswerLost, tries),
            (Fault::AnswerLost, until_healed),
            (Fault::Slow(Duration::from_millis(20)), once),
            (Fault::Partly, tries),
            (Fault::Partly, until_healed),
        ];
        all.into_iter().map(|(fault, times)| Self { fault, times })
    }

    /// Those of [`Self::all`] that make a difference to requests of single calls.
    pub fn few() -> impl Iterator<Item = Self> {
        let kinds = [Fault::Throttled, Fault::ExpiredCredentials, Fault::AnswerLost];
        Self::all().filter(move |trouble| kinds.contains(&trouble.fault))
    }

    /// Whether the retries of the SDK, or ours, outlast it, so that the caller may not notice.
    pub fn passes_unseen(self) -> bool {
        match self.fault {
            Fault::ExpiredCredentials | Fault::Hanging => false,
            Fault::Slow(_) => true,
            Fault::Partly => self.times <= TRIES,
            _ => self.times < TRIES,
        }
    }
}

impl AwsStandIn {
    /// From the given call of a function (from 0) on, its calls meet this trouble.
    pub fn trouble(&self, function: &str, place: usize, trouble: Trouble) {
        self.faults().of(function).after(place).times(trouble.times).fail(trouble.fault);
    }

    /// What a function's role allows and the function itself calls.
    pub fn allowed(&self, function: &str) -> BTreeSet<Requirement> {
        let statements = self
            .template()
            .function(function)
            .map(|function| &function.statements[..])
            .unwrap_or_default();
        let allowed = statements.iter().filter(|statement| statement.effect == Effect::Allow);
        let pairs = allowed.flat_map(|statement| {
            statement.actions.iter().map(move |action| (action, &statement.resources))
        });
        let ours = pairs.filter(|(action, _)| !NOT_OURS.contains(&action.as_str()));
        ours.flat_map(|(action, resources)| {
            resources
                .iter()
                .map(|resource| Requirement { action: action.clone(), resource: resource.clone() })
        })
        .collect()
    }
}
