//! Idempotency: one lease row per key, put before the event.
//!
//! The first request with a key takes the lease, with a plan: the ids and the time that its events
//! will have. While it runs, a second request is told to retry. Once it is done, a repeat gets the
//! same answer, rebuilt from the plan and the repeat's own equal content. If the first request
//! crashes, its lease expires, and the next request takes over *with the same plan*, so that
//! receivers can still deduplicate.
//!
//! # Pitfalls
//!
//! When the answer to a put is lost, the SDK puts again and meets its own row. So each row names
//! its holder. And a lease that was taken over is given up, never abandoned: the events of its plan
//! may be enqueued.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Access, StoreError, Table,
    item::{Item, item, key, number, string},
    list::parse,
    row_keys::{pk, sk},
};

/// Seconds that a lease holds: longer than the `events` function may run, so that a live one is
/// never overtaken.
pub const LEASE_SECONDS: u64 = 20;

/// A lease that a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequest<'a> {
    /// The idempotency key.
    pub key: &'a str,
    /// Hash of the request's content.
    pub fingerprint: &'a str,
    /// What the request is about to do, for a request that may have to take over.
    pub plan: &'a str,
    /// How long all of it is kept.
    pub kept: Duration,
    /// Random, and another for each request.
    pub holder: u64,
}

/// What a request finds under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Nothing: the lease is taken, go on.
    Taken,
    /// A dead request's lease: it is taken over, with what that request had planned. Its deliveries
    /// may have been enqueued.
    TakenOver(String),
    /// The plan of a request with the same content, which is done.
    Done(String),
    /// A request that still holds the lease.
    Busy,
    /// A request with other content has used the key.
    Mismatch,
}

/// A lease is identified by its holder: it may have expired, and belong to another request.
const HELD: &str = "done = :done AND holder = :holder";

#[derive(Serialize, Deserialize)]
struct Row {
    /// Hash of the request's content.
    fingerprint: String,
    /// What the request is about to do, for a request that takes over: its event ids. (PLAN is a
    /// reserved word in DynamoDB's expressions.)
    #[serde(rename = "planned")]
    plan: String,
    /// Unix seconds until which the lease holds.
    leased_until: u64,
    /// Whether all was done.
    done: bool,
    expires_at: u64,
    /// The random number of the request that took it.
    holder: u64,
}

/// Takes and finishes leases.
#[derive(Clone, Debug)]
pub struct Leases(Table);

impl Leases {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// Takes the lease of a key, or tells what stands there.
    pub async fn take(
        &self,
        access: Access,
        wanted: LeaseRequest<'_>,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        let row = Row {
            fingerprint: wanted.fingerprint.to_owned(),
            plan: wanted.plan.to_owned(),
            leased_until: now.seconds() + LEASE_SECONDS,
            done: false,
            expires_at: (now + wanted.kept).seconds(),
            holder: wanted.holder,
        };
        let new = item(pk::idempotency(access.project(), wanted.key), sk::IDEMPOTENCY, &row)?;
        let free = "attribute_not_exists(pk) OR expires_at <= :now";
        let there = match self.0.put_if(new, free, [(":now", number(now.seconds()))]).await {
            Ok(None) => return Ok(Lease::Taken),
            Ok(Some(there)) => there,
            // It went away in between: the caller may as well try again.
            Err(StoreError::Conflict) => return Ok(Lease::Busy),
            Err(error) => return Err(error),
        };
        let there: Row = parse(there)?;
        match there {
            there if there.holder == wanted.holder => Ok(Lease::Taken),
            there if there.fingerprint.is_empty() => {
                let moved = Row { leased_until: there.leased_until, ..row };
                self.take_over(access, wanted, moved, Lease::Taken, now).await
            }
            there if there.fingerprint != wanted.fingerprint => Ok(Lease::Mismatch),
            there if there.done => Ok(Lease::Done(there.plan)),
            there if there.leased_until > now.seconds() => Ok(Lease::Busy),
            there => {
                let plan = there.plan.clone();
                self.take_over(access, wanted, there, Lease::TakenOver(plan), now).await
            }
        }
    }

    /// Marks the lease as done: from now on its key has an answer.
    pub async fn finish(&self, access: Access, idempotency_key: &str) -> Result<(), StoreError> {
        self.update(
            access,
            idempotency_key,
            "SET done = :done",
            "attribute_exists(pk)",
            [(":done", AttributeValue::Bool(true))],
        )
        .await
    }

    /// Expires a lease at once, because its request has failed: the next request takes over with
    /// the same plan. [`StoreError::Conflict`] if another request holds it by now.
    pub async fn give_up(
        &self,
        access: Access,
        idempotency_key: &str,
        holder: u64,
    ) -> Result<(), StoreError> {
        let values = [
            (":now", number(0)),
            (":done", AttributeValue::Bool(false)),
            (":holder", number(holder)),
        ];
        self.update(access, idempotency_key, "SET leased_until = :now", HELD, values).await
    }

    /// Gives back a lease that was [`Lease::Taken`], and under which nothing was done: its key is
    /// free again, for any content. [`StoreError::Conflict`] as for [`Leases::give_up`].
    pub async fn abandon(
        &self,
        access: Access,
        idempotency_key: &str,
        holder: u64,
    ) -> Result<(), StoreError> {
        let none = (":none", string(""));
        let values = [
            (":now", number(0)),
            none,
            (":done", AttributeValue::Bool(false)),
            (":holder", number(holder)),
        ];
        self.update(
            access,
            idempotency_key,
            "SET leased_until = :now, fingerprint = :none",
            HELD,
            values,
        )
        .await
    }

    /// Of several that find a lapsed lease, one gets it: the one that moves its end.
    async fn take_over(
        &self,
        access: Access,
        wanted: LeaseRequest<'_>,
        row: Row,
        got: Lease,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        let values = [
            (":until", number(now.seconds() + LEASE_SECONDS)),
            (":fingerprint", string(row.fingerprint)),
            (":plan", string(row.plan)),
            (":holder", number(wanted.holder)),
            (":before", number(row.leased_until)),
            (":done", AttributeValue::Bool(false)),
        ];
        let change = "SET leased_until = :until, fingerprint = :fingerprint, planned = :plan, \
            holder = :holder";
        match self
            .try_update(
                access,
                wanted.key,
                change,
                "leased_until = :before AND done = :done",
                values,
            )
            .await?
        {
            None => Ok(got),
            Some(there) => {
                Ok(if parse::<Row>(there)?.holder == wanted.holder { got } else { Lease::Busy })
            }
        }
    }

    async fn update<const N: usize>(
        &self,
        access: Access,
        idempotency_key: &str,
        change: &str,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<(), StoreError> {
        self.try_update(access, idempotency_key, change, condition, values)
            .await?
            .map_or(Ok(()), |_| Err(StoreError::Conflict))
    }

    /// Returns the item that is there if it doesn't meet the condition.
    async fn try_update<const N: usize>(
        &self,
        access: Access,
        idempotency_key: &str,
        change: &str,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<Option<Item>, StoreError> {
        let row = key(pk::idempotency(access.project(), idempotency_key), sk::IDEMPOTENCY);
        self.0.update(row, change).when(condition).values(values).make_or_show().await
    }
}
