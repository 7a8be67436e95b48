//! What AWS bills of a call to DynamoDB, in its units: a write of up to 1 KB, a strongly consistent
//! read of up to 4 KB; a read that need not be consistent is half a unit.
//!
//! `dynoxide` tells what a call took of its table. What it took of an index is worked out here, by
//! AWS's guide to global secondary indexes: an entry costs one write to add or to remove, and two
//! to move; one whose keys stay costs none, as the indexes here hold keys only.
//!
//! # Pitfalls
//!
//! A write whose condition fails is billed as the item that is there, which is counted as one unit.
//! A transaction that fails is not counted.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Units of a call, or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Units {
    /// Of reads.
    pub reads: f64,
    /// Of writes.
    pub writes: f64,
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.writes += other.writes;
    }
}

/// The operations that take units.
const READS: [&str; 5] = ["GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"];
/// See [`READS`].
const WRITES: [&str; 5] =
    ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

/// A write whose condition failed.
pub(super) const FAILED_CONDITION: Units = Units { reads: 0.0, writes: 1.0 };

/// Whether an operation takes units.
pub(super) fn are_taken_by(operation: &str) -> bool {
    READS.contains(&operation) || WRITES.contains(&operation)
}

/// What a call took of its tables, by its answer, of which it is taken out.
pub(super) fn of_tables(operation: &str, answer: &mut Json) -> Units {
    let taken = answer.as_object_mut().and_then(|answer| answer.remove("ConsumedCapacity"));
    let taken = taken.unwrap_or_default();
    let tables = taken.as_array().map_or(std::slice::from_ref(&taken), Vec::as_slice);
    let units = tables.iter().filter_map(|table| table["CapacityUnits"].as_f64()).sum();
    if READS.contains(&operation) {
        Units { reads: units, writes: 0.0 }
    } else {
        Units { reads: 0.0, writes: units }
    }
}

/// What an index takes of an item that had one entry before, and has another one after.
pub(super) fn of_entry(before: Option<&Json>, after: Option<&Json>) -> Units {
    let writes = match (before, after) {
        (Some(before), Some(after)) if before != after => 2.0,
        (Some(_), None) | (None, Some(_)) => 1.0,
        _ => 0.0,
    };
    Units { reads: 0.0, writes }
}
