//! Whether a function's role allows a call, decided as IAM does: no `Allow`, or any `Deny`, and the
//! answer is no.
//!
//! `Condition` blocks aren't evaluated; a statement counts as if its conditions held.

use std::collections::BTreeMap;

use super::caller::Caller;
use super::requirement::Requirement;
use sam_template::{Effect, Function, Settings, Statement};

/// The roles of all functions of a deployment.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    roles: BTreeMap<String, Role>,
}

#[derive(Debug, Clone)]
struct Role {
    /// The role session that AWS would name in a refusal.
    user: String,
    statements: Vec<Statement>,
}

/// A refused call, worded as AWS words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "User: {user} is not authorized to perform: {action} on resource: {resource} because no \
        identity-based policy allows the {action} action"
)]
pub struct Denied {
    user: String,
    action: String,
    resource: String,
}

impl Policies {
    /// The roles that the template gives its functions.
    pub fn of(functions: &[Function], settings: &Settings) -> Self {
        let role = |function: &Function| Role {
            user: format!(
                "arn:aws:sts::{}:assumed-role/{}-{}/{}",
                settings.account, settings.stack_name, function.logical_id, function.function_name
            ),
            statements: function.statements.clone(),
        };
        Self {
            roles: functions
                .iter()
                .map(|function| (function.name.clone(), role(function)))
                .collect(),
        }
    }

    /// Checks everything a call needs. Callers that aren't functions may do everything; a function
    /// that the template doesn't know may do nothing.
    pub fn check(&self, caller: &Caller, needed: &[Requirement]) -> Result<(), Denied> {
        let Caller::Function(name) = caller else {
            return Ok(());
        };
        let role = self.roles.get(name);
        let statements = role.map_or(&[][..], |role| &role.statements);
        match needed.iter().find(|needed| !allowed(statements, needed)) {
            None => Ok(()),
            Some(refused) => Err(Denied {
                user: role.map_or_else(|| name.clone(), |role| role.user.clone()),
                action: refused.action.clone(),
                resource: refused.resource.clone(),
            }),
        }
    }
}

fn allowed(statements: &[Statement], needed: &Requirement) -> bool {
    let any = |effect: Effect| {
        statements.iter().any(|statement| statement.effect == effect && covers(statement, needed))
    };
    any(Effect::Allow) && !any(Effect::Deny)
}

fn covers(statement: &Statement, needed: &Requirement) -> bool {
    // Actions are case-insensitive in IAM, ARNs are not.
    let action = needed.action.to_ascii_lowercase();
    statement
        .actions
        .iter()
        .any(|pattern| matches(pattern.to_ascii_lowercase().as_bytes(), action.as_bytes()))
        && statement
            .resources
            .iter()
            .any(|pattern| matches(pattern.as_bytes(), needed.resource.as_bytes()))
}

/// IAM's wildcards: `*` is any text, `?` any one character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        [b'?', rest @ ..] => !text.is_empty() && matches(rest, &text[1..]),
        [byte, rest @ ..] => text.first() == Some(byte) && matches(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/T";

    fn statement(effect: Effect, action: &str, resource: &str) -> Statement {
        Statement { effect, actions: vec![action.into()], resources: vec![resource.into()] }
    }

    fn policies(statements: Vec<Statement>) -> Policies {
        let role = Role { user: "arn:aws:sts::000000000000:assumed-role/s-F/F".into(), statements };
        Policies { roles: [("f".to_owned(), role)].into() }
    }

    fn needs(action: &str, resource: &str) -> Vec<Requirement> {
        vec![Requirement { action: action.into(), resource: resource.into() }]
    }

    fn function() -> Caller {
        Caller::Function("f".into())
    }

    #[test]
    fn the_exact_action_on_the_exact_resource_is_allowed_and_nothing_else() {
        let policies = policies(vec![statement(Effect::Allow, "dynamodb:GetItem", TABLE)]);
        assert!(policies.check(&function(), &needs("dynamodb:GetItem", TABLE)).is_ok());
        for (action, resource) in [
            ("dynamodb:PutItem", TABLE.to_owned()),
            ("dynamodb:BatchGetItem", TABLE.to_owned()),
            ("dynamodb:GetItem", format!("{TABLE}2")),
            ("dynamodb:GetItem", "*".to_owned()),
        ] {
            assert!(
                policies.check(&function(), &needs(action, &resource)).is_err(),
                "{action} {resource}"
            );
        }
    }

    #[test]
    fn a_deny_wins_over_every_allow() {
        let policies = policies(vec![
            statement(Effect::Allow, "dynamodb:*", "*"),
            statement(Effect::Deny, "dynamodb:DeleteItem", TABLE),
        ]);
        assert!(policies.check(&function(), &needs("dynamodb:PutItem", TABLE)).is_ok());
        assert!(policies.check(&function(), &needs("dynamodb:DeleteItem", TABLE)).is_err());
    }

    #[test]
    fn everything_that_a_call_needs_must_be_allowed() {
        let policies = policies(vec![statement(Effect::Allow, "dynamodb:PutItem", TABLE)]);
        let both = [needs("dynamodb:PutItem", TABLE), needs("dynamodb:UpdateItem", TABLE)].concat();
        assert!(policies.check(&function(), &both).is_err());
    }

    #[test]
    fn a_refusal_is_worded_as_aws_words_it() {
        let denied = policies(vec![])
            .check(&function(), &needs("dynamodb:PutItem", TABLE))
            .unwrap_err()
            .to_string();
        let start = format!(
            "User: arn:aws:sts::000000000000:assumed-role/s-F/F is not authorized to perform: \
                dynamodb:PutItem on resource: {TABLE}"
        );
        assert!(denied.starts_with(&start), "{denied}");
    }

    #[test]
    fn only_functions_are_held_to_a_role_and_unknown_functions_may_do_nothing() {
        let needed = needs("dynamodb:PutItem", TABLE);
        assert!(Policies::default().check(&Caller::Other("AKIA".into()), &needed).is_ok());
        assert!(Policies::default().check(&Caller::Poller, &needed).is_ok());
        assert!(Policies::default().check(&Caller::Function("x".into()), &needed).is_err());
    }
}
