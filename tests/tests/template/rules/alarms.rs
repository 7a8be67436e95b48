//! Alarms: the operator hears of trouble before customers do.

use domain::job::STALLED;
use sam_template::{Function, Template};
use serde_json::{Value as Json, json};

use super::{functions::may_send, referred, resources};

/// SQS hands out no more messages of a standard queue at 120,000 in flight.
const IN_FLIGHT_LIMIT: u64 = 120_000;

pub(super) fn watch_the_depth_of_dead_letter_queues(template: &Template) -> Vec<String> {
    let arns = template
        .queues
        .iter()
        .filter_map(|queue| queue.redrive.as_ref())
        .map(|redrive| &redrive.dead_letter_arn);
    let dead = arns.filter_map(|arn| template.queues.iter().find(|queue| queue.arn == *arn));
    dead.filter(|queue| {
        !watched(template, &queue.logical_id, "ApproximateNumberOfMessagesVisible", |threshold| {
            threshold == 0
        })
    })
    .map(|queue| format!("nobody hears of messages in {}", queue.logical_id))
    .collect()
}

/// Only of first attempts: on the retries queue, messages are meant to grow old.
pub(super) fn watch_the_age_of_first_attempts(template: &Template) -> Vec<String> {
    unwatched(template, "DeliveriesQueue", &["ApproximateAgeOfOldestMessage"])
}

pub(super) fn watch_messages_in_flight(template: &Template) -> Vec<String> {
    let sources = template.functions.iter().flat_map(|function| &function.sources);
    let queues = sources
        .filter_map(|source| template.queues.iter().find(|queue| queue.arn == source.queue_arn));
    let near = |threshold| (IN_FLIGHT_LIMIT / 2..IN_FLIGHT_LIMIT).contains(&threshold);
    queues
        .filter(|queue| {
            !watched(template, &queue.logical_id, "ApproximateNumberOfMessagesNotVisible", near)
        })
        .map(|queue| {
            format!(
                "nobody hears of {} reaching {IN_FLIGHT_LIMIT} messages in flight",
                queue.logical_id
            )
        })
        .collect()
}

pub(super) fn watch_the_errors_of_every_function(template: &Template) -> Vec<String> {
    template
        .functions
        .iter()
        .flat_map(|function| unwatched(template, &function.logical_id, &["Errors"]))
        .collect()
}

/// Of the functions on the path of an event.
pub(super) fn watch_throttles(template: &Template) -> Vec<String> {
    ["DeliverFunction", "EventsFunction"]
        .iter()
        .flat_map(|id| unwatched(template, id, &["Throttles"]))
        .collect()
}

pub(super) fn watch_the_apis_server_errors(template: &Template) -> Vec<String> {
    unwatched(template, "Api", &["5xx"])
}

pub(super) fn are_told_to_the_topic(template: &Template) -> Vec<String> {
    let told = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }],
        { "Ref": "AWS::NoValue" }] });
    alarms(template)
        .filter(|(_, alarm)| alarm["AlarmActions"] != told)
        .map(|(id, _)| format!("{id} tells nobody"))
        .collect()
}

pub(super) fn are_not_raised_by_silence(template: &Template) -> Vec<String> {
    let raised = alarms(template).filter(|(_, alarm)| alarm["TreatMissingData"] != "notBreaching");
    raised.map(|(id, _)| format!("{id} is raised when nothing happens")).collect()
}

/// Of the functions that send messages and whose chains Lambda stops. Where a function allows
/// chains, Lambda publishes nothing.
pub(super) fn watch_chains_that_lambda_stops(template: &Template) -> Vec<String> {
    let sends =
        |function: &&Function| template.queues.iter().any(|queue| may_send(function, &queue.arn));
    let stopped =
        template.functions.iter().filter(sends).filter(|function| !function.allows_recursion);
    stopped
        .flat_map(|function| {
            unwatched(template, &function.logical_id, &["RecursiveInvocationsDropped"])
        })
        .collect()
}

/// By the line that `jobs` logs of one.
pub(super) fn watch_jobs_that_stand_still(template: &Template) -> Vec<String> {
    let pattern = format!("{{ $.fields.message = \"{STALLED}\" }}");
    let mut filters =
        resources(template, "AWS::Logs::MetricFilter").map(|(_, filter)| &filter["Properties"]);
    let counted = filters.find(|filter| {
        referred(&filter["LogGroupName"]) == Some("JobsLogGroup")
            && filter["FilterPattern"] == pattern
    });
    let metric = counted.map(|filter| &filter["MetricTransformations"][0]);
    let heard = metric.is_some_and(|metric| {
        alarms(template).any(|(_, alarm)| {
            alarm["MetricName"] == metric["MetricName"]
                && alarm["Namespace"] == metric["MetricNamespace"]
                && alarm["ComparisonOperator"] == "GreaterThanThreshold"
                && alarm["Threshold"] == 0
        })
    });
    if heard { Vec::new() } else { vec![format!("nobody hears of \"{STALLED}\"")] }
}

fn unwatched(template: &Template, id: &str, metrics: &[&str]) -> Vec<String> {
    let silent = metrics.iter().filter(|metric| !watched(template, id, metric, |_| true));
    silent.map(|metric| format!("nobody hears of the {metric} of {id}")).collect()
}

/// Whether an alarm is raised when the metric of this resource exceeds a threshold that will do.
fn watched(template: &Template, id: &str, metric: &str, will_do: impl Fn(u64) -> bool) -> bool {
    alarms(template).any(|(_, alarm)| {
        alarm["MetricName"] == metric
            && referred(&alarm["Dimensions"][0]["Value"]) == Some(id)
            && alarm["ComparisonOperator"] == "GreaterThanThreshold"
            && alarm["Threshold"].as_u64().is_some_and(&will_do)
    })
}

fn alarms(template: &Template) -> impl Iterator<Item = (&str, &Json)> {
    resources(template, "AWS::CloudWatch::Alarm").map(|(id, alarm)| (id, &alarm["Properties"]))
}
