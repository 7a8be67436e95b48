//! A step of a circuit: probe a receiver that is down, let its parked deliveries go when it is well, give up those whose time is over.
//!
//! Easy to get wrong: the order. A step's successor is sent before the row says that the step is done, so that a crash in between leaves two of them and not
//! none; the row's count then lets only one go on (see [`shared::job`]).

use std::time::Duration;

use shared::{
    announce::News,
    delivery::{Step, decide},
    health::{Circuit, Found, Health, MAX_PROBE_WAIT, Phase, STEP_TIME},
    id::AttemptId,
    job::CircuitStep,
    message::Message,
    model::{Attempt, Endpoint, Outcome, Status, Trigger},
    queue::QueueEntry,
    schedule::JITTER,
    store::{StoreError, parked::Parked},
    time::Timestamp,
    work,
};

use crate::{
    App,
    delivery::exchange,
    hosts::Hosts,
    jobs::{JobError, in_time},
    verdict::Verdict,
};

/// Parked deliveries that are given up at a time.
const LOT: usize = 25;
/// Parked deliveries that are let go at a time.
const RELEASED: usize = 100;
/// Such lots of one step; the next step takes the rest.
const LOTS: usize = 20;
/// What a step leaves for its probe: the longest timeout, and the time to write down what came of it.
const PROBE_TIME: Duration = Duration::from_secs(45);
/// What the log says of a delivery whose time was over before its receiver was well.
const OVER: &str = "given up: the endpoint was failing or paused for as long as the delivery was to be retried";

/// Does one step. What fails gives the step back, so that its message can take it as soon as it comes again.
pub(crate) async fn step(app: &App, step: &CircuitStep, deadline: Timestamp) -> Result<(), JobError> {
    // By the random part two that take it within a millisecond can be told apart.
    let until = app.now() + STEP_TIME + Duration::from_millis(rand::random_range(0..1_000));
    let done = in_time(app, deadline, Box::pin(take(app, step, until, deadline))).await;
    if done.is_err()
        && let Err(error) = app.health.give_back(step.endpoint, &step.opening, step.step, until).await
    {
        tracing::error!(endpoint = %step.endpoint, %error, "could not give back a circuit's step; it stands still for a minute");
    }
    done
}

async fn take(app: &App, step: &CircuitStep, until: Timestamp, deadline: Timestamp) -> Result<(), JobError> {
    let health = match app.health.take(step.endpoint, &step.opening, step.step, app.now(), until).await {
        Ok(health) => health,
        Err(StoreError::Conflict) => return if is_to_come(app, step).await? { Err(JobError::Early) } else { Ok(()) },
        Err(error) => return Err(error.into()),
    };
    let Some(done) = health.circuit.clone() else { return Ok(()) };
    let (phase, found) = match done.phase {
        phase @ Phase::Open(probes) => (phase, probe(app, &health, Phase::Open(probes.saturating_add(1)), deadline).await?),
        phase @ (Phase::Releasing(_) | Phase::Lingering(_)) => release(app, &health, phase).await?,
    };
    let now = app.now();
    let Some(health) = app.health.get(step.endpoint).await? else { return Ok(()) };
    let Some(current) = health.circuit.filter(|circuit| circuit.opening == done.opening && circuit.step == done.step) else {
        return Ok(());
    };
    // Failures may have opened it again meanwhile, or a success has ended them: that holds, and what this step found is old.
    let next = if current.phase == done.phase {
        phase.after(found, health.failures, now).map(|phase| (phase, phase.wait_after(found)))
    } else {
        Some((current.phase, current.phase.wait()))
    };
    let advanced = match next {
        Some((phase, wait)) => go_on(app, step, &current, phase, wait, now).await,
        None => app.health.close(step.endpoint, &current).await.map_err(JobError::from),
    };
    match advanced {
        // Done by somebody else too; or its phase has just changed, and this message is needed for what is to be done now.
        Err(JobError::Store(StoreError::Conflict)) if is_to_come(app, step).await? => Err(JobError::Early),
        Err(JobError::Store(StoreError::Conflict)) => Ok(()),
        other => other,
    }
}

/// Whether a step that can't be taken now may have to be taken later: the one before it isn't written down yet, or whoever is at it may die.
async fn is_to_come(app: &App, step: &CircuitStep) -> Result<bool, JobError> {
    let health = app.health.get(step.endpoint).await?;
    let circuit = health.and_then(|health| health.circuit).filter(|circuit| circuit.opening == step.opening);
    Ok(circuit.is_some_and(|circuit| circuit.step <= step.step))
}

