//! The environment of a function process: what the template gives it, what Lambda adds, and little
//! of the user's own.
//!
//! Nothing else is inherited. A variable that happens to be set in the user's shell must not make a
//! function work here that fails when deployed, and a proxy there must not see the requests.

use std::collections::BTreeMap;

use crate::aws::{Caller, clients::SECRET_ACCESS_KEY};
use sam_template::{Function, REGION};

/// Inherited: what a process needs to run and to trust certificates, and what a developer uses to
/// look into it.
const INHERITED: [&str; 8] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "LLVM_PROFILE_FILE",
];

/// Where requests may go: the variable, and its value for a stack on one machine, on which
/// receivers are too.
pub const TARGET_POLICY: (&str, &str) = ("TARGET_POLICY", "local");

/// How the functions of a stack reach AWS, and what they may reach.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Base URL of DynamoDB and SQS.
    pub aws_endpoint: String,
    /// Access key id for all functions, for other emulators, some of which keep data apart by it;
    /// else each function has its own.
    pub access_key: Option<String>,
    /// Keeps the template's target policy: no loopback, no plain http.
    pub strict_targets: bool,
}

/// The variables of one function's processes, without `AWS_LAMBDA_RUNTIME_API`.
pub fn of_function(function: &Function, surroundings: &Surroundings) -> BTreeMap<String, String> {
    let inherited =
        INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let mut variables: BTreeMap<String, String> = inherited.collect();
    variables.extend(function.environment.clone());
    let (policy, local) = TARGET_POLICY;
    if !surroundings.strict_targets && function.environment.contains_key(policy) {
        variables.insert(policy.to_owned(), local.to_owned());
    }
    let access_key = surroundings
        .access_key
        .clone()
        .unwrap_or_else(|| Caller::Function(function.name.clone()).access_key());
    let lambda = [
        ("AWS_ENDPOINT_URL", surroundings.aws_endpoint.clone()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", function.function_name.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.function_name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("NO_COLOR", "1".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ];
    variables.extend(lambda.map(|(name, value)| (name.to_owned(), value)));
    variables
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn function() -> Function {
        Function {
            logical_id: "F".into(),
            name: "deliver".into(),
            function_name: "F".into(),
            arn: "arn".into(),
            timeout: Duration::from_secs(3),
            memory_mb: 256,
            environment: [
                ("TARGET_POLICY".to_owned(), "strict".to_owned()),
                ("A".to_owned(), "b".to_owned()),
            ]
            .into(),
            routes: Vec::new(),
            url: None,
            reserved_concurrency: None,
            allows_recursion: false,
            schedule: None,
            sources: Vec::new(),
            statements: Vec::new(),
        }
    }

    fn surroundings(strict_targets: bool) -> Surroundings {
        Surroundings { aws_endpoint: "http://127.0.0.1:1".into(), access_key: None, strict_targets }
    }

    #[test]
    fn targets_are_strict_only_if_asked_for() {
        assert_eq!(of_function(&function(), &surroundings(true))["TARGET_POLICY"], "strict");
        assert_eq!(of_function(&function(), &surroundings(false))["TARGET_POLICY"], "local");
        let mut without = function();
        without.environment.clear();
        assert!(!of_function(&without, &surroundings(false)).contains_key("TARGET_POLICY"));
    }

    #[test]
    fn each_function_has_an_access_key_of_its_own_on_the_embedded_stand_ins() {
        assert_eq!(
            of_function(&function(), &surroundings(true))["AWS_ACCESS_KEY_ID"],
            "FUNCTIONdeliver"
        );
    }

    #[test]
    fn nothing_of_cargos_is_inherited() {
        assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok());
        assert!(!of_function(&function(), &surroundings(true)).contains_key("CARGO_MANIFEST_DIR"));
    }
}
