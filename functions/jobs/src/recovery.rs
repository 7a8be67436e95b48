//! A step of a recovery: looks at some hundred events, oldest first, and enqueues what has failed
//! or was missed.
//!
//! # Pitfalls
//!
//! In this order, a step 1. marks each event's target, so that its message shows the delivery,
//! 2. writes the delivery's row, 3. sends its message, 4. advances the recovery's row, on the
//! condition that no other run has. Until 4, the row names this step, and the next run does it
//! again. It recognises its own marks. A delivery's row has one message that acts for it, however
//! often it is written.

use std::{sync::Arc, time::Duration};

use domain::{
    id::{EndpointId, EventId, ProjectId, RecoveryId},
    message::{Message, Recipient},
    model::{Origin, Subscription, Target, Trigger},
    recovery::{Finding, Recovery, State},
    time::Timestamp,
    work::Again,
};
use futures::{StreamExt, TryStreamExt, stream};
use runtime::clock::Clock;
use store::{
    Access, Order, PageRequest, StoreError,
    attempts::AttemptLog,
    queue::QueueEntry,
    receivers::ReceiverReader,
    recoveries::RecoveryProgress,
    targets::{EventTargets, TargetStore},
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
/// Events that are marked at a time.
const CONCURRENCY: usize = 16;

/// An event that was looked at.
struct Examined {
    id: EventId,
    finding: Finding,
    /// What to enqueue, unless there is nothing to, or it has been done.
    again: Option<(Message, EventTargets)>,
}

/// Does the steps of recoveries.
#[derive(Debug)]
pub(crate) struct Recoveries {
    pub(crate) rows: RecoveryProgress,
    pub(crate) receivers: ReceiverReader,
    pub(crate) targets: TargetStore,
    pub(crate) attempts: AttemptLog,
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
        let (endpoint, project) = self.receivers.of_recovery(&recovery).await?;
        let now = self.clock.now();
        let endpoint = match (recovery.obstacle(endpoint.as_ref()), endpoint) {
            (None, Some(endpoint)) => endpoint,
            (obstacle, _) => {
                let stopped = recovery.stopped(obstacle.unwrap_or_default(), now);
                return self.end(&recovery, &stopped).await;
            }
        };
        let (examined, has_more) =
            self.examine(&recovery, &endpoint, project.and_then(|project| project.brand)).await?;

        let findings: Vec<_> = examined.iter().map(|event| (event.id, event.finding)).collect();
        let next = recovery.after(&findings, has_more, self.clock.now());
        if !recovery.dry_run {
            self.send_again(&recovery, &endpoint, examined).await?;
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
        brand: Option<String>,
    ) -> Result<(Vec<Examined>, bool), StoreError> {
        let request = PageRequest {
            limit: EVENTS,
            order: Order::Asc,
            after: recovery.looked_at,
            before: None,
            since: Some(recovery.since),
            until: Some(recovery.until),
        };
        let (now, brand) = (self.clock.now(), &brand);
        let access = Access::of_recovery(recovery);
        let page = self.targets.list(access, &request, now, |logged, targets| async move {
            let known = logged.targets.iter().any(|target| target.endpoint == endpoint.id);
            let attempts = if known {
                self.attempts.of(endpoint.id, logged.event.id).await?
            } else {
                Vec::new()
            };
            let finding = recovery.examine(endpoint, &logged, &attempts);
            let wanted =
                finding != Finding::Leave && !recovery.has_arrived(logged.event.id, &attempts);
            let again = wanted.then(|| {
                let target = Target::new(endpoint.id, endpoint.url.clone(), Origin::Endpoint);
                let first = Message::first(
                    recovery.project,
                    brand.clone(),
                    &logged.event,
                    &Recipient { target, via: None },
                    now,
                );
                let round = Some(recovery.id.round(logged.event.id));
                (Message { trigger: Trigger::Manual, round, ..first }, targets)
            });
            Ok(Some(Examined { id: logged.event.id, finding, again }))
        });
        let page = page.await?;
        Ok((page.items, page.has_more))
    }

    /// First the marks, then the rows, then the queue: what is sent can be found.
    async fn send_again(
        &self,
        recovery: &Recovery,
        endpoint: &Subscription,
        examined: Vec<Examined>,
    ) -> Result<(), StepError> {
        let again: Vec<_> = examined.into_iter().filter_map(|event| event.again).collect();
        let access = Access::of_recovery(recovery);
        let begun: Vec<Option<Again>> = stream::iter(again)
            .map(|(message, targets)| async move {
                self.targets
                    .change(access, targets, |targets| recovery.mark(endpoint, targets))
                    .await?;
                self.backlog.rows.begin_again(&message, rand::random::<u32>().into()).await
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