async fn go_on(app: &App, step: &CircuitStep, done: &Circuit, phase: Phase, wait: Duration, now: Timestamp) -> Result<(), JobError> {
    let next = Circuit { opening: done.opening.clone(), step: done.step + 1, due_at: now + wait, phase, busy_until: None };
    app.go_on(&CircuitStep { step: next.step, ..step.clone() }, wait).await?;
    Ok(app.health.advance(step.endpoint, done, &next).await?)
}

/// Sends a circuit's next step once more, to be done at once. Whichever message comes first does it; to the other it is done. Whoever is at it already sees for himself what has
/// changed.
pub(crate) async fn hurry(app: &App, health: &Health) -> Result<(), JobError> {
    let now = app.now();
    let Some(circuit) = health.circuit.as_ref().filter(|circuit| !circuit.is_busy(now)) else { return Ok(()) };
    match app.health.put_due(health.endpoint, circuit, now).await {
        Ok(()) => {}
        // Done, or sent once more by somebody else.
        Err(StoreError::Conflict) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let &Health { project, endpoint, .. } = health;
    let step = CircuitStep { project, endpoint, opening: circuit.opening.clone(), step: circuit.step };
    app.go_on(&step, Duration::ZERO).await
}

/// Opens a circuit: from now on deliveries are parked.
pub(crate) async fn open(app: &App, health: &Health) -> Result<(), JobError> {
    if let Some(circuit) = &health.circuit {
        return Ok(app.health.reopen(health.endpoint, &circuit.opening).await?);
    }
    let (opening, phase, started) = (format!("{:032x}", rand::random::<u128>()), Phase::FIRST, app.now());
    let first = CircuitStep { project: health.project, endpoint: health.endpoint, opening: opening.clone(), step: 0 };
    let circuit = Circuit { opening, step: 0, due_at: started + phase.wait(), phase, busy_until: None };
    // First the step: without an open circuit it does nothing, but an open circuit without it would keep its deliveries for ever.
    app.go_on(&first, phase.wait()).await?;
    let opened = app.health.open(health.endpoint, &circuit).await;
    if matches!(opened, Err(StoreError::Conflict)) {
        // Somebody else has opened it.
        return Ok(());
    }
    if opened.is_err() || app.now().since(started) > phase.wait() / 2 {
        // The step may have come before the circuit was open, and a call that failed may have been carried out. Twice is harmless.
        app.go_on(&first, phase.wait()).await?;
    }
    opened?;
    tracing::warn!(endpoint = %health.endpoint, failures = health.failures, "a circuit has opened; deliveries are parked");
    Ok(())
}

/// Sends the oldest parked delivery, to see whether the receiver is well.
async fn probe(app: &App, health: &Health, next: Phase, deadline: Timestamp) -> Result<Found, JobError> {
    give_up_what_is_over(app, health, deadline).await?;
    for _ in 0..LOT {
        let Some(parked) = app.parked.oldest(health.endpoint, 1).await?.pop() else { return Ok(Found::Nothing) };
        let endpoint = match receiver(app, &parked.message).await? {
            Some(endpoint) if endpoint.status == Status::Paused => return Ok(Found::Down(Duration::ZERO)),
            Some(endpoint) if endpoint.status == Status::Active => endpoint,
            // Deleted or disabled: its parked deliveries are let go, to be refused like any others.
            _ => return let_go(app, health).await,
        };
        let attempts = app.attempts.of(endpoint.id, parked.message.event.id).await?;
        let number = match decide(&attempts, parked.message.round, Timestamp::MAX) {
            Step::Send { number, .. } => number,
            Step::Drop | Step::Wait(_) => {
                app.parked.delete(&[parked]).await?;
                continue;
            }
        };
        let started = app.now();
        let Some(verdict) = exchange(app, Some(&endpoint), &parked.message, &Hosts::default(), deadline).await else {
            return Err(JobError::Fault);
        };
        let (outcome, gone, judges) = (verdict.outcome, verdict.is_gone(), verdict.judges);
        let (succeeded, down) = (outcome == Outcome::Succeeded, Found::Down(verdict.retry_after.unwrap_or_default()));
        let next = (!succeeded).then(|| app.now() + next.wait_after(down));
        app.attempts.record(&[attempt(&parked.message, &endpoint, verdict, number, started, next)]).await?;
        if gone {
            app.disable_gone(&endpoint).await;
        }
        // What can't be sent says nothing of the receiver, and must not keep the others waiting: each is judged for itself.
        if gone || !judges {
            return let_go(app, health).await;
        }
        if !succeeded {
            app.note(health.project, &endpoint, Some(health), 0, 1, started).await;
            return Ok(down);
        }
        // Unlike what a batch sees, this must be noted: with the old failures still counted, what is let go next would be parked again.
        app.note_success(health.project, &endpoint, health).await?;
        app.parked.delete(&[parked]).await?;
        return Ok(Found::Up);
    }
    // The rest in the next step.
    Ok(Found::Down(Duration::ZERO))
}

/// There is nothing to wait for: failures of before don't keep anything parked.
async fn let_go(app: &App, health: &Health) -> Result<Found, JobError> {
    app.health.start_afresh(health).await?;
    Ok(Found::Up)
}

/// Lets the oldest parked deliveries go, a lot at a time: all at once they may be larger than memory. Gives the pace that this endpoint allows.
async fn release(app: &App, health: &Health, phase: Phase) -> Result<(Phase, Found), JobError> {
    let mut lot = app.parked.oldest(health.endpoint, RELEASED.min(phase.pace())).await?;
    let Some(first) = lot.first() else { return Ok((phase, Found::Released(0))) };
    let endpoint = receiver(app, &first.message).await?;
    // Let go, they would be refused one by one.
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.status == Status::Paused) {
        return Ok((phase, Found::Down(Duration::ZERO)));
    }
    let phase = phase.at_most(endpoint.and_then(|endpoint| endpoint.rate_limit));
    lot.truncate(phase.pace());
    let mut released = 0;
    while !lot.is_empty() {
        let messages: Vec<_> = lot.iter().map(|parked| outgoing(&parked.message)).collect();
        app.deliveries.send(messages.into_iter()).await?;
        app.parked.delete(&lot).await?;
        released += lot.len();
        lot = if released < phase.pace() {
            app.parked.oldest(health.endpoint, RELEASED.min(phase.pace() - released)).await?
        } else {
            Vec::new()
        };
    }
    Ok((phase, Found::Released(released)))
}

