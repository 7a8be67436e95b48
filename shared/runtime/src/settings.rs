//! What a function reads from its environment, which `template.yaml` sets.
//!
//! Read once, at start: a missing or malformed setting stops the function there, with its name, not
//! at the first request.

use std::{collections::BTreeMap, env, fmt::Display, str::FromStr};

/// A setting that is missing or can't be read. Names the variable, never its value.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// Set to something that it can't be.
    #[error("environment variable {name}: {reason}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// What a function was started with. No `Debug`: an environment holds AWS credentials.
#[derive(Clone)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// The process's environment. Variables that aren't UTF-8 are not ours and left out.
    pub fn from_env() -> Self {
        env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's text.
    pub fn text(&self, name: &'static str) -> Result<&str, SettingsError> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
            .ok_or(SettingsError::Missing(name))
    }

    /// A variable's value.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, SettingsError> {
        self.text(name)?
            .parse()
            .map_err(|error: T::Err| SettingsError::Malformed { name, reason: error.to_string() })
    }

    /// A variable's value, if it is set and not empty.
    pub fn optional<T: FromStr<Err: Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, SettingsError> {
        match self.parsed(name) {
            Err(SettingsError::Missing(_)) => Ok(None),
            other => other.map(Some),
        }
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        [("N", "7"), ("X", "x"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect()
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        assert_eq!(settings().parsed::<u8>("N").unwrap(), 7);
        assert_eq!(
            settings().text("EMPTY").unwrap_err().to_string(),
            "environment variable EMPTY is not set"
        );
        assert!(
            settings()
                .parsed::<u8>("X")
                .unwrap_err()
                .to_string()
                .starts_with("environment variable X: ")
        );
    }

    #[test]
    fn an_optional_setting_may_be_missing_but_not_malformed() {
        assert_eq!(settings().optional::<u8>("EMPTY").unwrap(), None);
        assert_eq!(settings().optional::<u8>("ABSENT").unwrap(), None);
        assert!(settings().optional::<u8>("X").is_err());
    }
}
