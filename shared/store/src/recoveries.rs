//! Recoveries: a row each, and one row per endpoint that says which of them has it.
//!
//! At most one recovery runs per endpoint. The endpoint's row `RECOVERING`, which is put
//! conditionally, decides. It holds the recovery as it was requested, so that a request after a
//! crash can write the recovery's own row. A dry run needs no turn.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    id::{EndpointId, ProjectId, RecoveryId},
    model::Endpoint,
    recovery::{Recovery, State},
    time::Timestamp,
};

use crate::{
    Access, Page, PageRequest, StoreError, Table,
    due::listed,
    item::{Item, expired, item, key, number, string},
    list::{Listing, parse},
    row_keys::{pk, sk},
};

/// How long a recovery can be read: far longer than one runs.
const KEPT_SECONDS: u64 = 30 * 86_400;

/// Who has an endpoint's turn.
#[derive(Clone, Debug)]
pub enum Turn {
    /// The recovery that asked.
    Taken(Recovery),
    /// An earlier one that is not done.
    Held(Recovery),
}

/// Begins and reads recoveries, for the API.
#[derive(Clone, Debug)]
pub struct RecoveryStore(Table);

impl RecoveryStore {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// Begins a recovery, or returns the one that has the endpoint's turn. In both cases its row
    /// exists, and while it runs it is in the list of what is due, from `due_at` on.
    pub async fn begin(
        &self,
        recovery: Recovery,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<Turn, StoreError> {
        if recovery.dry_run {
            self.put(&recovery, due_at).await?;
            return Ok(Turn::Taken(recovery));
        }
        let free = "attribute_not_exists(pk) OR finished = :yes OR expires_at <= :now";
        let values = [(":yes", AttributeValue::Bool(true)), (":now", number(now.seconds()))];
        let Some(holder) = self.take_turn(&recovery, free, values).await? else {
            self.put(&recovery, due_at).await?;
            return Ok(Turn::Taken(recovery));
        };
        let holder: Recovery = parse(holder)?;
        self.put(&holder, due_at).await?;
        let running = self.read(&holder).await?.filter(|holder| holder.state == State::Running);
        if let Some(running) = running {
            return Ok(Turn::Held(running));
        }
        // Done, but it was not there any more to give back its turn.
        match self
            .take_turn(&recovery, "id = :holder", [(":holder", string(holder.id.to_string()))])
            .await?
        {
            None => {
                self.put(&recovery, due_at).await?;
                Ok(Turn::Taken(recovery))
            }
            Some(faster) => {
                let faster: Recovery = parse(faster)?;
                self.put(&faster, due_at).await?;
                Ok(Turn::Held(faster))
            }
        }
    }

    /// One recovery of an endpoint of the project, even of a deleted one.
    pub async fn get(
        &self,
        access: Access,
        endpoint: EndpointId,
        id: RecoveryId,
        now: Timestamp,
    ) -> Result<Option<Recovery>, StoreError> {
        let row = self
            .0
            .get_item(row_key(access.project(), endpoint, id))
            .await?
            .filter(|row| !expired(row, now.seconds()));
        row.map(parse).transpose()
    }

    /// A page of the recoveries of an endpoint that was itself read through an [`Access`].
    pub async fn list(
        &self,
        endpoint: &Endpoint,
        request: &PageRequest<RecoveryId>,
        now: Timestamp,
    ) -> Result<Page<Recovery>, StoreError> {
        let listing = Listing::new(
            &self.0,
            vec![pk::recoveries(endpoint.project, endpoint.id)],
            sk::RECOVERIES,
        );
        listing.page(request, now, |row| async move { parse(row).map(Some) }).await
    }

    /// Takes the turn if `condition` holds; otherwise returns what is there.
    async fn take_turn<const N: usize>(
        &self,
        recovery: &Recovery,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<Option<Item>, StoreError> {
        let mut turn = item(partition(recovery), sk::RECOVERING, recovery)?;
        turn.insert("expires_at".to_owned(), expiry(recovery));
        self.0.put_if(turn, condition, values).await
    }

    /// Writes a recovery's row, if it isn't there.
    async fn put(&self, recovery: &Recovery, due_at: Timestamp) -> Result<(), StoreError> {
        let (pk, sk) = (partition(recovery), sk::recovery(recovery.id));
        let mut row = item(&pk, &sk, recovery)?;
        row.insert("expires_at".to_owned(), expiry(recovery));
        let place = listed(&pk, &sk, due_at);
        row.extend(place.map(|(name, value)| (name.to_owned(), value)));
        match self.0.put_new(row).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, recovery: &Recovery) -> Result<Option<Recovery>, StoreError> {
        self.0.get(row_key(recovery.project, recovery.endpoint, recovery.id)).await
    }
}

/// Reads and advances recoveries, for `jobs`. The project comes from a row's key.
#[derive(Clone, Debug)]
pub struct RecoveryProgress(Table);

impl RecoveryProgress {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// A recovery as it stands.
    pub async fn load(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        id: RecoveryId,
    ) -> Result<Option<Recovery>, StoreError> {
        self.0.get(row_key(project, endpoint, id)).await
    }

    /// Writes how far a recovery is after the step `before.step`, and when its next step is due;
    /// [`StoreError::Conflict`] if that step was done already.
    pub async fn advance(
        &self,
        before: &Recovery,
        after: &Recovery,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let (pk, sk) = (partition(after), sk::recovery(after.id));
        let mut row = item(&pk, &sk, after)?;
        row.retain(|name, _| !matches!(name.as_str(), "pk" | "sk"));
        let running = after.state == State::Running;
        if running {
            let place = listed(&pk, &sk, due_at);
            row.extend(place.map(|(name, value)| (name.to_owned(), value)));
        }
        let set: Vec<_> = (0..row.len()).map(|place| format!("#n{place} = :v{place}")).collect();
        let remove = if running { "" } else { " REMOVE #list, list_at" };
        let change = format!("SET {}{remove}", set.join(", "));
        let mut update = self
            .0
            .update(key(pk, sk), change)
            .when("#step = :before")
            .name("#step", "step")
            .value(":before", number(before.step));
        if !running {
            update = update.name("#list", "list");
        }
        for (place, (name, value)) in row.into_iter().enumerate() {
            update = update.name(format!("#n{place}"), name).value(format!(":v{place}"), value);
        }
        update.make().await
    }

    /// Gives back the endpoint's turn, if the recovery has it.
    pub async fn release(&self, recovery: &Recovery) -> Result<(), StoreError> {
        let turn = key(partition(recovery), sk::RECOVERING);
        let values =
            [(":yes", AttributeValue::Bool(true)), (":own", string(recovery.id.to_string()))];
        let update = self.0.update(turn, "SET finished = :yes").when("id = :own").values(values);
        update.make_if().await.map(drop)
    }
}

fn partition(recovery: &Recovery) -> String {
    pk::recoveries(recovery.project, recovery.endpoint)
}

fn row_key(project: ProjectId, endpoint: EndpointId, id: RecoveryId) -> Item {
    key(pk::recoveries(project, endpoint), sk::recovery(id))
}

fn expiry(recovery: &Recovery) -> AttributeValue {
    number(recovery.created_at.seconds() + KEPT_SECONDS)
}
