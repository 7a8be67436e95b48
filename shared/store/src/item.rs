//! Items: their keys, version and attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Timestamp;
use serde::Serialize;
use serde_dynamo::aws_sdk_dynamodb_1::to_item;

use crate::StoreError;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The version of every item's form; readers refuse nothing yet, as there is only this one.
const VERSION: &str = "1";

/// The attribute that holds how many bytes an item's compressed parts inflate to.
pub(crate) const INFLATED: &str = "inflated";

/// A key as an item's first two attributes.
pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("pk".to_owned(), string(pk)), ("sk".to_owned(), string(sk))])
}

/// A whole item: key, version and the fields of `value`.
pub(crate) fn item(
    pk: impl Into<String>,
    sk: impl Into<String>,
    value: &impl Serialize,
) -> Result<Item, StoreError> {
    let mut item: Item = to_item(value)?;
    item.extend(key(pk, sk));
    item.insert("v".to_owned(), format_version());
    Ok(item)
}

/// The version of items' form, as their attribute `v`.
pub(crate) fn format_version() -> AttributeValue {
    AttributeValue::N(VERSION.to_owned())
}

pub(crate) fn string(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A text attribute, or "" (which no id is).
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// A time of an item, in milliseconds.
pub(crate) fn moment(item: &Item, name: &str) -> Option<Timestamp> {
    item.get(name)?.as_n().ok()?.parse().ok().map(Timestamp::from_millis)
}

/// Whether the item has outlived its TTL. DynamoDB deletes such items only within days, so reads
/// filter them.
pub(crate) fn expired(item: &Item, now_seconds: u64) -> bool {
    let expiry = item
        .get("expires_at")
        .and_then(|value| value.as_n().ok())
        .and_then(|n| n.parse::<u64>().ok());
    expiry.is_some_and(|expiry| expiry <= now_seconds)
}

/// About how large an item is: its texts, and a little for everything.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    const EACH: usize = 32;
    EACH + match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::L(values) => values.iter().map(size_of_value).sum(),
        AttributeValue::M(item) => size(item),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_items_size_counts_the_texts_of_its_lists_and_maps() {
        let texts = |length: usize| AttributeValue::L(vec![string("x".repeat(length))]);
        let item = |value| Item::from([("topics".to_owned(), value)]);
        let nested = AttributeValue::M(item(texts(1_000)));
        for value in [string("x".repeat(1_000)), texts(1_000), nested] {
            assert!((1_000..1_200).contains(&size(&item(value.clone()))), "{value:?}");
        }
    }
}
