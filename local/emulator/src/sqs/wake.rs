//! Wakes long polls: the one thing that lives in memory only.
//!
//! A poll must register for the wake-up *before* it looks into the queue. A message that arrives
//! between the look and a later registration would wake no one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

/// One bell per queue name, rung whenever a poll of that queue should look again.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    by_queue: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Bells {
    /// The bell of a queue.
    pub(crate) fn of(&self, queue: &str) -> Arc<Notify> {
        let mut bells = self.by_queue.lock().unwrap_or_else(PoisonError::into_inner);
        match bells.get(queue) {
            Some(bell) => Arc::clone(bell),
            None => Arc::clone(bells.entry(queue.to_owned()).or_default()),
        }
    }

    /// Makes every poll of the queue look again.
    pub(crate) fn ring(&self, queue: &str) {
        let bells = self.by_queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(queue) {
            bell.notify_waiters();
        }
    }
}
