//! The budgets of projects: see [`domain::budget`].
//!
//! # Pitfalls
//!
//! A budget protects other projects; it must not stop anybody when AWS does. A row that can't be
//! written within a second lets through what asked for it, and as much more as it would have given.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    budget::{self, Allowance, Cost, Limits, Resource, Spend},
    id::ProjectId,
    time::Timestamp,
    usage::hour_of,
};

use crate::{
    Access, StoreError, Table,
    item::{Item, format_version, key, moment, number},
    row_keys::{pk, sk},
    standings::Standings,
    table, tally,
    usage::UsageStore,
};

/// Projects that a process knows before it forgets those that are quiet.
const REMEMBERED: usize = 1_000;
/// How often a process tries to take from a row of which others take at the same time.
const TRIES: u32 = 8;
/// The attempt whose pause is the longest: all together take a third of a second.
const LONGEST_PAUSE: u32 = 2;
/// How often a process writes how many requests it has refused.
const WRITTEN_EVERY: Duration = Duration::from_secs(10);
/// How long a row that nobody takes from stays.
const KEPT_SECONDS: u64 = 3_600;

/// A project may not cause more now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the project may cause at most {per_second} {} a second", .resource.name())]
pub struct OverBudget {
    /// Of what.
    pub resource: Resource,
    /// The limit.
    pub per_second: u32,
    /// When it may again.
    pub wait: Duration,
}

/// Charges projects. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Budgets {
    standings: Standings,
    state: Table,
    known: Arc<Mutex<HashMap<(ProjectId, Resource), Known>>>,
    usage: UsageStore,
    refused: Arc<Mutex<HashMap<ProjectId, Refused>>>,
    /// By which this process's refusals are told from others'.
    process: u64,
}

/// Refusals of a project in an hour, and when they were written.
#[derive(Clone, Copy, Debug)]
struct Refused {
    hour: Timestamp,
    count: u64,
    written_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    allowance: Allowance,
    limits: Limits,
    /// What the row said when this process last took from it.
    paid_at: Option<Timestamp>,
}

impl Budgets {
    /// Over the state table, and the config table, which has the limits that the operator has set.
    pub fn new(config: Table, state: Table) -> Self {
        Self {
            standings: Standings::new(config),
            usage: UsageStore::new(state.clone()),
            state,
            known: Arc::default(),
            refused: Arc::default(),
            process: rand::random(),
        }
    }

    /// Charges a project for something that it is about to cause, all of it or nothing of the
    /// resource that it has too little of.
    pub async fn charge(
        &self,
        access: Access,
        cost: Cost,
        now: Timestamp,
    ) -> Result<(), OverBudget> {
        for resource in Resource::ALL {
            let amount = cost.of(resource);
            if amount == 0 {
                continue;
            }
            if let Err(refusal) = self.spend(access, resource, amount, now).await {
                self.count_refusal(access, now).await;
                return Err(refusal);
            }
        }
        tally::add_deliveries(cost.deliveries);
        Ok(())
    }

    /// Charges reads, which were done before it was known how many they are. What is over the
    /// budget shows at the next request, which [`Self::check_reads`] refuses.
    pub async fn charge_reads(&self, access: Access, reads: u64, now: Timestamp) {
        if reads > 0 {
            let _ = self.spend(access, Resource::Reads, reads, now).await;
        }
    }

    /// What the limits come from.
    pub fn standings(&self) -> &Standings {
        &self.standings
    }

    /// The limits of a project; the default ones if they can't be read.
    pub async fn limits(&self, access: Access) -> Limits {
        match self.standings.now().await {
            Ok(standing) => standing.limits(access.project()),
            Err(_) => Limits::default(),
        }
    }

    /// Whether this process knows that a project has spent more reads than it may.
    pub async fn check_reads(&self, access: Access, now: Timestamp) -> Result<(), OverBudget> {
        let known = self.known().get(&(access.project(), Resource::Reads)).copied();
        let known = known.unwrap_or_default();
        match known.allowance.refused_until(now) {
            Some(until) => {
                self.count_refusal(access, now).await;
                Err(refusal(Resource::Reads, known.limits, until, now))
            }
            None => Ok(()),
        }
    }

