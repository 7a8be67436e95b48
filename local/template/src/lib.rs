//! `template.yaml`, read the way `sam deploy` reads it: the one source of truth for tables, queues,
//! functions, roles and routes.
//!
//! The local stack deploys from these types, and the system tests hold the template to rules
//! through them.
//!
//! What a template says depends on where it is deployed ([`Settings`]): a `!Ref` to a queue is its
//! URL, which is known only once the queue exists. So a template is read twice: once for tables and
//! queues, and again for the functions.
//!
//! - `yaml`: text to JSON with long-form functions
//! - `intrinsic`: `!Ref`, `!Sub`, `!If` and so on; `dynamic`: `{{resolve:…}}`
//! - `storage`: tables with their indexes, and queues
//! - `function`, `events`, `policy`: functions, what invokes them, and what they may do

mod dynamic;
mod events;
mod function;
mod intrinsic;
mod policy;
mod settings;
mod storage;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

pub use events::{Cors, FunctionUrl, HttpRoute, QueueSource};
pub use function::Function;
pub use policy::{Effect, Statement};
pub use settings::{ACCOUNT, REGION, Settings};
pub use storage::{Index, Key, Queue, RedrivePolicy, Table};

use intrinsic::{Reference, Resolver};

/// Name of the file that is looked for.
pub const FILE_NAME: &str = "template.yaml";

/// What is wrong with a template: one line for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct TemplateError {
    /// The line, from 1, if the fault can be tied to one.
    pub line: Option<usize>,
    /// What is wrong there.
    pub message: String,
}

impl TemplateError {
    fn without_line(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }
}

/// A template, resolved for one deployment.
#[derive(Debug, Clone)]
pub struct Template {
    /// Every DynamoDB table, in the template's order.
    pub tables: Vec<Table>,
    /// Every SQS queue, in the template's order.
    pub queues: Vec<Queue>,
    /// Every function, in the template's order.
    pub functions: Vec<Function>,
    /// The parameters' values, by name.
    pub parameters: BTreeMap<String, String>,
    /// The outputs' values, by name.
    pub outputs: BTreeMap<String, String>,
    /// The whole document, with intrinsic functions in their long form and unresolved.
    pub document: Json,
}

impl Template {
    /// Reads and resolves the template at `path`.
    pub fn read(path: &Path, settings: &Settings) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| TemplateError::without_line(error.to_string()))?;
        Self::parse(&text, settings)
    }

    /// Resolves the template given as text.
    pub fn parse(text: &str, settings: &Settings) -> Result<Self, TemplateError> {
        let document = yaml::parse(text)?;
        Reader { text, document: &document, settings }.read()
    }

    /// The nearest `template.yaml` in `directory` or above it.
    pub fn find(directory: &Path) -> Option<PathBuf> {
        directory.ancestors().map(|ancestor| ancestor.join(FILE_NAME)).find(|path| path.is_file())
    }

    /// The table with this logical id.
    pub fn table(&self, logical_id: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.logical_id == logical_id)
    }

    /// The queue with this logical id.
    pub fn queue(&self, logical_id: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.logical_id == logical_id)
    }

    /// The function with this name (its binary's, such as `deliver`).
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }
}

struct Reader<'a> {
    text: &'a str,
    document: &'a Json,
    settings: &'a Settings,
}

