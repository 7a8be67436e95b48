//! Starting and stopping the stack.

use std::{net::TcpListener, path::Path};

use nix::sys::signal::Signal;
use serde_json::json;
use system_tests::{Receiver, Stack, eventually, processes, refused};

#[tokio::test]
async fn ctrl_c_ends_the_stack_and_everything_that_it_started() {
    let mut stack = Stack::start().await;
    let receiver = Receiver::start().await;
    let project = stack.project().await;
    project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let event = project.post_event("task.created", json!({})).await;
    project.wait_for_message(&event.id, "succeeded").await;
    let children = processes::children_of(stack.pid());
    assert!(children.len() >= 5, "a process at least for each function, not {}", children.len());
    let status = stack.end_by(Signal::SIGINT);
    assert!(status.success(), "a stop that was asked for is no failure: {status}");
    let left: Vec<_> = children.into_iter().filter(|id| processes::is_running(*id)).collect();
    assert!(left.is_empty(), "these go on: {left:?}");
}

#[tokio::test]
async fn the_functions_end_by_themselves_when_the_stack_is_killed() {
    let mut stack = Stack::start().await;
    let project = stack.project().await;
    project.post_event("task.created", json!({})).await;
    let children = processes::children_of(stack.pid());
    assert!(!children.is_empty());
    stack.kill_hard();
    eventually("the functions of a killed stack end", async || {
        children.iter().all(|id| !processes::is_running(*id)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let mut stack = Stack::start().await;
    let project = stack.project().await;
    let receiver = Receiver::start().await;
    let endpoint = project.create_endpoint(&receiver.url("/"), &["*"]).await;
    let event = project.post_event("task.created", json!({"a": 1})).await;
    project.wait_for_message(&event.id, "succeeded").await;
    let before = stack.ready().clone();
    stack.restart().await;
    assert_eq!(stack.ready().operator_key, before.operator_key);
    assert_eq!(
        (&stack.ready().project_id, &stack.ready().project_key),
        (&before.project_id, &before.project_key)
    );
    let project = project.at(stack.base_url());
    assert_eq!(project.get("/webhooks/endpoints").await.ids(), [endpoint.id]);
    assert_eq!(project.wait_for_message(&event.id, "succeeded").await.deliveries[0].attempts, 1);
    let second = project.post_event("task.created", json!({"a": 2})).await;
    project.wait_for_message(&second.id, "succeeded").await;
    assert_eq!(receiver.received().len(), 2);
}

/// Holds a start that must fail to one clear line that names what is wrong.
fn fails_with(arguments: &[&str], parts: &[&str]) {
    let (code, said) = refused(arguments);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "more than one line:\n{said}");
    for part in parts {
        assert!(said.contains(part), "`{part}` isn't in: {said}");
    }
}

#[test]
fn a_port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    fails_with(
        &["--no-build", "--listen", &address, "--data", text(folder.path())],
        &["in use", &address, "--listen"],
    );
}

#[test]
fn a_broken_template_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let data = folder.path().join("data");
    let arguments = [
        "--no-build",
        "--listen",
        "127.0.0.1:0",
        "--template",
        text(&template),
        "--data",
        text(&data),
    ];
    fails_with(&arguments, &["template.yaml"]);
    std::fs::write(&template, "Resources:\n  A: [\n").unwrap();
    fails_with(&arguments, &["template.yaml", "line"]);
    assert!(!data.exists(), "a start that fails leaves nothing behind");
}

#[tokio::test]
async fn a_data_folder_in_use_is_one_clear_line() {
    let stack = Stack::shared().await;
    let data = stack.data();
    let arguments = ["--no-build", "--listen", "127.0.0.1:0", "--data", text(&data)];
    let process = format!("process {}", stack.pid());
    fails_with(&arguments, &["in use by another stack", &process, "--data"]);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
