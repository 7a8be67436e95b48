//! A step of a recovery: looks at some hundred events, oldest first, and enqueues what has failed
//! or was missed.
//!
//! # Pitfalls
//!
//! In this order, a step 1. writes the delivery's row, 2. sends its message, 3. advances the
//! recovery's row, on the condition that no other run has. Until 3, the row names this step, and
//! the next run does it again. It recognises its own rows by their round. A delivery's row has one
//! message that acts for it, however often it is written.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    budget::Cost,
    delivery_row::DeliveryRow,
    history::History,
    id::{EndpointId, EventId, ProjectId, RecoveryId},
    message::{Message, Recipient},
    model::{Origin, Subscription, Target, Trigger, event::LoggedEvent},
    recovery::{Finding, Recovery, State},
    time::Timestamp,
    work::Again,
};
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use runtime::clock::Clock;
use store::{
    Access, Order, PageRequest, StoreError, budgets::Budgets, delivery_rows::DeliveryKey,
    events::EventReader, queue::QueueEntry, receivers::ReceiverReader,
    recoveries::RecoveryProgress, usage::UsageStore,
};

use crate::{
    backlog::Backlog,
    outcome::{Next, StepError},
};

/// Events of a step. With [`PAUSE`] in between, an endpoint gets a few hundred deliveries a second
/// at most.
const EVENTS: usize = 500;
/// Between steps, if the one before has enqueued anything.
const PAUSE: Duration = Duration::from_secs(1);
/// Between looks at whether its project is still suspended.
const SUSPENDED: Duration = Duration::from_mins(5);
/// Rows that are written at a time.
const CONCURRENCY: usize = 16;

/// An event that was looked at.
struct Examined {
    id: EventId,
    finding: Finding,
    /// What its delivery has to carry.
    bytes: usize,
    /// The row to begin, and the one that is there, unless there is nothing to do, or it has been
    /// done.
    again: Option<(DeliveryRow, Option<DeliveryRow>)>,
}

/// An event that the endpoint may get, and the row with which it would.
struct Candidate {
    finding: Finding,
    row: DeliveryRow,
    /// See [`Examined::bytes`].
    bytes: usize,
}

/// Does the steps of recoveries.
#[derive(Debug)]
pub(crate) struct Recoveries {
    pub(crate) rows: RecoveryProgress,
    pub(crate) receivers: ReceiverReader,
    pub(crate) budgets: Budgets,
    pub(crate) usage: UsageStore,
    pub(crate) events: EventReader,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) clock: Clock,
}

impl Recoveries {
    /// Does the step that the recovery's row names.
    pub(crate) async fn step(
        &self,
        project: ProjectId,
        endpoint: EndpointId,
        id: RecoveryId,
    ) -> Result<Next, StepError> {
        let Some(recovery) = self.rows.load(project, endpoint, id).await? else {
            return Ok(None);
        };
        if recovery.state != State::Running {
            return Ok(None);
        }
        if self.receivers.is_suspended(project).await? {
            let later = self.clock.now() + SUSPENDED;
            self.advance(&recovery, &recovery.postponed(), later).await?;
            return Ok(None);
        }
        let (endpoint, project) = self.receivers.of_recovery(&recovery).await?;
        let now = self.clock.now();
        let endpoint = match (recovery.obstacle(endpoint.as_ref()), endpoint) {
            (None, Some(endpoint)) => endpoint,
            (obstacle, _) => {
                let stopped = recovery.stopped(obstacle.unwrap_or_default(), now);
                return self.end(&recovery, &stopped).await;
            }
        };
        let brand = project.and_then(|project| project.brand);
        let (examined, has_more) = self.examine(&recovery, &endpoint, brand.as_ref()).await?;

        let findings: Vec<_> = examined.iter().map(|event| (event.id, event.finding)).collect();
        let next = recovery.after(&findings, has_more, self.clock.now());
        if !recovery.dry_run {
            let access = Access::of_recovery(&recovery);
            let cost = examined.iter().filter(|event| event.again.is_some());
            let cost = cost.map(|event| Cost::of_deliveries(1, event.bytes)).sum();
            if let Err(refusal) = self.budgets.charge(access, cost, now).await {
                self.advance(&recovery, &recovery.postponed(), now + refusal.wait).await?;
                return Ok(None);
            }
            self.send_again(examined).await?;
            if cost != Cost::default() {
                self.usage.add(access, cost, now).await;
            }
        }
        if !has_more {
            return self.end(&recovery, &next).await;
        }
        let pause =
            if next.found.enqueued > recovery.found.enqueued { PAUSE } else { Duration::ZERO };
        let due = self.clock.now() + pause;
        Ok(self.advance(&recovery, &next, due).await?.then_some(due))
    }

