//! What a pool runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::logs::LogSink;

/// A function as a pool runs it.
pub struct FunctionSpec {
    /// Short name, such as `deliver`.
    pub name: String,
    /// ARN, as told to the function.
    pub arn: String,
    /// The binary.
    pub binary: PathBuf,
    /// Its arguments: none for a function; a test's own binary needs some to become one.
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: BTreeMap<String, String>,
    /// The longest that an invocation may take.
    pub timeout: Duration,
    /// Most instances at once.
    pub max_instances: usize,
    /// Where its output goes.
    pub log: LogSink,
}
