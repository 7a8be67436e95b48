//! Places of live viewers: a row each, which a viewer holds until its stream ends. So one project
//! can't take all of the deployment's viewers.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{id::ProjectId, time::Timestamp};

use crate::{
    Access, StoreError, Table,
    item::{Item, format_version, key, moment, number, text},
    row_keys::{pk, sk},
};

/// How often a place is tried that others take at the same time.
const TRIES: usize = 4;
/// How long a place that nobody holds stays.
const KEPT_SECONDS: u64 = 3_600;

/// A viewer's place.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    project: ProjectId,
    number: u32,
    holder: u64,
}

/// Gives places to viewers.
#[derive(Clone, Debug)]
pub struct ViewerPlaces(Table);

impl ViewerPlaces {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// Takes a place until then, of so many that the project has; `None` if all are taken.
    pub async fn take(
        &self,
        access: Access,
        places: u32,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Place>, StoreError> {
        let (project, holder) = (access.project(), rand::random());
        for _ in 0..TRIES {
            let rows = self.0.all(pk::budget(project), sk::VIEWERS).await?;
            let held = rows.iter().filter(|row| moment(row, "held_until") > Some(now));
            let held: BTreeSet<_> = held.map(|row| text(row, "sk").to_owned()).collect();
            let is_free = |number: &u32| !held.contains(&sk::viewer(*number));
            let free: Vec<_> = (0..places).filter(is_free).collect();
            if free.is_empty() {
                return Ok(None);
            }
            // Those who come at the same time mostly try others.
            let place = Place { project, number: free[rand::random_range(0..free.len())], holder };
            let is_free = "attribute_not_exists(pk) OR held_until <= :now OR holder = :holder";
            let values = [(":now", number(now.millis())), (":holder", number(holder))];
            if self.put(place, until, is_free, values).await? {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Gives a place back before its time.
    pub async fn give_back(&self, place: Place) -> Result<(), StoreError> {
        let values = [(":holder", number(place.holder))];
        let over = Timestamp::from_millis(0);
        self.put(place, over, "holder = :holder", values).await.map(drop)
    }

    async fn put<const N: usize>(
        &self,
        place: Place,
        until: Timestamp,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<bool, StoreError> {
        match self.0.put_if(row(place, until), condition, values).await {
            Ok(there) => Ok(there.is_none()),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn row(place: Place, until: Timestamp) -> Item {
    let mut row = key(pk::budget(place.project), sk::viewer(place.number));
    row.extend([
        ("v".to_owned(), format_version()),
        ("holder".to_owned(), number(place.holder)),
        ("held_until".to_owned(), number(until.millis())),
        ("expires_at".to_owned(), number(until.seconds().max(1) + KEPT_SECONDS)),
    ]);
    row
}
