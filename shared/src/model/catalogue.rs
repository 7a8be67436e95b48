//! The topics that exist: the deployment's catalogue, and what a project adds to it or describes anew.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

use super::topic::{Selector, Topic, TopicError};

/// The longest description of a topic, in characters.
pub const MAX_DESCRIPTION: usize = 500;

/// A topic and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// The topic.
    pub name: Topic,
    /// What it means, for the developers who subscribe to it.
    pub description: String,
}

/// All topics of a project, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<Topic, String>);

/// A deployment's `Topics` setting that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry `{entry}`: the name {error}")]
pub struct CatalogueError {
    entry: String,
    error: TopicError,
}

impl Catalogue {
    /// This catalogue with a project's own entries; an entry of the same name replaces the description.
    #[must_use]
    pub fn with(&self, own: impl IntoIterator<Item = CatalogueEntry>) -> Self {
        let mut all = self.clone();
        all.0.extend(own.into_iter().map(|entry| (entry.name, entry.description)));
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
        self.0.iter().map(|(name, description)| CatalogueEntry { name: name.clone(), description: description.clone() })
    }

    /// One entry.
    pub fn get(&self, topic: &Topic) -> Option<CatalogueEntry> {
        self.0.get(topic).map(|description| CatalogueEntry { name: topic.clone(), description: description.clone() })
    }
}

/// Reads `name=description` entries separated by `;` or line breaks, as the template's `Topics` parameter has them.
impl FromStr for Catalogue {
    type Err = CatalogueError;

    fn from_str(text: &str) -> Result<Self, CatalogueError> {
        text.split([';', '\n'])
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                let (name, description) = entry.split_once('=').unwrap_or((entry, ""));
                let name = name.trim().parse().map_err(|error| CatalogueError { entry: entry.to_owned(), error })?;
                Ok((name, description.trim().to_owned()))
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
        let entry = |name: &str, description: &str| CatalogueEntry { name: name.parse().unwrap(), description: description.into() };
        let all = deployment.with([entry("media.created", "New media"), entry("task.failed", "It failed")]);
        assert_eq!(
            all.entries().collect::<Vec<_>>(),
            [entry("media.created", "New media"), entry("task.created", "A task was made"), entry("task.failed", "It failed")]
        );
    }

    #[test]
    fn a_selector_that_can_never_match_is_not_reached() {
        let catalogue: Catalogue = "task.created".parse().unwrap();
        for (selector, reached) in [("*", true), ("task.*", true), ("task.created", true), ("task.failed", false), ("media.*", false)] {
            assert_eq!(catalogue.reaches(&selector.parse().unwrap()), reached, "{selector}");
        }
    }

    #[test]
    fn a_broken_entry_is_named() {
        let error = "task.created=ok\nbad topic=x".parse::<Catalogue>().unwrap_err();
        assert!(error.to_string().contains("bad topic=x"));
    }
}
