//! Revisions: a row that several requests may change holds the number of its changes, so that a
//! request can't overwrite a change that it has not read.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    StoreError,
    item::{Item, number},
};

/// The condition of a write: what is there is still at the revision that was read.
pub(super) const SAME_REVISION: &str = "revision = :revision";

/// An item at its next revision, and the revision that it was read at.
pub(super) fn next_revision(mut item: Item) -> Result<(Item, AttributeValue), StoreError> {
    let read = item
        .get("revision")
        .and_then(|value| value.as_n().ok()?.parse::<u64>().ok())
        .ok_or(StoreError::Damaged("a row without a revision"))?;
    item.insert("revision".to_owned(), number(read + 1));
    Ok((item, number(read)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_revision_is_one_more_than_the_one_that_was_read() {
        let item = Item::from([("revision".to_owned(), number(7))]);
        let (item, read) = next_revision(item).unwrap();
        assert_eq!((&item["revision"], read), (&number(8), number(7)));
        assert!(matches!(next_revision(Item::new()), Err(StoreError::Damaged(_))));
    }
}
