//! The styles that the page explains, and what each can find out.

use crate::cases::{self, Case};

/// A style, and the block of the page that verifies it.
pub(crate) struct Style {
    pub(crate) name: &'static str,
    /// The style whose block it is verified by.
    pub(crate) block: &'static str,
    /// Whether it signs when a request was made.
    pub(crate) timestamp: Option<Timestamp>,
    /// Whether it signs the body.
    pub(crate) signs_body: bool,
    /// Whether each live secret signs, and not the oldest alone.
    pub(crate) every_secret_signs: bool,
}

/// The header that holds the timestamp, and how.
#[derive(Clone, Copy)]
pub(crate) enum Timestamp {
    /// Alone.
    Header(&'static str),
    /// As `t=…,` at the start.
    Start(&'static str),
}

pub(crate) const STYLES: [Style; 5] = [
    Style {
        name: "standard",
        block: "standard",
        timestamp: Some(Timestamp::Header("webhook-timestamp")),
        signs_body: true,
        every_secret_signs: true,
    },
    Style {
        name: "svix",
        block: "standard",
        timestamp: Some(Timestamp::Header("svix-timestamp")),
        signs_body: true,
        every_secret_signs: true,
    },
    Style {
        name: "timestamped",
        block: "timestamped",
        timestamp: Some(Timestamp::Start("acme-signature")),
        signs_body: true,
        every_secret_signs: true,
    },
    Style {
        name: "digest",
        block: "digest",
        timestamp: None,
        signs_body: true,
        every_secret_signs: false,
    },
    Style {
        name: "token",
        block: "token",
        timestamp: None,
        signs_body: false,
        every_secret_signs: false,
    },
];

impl Style {
    /// The block as its reader would have it for this style.
    pub(crate) fn adapt(&self, block: &str) -> String {
        if self.name == "svix" { block.replace("webhook-", "svix-") } else { block.to_owned() }
    }

    /// Requests, genuine and not, of this style.
    pub(crate) fn cases(&self) -> Vec<Case> {
        cases::of(self)
    }
}
