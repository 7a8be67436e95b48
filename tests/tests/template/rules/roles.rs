//! Roles: one per function, written out, and exact.

use std::collections::BTreeSet;

use sam_template::{Effect, Function, Template};
use serde_json::json;

use super::{properties, referred};

pub(super) fn are_one_per_function(template: &Template) -> Vec<String> {
    faults(template, "has no role of its own in this template", |function| {
        let own = role(template, function);
        let shared =
            template.functions.iter().filter(|other| role(template, other) == own).count() > 1;
        own.is_some_and(|own| {
            !shared && template.document["Resources"][own]["Type"] == "AWS::IAM::Role"
        })
    })
}

pub(super) fn are_for_lambda_only(template: &Template) -> Vec<String> {
    let statement = json!([{ "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" },
        "Action": "sts:AssumeRole" }]);
    faults(template, "has a role that others may assume", |function| {
        role(template, function).is_some_and(|role| {
            properties(template, role)["AssumeRolePolicyDocument"]["Statement"] == statement
        })
    })
}

/// A managed policy is as wide as AWS makes it, tomorrow too; and beside a role, SAM's `Policies`
/// are silently ignored.
pub(super) fn come_from_this_file_alone(template: &Template) -> Vec<String> {
    faults(template, "has policies from elsewhere", |function| {
        let managed =
            role(template, function).map(|role| &properties(template, role)["ManagedPolicyArns"]);
        managed.is_none_or(serde_json::Value::is_null)
            && properties(template, &function.logical_id)["Policies"].is_null()
    })
}

pub(super) fn name_actions_and_resources_exactly(template: &Template) -> Vec<String> {
    faults(
        template,
        "has a statement with a wildcard, without a resource, or that denies",
        |function| {
            function.statements.iter().all(|statement| {
                let exact = |names: &[String]| {
                    !names.is_empty() && names.iter().all(|name| !name.contains(['*', '?']))
                };
                statement.effect == Effect::Allow
                    && exact(&statement.actions)
                    && exact(&statement.resources)
            })
        },
    )
}

/// What a function isn't told the name of it can't call; what it is told of it must be allowed to.
/// An index goes with its table.
pub(super) fn reach_what_the_environment_names_and_nothing_else(
    template: &Template,
) -> Vec<String> {
    let differing = template.functions.iter().filter_map(|function| {
        let (allowed, named) = (reached(function), named(template, function));
        (allowed != named).then(|| {
            let (more, less): (Vec<_>, Vec<_>) =
                (allowed.difference(&named).collect(), named.difference(&allowed).collect());
            format!(
                "{} may use {more:?} and isn't told of it, or is told of {less:?} and may not \
                use it",
                function.name
            )
        })
    });
    differing.collect()
}

fn reached(function: &Function) -> BTreeSet<String> {
    let resources = function.statements.iter().flat_map(|statement| &statement.resources);
    let table = |arn: &String| arn.split("/index/").next().unwrap_or_default().to_owned();
    resources.map(table).collect()
}

/// Tables and queues in the environment, the queues that invoke the function, and its log group.
fn named(template: &Template, function: &Function) -> BTreeSet<String> {
    let told = |name: &str| function.environment.values().any(|value| value == name);
    let tables =
        template.tables.iter().filter(|table| told(&table.name)).map(|table| table.arn.clone());
    let queues =
        template.queues.iter().filter(|queue| told(&queue.url)).map(|queue| queue.arn.clone());
    let sources = function.sources.iter().map(|source| source.queue_arn.clone());
    // The reader resolves an attribute of a resource that it doesn't model to this text.
    let logs = referred(&properties(template, &function.logical_id)["LoggingConfig"]["LogGroup"])
        .map(|group| format!("{group}.Arn"));
    tables.chain(queues).chain(sources).chain(logs).collect()
}

fn role<'a>(template: &'a Template, function: &Function) -> Option<&'a str> {
    referred(&properties(template, &function.logical_id)["Role"])
}

fn faults(template: &Template, fault: &str, keeps: impl Fn(&Function) -> bool) -> Vec<String> {
    template
        .functions
        .iter()
        .filter(|function| !keeps(function))
        .map(|function| format!("{} {fault}", function.name))
        .collect()
}
