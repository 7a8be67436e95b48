//! Endpoints' health: one small row each, only of those that have failed.
//!
//! # Pitfalls
//!
//! Many instances of `deliver` write it at once. Counts are added, not set, and every change of a
//! circuit is bound to the opening and step that it was decided on.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{
    health::{Circuit, Health, Phase},
    id::{EndpointId, ProjectId},
    time::Timestamp,
};
use serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value;

use crate::{
    StoreError, Table,
    item::{Item, key, number, string},
    list::parse,
    row_keys::{pk, sk},
    table::get_many,
};

/// Days that it is kept after it was last written: longer than any delivery waits.
const KEPT_DAYS: u64 = 60;

/// The circuit is as it was when what comes next was decided.
const SAME_STEP: &str =
    "circuit.opening = :opening AND circuit.step = :step AND circuit.phase = :phase";

/// The key of an endpoint's health.
pub(crate) fn health_key(endpoint: EndpointId) -> Item {
    key(pk::endpoint(endpoint), sk::HEALTH)
}

/// Reads and writes endpoints' health.
#[derive(Clone, Debug)]
pub struct HealthStore(Table);

impl HealthStore {
    /// Over the log table.
    pub fn new(log: Table) -> Self {
        Self(log)
    }

    /// An endpoint's health, if it has ever failed.
    pub async fn get(&self, endpoint: EndpointId) -> Result<Option<Health>, StoreError> {
        self.0.get(health_key(endpoint)).await
    }

    /// The health of those of these endpoints that have ever failed.
    pub async fn of(
        &self,
        endpoints: &[EndpointId],
    ) -> Result<HashMap<EndpointId, Health>, StoreError> {
        let keys = endpoints.iter().map(|endpoint| (&self.0, health_key(*endpoint))).collect();
        Ok(get_many(keys)
            .await?
            .into_iter()
            .filter_map(|row| parse::<Health>(row).ok())
            .map(|health| (health.endpoint, health))
            .collect())
    }

    /// Counts failures, the first of them at `first`. The health then.
    pub async fn failed(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        count: u64,
        first: Timestamp,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        let change = "SET endpoint = :endpoint, #project = :project, \
                      failing_since = if_not_exists(failing_since, :first), \
                      last_failure_at = :now, expires_at = :expiry ADD failures :count";
        let values = [
            (":endpoint", string(endpoint.to_string())),
            (":project", string(project.to_string())),
            (":first", number(first.millis())),
            (":now", number(now.millis())),
            (":expiry", number(expiry(now))),
            (":count", number(count)),
        ];
        self.update(endpoint, change, None, values).await
    }

    /// Records a success after failures: resets the failure count, and moves an open circuit on to
    /// releasing. Returns the health before, so that of several invocations that see a success
    /// exactly one announces it.
    pub async fn succeeded(&self, health: &Health, now: Timestamp) -> Result<Health, StoreError> {
        self.end_failures(health, Some(now)).await
    }

    /// The endpoint was changed or turned on again: what went before says nothing any more. The
    /// health before.
    pub async fn start_afresh(&self, health: &Health) -> Result<Health, StoreError> {
        self.end_failures(health, None).await
    }

    async fn end_failures(
        &self,
        health: &Health,
        success: Option<Timestamp>,
    ) -> Result<Health, StoreError> {
        let mut changes = vec!["failures = :zero", "announced = :no"];
        let mut values = vec![(":zero", number(0)), (":no", AttributeValue::Bool(false))];
        if let Some(now) = success {
            changes.push("last_success_at = :now");
            values.push((":now", number(now.millis())));
        }
        let over = |changes: &[&str]| format!("SET {} REMOVE failing_since", changes.join(", "));
        if let Some(circuit) = health.circuit.as_ref().filter(|_| health.is_open()) {
            let also = [
                (":phase", phase_value(Phase::RECOVERED)?),
                (":opening", string(&circuit.opening)),
            ];
            let change = over(&[changes.as_slice(), &["circuit.phase = :phase"]].concat());
            let values = values.iter().cloned().chain(also);
            match self
                .changed(
                    health.endpoint,
                    &change,
                    Some("circuit.opening = :opening"),
                    values,
                    ReturnValue::AllOld,
                )
                .await
            {
                Err(StoreError::Conflict) => {}
                other => return other,
            }
        }
        self.changed(health.endpoint, &over(&changes), None, values, ReturnValue::AllOld).await
    }