    /// Counts a refusal, and writes what was counted if that was not done for a while.
    async fn count_refusal(&self, access: Access, now: Timestamp) {
        let hour = hour_of(now);
        let count = {
            let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= REMEMBERED {
                all.retain(|_, refused| refused.hour == hour);
            }
            let none = Refused { hour, count: 0, written_at: None };
            let refused = all.entry(access.project()).or_insert(none);
            if refused.hour != hour {
                *refused = none;
            }
            refused.count += 1;
            if refused.written_at.is_some_and(|at| now.since(at) < WRITTEN_EVERY) {
                return;
            }
            refused.written_at = Some(now);
            refused.count
        };
        let written = self.usage.write_refusals(access, hour, self.process, count);
        if let Err(error) = table::briefly(written).await {
            tracing::warn!(project = %access.project(), %error, "could not count refusals");
        }
    }

    async fn spend(
        &self,
        access: Access,
        resource: Resource,
        amount: u64,
        now: Timestamp,
    ) -> Result<(), OverBudget> {
        let of = (access.project(), resource);
        let (spend, Known { limits, paid_at, .. }) = {
            let mut known = self.known();
            if known.len() >= REMEMBERED {
                known.retain(|_, known| !known.allowance.is_over(now));
            }
            let known = known.entry(of).or_default();
            (known.allowance.spend(resource, amount, now), *known)
        };
        let missing = match spend {
            Spend::Free => return Ok(()),
            Spend::NotBefore(until) => return Err(refusal(resource, limits, until, now)),
            Spend::Take(missing) => missing,
        };
        // A quiet project's limits are not even read.
        let limits = self.limits(access).await;
        let taken = missing.max(limits.lot(resource));
        let time = limits.time_for(resource, taken);
        match table::briefly(self.take(of, paid_at, time, now)).await {
            Ok(Ok(paid_at)) => {
                let mut known = self.known();
                let known = known.entry(of).or_default();
                known.paid_at = Some(paid_at);
                known.allowance.spend_taken(amount, taken);
                Ok(())
            }
            Ok(Err(until)) => {
                let mut known = self.known();
                let known = known.entry(of).or_default();
                known.limits = limits;
                known.allowance.refuse(until);
                Err(refusal(resource, limits, until, now))
            }
            Err(error) => {
                tracing::warn!(project = %of.0, %error, "could not charge a project; it is let \
                    through");
                if !matches!(error, StoreError::Conflict) {
                    // Not every request waits for a table that doesn't answer.
                    self.known().entry(of).or_default().allowance.spend_taken(amount, taken);
                }
                Ok(())
            }
        }
    }

    /// Asks the row. By when it is paid for; or when to ask again.
    async fn take(
        &self,
        (project, resource): (ProjectId, Resource),
        mut there: Option<Timestamp>,
        time: Duration,
        now: Timestamp,
    ) -> Result<Result<Timestamp, Timestamp>, StoreError> {
        for attempt in 0..TRIES {
            table::pause(attempt.saturating_sub(1).min(LONGEST_PAUSE)).await;
            let paid_at = match budget::take(there, time, now) {
                Ok(paid_at) => paid_at,
                Err(until) => return Ok(Err(until)),
            };
            let row = row(project, resource, paid_at);
            let put = match there {
                None => self.state.put_if(row, "attribute_not_exists(pk)", []).await,
                Some(there) => {
                    let same = [(":there", number(there.millis()))];
                    self.state.put_if(row, "paid_at = :there", same).await
                }
            };
            match put {
                Ok(None) => return Ok(Ok(paid_at)),
                Ok(Some(row)) => there = moment(&row, "paid_at"),
                // It has expired.
                Err(StoreError::Conflict) => there = None,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(ProjectId, Resource), Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(resource: Resource, limits: Limits, until: Timestamp, now: Timestamp) -> OverBudget {
    OverBudget { resource, per_second: limits.of(resource), wait: until.since(now) }
}

fn row(project: ProjectId, resource: Resource, paid_at: Timestamp) -> Item {
    let mut row = key(pk::budget(project), sk::budget(resource));
    row.extend([
        ("v".to_owned(), format_version()),
        ("paid_at".to_owned(), number(paid_at.millis())),
        ("expires_at".to_owned(), number(paid_at.seconds() + KEPT_SECONDS)),
    ]);
    row
}
