//! Tables: on demand, encrypted, recoverable, and safe from a deleted stack.

use sam_template::Template;
use serde_json::Value as Json;

use super::{missing, resources};

const TABLES: [&str; 3] = ["ConfigTable", "LogTable", "StateTable"];

pub(super) fn the_tables_of_the_design_are_there(template: &Template) -> Vec<String> {
    missing(&TABLES, template.tables.iter().map(|table| table.logical_id.as_str()))
}

pub(super) fn are_on_demand(template: &Template) -> Vec<String> {
    lacking(template, "isn't PAY_PER_REQUEST", |table| {
        table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    })
}

pub(super) fn are_encrypted(template: &Template) -> Vec<String> {
    lacking(template, "isn't encrypted", |table| {
        table["Properties"]["SSESpecification"]["SSEEnabled"] == true
    })
}

pub(super) fn can_be_restored_to_any_second(template: &Template) -> Vec<String> {
    lacking(template, "has no point-in-time recovery", |table| {
        table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
            == true
    })
}

pub(super) fn forget_by_one_attribute(template: &Template) -> Vec<String> {
    let others =
        template.tables.iter().filter(|table| table.ttl_attribute.as_deref() != Some("expires_at"));
    others.map(|table| format!("{} has no TTL on expires_at", table.logical_id)).collect()
}

pub(super) fn outlive_the_stack(template: &Template) -> Vec<String> {
    lacking(template, "goes with its stack", |table| {
        table["DeletionPolicy"] == "Retain"
            && table["UpdateReplacePolicy"] == "Retain"
            && table["Properties"]["DeletionProtectionEnabled"] == true
    })
}

fn lacking(template: &Template, fault: &str, has: impl Fn(&Json) -> bool) -> Vec<String> {
    let tables = resources(template, "AWS::DynamoDB::Table");
    tables.filter(|(_, table)| !has(table)).map(|(id, _)| format!("{id} {fault}")).collect()
}
