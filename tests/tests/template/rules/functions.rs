//! Functions: how they are built, how much they may use, where they log, and what invokes them.

use std::time::Duration;

use domain::delivery::FIRST_WINDOW;
use sam_template::{Function, QueueSource, Statement, Template};

use super::{missing, properties, referred};

const FUNCTIONS: [&str; 7] = ["endpoints", "events", "deliver", "jobs", "logs", "admin", "stream"];

/// HTTP APIs end an integration after 30 seconds; an answer after that reaches no one.
const API_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn the_functions_of_the_design_are_there(template: &Template) -> Vec<String> {
    missing(&FUNCTIONS, template.functions.iter().map(|function| function.name.as_str()))
}

pub(super) fn are_built_from_their_own_binary(template: &Template) -> Vec<String> {
    faults(
        template,
        "isn't built by cargo lambda from the binary that it is named for",
        |function| {
            let metadata = &template.document["Resources"][&function.logical_id]["Metadata"];
            let named = function.logical_id.to_lowercase() == format!("{}function", function.name);
            metadata["BuildMethod"] == "rust-cargolambda" && named
        },
    )
}

pub(super) fn say_how_much_memory_and_time_they_need(template: &Template) -> Vec<String> {
    faults(template, "leaves its memory or timeout to Lambda's defaults", |function| {
        let own = properties(template, &function.logical_id);
        own["MemorySize"].is_u64() && own["Timeout"].is_u64()
    })
}

pub(super) fn answer_before_the_api_gives_up(template: &Template) -> Vec<String> {
    faults(template, "may run for longer than the API waits", |function| {
        function.routes.is_empty() || function.timeout < API_TIMEOUT
    })
}

pub(super) fn log_to_a_group_of_their_own_that_forgets(template: &Template) -> Vec<String> {
    let group = |function: &Function| {
        referred(&properties(template, &function.logical_id)["LoggingConfig"]["LogGroup"])
    };
    faults(template, "has no log group of its own with a retention", |function| {
        let shared =
            template.functions.iter().filter(|other| group(other) == group(function)).count() > 1;
        group(function).is_some_and(|group| {
            !shared && !properties(template, group)["RetentionInDays"].is_null()
        })
    })
}

pub(super) fn report_each_failed_message(template: &Template) -> Vec<String> {
    sources_that(template, "lacks ReportBatchItemFailures", |source| !source.reports_item_failures)
}

pub(super) fn take_from_queues_with_a_limit(template: &Template) -> Vec<String> {
    sources_that(template, "has no maximum concurrency", |source| {
        source.maximum_concurrency.is_none()
    })
}

/// Lambda tries an asynchronous invocation that failed twice more, and keeps one that it can't make
/// for six hours. The next one does what such a late one would.
pub(super) fn run_by_the_time_and_never_late(template: &Template) -> Vec<String> {
    faults(template, "is tried again, or late, though the next minute invokes it", |function| {
        let own = &properties(template, &function.logical_id)["EventInvokeConfig"];
        function.schedule.is_none_or(|every| {
            own["MaximumRetryAttempts"] == 0
                && own["MaximumEventAgeInSeconds"]
                    .as_u64()
                    .is_some_and(|age| Duration::from_secs(age) <= every)
        })
    })
}

/// Lambda stops a chain of messages after 16 invocations of one function, unless the function
/// allows such chains (Lambda's guide: recursive loop detection). No function needs one.
pub(super) fn allow_no_recursion(template: &Template) -> Vec<String> {
    faults(template, "allows recursion", |function| !function.allows_recursion)
}

/// A repeated request's delivery waits until a first message has left a trace: it is made within
/// [`FIRST_WINDOW`] without a look at the log, by a function that runs until its timeout.
pub(super) fn confirm_when_first_messages_are_made(template: &Template) -> Vec<String> {
    let consumers = template.functions.iter().filter(|function| !function.sources.is_empty());
    let needed =
        FIRST_WINDOW + consumers.map(|function| function.timeout).max().unwrap_or_default();
    faults(template, "confirms deliveries while first messages are under way", |function| {
        let seconds = function.environment.get("CONFIRM_AFTER_SECONDS");
        seconds.is_none_or(|seconds| {
            seconds.parse().is_ok_and(|seconds| Duration::from_secs(seconds) >= needed)
        })
    })
}

/// Whether a function's role lets it send to a queue.
pub(super) fn may_send(function: &Function, queue_arn: &str) -> bool {
    let sends =
        |statement: &&Statement| statement.actions.iter().any(|action| action == "sqs:SendMessage");
    function
        .statements
        .iter()
        .filter(sends)
        .any(|statement| statement.resources.iter().any(|resource| resource == queue_arn))
}

fn faults(template: &Template, fault: &str, keeps: impl Fn(&Function) -> bool) -> Vec<String> {
    template
        .functions
        .iter()
        .filter(|function| !keeps(function))
        .map(|function| format!("{} {fault}", function.name))
        .collect()
}

fn sources_that(
    template: &Template,
    fault: &str,
    breaks: impl Fn(&QueueSource) -> bool,
) -> Vec<String> {
    let sources = template.functions.iter().flat_map(|function| &function.sources);
    sources
        .filter(|source| breaks(source))
        .map(|source| format!("the source {} {fault}", source.queue_arn))
        .collect()
}
