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
    recovery::{EARLIER, Finding, Pass, Recovery, State},
    time::Timestamp,
    work::Again,
};
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use runtime::clock::Clock;
use store::{
    Access, Order, PageRequest, StoreError, attempt_reader::AttemptReader, budgets::Budgets,
    delivery_rows::DeliveryKey, events::EventReader, queue::QueueEntry, receivers::ReceiverReader,
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
/// How long after its request an event may get its last place in the feed: the time of the `events`
/// function, several times.
const LATE_WRITES: Duration = Duration::from_mins(1);
/// Rows that are written, and deliveries that are looked up, at a time.
const CONCURRENCY: usize = 16;

/// An event that was looked at.
struct Examined {
    finding: Finding,
    /// What its delivery has to carry.
    bytes: usize,
    /// The row to begin, and the one that is there, unless there is nothing to do, or it has been
    /// done.
    again: Option<(DeliveryRow, Option<DeliveryRow>)>,
}

impl Examined {
    /// An event that nothing is done about.
    const LEFT: Self = Self { finding: Finding::Leave, bytes: 0, again: None };
}

/// Events that a step looks at.
struct Looked {
    events: Vec<LoggedEvent>,
    /// The place of the last of them, or of what was there.
    last: Option<EventId>,
    has_more: bool,
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
    pub(crate) attempts: AttemptReader,
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
        // A run looks ahead, and waits between steps itself; a later run does what is further off.
        if recovery.due_at.is_some_and(|due| due > self.clock.now() + PAUSE) {
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
        let Looked { events, last, has_more } = self.read(&recovery).await?;
        let examined = self.examine(&recovery, &endpoint, brand.as_ref(), events).await?;

        let findings: Vec<_> = examined.iter().map(|event| event.finding).collect();
        let next = recovery.after(&findings, last, has_more, self.clock.now());
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
        if next.state != State::Running {
            return self.end(&recovery, &next).await;
        }
        let pause =
            if next.found.enqueued > recovery.found.enqueued { PAUSE } else { Duration::ZERO };
        let due = self.clock.now() + pause;
        Ok(self.advance(&recovery, &next, due).await?.then_some(due))
    }

    /// The next events of the recovery's pass.
    async fn read(&self, recovery: &Recovery) -> Result<Looked, StoreError> {
        let (now, access) = (self.clock.now(), Access::of_recovery(recovery));
        let (since, until) = match recovery.pass {
            // Up to that late, an event has no other place.
            Pass::Ids => (earlier(recovery.since, EARLIER), recovery.until),
            Pass::Late => (recovery.since, recovery.until + LATE_WRITES),
        };
        let request = PageRequest {
            limit: EVENTS,
            order: Order::Asc,
            after: recovery.looked_at,
            before: None,
            since: Some(since),
            until: Some(until),
        };
        let page = match recovery.pass {
            Pass::Ids => {
                let keep = |logged: LoggedEvent| ready(Ok(Some((logged.event.id, Some(logged)))));
                self.events.list(access, &request, now, keep).await?
            }
            // The first pass has looked at the others.
            Pass::Late => {
                let older_than = earlier(recovery.since, EARLIER);
                self.events.late(access, &request, older_than, now).await?
            }
        };
        let last = page.items.last().map(|(place, _)| *place);
        let events = page.items.into_iter().filter_map(|(_, logged)| logged);
        let events = events.filter(|logged| recovery.covers(logged)).collect();
        Ok(Looked { events, last, has_more: page.has_more })
    }

    /// What these events are to the recovery.
    async fn examine(
        &self,
        recovery: &Recovery,
        endpoint: &Subscription,
        brand: Option<&String>,
        events: Vec<LoggedEvent>,
    ) -> Result<Vec<Examined>, StoreError> {
        let now = self.clock.now();
        let candidates = events.into_iter().map(|logged| {
            let candidate = candidate(recovery, endpoint, &logged, brand, now);
            (logged, candidate)
        });
        let candidates: Vec<_> = candidates.collect();
        let keys = candidates.iter().filter_map(|(_, candidate)| candidate.as_ref());
        let keys: Vec<_> = keys.map(|candidate| DeliveryKey::of(&candidate.row)).collect();
        let rows = self.backlog.read(&keys).await?.into_iter();
        let mut rows: HashMap<_, _> = rows.map(|row| (row.event, row)).collect();
        let examined = candidates.into_iter().map(|(logged, candidate)| {
            let there = rows.remove(&logged.event.id);
            async move {
                match candidate {
                    None => Ok(Examined::LEFT),
                    Some(candidate) => self.examine_one(recovery, &logged, candidate, there).await,
                }
            }
        });
        stream::iter(examined).buffered(CONCURRENCY).try_collect().await
    }

    async fn examine_one(
        &self,
        recovery: &Recovery,
        logged: &LoggedEvent,
        Candidate { finding, row: mut new, bytes }: Candidate,
        there: Option<DeliveryRow>,
    ) -> Result<Examined, StoreError> {
        let finding = recovery.examine(finding, logged.event.id, there.as_ref());
        if finding == Finding::Succeeded && there.is_none() {
            let access = Access::of_recovery(recovery);
            let history = self.attempts.history(access, logged, recovery.endpoint).await?;
            if history.attempts == 0 {
                // Its first message is on its way.
                return Ok(Examined::LEFT);
            }
            new.history = history;
        }
        // What this step has begun before, it begins again if nobody has tried it yet: it may have
        // sent no message.
        let is_begun = |there: &DeliveryRow| there.round == new.round && !there.is_untried();
        let again = finding != Finding::Leave && !there.as_ref().is_some_and(is_begun);
        Ok(Examined { finding, bytes, again: again.then_some((new, there)) })
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

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(time.millis().saturating_sub(by))
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
