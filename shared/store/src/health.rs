//! Endpoints' health and their circuits: one small row each, only of those that have failed.
//!
//! # Pitfalls
//!
//! Many invocations write it at once. Counts are added, not set, and every change of a circuit is
//! bound to the step and phase that it was decided on. While there is a circuit the row is in a
//! list of what is due: whoever opens a circuit or changes its phase says in the same write when
//! `jobs` looks at it next, so no circuit stands still.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::{
    health::{Circuit, Failures, Health, Phase},
    id::{EndpointId, ProjectId},
    time::Timestamp,
};
use serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value;

use crate::{
    StoreError, Table,
    due::listed,
    item::{Item, key, number, string},
    list::parse,
    row_keys::{pk, sk},
    table::{Update, get_many},
};

/// Days that it is kept after it was last written: longer than any delivery waits.
const KEPT_DAYS: u64 = 60;

/// The circuit is as it was when what comes next was decided.
const SAME_STEP: &str = "circuit.step = :step AND circuit.phase = :phase";

/// The key of an endpoint's health.
pub(crate) fn health_key(project: ProjectId, endpoint: EndpointId) -> Item {
    key(pk::circuit(project, endpoint), sk::CIRCUIT)
}

/// What a circuit is to be.
struct Next {
    phase: Phase,
    released: Option<Timestamp>,
    probing: bool,
}

/// Reads and writes endpoints' health.
#[derive(Clone, Debug)]
pub struct HealthStore(Table);

impl HealthStore {
    /// Over the state table.
    pub fn new(state: Table) -> Self {
        Self(state)
    }

    /// An endpoint's health, if it has ever failed.
    pub async fn get(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
    ) -> Result<Option<Health>, StoreError> {
        self.0.get(health_key(project, endpoint)).await
    }