impl Reader<'_> {
    fn read(&self) -> Result<Template, TemplateError> {
        let mut resolver = self.resolver()?;
        let mut template = Template {
            tables: Vec::new(),
            queues: Vec::new(),
            functions: Vec::new(),
            parameters: self.plain_parameters(&resolver)?,
            outputs: BTreeMap::new(),
            document: self.document.clone(),
        };
        let resources = self.live_resources(&resolver)?;
        // Names first: any resource may refer to any other.
        for (id, kind, resource) in &resources {
            let reference = self.at(id, reference_of(&resolver, id, kind, resource))?;
            match reference {
                Some(reference) => drop(resolver.references.insert((*id).to_owned(), reference)),
                None => drop(resolver.others.insert((*id).to_owned())),
            }
            if !resource["Properties"]["FunctionUrlConfig"].is_null() {
                // SAM makes this resource of it.
                resolver.others.insert(format!("{id}Url"));
            }
        }
        for (id, kind, resource) in &resources {
            match *kind {
                "AWS::DynamoDB::Table" => {
                    template.tables.push(self.at(id, Table::read(&resolver, id, resource))?);
                }
                "AWS::SQS::Queue" => {
                    template.queues.push(self.at(id, Queue::read(&resolver, id, resource))?);
                }
                "AWS::Serverless::Function" => {
                    template
                        .functions
                        .push(self.at(id, Function::read(&resolver, id, resource, self.document))?);
                }
                _ => {}
            }
        }
        template.outputs = self.outputs(&resolver)?;
        Ok(template)
    }

    fn resolver(&self) -> Result<Resolver<'_>, TemplateError> {
        Ok(Resolver {
            settings: self.settings,
            parameters: self.parameters()?,
            mappings: self.document["Mappings"].clone(),
            conditions: self.document["Conditions"].clone(),
            references: BTreeMap::new(),
            // SAM makes this API when functions name none.
            others: BTreeSet::from(["ServerlessHttpApi".to_owned()]),
        })
    }

    fn parameters(&self) -> Result<BTreeMap<String, Json>, TemplateError> {
        let declared = self.document["Parameters"].as_object().cloned().unwrap_or_default();
        if let Some(unknown) =
            self.settings.parameters.keys().find(|name| !declared.contains_key(*name))
        {
            return Err(TemplateError::without_line(format!(
                "the template has no parameter {unknown}"
            )));
        }
        declared
            .into_iter()
            .map(|(name, declaration)| {
                let value = self.at(&name, self.parameter(&name, &declaration))?;
                Ok((name, value))
            })
            .collect()
    }

    fn parameter(&self, name: &str, declaration: &Json) -> Result<Json, String> {
        let given = self.settings.parameters.get(name).map(|value| Json::from(value.as_str()));
        let value = given
            .or_else(|| declaration.get("Default").cloned())
            .ok_or_else(|| format!("parameter {name} has no default and no value was given"))?;
        let allowed = declaration["AllowedValues"].as_array();
        let text = intrinsic::plain(&value)?;
        if allowed.is_some_and(|allowed| {
            !allowed.iter().any(|one| intrinsic::plain(one).as_ref() == Ok(&text))
        }) {
            return Err(format!(
                "parameter {name} can't be {text}: its AllowedValues don't list it"
            ));
        }
        Ok(match declaration["Type"].as_str() {
            Some("CommaDelimitedList") => {
                text.split(',').map(|item| Json::from(item.trim())).collect()
            }
            _ => Json::from(text),
        })
    }

    fn plain_parameters(
        &self,
        resolver: &Resolver<'_>,
    ) -> Result<BTreeMap<String, String>, TemplateError> {
        let plain = |value: &Json| match value {
            Json::Array(items) => {
                Ok(items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(","))
            }
            single => intrinsic::plain(single),
        };
        resolver
            .parameters
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.at(name, plain(value))?)))
            .collect()
    }

    /// The resources whose condition holds, as (logical id, type, resource).
    fn live_resources(
        &self,
        resolver: &Resolver<'_>,
    ) -> Result<Vec<(&str, &str, &Json)>, TemplateError> {
        let resources = self.document["Resources"]
            .as_object()
            .ok_or_else(|| TemplateError::without_line("the template has no Resources"))?;
        let mut live = Vec::new();
        for (id, resource) in resources {
            let kind = resource["Type"]
                .as_str()
                .ok_or_else(|| self.located(id, format!("{id} has no Type")))?;
            let condition = resource["Condition"].as_str();
            if condition.map_or(Ok(true), |condition| self.at(id, resolver.holds(condition)))? {
                live.push((id.as_str(), kind, resource));
            }
        }
        Ok(live)
    }

    fn outputs(&self, resolver: &Resolver<'_>) -> Result<BTreeMap<String, String>, TemplateError> {
        let declared = self.document["Outputs"].as_object();
        let mut outputs = BTreeMap::new();
        for (name, output) in declared.into_iter().flatten() {
            let condition = output["Condition"].as_str();
            if condition.map_or(Ok(true), |condition| self.at(name, resolver.holds(condition)))? {
                let value =
                    resolver.resolve(&output["Value"]).and_then(|value| intrinsic::plain(&value));
                outputs.insert(name.clone(), self.at(name, value)?);
            }
        }
        Ok(outputs)
    }

    fn at<T>(&self, key: &str, result: Result<T, String>) -> Result<T, TemplateError> {
        result.map_err(|message| self.located(key, format!("{key}: {message}")))
    }

    fn located(&self, key: &str, message: String) -> TemplateError {
        TemplateError { line: yaml::line_of(self.text, key), message }
    }
}

fn reference_of(
    resolver: &Resolver<'_>,
    id: &str,
    kind: &str,
    resource: &Json,
) -> Result<Option<Reference>, String> {
    Ok(match kind {
        "AWS::DynamoDB::Table" => Some(storage::table_reference(resolver, id, resource)?),
        "AWS::SQS::Queue" => Some(storage::queue_reference(resolver, id, resource)?),
        "AWS::Serverless::Function" => Some(function::reference(resolver, id, resource)?),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
