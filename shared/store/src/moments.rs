//! Order within a moment: what is read in the order of moments has none within each.

use std::collections::VecDeque;

use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::StoreError;

/// Items that come in the order of their moments, in the order of their ids, each once.
pub(crate) fn sorted<T, Id: Ord>(
    items: impl Stream<Item = Result<T, StoreError>>,
    id: impl Fn(&T) -> Id,
    moment: impl Fn(&T) -> u64,
    descending: bool,
) -> impl Stream<Item = Result<T, StoreError>> {
    let state = (Box::pin(items.peekable()), VecDeque::new(), id, moment);
    stream::try_unfold(state, move |(mut items, mut ready, id, moment)| async move {
        if ready.is_empty() {
            let Some(first) = items.try_next().await? else { return Ok(None) };
            let now = moment(&first);
            let mut all = vec![first];
            let same = |next: &Result<T, StoreError>| match next {
                Ok(next) => moment(next) == now,
                Err(_) => true,
            };
            while let Some(next) = items.as_mut().next_if(&same).await {
                all.push(next?);
            }
            all.sort_by_key(|item| id(item));
            all.dedup_by_key(|item| id(item));
            if descending {
                all.reverse();
            }
            ready.extend(all);
        }
        Ok(ready.pop_front().map(|item| (item, (items, ready, id, moment))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_shares_a_moment_is_sorted_and_comes_once() {
        let found = [10, 23, 21, 23, 22, 50];
        let sorted = async |items: Vec<u64>, descending| -> Vec<u64> {
            let items = stream::iter(items).map(Ok);
            let sorted = sorted(items, |item| *item, |item| item / 10, descending);
            sorted.try_collect().await.unwrap()
        };
        assert_eq!(sorted(found.to_vec(), false).await, [10, 21, 22, 23, 50]);
        let reversed = found.into_iter().rev().collect();
        assert_eq!(sorted(reversed, true).await, [50, 23, 22, 21, 10]);
    }
}
