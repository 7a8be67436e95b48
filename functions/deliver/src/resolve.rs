//! From what messages say to deliveries: one that names a delivery gets its row and its event.

use domain::{
    delivery_row::DeliveryRow,
    id::{EndpointId, EventId},
    message::Message,
    model::Trigger,
    time::Timestamp,
    work::{Unreadable, Work},
};
use store::{
    StoreError,
    delivery_rows::{DeliveryReader, EventFound, WithEvent},
};
use tracing::{Span, error_span};

use crate::incoming::{Incoming, Record};

/// A record, and what it is about.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) record: Record,
    pub(crate) about: About,
}

/// What a record is about.
#[derive(Debug)]
pub(crate) enum About {
    Delivery(Box<Delivery>),
    /// A delivery that has ended.
    Ended(Box<DeliveryRow>),
    /// A delivery for which another message acts.
    Nothing,
    /// A delivery whose event can't be read: it waits until it can.
    UnreadableEvent,
    Unreadable(Unreadable),
}

/// A delivery to be handled.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    /// Its row, if the message names it.
    pub(crate) row: Option<DeliveryRow>,
    /// When its event was accepted.
    pub(crate) accepted_at: Timestamp,
    /// Whether its event is not kept any more, and so its payload not known.
    pub(crate) is_expired: bool,
}

/// Looks up what the messages name: one call if any of them names a delivery.
pub(crate) async fn resolve(
    reader: &DeliveryReader,
    incoming: Vec<Incoming>,
    now: Timestamp,
) -> Result<Vec<Item>, (StoreError, Vec<Incoming>)> {
    let agains = incoming.iter().filter_map(|item| match &item.read {
        Ok(Work::Again(again)) => Some(again),
        _ => None,
    });
    let agains: Vec<_> = agains.collect();
    let found = if agains.is_empty() { Ok(Vec::new()) } else { reader.load(&agains, now).await };
    let mut found = match found {
        Ok(found) => found.into_iter(),
        Err(error) => return Err((error, incoming)),
    };
    let about = |Incoming { record, read }| match read {
        Ok(Work::First(message)) => {
            let accepted_at = message.enqueued_at;
            let delivery =
                Delivery { message: *message, row: None, accepted_at, is_expired: false };
            Item { record, about: About::Delivery(Box::new(delivery)) }
        }
        Ok(Work::Again(again)) => match found.next().flatten() {
            Some(found) => of_row(record, again.probe, found),
            None => Item { record, about: About::Nothing },
        },
        Err(error) => Item { record, about: About::Unreadable(error) },
    };
    Ok(incoming.into_iter().map(about).collect())
}

fn of_row(record: Record, probe: bool, (row, found): WithEvent) -> Item {
    if row.has_ended() {
        return Item { record, about: About::Ended(Box::new(row)) };
    }
    let logged = match &found {
        EventFound::There(logged) => Some(&**logged),
        EventFound::Gone => None,
        EventFound::Unreadable => return Item { record, about: About::UnreadableEvent },
    };
    let mut message = row.message(logged);
    if probe {
        message.trigger = Trigger::Probe;
    }
    let accepted_at = logged.map_or(message.enqueued_at, |logged| logged.accepted_at);
    let is_expired = logged.is_none();
    let delivery = Delivery { message, accepted_at, is_expired, row: Some(row) };
    Item { record, about: About::Delivery(Box::new(delivery)) }
}

impl Item {
    /// The delivery, if it is about one.
    pub(crate) fn message(&self) -> Option<&Message> {
        match &self.about {
            About::Delivery(delivery) => Some(&delivery.message),
            About::Ended(_) | About::Nothing | About::UnreadableEvent | About::Unreadable(_) => {
                None
            }
        }
    }

    /// The row that its message names.
    pub(crate) fn row(&self) -> Option<&DeliveryRow> {
        match &self.about {
            About::Delivery(delivery) => delivery.row.as_ref(),
            About::Ended(row) => Some(row),
            About::Nothing | About::UnreadableEvent | About::Unreadable(_) => None,
        }
    }

    /// Which delivery it is.
    pub(crate) fn delivery(&self) -> Option<(EventId, EndpointId)> {
        self.message().map(|message| (message.event.id, message.endpoint))
    }

    /// What every log line about it holds. An error's span: a lower level would be filtered out
    /// with `ApplicationLogLevel`, and the lines would lose their fields.
    pub(crate) fn span(&self) -> Span {
        let id = &self.record.id;
        let Some(Message { project, endpoint, event, .. }) = self.message() else {
            return error_span!("no delivery", message = id);
        };
        error_span!("delivery", message = id, %project, event = %event.id, %endpoint)
    }
}
