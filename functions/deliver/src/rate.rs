//! Rate limits: when a request may be made. Endpoints without a limit pay nothing for it.

use std::time::Duration;

use shared::{
    message::Message,
    model::{Endpoint, Status, Trigger},
    rate::{NEAR, Reserved, Slot, judge},
    store::StoreError,
};

use crate::App;

/// What the limit says.
pub(crate) enum Permission {
    /// Now: any wait is over.
    Now,
    /// Later: this message is to come again after so long, with its slot in it.
    Later(Box<Message>, Duration),
}

/// Waits for a near slot, and gives a far one to the message. Tests are not limited: who tests is looking.
pub(crate) async fn permit(app: &App, endpoint: Option<&Endpoint>, message: &Message, number: u32) -> Result<Permission, StoreError> {
    let active = endpoint.filter(|endpoint| endpoint.status == Status::Active && message.trigger != Trigger::Test);
    let Some((endpoint, limit)) = active.and_then(|endpoint| Some((endpoint.id, endpoint.rate_limit?))) else {
        return Ok(Permission::Now);
    };
    let slot = match judge(message.reserved.filter(|slot| slot.is_under(limit)), number, app.now()) {
        Slot::Good(slot) => slot,
        Slot::Needed { passed } => Reserved { number, at: app.rates.take(endpoint, limit).await?, passed, limit },
    };
    let wait = slot.at.since(app.now());
    if wait > NEAR {
        // Whole seconds, rounded down: the rest is waited here when it comes again.
        return Ok(Permission::Later(Box::new(message.with_slot(slot)), Duration::from_secs(wait.as_secs())));
    }
    tokio::time::sleep(wait).await;
    Ok(Permission::Now)
}
