//! `X-Amzn-Trace-Id`: where a chain of invocations began, and how often it has invoked whom.
//!
//! AWS doesn't document the format of `Lineage`, so only this file may rely on it. Here it is
//! `function:count`, several joined by `|`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use uuid::Uuid;

/// The header of a request, by which an SDK passes a trace on.
pub const HEADER: &str = "x-amzn-trace-id";

/// A chain of invocations that one event has caused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    root: String,
    lineage: BTreeMap<String, u32>,
}

impl Trace {
    /// A chain that begins now.
    pub fn begin() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let unique = Uuid::new_v4().simple().to_string();
        Self { root: format!("1-{now:08x}-{}", &unique[..24]), lineage: BTreeMap::new() }
    }

    /// Reads a header: `None` without a root. A lineage that can't be read is empty.
    pub fn read(header: &str) -> Option<Self> {
        let part = |name: &str| {
            let mut parts = header.split(';').filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let counts = part("Lineage").unwrap_or_default().split('|').filter_map(|hop| {
            let (function, count) = hop.rsplit_once(':')?;
            Some((function.to_owned(), count.parse().ok()?))
        });
        Some(Self { root: part("Root")?.to_owned(), lineage: counts.collect() })
    }

    /// How often the chain has invoked the function with this ARN.
    pub fn invocations(&self, function: &str) -> u32 {
        self.lineage.get(&name_of(function)).copied().unwrap_or(0)
    }

    /// The chain with one more invocation of the function.
    #[must_use]
    pub fn invoking(mut self, function: &str) -> Self {
        let count = self.lineage.entry(name_of(function)).or_insert(0);
        *count = count.saturating_add(1);
        self
    }

    /// Two chains that one invocation takes on: it is as old as the older one, for each function.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Self {
        for (function, count) in &other.lineage {
            let own = self.lineage.entry(function.clone()).or_insert(0);
            *own = (*own).max(*count);
        }
        self
    }
}

impl Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Root={};Parent={:.16};Sampled=0", self.root, name_of(&self.root))?;
        for (place, (function, count)) in self.lineage.iter().enumerate() {
            let before = if place == 0 { ";Lineage=" } else { "|" };
            write!(formatter, "{before}{function}:{count}")?;
        }
        Ok(())
    }
}

/// Sixteen hex digits for a function: headers hold no ARNs.
fn name_of(function: &str) -> String {
    let digest = Md5::digest(function.as_bytes());
    let first = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_read_as_it_was_written() {
        let trace = Trace::begin().invoking("arn:a").invoking("arn:b").invoking("arn:a");
        assert_eq!(Trace::read(&trace.to_string()), Some(trace.clone()));
        let counts = ["arn:a", "arn:b", "arn:c"].map(|arn| trace.invocations(arn));
        assert_eq!(counts, [2, 1, 0]);
    }

    #[test]
    fn headers_of_others_are_read_as_far_as_they_go() {
        let trace = Trace::read("Root=1-5759e988-bd862e3fe1be46a994272793; Sampled=1").unwrap();
        assert_eq!(trace.invocations("arn:a"), 0);
        assert!(Trace::read("Root=1;Lineage=x|:|a:b|1:2:3").is_some());
        for header in ["", "nonsense", "Parent=1;Sampled=0"] {
            assert_eq!(Trace::read(header), None, "{header}");
        }
    }

    #[test]
    fn an_invocation_by_two_chains_is_as_old_as_the_older_one() {
        let young = Trace::begin().invoking("arn:a");
        let old = young.clone().invoking("arn:a").invoking("arn:b");
        let joined = young.joined(&old);
        assert_eq!(["arn:a", "arn:b"].map(|arn| joined.invocations(arn)), [2, 1]);
    }
}
