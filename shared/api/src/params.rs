//! Query parameters.
//!
//! # Pitfalls
//!
//! Unknown parameters are refused: a misspelt filter that was ignored would return everything.

use std::str::FromStr;

use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::{ApiError, rule::rule};

/// The parameters of a request, all of them known.
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string; 400 for a name that is not among `known`, or is there twice.
    pub fn read(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(ApiError::validation(
                    name,
                    format!("no such query parameter; the parameters are: {}", known.join(", ")),
                ));
            }
            if pairs.iter().any(|(earlier, _)| *earlier == name) {
                return Err(ApiError::validation(name, "is duplicated"));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// A parameter's text, if it is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(there, value)| there == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A parameter's value; 400 with the type's own rule.
    pub fn value<T: FromStr<Err: std::fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, ApiError> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|error: T::Err| ApiError::validation(name, error.to_string()))
            })
            .transpose()
    }

    /// The parameters that `T` has, as its fields; 400 with the field and its rule. An empty one
    /// counts as absent.
    pub fn read_as<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let mut given = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            given.append_pair(name, value);
        }
        let given = given.finish();
        let pairs = url::form_urlencoded::parse(given.as_bytes());
        let fields = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(fields).map_err(|error| {
            ApiError::validation(error.path().to_string(), rule(&error.inner().to_string()))
        })
    }

    /// The pairs but for these names, as a query string to build links of.
    pub(crate) fn without(&self, names: &[&str]) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
            text.append_pair(name, value);
        }
        text.finish()
    }
}

/// The longest id of the producer's own things (workers, users), in characters.
pub const MAX_FOREIGN_ID: usize = 200;

/// A worker's id in a path, for the API's document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "only described, never read")]
pub struct WorkerPath {
    /// Your id of the worker. It must not contain control characters or `/`, `\`, `?`, `#`, `%`.
    #[param(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f/\\?#%]+$",
        example = "worker_1"
    )]
    id: String,
}

/// What no id in a path survives. API Gateway (HTTP API) decodes a path before it routes it and
/// hands it over decoded, so that an encoded `/` parts it (as does a `\`, by the rules of URLs), an
/// encoded `?` or `#` ends it, and what an encoded `%` stands before may be decoded twice.
const LOST_IN_PATHS: [char; 5] = ['/', '\\', '?', '#', '%'];

/// A worker's id: one that fits into the paths of its webhook, wherever it is given.
pub fn worker_id<'a>(field: &str, text: &'a str) -> Result<&'a str, ApiError> {
    let fits = |c: char| !c.is_control() && !LOST_IN_PATHS.contains(&c);
    if text.is_empty() || text.chars().count() > MAX_FOREIGN_ID || !text.chars().all(fits) {
        let message = format!(
            "must be 1 to {MAX_FOREIGN_ID} characters, without control characters and `/`, `\\`, \
                `?`, `#`, `%`"
        );
        return Err(ApiError::validation(field, message));
    }
    Ok(text)
}
