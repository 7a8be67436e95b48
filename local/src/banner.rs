//! What the user sees once the stack serves, and what to try next.
//!
//! Every command must work as it is printed, with this stack's own ports and keys.

use std::fmt::Write as _;
use std::time::Duration;

use crate::ready::Ready;
use crate::stack::{Plan, Stack};
use emulator::samples;

/// Where `posthaste listen` listens unless told otherwise.
const RECEIVER: &str = "http://127.0.0.1:9000/";

/// The text for a stack that took this long to start.
pub fn banner(stack: &Stack, took: Duration) -> String {
    let ready = stack.ready();
    let plan = stack.plan();
    let mut text = format!("\nPosthaste is ready after {:.1} s.\n\n", took.as_secs_f64());
    // Writing to a string can't fail.
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<15} {value}");
    };
    if let Some(url) = &ready.base_url {
        row("API", url);
    }
    row("operator key", &ready.operator_key);
    if let (Some(project), Some(key)) = (&ready.project_id, &ready.project_key) {
        row("demo project", project);
        row("its key", key);
    }
    row("DynamoDB, SQS", &ready.dynamodb_url);
    row("data", &plan.data.path().display().to_string());
    if ready.base_url.is_some() && !plan.args.verbose {
        row("function logs", &plan.data.logs().display().to_string());
    }
    text.push_str(&match (&ready.base_url, &ready.project_key) {
        (Some(url), Some(key)) => next_steps(url, key, plan),
        _ => aws_only_steps(&ready, &plan.environment_file().display().to_string()),
    });
    text.push_str("\nCtrl-C stops it; the data stays.\n");
    text
}

fn next_steps(url: &str, key: &str, plan: &Plan) -> String {
    let strict_targets = plan.args.strict_targets;
    let data = plan
        .args
        .data
        .as_ref()
        .map(|_| format!(" --data {}", plan.data.path().display()))
        .unwrap_or_default();
    let receiver = if strict_targets { "https://your-receiver.example/" } else { RECEIVER };
    let strict = if strict_targets {
        "\n(--strict-targets: receivers on this machine are refused, so name one on the \
            internet.)\n"
    } else {
        ""
    };
    format!(
        r#"
Try it. A receiver, in a second terminal:

  cargo run -- listen
{strict}
In a third, an endpoint for it. The answer holds its secret; `cargo run -- listen --secret whsec_…`
verifies signatures with it:

  curl -s {url}/webhooks/endpoints -H 'Authorization: Bearer {key}' \
    -H 'Content-Type: application/json' -d '{{"url": "{receiver}", "topics": ["*"]}}'

An event, and what became of it:

  curl -s {url}/events -H 'Authorization: Bearer {key}' \
    -H 'Content-Type: application/json' \
    -d '{{"kind": "task.succeeded", "data": {{"id": "task_1"}}}}'
  curl -s {url}/webhooks/messages -H 'Authorization: Bearer {key}'

Events as they come:

  curl -N {url}/events/stream -H 'Authorization: Bearer {key}'

What it cost in AWS calls:

  cargo run -- calls{data}
"#
    )
}

fn aws_only_steps(ready: &Ready, environment_file: &str) -> String {
    let other_key = if ready.operator_key == samples::OPERATOR_KEY {
        String::new()
    } else {
        format!(
            "\n(The requests among the samples carry the key `{0}`: start with --operator-key {0} \
                for them.)\n",
            samples::OPERATOR_KEY
        )
    };
    format!(
        r"
The functions are yours to run, with the environment in {environment_file}:

  cargo lambda watch --env-file {environment_file}

A receiver for the sample events, and one of them:

  cargo run -- listen --addr {receiver} --secret {secret}
  cargo lambda invoke deliver --data-file events/first-attempt.json
{other_key}
The AWS CLI works, too:

  AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1 \
    aws --endpoint-url {url} sqs list-queues
",
        receiver = samples::RECEIVER.trim_start_matches("http://").trim_end_matches('/'),
        secret = samples::SECRET,
        url = ready.sqs_url
    )
}
