//! What a function may do: the statements of its role, or those in its own `Policies`.
//!
//! Managed policies (named by text) carry statements that aren't in the template; those that Lambda
//! needs for its own logs are ignored here, since no call of ours depends on them.

use serde_json::Value as Json;

use super::intrinsic::{Resolver, plain};

/// Whether a statement allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `Allow`.
    Allow,
    /// `Deny`: wins over every `Allow`.
    Deny,
}

/// A policy statement, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Allow or deny.
    pub effect: Effect,
    /// Actions such as `dynamodb:GetItem`; IAM's wildcards `*` and `?` are possible.
    pub actions: Vec<String>,
    /// ARNs; IAM's wildcards `*` and `?` are possible.
    pub resources: Vec<String>,
}

pub(super) fn of_function(
    resolver: &Resolver<'_>,
    properties: &Json,
    document: &Json,
) -> Result<Vec<Statement>, String> {
    match role_of(&properties["Role"]) {
        Some(role) => of_role(resolver, &document["Resources"][role])
            .map_err(|fault| format!("{role}: {fault}")),
        None => of_list(resolver, &properties["Policies"]),
    }
}

fn role_of(role: &Json) -> Option<&str> {
    role["Fn::GetAtt"].as_array()?.first()?.as_str()
}

fn of_role(resolver: &Resolver<'_>, role: &Json) -> Result<Vec<Statement>, String> {
    let policies = role["Properties"]["Policies"].as_array();
    let mut statements = Vec::new();
    for policy in policies.into_iter().flatten() {
        statements.extend(of_document(&resolver.resolve(&policy["PolicyDocument"])?)?);
    }
    Ok(statements)
}

fn of_list(resolver: &Resolver<'_>, policies: &Json) -> Result<Vec<Statement>, String> {
    let mut statements = Vec::new();
    for policy in one_or_many(&resolver.resolve(policies)?) {
        match policy {
            Json::String(_) => {}
            document if document.get("Statement").is_some() => {
                statements.extend(of_document(document)?);
            }
            other => {
                return Err(format!(
                    "write the statements out: the local stack doesn't know the policy template \
                        {other}"
                ));
            }
        }
    }
    Ok(statements)
}

fn of_document(document: &Json) -> Result<Vec<Statement>, String> {
    one_or_many(&document["Statement"]).into_iter().map(statement).collect()
}

fn statement(statement: &Json) -> Result<Statement, String> {
    let effect = match statement["Effect"].as_str() {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        other => {
            return Err(format!("a statement's Effect is Allow or Deny, not {other:?}"));
        }
    };
    let texts = |field: &str| {
        one_or_many(&statement[field]).into_iter().map(plain).collect::<Result<Vec<_>, _>>()
    };
    Ok(Statement { effect, actions: texts("Action")?, resources: texts("Resource")? })
}

fn one_or_many(value: &Json) -> Vec<&Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(items) => items.iter().collect(),
        single => vec![single],
    }
}
