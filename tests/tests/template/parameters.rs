//! The template's parameters against the types that read them: what a deployer may enter, a
//! function must be able to start with.

use domain::{
    model::catalogue::Catalogue,
    schedule::{MAX_WAITS, Schedule},
};

use crate::draft::Draft;

const TOPICS: [&str; 8] = [
    "task.created",
    "task.updated",
    "task.succeeded",
    "task.failed",
    "run.created",
    "run.updated",
    "run.succeeded",
    "run.failed",
];

fn declared(parameter: &str) -> serde_json::Value {
    Draft::of_the_real_template()
        .map(|draft| draft.document()["Parameters"][parameter].clone())
        .unwrap_or_default()
}

#[test]
fn the_default_schedule_is_the_one_of_the_design() {
    let default: Schedule =
        declared("DefaultRetrySchedule")["Default"].as_str().unwrap().parse().unwrap();
    assert_eq!(default, Schedule::default());
}

#[test]
fn a_schedule_parameter_may_have_as_many_waits_as_a_schedule_but_no_more() {
    let pattern = declared("DefaultRetrySchedule")["AllowedPattern"].as_str().unwrap().to_owned();
    assert!(
        pattern.ends_with(&format!("{{0,{}}}", MAX_WAITS - 1)),
        "{pattern} should allow {MAX_WAITS} waits"
    );
}

#[test]
fn the_default_catalogue_is_the_eight_topics_of_system_a_each_described() {
    let catalogue: Catalogue = declared("Topics")["Default"].as_str().unwrap().parse().unwrap();
    let mut expected = TOPICS;
    expected.sort_unstable();
    let platforms = catalogue.entries().filter(|entry| !entry.name.is_system());
    assert_eq!(platforms.map(|entry| entry.name.to_string()).collect::<Vec<_>>(), expected);
    assert!(
        catalogue.entries().all(|entry| !entry.description.is_empty()),
        "a topic without a description helps nobody"
    );
}

#[test]
fn a_deployment_needs_no_parameter_and_its_keys_are_in_none() {
    let draft = Draft::of_the_real_template().unwrap();
    let parameters = draft.document()["Parameters"].as_object().unwrap();
    let needed: Vec<_> =
        parameters.iter().filter(|(_, one)| one.get("Default").is_none()).collect();
    assert!(needed.is_empty(), "`sam deploy` would ask for these: {needed:?}");
    assert!(parameters.keys().all(|name| !name.contains("Operator")), "operator keys are rows");
    assert_eq!(parameters["SecretsKey"]["NoEcho"], true);
}

#[test]
fn every_parameter_says_what_it_is_for() {
    let draft = Draft::of_the_real_template().unwrap();
    let silent: Vec<_> = draft.document()["Parameters"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, parameter)| parameter["Description"].is_null())
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}
