//! The books: every acknowledged delivery, where it is, and whether that adds up.
//!
//! A delivery that the log calls pending must be in a queue *or* have moved on by the time that the
//! queue was looked at.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use super::{
    arrivals::{Arrival, Arrivals},
    population::{EVERYBODY, Kind, Population},
    posting::Posted,
    queued::Queued,
};
use crate::{Client, Delivery, Message, Stack};

/// How often a delivery is looked for that is pending and in no queue.
const LOOKS: usize = 10;
/// How many findings are printed of many.
const SHOWN: usize = 20;

/// One kind of receiver's page.
#[derive(Debug, Default, Clone)]
pub struct Page {
    /// Deliveries of acknowledged events.
    pub acknowledged: usize,
    /// Of these, arrived by the log, and by the receiver.
    pub succeeded: usize,
    /// Given up.
    pub failed: usize,
    /// Waiting in the log table.
    pub parked: usize,
    /// In one of the working queues.
    pub queued: usize,
    /// Requests more than one that the receiver answered with 200.
    pub duplicates: usize,
    /// Those of them whose first was not recorded: a kill fell between send and record.
    pub unrecorded: usize,
    /// Those of them whose first was recorded as a failure: the answer came too late.
    pub too_late: usize,
}

/// All pages, and whatever is wrong.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By kind of receiver.
    pub pages: BTreeMap<&'static str, Page>,
    /// Must be empty.
    pub findings: Vec<String>,
    /// Kill -9.
    pub kills: usize,
    /// Whether answers of AWS were lost: a message that was sent again is then on its queue twice,
    /// and two that are handled at the same moment both send their request.
    pub answers_lost: bool,
    /// Requests of clients that were made again.
    pub repeats: u64,
}

impl Ledger {
    /// Whether every acknowledged delivery is accounted for, and nothing else is wrong.
    pub fn balances(&self) -> bool {
        self.findings.is_empty()
            && self.pages.values().all(|page| {
                page.acknowledged == page.succeeded + page.failed + page.parked + page.queued
            })
    }

    pub(super) async fn of(
        stack: &Stack,
        project: &Client,
        population: &Population,
        posted: &Posted,
        arrivals: &Arrivals,
        (kills, answers_lost): (usize, bool),
    ) -> Self {
        let mut ledger = Self {
            kills,
            answers_lost,
            repeats: posted.repeats(),
            findings: posted.surprises(),
            ..Self::default()
        };
        ledger.findings.extend(arrivals.wrong());
        let (events, seen) = (posted.events(), arrivals.seen());
        let mut messages: HashMap<String, Message> = messages(project)
            .await
            .into_iter()
            .map(|message| (message.id.clone(), message))
            .collect();
        let mut auditor = Auditor { stack, project, queued: Queued::of(stack).await, ledger };
        for (id, (number, topic)) in &events {
            let Some(message) = messages.remove(id) else {
                auditor
                    .ledger
                    .findings
                    .push(format!("{id} was acknowledged and is not in the log"));
                continue;
            };
            auditor.ledger.complete(population, &message, topic);
            for delivery in &message.deliveries {
                let Some(kind) = population.kind_of(&delivery.endpoint_id) else { continue };
                let arrival = seen.get(&(kind, *number)).cloned().unwrap_or_default();
                auditor.enter(kind, id, delivery, &arrival).await;
            }
        }
        let mut ledger = auditor.ledger;
        // Clients repeat until they have an answer.
        ledger.findings.extend(
            messages.into_keys().map(|id| format!("{id} is in the log and was never acknowledged")),
        );
        for ((kind, number), arrival) in &seen {
            let known = arrival
                .ids
                .iter()
                .filter(|id| events.get(*id).is_some_and(|(posted, _)| posted == number))
                .count();
            if known != 1 || arrival.ids.len() != 1 {
                ledger.findings.push(format!(
                    "event {number} came to the {} one as {:?}",
                    kind.name(),
                    arrival.ids
                ));
            }
        }
        ledger
    }

    /// Each endpoint that wants an event has a delivery of it; a deleted one may have none.
    fn complete(&mut self, population: &Population, message: &Message, topic: &str) {
        for member in population.members() {
            let wants = topic == EVERYBODY || topic == member.kind.topic();
            let count = message
                .deliveries
                .iter()
                .filter(|delivery| delivery.endpoint_id == member.endpoint.id)
                .count();
            if count != usize::from(wants) && !(member.kind == Kind::Gone && wants && count == 0) {
                self.findings.push(format!(
                    "{} has {count} deliveries to the {} one",
                    message.id,
                    member.kind.name()
                ));
            }
        }
    }
}

/// Who does the books.
struct Auditor<'a> {
    stack: &'a Stack,
    project: &'a Client,
    queued: Queued,
    ledger: Ledger,
}

