//! How the receiver answers.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::ListenArgs;

/// How often to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fail {
    /// The first requests, as many as this says.
    Times(u64),
    /// Every request.
    Always,
}

impl FromStr for Fail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Self::Always),
            number => number
                .parse()
                .map(Self::Times)
                .map_err(|_| "a number of times, or `always`".to_owned()),
        }
    }
}

/// The answers of one receiver, in order.
#[derive(Debug)]
pub struct Behaviour {
    success: u16,
    failure: u16,
    failures: Option<Fail>,
    answered: AtomicU64,
    /// How long to wait before each answer.
    pub delay: Duration,
}

impl Behaviour {
    /// As the flags say.
    pub fn of(args: &ListenArgs) -> Self {
        let (success, failure) = match args.fail {
            Some(_) => (200, args.status.unwrap_or(500)),
            None => (args.status.unwrap_or(200), 500),
        };
        Self {
            success,
            failure,
            failures: args.fail,
            answered: AtomicU64::new(0),
            delay: args.delay.unwrap_or_default(),
        }
    }

    /// The status of the next answer.
    pub fn next_status(&self) -> u16 {
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        let fails = match self.failures {
            Some(Fail::Always) => true,
            Some(Fail::Times(times)) => number < times,
            None => false,
        };
        if fails { self.failure } else { self.success }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        listen: ListenArgs,
    }

    fn statuses(flags: &[&str]) -> Vec<u16> {
        let flags = Flags::parse_from(std::iter::once("listen").chain(flags.iter().copied()));
        let behaviour = Behaviour::of(&flags.listen);
        (0..4).map(|_| behaviour.next_status()).collect()
    }

    #[test]
    fn it_answers_200_unless_told_otherwise() {
        assert_eq!(statuses(&[]), [200, 200, 200, 200]);
        assert_eq!(statuses(&["--status", "410"]), [410, 410, 410, 410]);
    }

    #[test]
    fn it_fails_as_often_as_told() {
        assert_eq!(statuses(&["--fail", "2"]), [500, 500, 200, 200]);
        assert_eq!(statuses(&["--fail", "1", "--status", "429"]), [429, 200, 200, 200]);
        assert_eq!(statuses(&["--fail", "always"]), [500, 500, 500, 500]);
    }
}
