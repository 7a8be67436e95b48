//! Topics, and the selectors by which endpoints subscribe to them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::schema::{described, text};

/// The longest topic, in bytes.
pub const MAX_TOPIC: usize = 128;

/// The kind of an event: `task.succeeded`. Parts of letters, digits, `_` and `-`, joined by dots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(String);

/// A text that is not a topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be parts of letters, digits, `_` and `-` joined by dots, at most {MAX_TOPIC} characters"
)]
pub struct TopicError;

/// What the topics of Posthaste's own events start with. Producers can't post them, and `*` doesn't
/// subscribe to them.
pub const SYSTEM_PREFIX: &str = "webhook.";

impl Topic {
    /// Whether it is one of Posthaste's own.
    pub fn is_system(&self) -> bool {
        self.0.starts_with(SYSTEM_PREFIX)
    }

    /// The topic's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        text.to_owned().try_into()
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;

    fn try_from(text: String) -> Result<Self, TopicError> {
        let part_ok = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        if text.len() <= MAX_TOPIC && text.split('.').all(part_ok) {
            Ok(Self(text))
        } else {
            Err(TopicError)
        }
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

described!(
    Topic,
    text("The topic of an event. `GET /webhooks/topics` lists all topics.", "task.succeeded")
        .max_length(Some(MAX_TOPIC))
        .pattern(Some(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"))
);

/// What an endpoint subscribes to: a topic, all topics below a prefix (`task.*`), or all (`*`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Selector {
    /// `*`
    All,
    /// `task.*`: every topic that starts with `task.`, at any depth.
    Below(Topic),
    /// One topic.
    Exactly(Topic),
}

/// A text that is not a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a topic, a prefix with a wildcard (`task.*`), or `*`")]
pub struct SelectorError;

impl Selector {
    /// Whether an event of this topic is wanted.
    pub fn matches(&self, topic: &Topic) -> bool {
        match self {
            Self::All => true,
            Self::Below(prefix) => {
                topic.0.strip_prefix(&prefix.0).is_some_and(|rest| rest.starts_with('.'))
            }
            Self::Exactly(wanted) => wanted == topic,
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        match (text, text.strip_suffix(".*")) {
            ("*", _) => Ok(Self::All),
            (_, Some(prefix)) => prefix.parse().map(Self::Below).map_err(|_| SelectorError),
            _ => text.parse().map(Self::Exactly).map_err(|_| SelectorError),
        }
    }
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;

    fn try_from(text: String) -> Result<Self, SelectorError> {
        text.parse()
    }
}

impl From<Selector> for String {
    fn from(selector: Selector) -> Self {
        selector.to_string()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Below(prefix) => write!(f, "{prefix}.*"),
            Self::Exactly(topic) => topic.fmt(f),
        }
    }
}

described!(
    Selector,
    text("A topic, all topics below a prefix (`task.*`), or all (`*`).", "task.*")
        .max_length(Some(MAX_TOPIC + 2))
        .pattern(Some(r"^(\*|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?)$"))
);

/// Whether one of these selectors includes a topic. `*` does not include the system topics.
pub(super) fn selects(selectors: &[Selector], topic: &Topic) -> bool {
    selectors.iter().any(|selector| {
        selector.matches(topic) && (*selector != Selector::All || !topic.is_system())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn selectors_match_exactly_by_prefix_or_all() {
        let matches = |selector: &str, topic: &str| {
            selector.parse::<Selector>().unwrap().matches(&topic.parse().unwrap())
        };
        for (selector, topic, expected) in [
            ("*", "task.created", true),
            ("task.created", "task.created", true),
            ("task.created", "task.createdx", false),
            ("task.*", "task.created", true),
            ("task.*", "task.run.created", true),
            ("task.*", "task", false),
            ("task.*", "tasks.created", false),
            ("task.run.*", "task.created", false),
        ] {
            assert_eq!(matches(selector, topic), expected, "{selector} against {topic}");
        }
    }

    #[test]
    fn malformed_selectors_and_topics_are_refused() {
        for text in [
            "",
            ".",
            "*.created",
            "task*",
            "task.**",
            "task.*.done",
            ".*",
            "task..done",
            "a b",
            "tásk",
            " task",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text:?} must not be a selector");
        }
        assert!("x".repeat(MAX_TOPIC + 1).parse::<Topic>().is_err());
        assert!("x".repeat(MAX_TOPIC).parse::<Topic>().is_ok());
    }

    proptest! {
        #[test]
        fn a_selector_survives_its_text(text in "[a-z_-]{1,5}(\\.[a-z0-9]{1,5}){0,3}(\\.\\*)?") {
            prop_assert_eq!(text.parse::<Selector>().unwrap().to_string(), text);
        }
    }
}
