//! Functions of the template, with `Globals` merged in.
//!
//! `Globals` maps (environment variables) are merged key by key, everything else is replaced whole.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value as Json;

use super::events::{self, Events, FunctionUrl, HttpRoute, QueueSource};
use super::intrinsic::{Reference, Resolver, number, plain};
use super::policy::{self, Statement};
use super::storage::name_of;

/// Lambda's default timeout where a template sets none.
const DEFAULT_TIMEOUT_SECONDS: u64 = 3;

/// Lambda's default memory where a template sets none, in MB.
const DEFAULT_MEMORY_MB: u32 = 128;

/// An `AWS::Serverless::Function`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Key in the template's `Resources`.
    pub logical_id: String,
    /// Short name: its binary's, such as `deliver`. Cargo builds this binary, and logs and counters
    /// use this name.
    pub name: String,
    /// Physical name, as the function reads it in `AWS_LAMBDA_FUNCTION_NAME`.
    pub function_name: String,
    /// ARN.
    pub arn: String,
    /// The longest that one invocation may take.
    pub timeout: Duration,
    /// Memory in MB; on one machine only told to the function, not enforced.
    pub memory_mb: u32,
    /// Environment variables as deployed.
    pub environment: BTreeMap<String, String>,
    /// HTTP API routes that invoke it.
    pub routes: Vec<HttpRoute>,
    /// Its own URL.
    pub url: Option<FunctionUrl>,
    /// The most invocations at once, if they are reserved for it.
    pub reserved_concurrency: Option<usize>,
    /// `RecursiveLoop: Allow`: a chain of its own messages may invoke it for ever.
    pub allows_recursion: bool,
    /// Queues that invoke it.
    pub sources: Vec<QueueSource>,
    /// How often it is invoked by the time.
    pub schedule: Option<Duration>,
    /// What its role allows and denies.
    pub statements: Vec<Statement>,
}

impl Function {
    pub(super) fn read(
        resolver: &Resolver<'_>,
        id: &str,
        resource: &Json,
        document: &Json,
    ) -> Result<Self, String> {
        let own = resolver.resolve(&resource["Properties"])?;
        let globals = resolver.resolve(&document["Globals"]["Function"])?;
        let properties = merged(&globals, &own);
        let function_name = name_of(resolver, id, resource, "FunctionName")?;
        let Events { routes, sources, schedule } = events::read(&properties["Events"])?;
        Ok(Self {
            logical_id: id.to_owned(),
            name: binary_of(id, resource)?,
            arn: resolver.settings.function_arn(&function_name),
            function_name,
            timeout: Duration::from_secs(
                number(&properties["Timeout"])?.unwrap_or(DEFAULT_TIMEOUT_SECONDS),
            ),
            memory_mb: number(&properties["MemorySize"])?.unwrap_or(DEFAULT_MEMORY_MB),
            environment: environment_of(&properties)?,
            routes,
            url: events::url(&properties["FunctionUrlConfig"], &resource["Metadata"])?,
            reserved_concurrency: number(&properties["ReservedConcurrentExecutions"])?,
            allows_recursion: allows_recursion(&properties["RecursiveLoop"])?,
            sources,
            schedule,
            statements: policy::of_function(resolver, &resource["Properties"], document)?,
        })
    }
}

pub(super) fn reference(
    resolver: &Resolver<'_>,
    id: &str,
    resource: &Json,
) -> Result<Reference, String> {
    let name = name_of(resolver, id, resource, "FunctionName")?;
    let arn = resolver.settings.function_arn(&name);
    Ok(Reference { reference: name, attributes: BTreeMap::from([("Arn", arn)]) })
}

fn binary_of(id: &str, resource: &Json) -> Result<String, String> {
    let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
    binary.map(str::to_owned).ok_or_else(|| {
        format!("{id} needs Metadata.BuildProperties.Binary: the binary that cargo builds for it")
    })
}

/// Lambda's own default is `Terminate`.
fn allows_recursion(value: &Json) -> Result<bool, String> {
    match value.as_str() {
        None if value.is_null() => Ok(false),
        Some("Terminate") => Ok(false),
        Some("Allow") => Ok(true),
        _ => Err(format!("RecursiveLoop is Allow or Terminate, not {value}")),
    }
}

fn environment_of(properties: &Json) -> Result<BTreeMap<String, String>, String> {
    let variables = properties["Environment"]["Variables"].as_object();
    variables.into_iter().flatten().map(|(name, value)| Ok((name.clone(), plain(value)?))).collect()
}

/// SAM: maps are merged, the function's own value wins elsewhere.
fn merged(globals: &Json, own: &Json) -> Json {
    match (globals, own) {
        (Json::Object(globals), Json::Object(own)) => {
            let mut result = globals.clone();
            for (key, value) in own {
                let value =
                    globals.get(key).map_or_else(|| value.clone(), |global| merged(global, value));
                result.insert(key.clone(), value);
            }
            Json::Object(result)
        }
        (globals, Json::Null) => globals.clone(),
        (_, own) => own.clone(),
    }
}