    /// The next events of the range, and whether there are more behind them.
    async fn examine(
        &self,
        recovery: &Recovery,
        endpoint: &Subscription,
        brand: Option<&String>,
    ) -> Result<(Vec<Examined>, bool), StoreError> {
        let request = PageRequest {
            limit: EVENTS,
            order: Order::Asc,
            after: recovery.looked_at,
            before: None,
            since: Some(recovery.since),
            until: Some(recovery.until),
        };
        let (now, access) = (self.clock.now(), Access::of_recovery(recovery));
        let candidate = |logged: LoggedEvent| {
            let candidate = candidate(recovery, endpoint, &logged, brand, now);
            ready(Ok(Some((logged.event.id, candidate))))
        };
        let page = self.events.list(access, &request, now, candidate).await?;
        let keys = page.items.iter().filter_map(|(_, candidate)| candidate.as_ref());
        let keys: Vec<_> = keys.map(|candidate| DeliveryKey::of(&candidate.row)).collect();
        let rows = self.backlog.read(&keys).await?.into_iter();
        let mut rows: HashMap<_, _> = rows.map(|row| (row.event, row)).collect();
        let examined = page.items.into_iter().map(|(id, candidate)| {
            let Some(Candidate { finding, row: new, bytes }) = candidate else {
                return Examined { id, finding: Finding::Leave, bytes: 0, again: None };
            };
            let there = rows.remove(&id);
            let finding = recovery.examine(finding, id, there.as_ref());
            // What this step has begun before, it begins again if nobody has tried it yet: it may
            // have sent no message.
            let is_begun = |there: &DeliveryRow| there.round == new.round && !there.is_untried();
            let again = finding != Finding::Leave && !there.as_ref().is_some_and(is_begun);
            Examined { id, finding, bytes, again: again.then_some((new, there)) }
        });
        Ok((examined.collect(), page.has_more))
    }

    /// First the rows, then the queue.
    async fn send_again(&self, examined: Vec<Examined>) -> Result<(), StepError> {
        let rows = examined.into_iter().filter_map(|event| event.again);
        let begun: Vec<Option<Again>> = stream::iter(rows)
            .map(|(new, there)| async move {
                let begun = self.backlog.rows.begin_again(new, there).await?;
                Ok::<_, StoreError>(begun.map(|row| row.again(false)))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let entries = begun
            .into_iter()
            .flatten()
            .map(|again| Ok::<_, StepError>(QueueEntry::again(&again, Duration::ZERO)?));
        self.backlog.retries.send(entries).await
    }

    async fn end(&self, recovery: &Recovery, ended: &Recovery) -> Result<Next, StepError> {
        if self.advance(recovery, ended, self.clock.now()).await? {
            // After a crash before this, whoever wants the turn sees that its holder is done.
            self.rows.release(ended).await?;
        }
        Ok(None)
    }

    /// Advances the row. False if another run has done this step at the same time; that one does
    /// the rest.
    async fn advance(
        &self,
        recovery: &Recovery,
        next: &Recovery,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        match self.rows.advance(recovery, next, due_at).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn candidate(
    recovery: &Recovery,
    endpoint: &Subscription,
    logged: &LoggedEvent,
    brand: Option<&String>,
    now: Timestamp,
) -> Option<Candidate> {
    let finding = recovery.candidate(endpoint, logged)?;
    let target = Target::new(endpoint.id, endpoint.url.clone(), Origin::Endpoint);
    let recipient = Recipient { target, via: None };
    let first = Message::first(recovery.project, brand.cloned(), &logged.event, &recipient, now);
    let round = Some(recovery.id.round(logged.event.id));
    let message = Message { trigger: Trigger::Manual, round, ..first };
    let row = DeliveryRow::resend(&message, &History::default(), rand::random::<u32>().into());
    Some(Candidate { finding, row, bytes: logged.event.data.get().len() })
}