    /// Notes that the project was told. Whether it wasn't before.
    pub async fn announced(&self, endpoint: EndpointId) -> Result<bool, StoreError> {
        let values = [(":yes", AttributeValue::Bool(true))];
        match self
            .update(
                endpoint,
                "SET announced = :yes",
                Some("attribute_exists(pk) AND NOT announced = :yes"),
                values,
            )
            .await
        {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a circuit if there is none; [`StoreError::Conflict`] if another invocation did.
    pub async fn open(&self, endpoint: EndpointId, circuit: &Circuit) -> Result<(), StoreError> {
        let values = [(":circuit", circuit_value(circuit)?)];
        self.update(
            endpoint,
            "SET circuit = :circuit",
            Some("attribute_not_exists(circuit)"),
            values,
        )
        .await?;
        Ok(())
    }

    /// A circuit that is there opens again, with the steps that it has.
    pub async fn reopen(&self, endpoint: EndpointId, opening: &str) -> Result<(), StoreError> {
        let values = [(":phase", phase_value(Phase::FIRST)?), (":opening", string(opening))];
        self.update(
            endpoint,
            "SET circuit.phase = :phase",
            Some("circuit.opening = :opening"),
            values,
        )
        .await?;
        Ok(())
    }

    /// Moves the due time of the next step, for an invocation that sends it again.
    /// [`StoreError::Conflict`] if another invocation does, or the step is done.
    pub async fn reschedule(
        &self,
        endpoint: EndpointId,
        circuit: &Circuit,
        due_at: Timestamp,
    ) -> Result<(), StoreError> {
        let values = [
            (":due", number(due_at.millis())),
            (":before", number(circuit.due_at.millis())),
            (":opening", string(&circuit.opening)),
            (":step", number(circuit.step)),
        ];
        let same =
            "circuit.opening = :opening AND circuit.step = :step AND circuit.due_at = :before";
        self.update(endpoint, "SET circuit.due_at = :due", Some(same), values).await?;
        Ok(())
    }

    /// Leases a step until `until`, so that no other invocation runs it at the same time. The
    /// expiry identifies the lease when it is released. [`StoreError::Conflict`] if it is not the
    /// next step, or is leased.
    pub async fn take(
        &self,
        endpoint: EndpointId,
        opening: &str,
        step: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Health, StoreError> {
        let values = [
            (":until", number(until.millis())),
            (":opening", string(opening)),
            (":step", number(step)),
            (":now", number(now.millis())),
        ];
        let free = "circuit.opening = :opening AND circuit.step = :step AND \
            (attribute_not_exists(circuit.busy_until) OR circuit.busy_until < :now)";
        self.update(endpoint, "SET circuit.busy_until = :until", Some(free), values).await
    }

    /// Gives back a step that was taken until that moment and is not done. It may not have been
    /// taken: the call that took it may have failed.
    pub async fn give_back(
        &self,
        endpoint: EndpointId,
        opening: &str,
        step: u64,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let values = [
            (":until", number(until.millis())),
            (":opening", string(opening)),
            (":step", number(step)),
        ];
        let taken =
            "circuit.opening = :opening AND circuit.step = :step AND circuit.busy_until = :until";
        match self.update(endpoint, "REMOVE circuit.busy_until", Some(taken), values).await {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Commits a step and names the next one. [`StoreError::Conflict`] if another invocation
    /// committed it too, or the phase has changed from `done`'s meanwhile.
    pub async fn advance(
        &self,
        endpoint: EndpointId,
        done: &Circuit,
        next: &Circuit,
    ) -> Result<(), StoreError> {
        let values = [(":next", circuit_value(next)?)].into_iter().chain(step_values(done)?);
        self.update(endpoint, "SET circuit = :next", Some(SAME_STEP), values).await?;
        Ok(())
    }

    /// The circuit is closed. [`StoreError::Conflict`] as for [`HealthStore::advance`].
    pub async fn close(&self, endpoint: EndpointId, done: &Circuit) -> Result<(), StoreError> {
        self.update(endpoint, "REMOVE circuit", Some(SAME_STEP), step_values(done)?).await?;
        Ok(())
    }

    async fn update(
        &self,
        endpoint: EndpointId,
        change: &str,
        condition: Option<&str>,
        values: impl IntoIterator<Item = (&str, AttributeValue)>,
    ) -> Result<Health, StoreError> {
        self.changed(endpoint, change, condition, values, ReturnValue::AllNew).await
    }

    /// Changes the row, and returns it as it was before or as it is after.
    async fn changed(
        &self,
        endpoint: EndpointId,
        change: &str,
        condition: Option<&str>,
        values: impl IntoIterator<Item = (&str, AttributeValue)>,
        wanted: ReturnValue,
    ) -> Result<Health, StoreError> {
        let mut update = self.0.update(health_key(endpoint), change).values(values);
        if let Some(condition) = condition {
            update = update.when(condition);
        }
        // A reserved word in expressions.
        if change.contains("#project") {
            update = update.name("#project", "project");
        }
        parse(update.returning(wanted).await?)
    }
}

fn expiry(now: Timestamp) -> u64 {
    now.seconds() + KEPT_DAYS * 86_400
}

/// The values of [`SAME_STEP`].
fn step_values(circuit: &Circuit) -> Result<[(&'static str, AttributeValue); 3], StoreError> {
    Ok([
        (":opening", string(&circuit.opening)),
        (":step", number(circuit.step)),
        (":phase", phase_value(circuit.phase)?),
    ])
}

fn circuit_value(circuit: &Circuit) -> Result<AttributeValue, StoreError> {
    Ok(to_attribute_value(circuit)?)
}

fn phase_value(phase: Phase) -> Result<AttributeValue, StoreError> {
    Ok(to_attribute_value(phase)?)
}