impl Auditor<'_> {
    async fn enter(&mut self, kind: Kind, event: &str, delivery: &Delivery, arrival: &Arrival) {
        let place = (event.to_owned(), delivery.endpoint_id.clone());
        let status = self.status(&place, delivery.status.clone()).await;
        let page = self.ledger.pages.entry(kind.name()).or_default();
        page.acknowledged += 1;
        let mut wrong = None;
        match status.as_str() {
            "succeeded" if arrival.taken == 0 => {
                wrong = Some("succeeded by the log, and never arrived");
            }
            "succeeded" => page.succeeded += 1,
            "failed" => page.failed += 1,
            "parked" => page.parked += 1,
            "queued" => page.queued += 1,
            _ => wrong = Some("pending, in no queue, and without a row"),
        }
        let duplicates = arrival.taken.saturating_sub(1);
        if duplicates > 0 {
            let attempts = self.project.attempts(event).await;
            let of_it = || {
                attempts.iter().filter(|attempt| {
                    attempt.endpoint_id == delivery.endpoint_id && attempt.outcome != "refused"
                })
            };
            let twice =
                of_it().filter(|attempt| attempt.outcome == "succeeded").count().saturating_sub(1);
            let unrecorded = arrival.requests.saturating_sub(of_it().count()).min(duplicates);
            page.duplicates += duplicates;
            page.unrecorded += unrecorded;
            page.too_late += duplicates.saturating_sub(unrecorded).saturating_sub(twice);
            if twice > 0 && !self.ledger.answers_lost {
                wrong = Some("recorded as succeeded more than once");
            } else if unrecorded > 0 && self.ledger.kills == 0 {
                wrong = Some("sent and not recorded, and nobody was killed");
            }
        }
        if let Some(wrong) = wrong {
            self.ledger.findings.push(format!(
                "{event} to the {} one ({}): {wrong}",
                kind.name(),
                delivery.endpoint_id
            ));
        }
    }

    /// The log's status, but `queued` for what is in a working queue or has a row. Looks again
    /// while that moves.
    async fn status(&mut self, place: &(String, String), mut status: String) -> String {
        for _ in 0..LOOKS {
            match status.as_str() {
                "pending" if self.queued.live.contains(place) => return "queued".to_owned(),
                "pending" => {}
                _ => return status,
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let message = self.project.message(&place.0).await;
            let delivery =
                message.deliveries.into_iter().find(|delivery| delivery.endpoint_id == place.1);
            status = delivery.map_or_else(|| "nowhere".to_owned(), |delivery| delivery.status);
            self.queued = Queued::of(self.stack).await;
        }
        status
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nreceiver    acknowledged  succeeded   failed   parked   queued  duplicates  \
                unrecorded  too late"
        )?;
        let mut total = Page::default();
        for (name, page) in &self.pages {
            line(f, name, page)?;
            total.acknowledged += page.acknowledged;
            total.succeeded += page.succeeded;
            total.failed += page.failed;
            total.parked += page.parked;
            total.queued += page.queued;
            total.duplicates += page.duplicates;
            total.unrecorded += page.unrecorded;
            total.too_late += page.too_late;
        }
        line(f, "all", &total)?;
        writeln!(f, "{} kills; {} requests were repeated by clients", self.kills, self.repeats)?;
        for finding in self.findings.iter().take(SHOWN) {
            writeln!(f, "WRONG: {finding}")?;
        }
        if self.findings.len() > SHOWN {
            writeln!(f, "… and {} more", self.findings.len() - SHOWN)?;
        }
        write!(
            f,
            "{}",
            if self.balances() { "The books balance." } else { "The books DON'T balance." }
        )
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, page: &Page) -> fmt::Result {
    let Page { acknowledged, succeeded, failed, parked, queued, duplicates, unrecorded, too_late } =
        page;
    writeln!(
        f,
        "{name:<12}{acknowledged:>12}{succeeded:>11}{failed:>9}{parked:>9}{queued:>9}\
         {duplicates:>12}{unrecorded:>12}{too_late:>10}"
    )
}

/// All messages of a project.
async fn messages(project: &Client) -> Vec<Message> {
    let (mut all, mut path) =
        (Vec::new(), Some("/webhooks/messages?limit=100&order=asc".to_owned()));
    while let Some(this) = path {
        let page = project.get(&this).await;
        all.extend(page.read::<Vec<Message>>(200));
        path = page.link("next");
    }
    // Of our own topics, none is subscribed to.
    all.retain(|message| message.kind.starts_with("soak."));
    all
}

/// Deliveries that are pending, and that are parked, of receivers that are well by now.
pub(super) async fn moving(project: &Client, population: &Population) -> (usize, usize) {
    let messages = messages(project).await;
    let deliveries = || messages.iter().flat_map(|message| &message.deliveries);
    let of = |status: &str| {
        let ends_well = |endpoint: &str| population.kind_of(endpoint).is_some_and(Kind::ends_well);
        deliveries()
            .filter(|delivery| delivery.status == status && ends_well(&delivery.endpoint_id))
            .count()
    };
    (of("pending"), of("parked"))
}