    /// The health of those of a project's endpoints that have ever failed.
    pub async fn of(
        &self,
        project: ProjectId,
        endpoints: &[EndpointId],
    ) -> Result<HashMap<EndpointId, Health>, StoreError> {
        let row = |endpoint: &EndpointId| (&self.0, health_key(project, *endpoint));
        Ok(get_many(endpoints.iter().map(row).collect())
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
        count: Failures,
        first: Timestamp,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        let change = "SET endpoint = :endpoint, #project = :project, \
                      failing_since = if_not_exists(failing_since, :first), \
                      last_failure_at = :now, expires_at = :expiry \
                      ADD failures :count, first_failures :of_first";
        let update = self.0.update(health_key(project, endpoint), change);
        let values = [
            (":endpoint", string(endpoint.to_string())),
            (":project", string(project.to_string())),
            (":first", number(first.millis())),
            (":now", number(now.millis())),
            (":expiry", number(expiry(now))),
            (":count", number(count.all)),
            (":of_first", number(count.first)),
        ];
        // A reserved word in expressions.
        let update = update.name("#project", "project").values(values);
        parse(update.returning(ReturnValue::AllNew).await?)
    }

    /// Records a success after failures: resets the failure count, and moves an open circuit on to
    /// releasing, at once. Returns the health before, so that of several invocations that see a
    /// success exactly one announces it.
    pub async fn succeeded(&self, health: &Health, now: Timestamp) -> Result<Health, StoreError> {
        self.end_failures(health, Some(now), now).await
    }

    /// The endpoint was changed or turned on again: what went before says nothing any more. The
    /// health before.
    pub async fn start_afresh(
        &self,
        health: &Health,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        self.end_failures(health, None, now).await
    }

    async fn end_failures(
        &self,
        health: &Health,
        success: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        let mut changes = vec!["failures = :zero", "first_failures = :zero", "announced = :no"];
        let mut values = vec![(":zero", number(0)), (":no", AttributeValue::Bool(false))];
        if let Some(success) = success {
            changes.push("last_success_at = :success");
            values.push((":success", number(success.millis())));
        }
        let over = |more: &[&str]| {
            let changes = [changes.as_slice(), more].concat();
            let change = format!("SET {} REMOVE failing_since", changes.join(", "));
            self.update(health, &change).values(values.iter().cloned())
        };
        if health.is_open() {
            let start = [
                "circuit.phase = :recovered",
                "circuit.released = :never",
                "circuit.probing = :no",
            ];
            let update = over(&[start.as_slice(), &["list_at = :now"]].concat())
                .value(":never", AttributeValue::Null(true))
                .value(":recovered", phase_value(Phase::RECOVERED)?)
                .value(":now", number(now.millis()))
                .when("attribute_exists(circuit)");
            match update.returning(ReturnValue::AllOld).await {
                // It was closed meanwhile.
                Err(StoreError::Conflict) => {}
                before => return parse(before?),
            }
        }
        parse(over(&[]).returning(ReturnValue::AllOld).await?)
    }

    /// Notes that the project was told. Whether it wasn't before.
    pub async fn announced(&self, health: &Health) -> Result<bool, StoreError> {
        let update = self.update(health, "SET announced = :yes");
        let update = update.when("attribute_exists(pk) AND NOT announced = :yes");
        update.value(":yes", AttributeValue::Bool(true)).make_if().await
    }

    /// Opens a circuit: from now on deliveries are parked. A circuit that is there opens again.
    /// [`StoreError::Conflict`] if another invocation has done it, or changed the circuit.
    pub async fn open(&self, health: &Health, now: Timestamp) -> Result<(), StoreError> {
        let due_at = now + Phase::FIRST.wait();
        if health.circuit.is_some() {
            return self.go_on(health, Phase::FIRST, due_at, now).await.map(drop);
        }
        let circuit =
            Circuit { step: now.millis(), phase: Phase::FIRST, released: None, probing: false };
        let (pk, expiry) = (pk::circuit(health.project, health.endpoint), expiry(now));
        let [(list, list_value), (list_at, due)] = listed(&pk, sk::CIRCUIT, due_at);
        let change = "SET circuit = :circuit, #list = :list, #list_at = :due, expires_at = :expiry";
        let update = self
            .update(health, change)
            .when("attribute_exists(pk) AND attribute_not_exists(circuit)")
            .name("#list", list)
            .name("#list_at", list_at)
            .value(":circuit", to_attribute_value(&circuit)?)
            .value(":list", list_value)
            .value(":due", due)
            .value(":expiry", number(expiry));
        update.make().await
    }

    /// Opens a circuit that has nothing to do with failures: its deliveries are held. A circuit
    /// that is there stays as it is, and finds what is parked.
    pub async fn hold(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let circuit =
            Circuit { step: now.millis(), phase: Phase::FIRST, released: None, probing: false };
        let due_at = now + Phase::FIRST.wait();
        let [(list, list_value), (list_at, due)] =
            listed(&pk::circuit(project, endpoint), sk::CIRCUIT, due_at);
        let change = "SET endpoint = :endpoint, #project = :project, circuit = :circuit, \
                      #list = :list, #list_at = :due, expires_at = :expiry";
        let update = self
            .0
            .update(health_key(project, endpoint), change)
            .when("attribute_not_exists(circuit)")
            // A reserved word in expressions.
            .name("#project", "project")
            .name("#list", list)
            .name("#list_at", list_at)
            .value(":endpoint", string(endpoint.to_string()))
            .value(":project", string(project.to_string()))
            .value(":circuit", to_attribute_value(&circuit)?)
            .value(":list", list_value)
            .value(":due", due)
            .value(":expiry", number(expiry(now)));
        update.make_if().await.map(drop)
    }

    /// Moves a circuit on from the step and phase that `health` shows, to this phase and the time
    /// of its next step. What is released begins with the oldest event, unless a release goes on.
    /// The health then; [`StoreError::Conflict`] if the circuit has changed.
    pub async fn go_on(
        &self,
        health: &Health,
        phase: Phase,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        let released = health.released();
        self.move_on(health, Next { phase, released, probing: false }, due_at, now).await
    }

    /// As [`Self::go_on`], of a circuit that has released what is parked of events before then.
    pub async fn released(
        &self,
        health: &Health,
        phase: Phase,
        released: Option<Timestamp>,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        self.move_on(health, Next { phase, released, probing: false }, due_at, now).await
    }

    /// As [`Self::go_on`], in the same phase, for a probe that is taken for lost at `due_at`.
    pub async fn probing(
        &self,
        health: &Health,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        let next = Next { phase: health.phase(), released: None, probing: true };
        self.move_on(health, next, due_at, now).await
    }

    async fn move_on(
        &self,
        health: &Health,
        Next { phase, released, probing }: Next,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Result<Health, StoreError> {
        let circuit = circuit_of(health)?;
        let next = Circuit { step: circuit.step + 1, phase, released, probing };
        let change = "SET circuit = :next, list_at = :due, expires_at = :expiry";
        let update = self
            .update(health, change)
            .when(SAME_STEP)
            .values(step_values(circuit)?)
            .value(":next", to_attribute_value(&next)?)
            .value(":due", number(due_at.millis()))
            .value(":expiry", number(expiry(now)));
        parse(update.returning(ReturnValue::AllNew).await?)
    }

    /// The circuit is closed. [`StoreError::Conflict`] as for [`HealthStore::go_on`].
    pub async fn close(&self, health: &Health) -> Result<(), StoreError> {
        let update = self.update(health, "REMOVE circuit, #list, list_at").name("#list", "list");
        update.when(SAME_STEP).values(step_values(circuit_of(health)?)?).make().await
    }

    fn update(&self, health: &Health, change: &str) -> Update {
        self.0.update(health_key(health.project, health.endpoint), change)
    }
}

fn expiry(now: Timestamp) -> u64 {
    now.seconds() + KEPT_DAYS * 86_400
}

/// What isn't there can't have stayed the same.
fn circuit_of(health: &Health) -> Result<&Circuit, StoreError> {
    health.circuit.as_ref().ok_or(StoreError::Conflict)
}

/// The values of [`SAME_STEP`].
fn step_values(circuit: &Circuit) -> Result<[(&'static str, AttributeValue); 2], StoreError> {
    Ok([(":step", number(circuit.step)), (":phase", phase_value(circuit.phase)?)])
}

fn phase_value(phase: Phase) -> Result<AttributeValue, StoreError> {
    Ok(to_attribute_value(phase)?)
}
