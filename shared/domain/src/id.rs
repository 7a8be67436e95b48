//! Ids: a prefix that names the kind, and a ULID, so that ids sort by time.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::{
    schema::{described, text},
    time::Timestamp,
};

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be `{prefix}` followed by a ULID (26 characters of 0-9 and A-Z without I, L, O and U)"
)]
pub struct IdError {
    prefix: &'static str,
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// An id of the given time. `random` gives the lower 80 bits.
            pub const fn new(time: Timestamp, random: u128) -> Self {
                Self(Ulid::from_parts(time.millis(), random))
            }

            /// The time in the id, in milliseconds.
            pub const fn time(&self) -> Timestamp {
                Timestamp::from_millis(self.0.timestamp_ms())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        described!($name, text(concat!("`", $prefix, "` and a ULID: ids sort by \
            time."), concat!($prefix, "01JZ0000000000000000000000"))
            .pattern(Some(concat!("^", $prefix, "[0-7][0-9A-HJKMNP-TV-Z]{25}$"))));
    )*};
}

id_types! {
    /// A project.
    ProjectId = "proj_";
    /// An API key (its handle in lists; not the key itself).
    KeyId = "key_";
    /// An operator key's handle.
    OperatorKeyId = "opk_";
    /// A webhook endpoint.
    EndpointId = "we_";
    /// An event. Also the `webhook-id` of each request that carries it.
    EventId = "evt_";
    /// One HTTP request of a delivery, by the time at which it was made.
    AttemptId = "atm_";
    /// An automation.
    AutomationId = "auto_";
    /// A recovery: many deliveries of one endpoint, again.
    RecoveryId = "rcv_";
    /// One round of a delivery beyond the first: a resend by hand.
    RoundId = "rnd_";
}

/// Only the canonical spelling is an id: upper case, and no value over 128 bits (a first character
/// above `7`).
fn parse(text: &str, prefix: &'static str) -> Result<Ulid, IdError> {
    let error = IdError { prefix };
    let digits = text.strip_prefix(prefix).ok_or_else(|| error.clone())?;
    let ulid = Ulid::from_string(digits).map_err(|_| error.clone())?;
    if ulid.to_string() == digits { Ok(ulid) } else { Err(error) }
}

/// How many partitions a project's events and deliveries are spread over: a DynamoDB partition key
/// takes 1,000 writes a second, and a busy project must not be throttled by it.
pub const SHARDS: u8 = 8;

impl EventId {
    /// The id that is so many places behind this one, of the same time unless the random part
    /// overflows.
    #[must_use]
    pub const fn nth(&self, places: u64) -> Self {
        Self(Ulid(self.0.0.wrapping_add(places as u128)))
    }

    /// The partition of the log, of [`SHARDS`], that holds this event, and of the deliveries' rows.
    pub fn shard(&self) -> u8 {
        // A remainder of at most 7 is the remainder of the lowest byte too, as 8 divides 256.
        self.0.to_bytes()[15] % SHARDS
    }
}

impl EndpointId {
    /// The id of an implicit endpoint: one that has no row of its own, but is known by what it is
    /// made of (its owner, its URL). No time is in it.
    pub fn derived(of: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in of {
            // With its length, so that no two lists of parts run together into the same text.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(Ulid::from_bytes(bytes))
    }

    /// The id of a worker's webhook. It stays the same when the webhook is deleted and created
    /// again, so that its log continues.
    pub fn of_worker(project: ProjectId, worker_id: &str) -> Self {
        Self::derived(&[&project.to_string(), "worker", worker_id])
    }

    /// What stands for the receivers of a suspended project where one waits for one of them.
    pub fn of_suspension(project: ProjectId) -> Self {
        Self::derived(&[&project.to_string(), "suspended"])
    }

    /// What stands for all URLs of a host that events of a project name themselves, where they
    /// share a circuit: each URL may be used only once.
    pub fn of_host(project: ProjectId, host: &str) -> Self {
        Self::derived(&[&project.to_string(), "host", host])
    }

    /// The implicit endpoint of a URL that events of a project name themselves.
    pub fn of_url(project: ProjectId, normalised_url: &str) -> Self {
        Self::derived(&[&project.to_string(), "url", normalised_url])
    }
}

impl RecoveryId {
    /// The round in which a recovery sends an event, the same whenever a step of it is done again.
    /// Its time is the beginning of time: the recovery asks for one success, whenever that was,
    /// where a resend asks for one more.
    pub fn round(&self, event: EventId) -> RoundId {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(self.0.to_bytes())
            .chain_update(event.0.to_bytes())
            .finalize()
            .into();
        let mut low = [0; 16];
        low[6..].copy_from_slice(&digest[..10]);
        RoundId(Ulid::from_bytes(low))
    }
}

impl RoundId {
    /// Whether a recovery made it, not a resend.
    pub fn is_of_recovery(&self) -> bool {
        self.time() == Timestamp::from_millis(0)
    }
}

/// How many partitions an endpoint's attempts are spread over.
pub const ATTEMPT_SHARDS: u8 = 4;

impl AttemptId {
    /// The partition of the log, of [`ATTEMPT_SHARDS`], that holds the row of this id.
    pub fn shard(&self) -> u8 {
        self.0.to_bytes()[15] % ATTEMPT_SHARDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_its_prefix_and_a_ulid() {
        let id = EndpointId::new(Timestamp::from_millis(1_469_918_176_385), 0);
        assert_eq!(id.to_string(), "we_01ARYZ6S410000000000000000");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn anything_but_the_canonical_spelling_is_refused() {
        for text in [
            "",
            "we_",
            "we_01ARYZ6S41000000000000000",
            "evt_01ARYZ6S410000000000000000",
            "we_01aryz6s410000000000000000",
            "we_81ARYZ6S410000000000000000",
            "we_01ARYZ6S41000000000000000I",
            "we_01ARYZ6S410000000000000000 ",
            "we_ü",
        ] {
            assert!(text.parse::<EndpointId>().is_err(), "{text:?} must not be an id");
        }
    }

    #[test]
    fn a_derived_id_is_an_id_and_tells_its_parts_apart() {
        let id = EndpointId::derived(&["proj_1", "https://example.com/"]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id, EndpointId::derived(&["proj_1", "https://example.com/"]));
        assert_ne!(id, EndpointId::derived(&["proj_1https://example.com/"]));
        assert_ne!(EndpointId::derived(&["ab", "c"]), EndpointId::derived(&["a", "bc"]));
    }

    proptest! {
        #[test]
        fn ids_sort_as_text_by_their_time(
            a in 0..1_u64 << 48, b in 0..1_u64 << 48, r in any::<u128>(), s in any::<u128>(),
        ) {
            let (x, y) = (EventId::new(Timestamp::from_millis(a), r),
                EventId::new(Timestamp::from_millis(b), s));
            prop_assert_eq!(x.cmp(&y), x.to_string().cmp(&y.to_string()));
            if a < b { prop_assert!(x < y); }
        }
    }
}
