//! The rules. Each returns one line per fault.

mod alarms;
mod api;
mod functions;
mod queues;
mod roles;
mod tables;

use sam_template::Template;
use serde_json::Value as Json;

/// A rule and what it is called in a report.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) check: fn(&Template) -> Vec<String>,
}

macro_rules! rules {
    ($($module:ident::$rule:ident,)*) => {
        &[$(Rule { name: concat!(stringify!($module), "::", stringify!($rule)),
            check: $module::$rule },)*]
    };
}

/// Every rule.
pub(crate) const RULES: &[Rule] = rules![
    tables::the_tables_of_the_design_are_there,
    tables::are_on_demand,
    tables::are_encrypted,
    tables::can_be_restored_to_any_second,
    tables::forget_by_one_attribute,
    tables::outlive_the_stack,
    queues::the_queues_of_the_design_are_there,
    queues::stay_hidden_for_six_runs_of_their_function,
    queues::keep_messages_for_fourteen_days,
    queues::share_a_dead_letter_queue,
    queues::call_nothing_poison_that_is_only_being_retried,
    queues::take_the_dead_letters_of_their_sources_only,
    queues::are_encrypted,
    queues::refuse_calls_without_tls,
    functions::the_functions_of_the_design_are_there,
    functions::are_built_from_their_own_binary,
    functions::say_how_much_memory_and_time_they_need,
    functions::answer_before_the_api_gives_up,
    functions::log_to_a_group_of_their_own_that_forgets,
    functions::report_each_failed_message,
    functions::take_from_queues_with_a_limit,
    functions::run_by_the_time_and_never_late,
    functions::allow_no_recursion,
    functions::confirm_when_first_messages_are_made,
    roles::are_one_per_function,
    roles::are_for_lambda_only,
    roles::come_from_this_file_alone,
    roles::name_actions_and_resources_exactly,
    roles::reach_what_the_environment_names_and_nothing_else,
    api::no_route_is_declared_twice,
    api::one_function_answers_what_no_route_matches,
    api::is_throttled,
    api::logs_no_query_and_no_header,
    api::every_log_group_forgets,
    alarms::watch_the_depth_of_dead_letter_queues,
    alarms::watch_the_age_of_first_attempts,
    alarms::watch_messages_in_flight,
    alarms::watch_the_errors_of_every_function,
    alarms::watch_throttles,
    alarms::watch_chains_that_lambda_stops,
    alarms::watch_jobs_that_stand_still,
    alarms::watch_the_apis_server_errors,
    alarms::are_told_to_the_topic,
    alarms::are_not_raised_by_silence,
];

/// The resources of one type, as (logical id, resource), unresolved.
fn resources<'a>(
    template: &'a Template,
    kind: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let all = template.document["Resources"].as_object();
    all.into_iter()
        .flatten()
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), resource))
}

/// What a resource sets, unresolved; null if there is no such resource.
fn properties<'a>(template: &'a Template, logical_id: &str) -> &'a Json {
    &template.document["Resources"][logical_id]["Properties"]
}

/// The logical id in `!Ref id` or `!GetAtt id.attribute`.
fn referred(value: &Json) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

/// The names that are not among `present`, as faults.
fn missing<'a>(expected: &[&str], present: impl Iterator<Item = &'a str>) -> Vec<String> {
    let present: Vec<&str> = present.collect();
    expected
        .iter()
        .filter(|name| !present.contains(name))
        .map(|name| format!("{name} is missing"))
        .collect()
}
