//! The topics that exist: the deployment's catalogue, and the topics that a project adds or
//! redescribes.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

use super::topic::{Selector, Topic, TopicError};
use crate::system_event::SystemTopic;

/// The longest description of a topic, in characters.
pub const MAX_DESCRIPTION: usize = 500;

/// The largest example of a topic, in bytes of its compact form: 16 KiB.
pub const MAX_EXAMPLE: usize = 16 * 1_024;

/// A topic and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// The topic.
    pub name: Topic,
    /// What the topic means, for the developers who subscribe to it.
    pub description: String,
    /// The `data` of an event as it may look, canonical JSON: what a test of an endpoint sends.
    /// Made from the topic's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl CatalogueEntry {
    /// The `data` of an event of this topic as it may look, canonical JSON. Without one of its own
    /// it is made from the name: of `task.succeeded`, a task that succeeded.
    pub fn example(&self) -> String {
        let made_up = || {
            let name = self.name.to_string();
            let (object, status) = name.rsplit_once('.').unwrap_or((&name, "created"));
            // A topic has no character that JSON would escape.
            format!(r#"{{"id":"{object}_example","object":"{object}","status":"{status}"}}"#)
        };
        self.example.clone().unwrap_or_else(made_up)
    }
}

/// All topics of a project, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<Topic, CatalogueEntry>);

/// A deployment's `Topics` setting that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry `{entry}`: the name {error}")]
pub struct CatalogueError {
    entry: String,
    error: TopicError,
}

impl Catalogue {
    /// This catalogue with a project's own entries; one of the same name stands in place of the
    /// deployment's.
    #[must_use]
    pub fn with(&self, own: impl IntoIterator<Item = CatalogueEntry>) -> Self {
        let mut all = self.clone();
        all.0.extend(own.into_iter().map(|entry| (entry.name.clone(), entry)));
        all
    }

    /// This catalogue with topics of which only the names are known.
    #[must_use]
    pub fn with_names<'a>(&self, names: impl IntoIterator<Item = &'a Topic>) -> Self {
        let mut all = self.clone();
        for name in names {
            all.0.entry(name.clone()).or_insert_with(|| CatalogueEntry {
                name: name.clone(),
                description: String::new(),
                example: None,
            });
        }
        all
    }

    /// Whether the topic exists.
    pub fn knows(&self, topic: &Topic) -> bool {
        self.0.contains_key(topic)
    }

    /// Whether the selector could ever match.
    pub fn reaches(&self, selector: &Selector) -> bool {
        matches!(selector, Selector::All) || self.0.keys().any(|topic| selector.matches(topic))
    }

    /// The entries, by name.
    pub fn entries(&self) -> impl Iterator<Item = CatalogueEntry> + '_ {
        self.0.values().cloned()
    }

    /// One entry.
    pub fn get(&self, topic: &Topic) -> Option<CatalogueEntry> {
        self.0.get(topic).cloned()
    }
}

/// Reads `name=description` entries separated by `;` or line breaks, as the template's `Topics`
/// parameter has them.
impl FromStr for Catalogue {
    type Err = CatalogueError;

    fn from_str(text: &str) -> Result<Self, CatalogueError> {
        let own = SystemTopic::ALL.map(|topic| format!("{}={}", topic.name(), topic.description()));
        own.iter()
            .map(String::as_str)
            .chain(text.split([';', '\n']))
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                let (name, description) = entry.split_once('=').unwrap_or((entry, ""));
                let name: Topic = name
                    .trim()
                    .parse()
                    .map_err(|error| CatalogueError { entry: entry.to_owned(), error })?;
                Ok((
                    name.clone(),
                    CatalogueEntry {
                        name,
                        description: description.trim().to_owned(),
                        example: None,
                    },
                ))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_adds_topics_and_redescribes_the_deployments() {
        let deployment: Catalogue = "task.created=A task was made; task.failed".parse().unwrap();
        let entry = |name: &str, description: &str| CatalogueEntry {
            name: name.parse().unwrap(),
            description: description.into(),
            example: None,
        };
        let all = deployment
            .with([entry("media.created", "New media"), entry("task.failed", "It failed")]);
        assert_eq!(
            all.entries().filter(|entry| !entry.name.is_system()).collect::<Vec<_>>(),
            [
                entry("media.created", "New media"),
                entry("task.created", "A task was made"),
                entry("task.failed", "It failed")
            ]
        );
    }

    #[test]
    fn our_own_topics_are_in_every_catalogue() {
        let catalogue: Catalogue = "task.created".parse().unwrap();
        assert!(SystemTopic::ALL.iter().all(|topic| {
            topic.name().parse::<Topic>().is_ok_and(|topic| catalogue.knows(&topic))
        }));
    }

    #[test]
    fn a_selector_that_can_never_match_is_not_reached() {
        let catalogue: Catalogue = "task.created".parse().unwrap();
        for (selector, reached) in [
            ("*", true),
            ("task.*", true),
            ("task.created", true),
            ("task.failed", false),
            ("media.*", false),
        ] {
            assert_eq!(catalogue.reaches(&selector.parse().unwrap()), reached, "{selector}");
        }
    }

    #[test]
    fn a_broken_entry_is_named() {
        let error = "task.created=ok\nbad topic=x".parse::<Catalogue>().unwrap_err();
        assert!(error.to_string().contains("bad topic=x"));
    }
}
