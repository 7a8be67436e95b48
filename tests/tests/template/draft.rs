//! A template that can be changed before it is read.
//!
//! A change at a path that isn't there does nothing. That is on purpose: the test of the rule then
//! fails, since the rule finds no fault, and so the path in the test is corrected.

use sam_template::{Settings, Template, TemplateError};
use serde_json::Value as Json;

const TEXT: &str = include_str!("../../../template.yaml");

/// The template as JSON, intrinsic functions in their long form.
pub(crate) struct Draft(Json);

impl Draft {
    pub(crate) fn of_the_real_template() -> Result<Self, TemplateError> {
        Ok(Self(Template::parse(TEXT, &Settings::default())?.document))
    }

    /// JSON is YAML, so the changed document is read by the same reader.
    pub(crate) fn read(&self) -> Result<Template, TemplateError> {
        Template::parse(&self.0.to_string(), &Settings::default())
    }

    /// The document itself.
    pub(crate) fn document(&self) -> &Json {
        &self.0
    }

    /// Sets what is at a path such as `Resources/LogTable/Properties/BillingMode`; the last part
    /// may be new.
    pub(crate) fn set(&mut self, path: &str, value: impl Into<Json>) {
        let (parent, key) = path.rsplit_once('/').unwrap_or(("", path));
        match self.at(parent) {
            Some(Json::Object(object)) => drop(object.insert(key.to_owned(), value.into())),
            Some(Json::Array(items)) => {
                if let Some(item) = key.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                    *item = value.into();
                }
            }
            _ => {}
        }
    }

    /// Adds to the list at a path.
    pub(crate) fn push(&mut self, path: &str, value: impl Into<Json>) {
        if let Some(Json::Array(items)) = self.at(path) {
            items.push(value.into());
        }
    }

    /// Removes what is at a path.
    pub(crate) fn remove(&mut self, path: &str) {
        let (parent, key) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(Json::Object(object)) = self.at(parent) {
            object.remove(key);
        }
    }

    fn at(&mut self, path: &str) -> Option<&mut Json> {
        path.split('/').filter(|part| !part.is_empty()).try_fold(&mut self.0, |value, part| {
            match value {
                Json::Object(object) => object.get_mut(part),
                Json::Array(items) => {
                    part.parse().ok().and_then(|index: usize| items.get_mut(index))
                }
                _ => None,
            }
        })
    }
}
