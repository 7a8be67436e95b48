//! The books: where each accepted delivery has ended.

use std::{collections::HashMap, fmt};

use serde_json::Value as Json;

use crate::world::World;

/// What a run has come to.
#[derive(Default)]
pub(crate) struct Books {
    faults: usize,
    events: usize,
    succeeded: usize,
    failed: usize,
    twice: usize,
    missed: usize,
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { faults, events, succeeded, failed, twice, missed } = self;
        write!(f, "{faults} faults, {events} events: {succeeded} deliveries succeeded, ")?;
        write!(f, "{failed} failed, {missed} missed; {twice} arrived twice")
    }
}

impl World {
    /// # Panics
    /// If a delivery has not ended, or was sent again after a success that the log has.
    pub(crate) async fn audit(&self) -> Books {
        let mut books = Books {
            faults: self.aws.faults().strikes(),
            events: self.accepted.len(),
            ..Books::default()
        };
        for accepted in &self.accepted {
            let path = format!("/webhooks/messages/{}", accepted.id);
            let answer = self.functions.logs.ask("GET", &path, Json::Null).await;
            assert_eq!(answer.status, 200, "{}: {}", accepted.id, answer.body);
            books.missed += answer.body["missed"].as_array().unwrap().len();
            let recorded = self.recorded(&accepted.id).await;
            for delivery in answer.body["deliveries"].as_array().unwrap() {
                self.check(&accepted.id, delivery, &recorded, &mut books);
            }
        }
        for queue in ["DeliveriesQueue", "RetriesQueue", "DeadLetterQueue"] {
            let left = self.aws.visible(queue).await;
            assert!(left.is_empty(), "{queue}: {left:?}");
        }
        books
    }

    /// How many successes the log has of an event, by endpoint.
    async fn recorded(&self, id: &str) -> HashMap<String, usize> {
        let path =
            format!("/webhooks/delivery-attempts?message_id={id}&status=succeeded&limit=100");
        let answer = self.functions.logs.ask("GET", &path, Json::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut recorded = HashMap::new();
        for attempt in answer.body.as_array().unwrap() {
            let endpoint = attempt["endpoint_id"].as_str().unwrap().to_owned();
            *recorded.entry(endpoint).or_default() += 1;
        }
        recorded
    }

    fn check(
        &self,
        id: &str,
        delivery: &Json,
        recorded: &HashMap<String, usize>,
        books: &mut Books,
    ) {
        let endpoint = delivery["endpoint_id"].as_str().unwrap();
        let place = self.endpoints.iter().position(|known| known.to_string() == endpoint);
        let seen = self.seen[place.unwrap()].lock().unwrap();
        let taken = seen.taken.get(id).copied().unwrap_or_default();
        let wanted = 1 + self.resent.get(id).copied().unwrap_or_default();
        let recorded = recorded.get(endpoint).copied().unwrap_or_default();
        assert!(
            recorded <= wanted,
            "{id} was sent to {endpoint} again after a recorded success: {recorded} successes, \
             {wanted} wanted"
        );
        assert!(
            recorded <= taken && taken <= recorded + self.unrecorded,
            "{id} arrived {taken} times at {endpoint}, and the log has {recorded} successes"
        );
        books.twice += usize::from(taken > wanted);
        match delivery["status"].as_str().unwrap() {
            "succeeded" => {
                assert!(taken > 0, "{id} did not arrive at {endpoint}: {delivery}");
                books.succeeded += 1;
            }
            "failed" => {
                assert!(delivery["attempts"].as_u64() > Some(0), "{id}: {delivery}");
                books.failed += 1;
            }
            status => panic!("{id} is still {status} at {endpoint}: {delivery}"),
        }
    }
}