/// Deliveries whose whole time span went by while the receiver was down.
async fn give_up_what_is_over(app: &App, health: &Health, deadline: Timestamp) -> Result<(), JobError> {
    for _ in 0..LOTS {
        // The next step takes the rest: this one is in a batch with others, and its probe needs time.
        if deadline.since(app.now()) < PROBE_TIME {
            return Ok(());
        }
        let oldest = app.parked.oldest(health.endpoint, LOT).await?;
        let Some(first) = oldest.first() else { return Ok(()) };
        let Some(endpoint) = receiver(app, &first.message).await? else { return Ok(()) };
        let now = app.now();
        let over: Vec<Parked> = oldest.into_iter().filter(|parked| is_over(parked, span(app, &endpoint), now)).collect();
        if over.is_empty() {
            return Ok(());
        }
        let (mut given_up, mut dead) = (Vec::new(), Vec::new());
        for Parked { message, .. } in &over {
            let attempts = app.attempts.of(endpoint.id, message.event.id).await?;
            // What has arrived in another way is only deleted.
            if let Step::Send { number, .. } = decide(&attempts, message.round, Timestamp::MAX) {
                given_up.push(attempt(message, &endpoint, Verdict::refused(OVER), number, now, None));
                dead.push(outgoing(message));
            }
        }
        app.attempts.record(&given_up).await?;
        app.dead_letters.send(dead.into_iter()).await?;
        app.parked.delete(&over).await?;
        for attempt in given_up {
            let news = News::DeliveryFailed { event: attempt.event, kind: attempt.kind, attempts: attempt.number };
            app.tell(health.project, &endpoint, &news).await;
        }
    }
    Ok(())
}

/// Not before a few probes have had the time to find the receiver well: its schedule may be short, or have been over when it was redriven.
fn is_over(parked: &Parked, span: Duration, now: Timestamp) -> bool {
    now > (parked.message.enqueued_at + span).max(parked.parked_at + MAX_PROBE_WAIT * 2)
}

/// How long a delivery is tried: all waits of its schedule, at their longest.
fn span(app: &App, endpoint: &Endpoint) -> Duration {
    endpoint.retry_schedule.as_ref().unwrap_or(&app.schedule).total().mul_f64(1.0 + JITTER)
}

/// Where a parked delivery goes; none if that was deleted.
async fn receiver(app: &App, message: &Message) -> Result<Option<Endpoint>, JobError> {
    let mut found = app.endpoints.load([message]).await?;
    Ok(found.endpoints.remove(&message.endpoint).transpose()?)
}

fn outgoing(message: &Message) -> Result<QueueEntry, JobError> {
    Ok(work::entry(message, Duration::ZERO)?)
}

fn attempt(message: &Message, endpoint: &Endpoint, verdict: Verdict, number: u32, started: Timestamp, next: Option<Timestamp>) -> Attempt {
    let id = AttemptId::of(&message.event.id, started, rand::random());
    Attempt { trigger: Trigger::Probe, ..verdict.attempt(id, message, endpoint.url.to_string(), number, started, next) }
}
