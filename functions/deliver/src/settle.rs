//! Writing down what happened to a batch.
//!
//! The order is the promise: first the log; then the other queue; only what both have taken leaves its own queue. Whatever fails on the way keeps its message, which comes again and
//! finds in the log how far it got.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use shared::{
    announce::News,
    id::EndpointId,
    queue::{QueueEntry, QueueError},
    store::deliveries::Receivers,
};

use crate::{
    App,
    delivery::{Fate, Handled},
    health::Seen,
    incoming::Source,
};

/// Records all attempts and moves, hides or drops all messages. Returns the ids of those that stay on their queue.
pub(crate) async fn settle(app: &App, mut handled: Vec<Handled>, receivers: &Receivers) -> HashSet<String> {
    let given_up = given_up(&handled);
    let seen = record(app, &mut handled).await;
    park(app, &mut handled).await;
    for endpoint in handled.iter().filter_map(|item| item.gone.as_ref()) {
        app.disable_gone(endpoint).await;
    }
    app.note_all(receivers, seen).await;
    let (mut kept, mut moved, mut dead, mut hidden) = (HashSet::new(), Vec::new(), Vec::new(), Vec::new());
    for item in handled {
        match (&item.fate, item.source) {
            (Fate::Drop | Fate::Park(_), _) => {}
            (Fate::Dead, _) => dead.push(item),
            // The queue of first attempts never holds what waits: hidden messages count as in flight, and SQS hands out none beyond 120,000.
            (Fate::Again(wait), Source::Deliveries) | (Fate::Move(wait), _) => moved.push((*wait, item)),
            (Fate::Again(wait) | Fate::Hide(wait), _) => {
                kept.insert(item.id);
                hidden.push((item.source, item.receipt, *wait));
            }
            (Fate::Keep, _) => {
                kept.insert(item.id);
            }
        }
    }
    let moved: Vec<_> = moved.into_iter().map(|(wait, item)| (outgoing(&item, wait), item.id)).collect();
    let dead: Vec<_> = dead.into_iter().map(|item| (outgoing(&item, Duration::ZERO), item.id)).collect();
    kept.extend(send(&app.retries, moved, "retries").await);
    kept.extend(send(&app.dead_letters, dead, "dead-letter").await);
    hide(app, hidden).await;
    tell(app, receivers, given_up, &kept).await;
    kept
}

/// An attempt that can't be recorded must be made again: better twice than unknown. What the recorded ones tell of their endpoints.
async fn record(app: &App, handled: &mut [Handled]) -> HashMap<EndpointId, Seen> {
    let (attempts, judges): (Vec<_>, Vec<_>) = handled.iter_mut().filter_map(|item| Some((item.attempt.take()?, item.judges))).unzip();
    if attempts.is_empty() {
        return HashMap::new();
    }
    let Err(error) = app.attempts.record(&attempts).await else {
        return Seen::by_endpoint(attempts.iter().zip(judges).filter_map(|(attempt, judges)| judges.then_some(attempt)));
    };
    tracing::error!(%error, count = attempts.len(), "could not record attempts; their messages stay on the queue");
    let unrecorded: HashSet<_> = attempts.iter().map(|attempt| (attempt.event, attempt.endpoint)).collect();
    for item in handled {
        if item.delivery.is_some_and(|delivery| unrecorded.contains(&delivery)) {
            item.fate = Fate::Keep;
            // Disabled now, it would be refused the next time, and the log would never say why.
            item.gone = None;
        }
    }
    HashMap::new()
}

/// What can't be parked stays on its queue.
async fn park(app: &App, handled: &mut [Handled]) {
    let parked = |item: &Handled| if let Fate::Park(message) = &item.fate { Some((item.id.clone(), (**message).clone())) } else { None };
    let messages: Vec<_> = handled.iter().filter_map(parked).collect();
    if messages.is_empty() {
        return;
    }
    if let Err(error) = app.parked.park(&messages, app.now()).await {
        tracing::error!(%error, "could not park all deliveries; the messages of these stay on the queue");
        for item in handled.iter_mut().filter(|item| matches!(item.fate, Fate::Park(_)) && error.left.contains(&item.id)) {
            item.fate = Fate::Keep;
        }
    }
}

/// The deliveries of a batch that are given up, by their messages.
fn given_up(handled: &[Handled]) -> Vec<(String, EndpointId, News)> {
    let dead = handled.iter().filter(|item| matches!(item.fate, Fate::Dead));
    let news = dead.filter_map(|item| {
        let attempt = item.attempt.as_ref()?;
        let news = News::DeliveryFailed { event: attempt.event, kind: attempt.kind.clone(), attempts: attempt.number };
        Some((item.id.clone(), attempt.endpoint, news))
    });
    news.collect()
}

/// Tells the projects of the given up deliveries, but for those whose messages stay after all.
async fn tell(app: &App, receivers: &Receivers, given_up: Vec<(String, EndpointId, News)>, kept: &HashSet<String>) {
    for (_, endpoint, news) in given_up.into_iter().filter(|(id, ..)| !kept.contains(id)) {
        if let Some(Ok(endpoint)) = receivers.endpoints.get(&endpoint) {
            app.tell(endpoint.project, endpoint, &news).await;
        }
    }
}

/// The message as it came: what can't be read moves too.
fn outgoing(item: &Handled, delay: Duration) -> QueueEntry {
    QueueEntry { body: item.body.clone(), group: item.delivery.map(|(_, endpoint)| endpoint.to_string()), delay }
}

/// Sends messages on to another queue. Returns the ids of all of them when that fails: some may then exist twice, and the log sorts them out.
async fn send(queue: &shared::queue::Queue, messages: Vec<(QueueEntry, String)>, name: &str) -> Vec<String> {
    let (messages, ids): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    if messages.is_empty() {
        return Vec::new();
    }
    match queue.send(messages.into_iter().map(Ok::<_, QueueError>)).await {
        Ok(()) => Vec::new(),
        Err(error) => {
            tracing::error!(%error, queue = name, "could not move messages; they stay on their queue");
            ids
        }
    }
}

async fn hide(app: &App, hidden: Vec<(Source, String, Duration)>) {
    for (source, queue) in [(Source::Deliveries, &app.deliveries), (Source::Retries, &app.retries)] {
        let receipts: Vec<_> =
            hidden.iter().filter(|(from, ..)| *from == source).map(|(_, receipt, wait)| (receipt.clone(), *wait)).collect();
        if let Err(error) = queue.hide(&receipts).await {
            tracing::warn!(%error, "could not hide messages; they come back at the end of their visibility timeout");
        }
    }
}
