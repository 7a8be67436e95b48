//! Idempotency keys: which events a request with a key has made, or is about to make.
//!
//! The row is put before the events, if there is none, with the id of the first of them; the others
//! count on from it. It never changes. So all requests with one key make the same events, however
//! many there are at once, and wherever one dies.

use domain::{id::EventId, time::Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Access, StoreError, Table,
    item::{Item, expired, item, key, number},
    list::parse,
    row_keys::{pk, sk},
};

/// A key, and what it is for.
#[derive(Clone, Debug)]
pub struct KeyOf {
    /// As the caller sent it.
    pub text: String,
    /// Hash of the request's content.
    pub fingerprint: String,
}

/// What stands under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing that anybody else has put.
    New,
    /// A request with the same content, whose first event has this id.
    Same(EventId),
    /// A request with other content.
    Other,
}

#[derive(Serialize, Deserialize)]
struct Row {
    fingerprint: String,
    first: EventId,
    expires_at: u64,
}

/// Puts and finds keys.
#[derive(Clone, Debug)]
pub struct IdempotencyKeys(Table);

impl IdempotencyKeys {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// Puts a key whose first event has this id, if there is none. `first` is new to each request:
    /// by it a put whose answer was lost is known.
    pub async fn put(
        &self,
        access: Access,
        key: &KeyOf,
        first: EventId,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Known, StoreError> {
        let (fingerprint, expires_at) = (key.fingerprint.clone(), expires_at.seconds());
        let row = Row { fingerprint, first, expires_at };
        let new = item(pk::idempotency(access.project(), &key.text), sk::IDEMPOTENCY, &row)?;
        let free = "attribute_not_exists(pk) OR expires_at <= :now";
        let there = self.0.put_if(new, free, [(":now", number(now.seconds()))]).await?;
        Ok(match there.map(|row| key.known(row)).transpose()? {
            None => Known::New,
            Some(Known::Same(same)) if same == first => Known::New,
            Some(known) => known,
        })
    }

    /// What stands under a key.
    pub async fn find(
        &self,
        access: Access,
        wanted: &KeyOf,
        now: Timestamp,
    ) -> Result<Known, StoreError> {
        let place = key(pk::idempotency(access.project(), &wanted.text), sk::IDEMPOTENCY);
        let row = self.0.get_item(place).await?.filter(|row| !expired(row, now.seconds()));
        row.map_or(Ok(Known::New), |row| wanted.known(row))
    }
}

impl KeyOf {
    fn known(&self, row: Item) -> Result<Known, StoreError> {
        let there: Row = parse(row)?;
        let is_same = there.fingerprint == self.fingerprint;
        Ok(if is_same { Known::Same(there.first) } else { Known::Other })
    }
}
