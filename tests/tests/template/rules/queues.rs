//! Queues: nothing is lost to a timeout, to a limit or to a too eager dead-letter policy.

use std::collections::BTreeSet;

use domain::schedule::MAX_WAITS;
use sam_template::{Function, Queue, Template};
use serde_json::Value as Json;

use super::{missing, properties, referred, resources};

const QUEUES: [&str; 3] = ["DeliveriesQueue", "RetriesQueue", "DeadLetterQueue"];

/// SQS keeps a message for at most 14 days, in seconds.
const FOURTEEN_DAYS: u64 = 14 * 86_400;

/// SQS's visibility timeout where a queue sets none, in seconds.
const DEFAULT_VISIBILITY: u64 = 30;

/// Lambda's guide: set a source queue's visibility timeout to at least six times the function's
/// timeout.
const RUNS: u64 = 6;

/// How many receives an attempt may cost before its message counts as poison: throttled polls and
/// waits longer than SQS's 12 hours raise the receive count too.
const RECEIVES_PER_ATTEMPT: usize = 10;

pub(super) fn the_queues_of_the_design_are_there(template: &Template) -> Vec<String> {
    missing(&QUEUES, template.queues.iter().map(|queue| queue.logical_id.as_str()))
}

pub(super) fn stay_hidden_for_six_runs_of_their_function(template: &Template) -> Vec<String> {
    let too_short = consumed(template).filter_map(|(function, queue)| {
        let needed = RUNS * function.timeout.as_secs();
        let set = queue.number("VisibilityTimeout").unwrap_or(DEFAULT_VISIBILITY);
        (set < needed).then(|| {
            format!(
                "{} hides messages for {set} s, {} needs {needed}",
                queue.logical_id, function.name
            )
        })
    });
    too_short.collect()
}

pub(super) fn keep_messages_for_fourteen_days(template: &Template) -> Vec<String> {
    let shorter = template
        .queues
        .iter()
        .filter(|queue| queue.number("MessageRetentionPeriod") != Some(FOURTEEN_DAYS));
    shorter.map(|queue| format!("{} doesn't keep messages for 14 days", queue.logical_id)).collect()
}

pub(super) fn share_a_dead_letter_queue(template: &Template) -> Vec<String> {
    let shared = consumed(template).find_map(|(_, queue)| dead_letters(template, queue));
    let faults = consumed(template).filter_map(|(_, queue)| match dead_letters(template, queue) {
        None => Some(format!("{} has no dead-letter queue in this template", queue.logical_id)),
        Some(dead) if consumed(template).any(|(_, queue)| queue.arn == dead.arn) => {
            Some(format!("{} is consumed by a function", dead.logical_id))
        }
        Some(dead) => (shared.is_none_or(|shared| shared.arn != dead.arn))
            .then(|| format!("{} is one more dead-letter queue", dead.logical_id)),
    });
    faults.collect()
}

pub(super) fn call_nothing_poison_that_is_only_being_retried(template: &Template) -> Vec<String> {
    let longest = MAX_WAITS + 1;
    let redrives = template
        .queues
        .iter()
        .filter_map(|queue| Some((queue, queue.redrive.as_ref()?.max_receive_count as usize)));
    redrives
        .filter(|(_, receives)| *receives < RECEIVES_PER_ATTEMPT * longest)
        .map(|(queue, receives)| {
            format!(
                "{} gives up after {receives} receives, a delivery has {longest} attempts",
                queue.logical_id
            )
        })
        .collect()
}

pub(super) fn take_the_dead_letters_of_their_sources_only(template: &Template) -> Vec<String> {
    let dead = consumed(template).filter_map(|(_, queue)| dead_letters(template, queue));
    let open = dead.filter(|dead| allowed_sources(dead) != Some(sources(template, dead)));
    open.map(|dead| format!("{} is open to other queues, or not to its own", dead.logical_id))
        .collect()
}

pub(super) fn are_encrypted(template: &Template) -> Vec<String> {
    let plain = template.queues.iter().filter(|queue| {
        queue.attributes.get("SqsManagedSseEnabled").is_none_or(|set| set != "true")
    });
    plain.map(|queue| format!("{} isn't encrypted", queue.logical_id)).collect()
}

pub(super) fn refuse_calls_without_tls(template: &Template) -> Vec<String> {
    let open =
        template.queues.iter().filter(|queue| !refuses_plain_calls(template, &queue.logical_id));
    open.map(|queue| format!("{} may be called without TLS", queue.logical_id)).collect()
}

/// Each function and queue that a source connects.
fn consumed(template: &Template) -> impl Iterator<Item = (&Function, &Queue)> {
    template.functions.iter().flat_map(move |function| {
        let arns = function.sources.iter().map(|source| &source.queue_arn);
        arns.filter_map(move |arn| {
            Some((function, template.queues.iter().find(|queue| queue.arn == *arn)?))
        })
    })
}

fn dead_letters<'a>(template: &'a Template, queue: &Queue) -> Option<&'a Queue> {
    let arn = &queue.redrive.as_ref()?.dead_letter_arn;
    template.queues.iter().find(|queue| queue.arn == *arn)
}

/// The queues whose dead letters go to this one.
fn sources(template: &Template, dead: &Queue) -> BTreeSet<String> {
    let sources = template.queues.iter().filter(|queue| {
        queue.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_arn == dead.arn)
    });
    sources.map(|queue| queue.arn.clone()).collect()
}

/// The queues whose dead letters it takes, if it names them.
fn allowed_sources(dead: &Queue) -> Option<BTreeSet<String>> {
    let policy = dead.attributes.get("RedriveAllowPolicy")?;
    let policy: Json = serde_json::from_str(policy).ok()?;
    let by_queue = policy["redrivePermission"] == "byQueue";
    let arns = policy["sourceQueueArns"].as_array().filter(|_| by_queue)?;
    arns.iter().map(|arn| arn.as_str().map(str::to_owned)).collect()
}

fn refuses_plain_calls(template: &Template, queue: &str) -> bool {
    let mut policies =
        resources(template, "AWS::SQS::QueuePolicy").map(|(id, _)| properties(template, id));
    policies.any(|policy| {
        let here = policy["Queues"]
            .as_array()
            .is_some_and(|queues| queues.iter().any(|one| referred(one) == Some(queue)));
        let statements = policy["PolicyDocument"]["Statement"].as_array();
        here && statements.into_iter().flatten().any(|statement| {
            statement["Effect"] == "Deny"
                && statement["Principal"] == "*"
                && statement["Action"] == "sqs:*"
                && referred(&statement["Resource"]) == Some(queue)
                && statement["Condition"]["Bool"]["aws:SecureTransport"] == "false"
        })
    })
}
