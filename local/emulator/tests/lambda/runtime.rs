//! The Runtime API and its processes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use emulator::runtime::InvokeError;
use futures::future::join_all;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::fake::{Fake, arguments};

/// Long enough for a loaded machine.
const PLENTY: Duration = Duration::from_secs(30);

fn is_alive(pid: u64) -> bool {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), None).is_ok()
}

#[tokio::test]
async fn an_instance_is_kept_warm_and_is_told_what_lambda_tells() {
    let fake = Fake::start(2, PLENTY).await;
    let first = fake.invoke(json!({"a": 1})).await.unwrap();
    let second = fake.invoke(json!({})).await.unwrap();
    assert_eq!(first["event"], json!({"a": 1}));
    assert_eq!(first["pid"], second["pid"], "the same process takes the next event");
    assert_eq!(first["arn"], "arn:aws:lambda:us-east-1:000000000000:function:fake");
    let now_ms =
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let deadline = first["deadline"].as_u64().unwrap();
    assert!(
        deadline.abs_diff(now_ms) <= 30_000,
        "the deadline is the timeout from the start of the invocation"
    );
}

#[tokio::test]
async fn each_instance_takes_one_event_at_a_time_and_there_are_no_more_than_allowed() {
    let fake = Fake::start(2, PLENTY).await;
    let all = join_all((0..6).map(|_| fake.invoke(json!({"do": "sleep", "ms": 100})))).await;
    let pids: std::collections::BTreeSet<_> =
        all.into_iter().map(|answer| answer.unwrap()["pid"].as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 2);
}

#[tokio::test]
async fn an_invocation_that_takes_too_long_fails_and_its_process_is_replaced() {
    let fake = Fake::start(1, Duration::from_secs(2)).await;
    let before = fake.invoke(json!({})).await.unwrap()["pid"].as_u64().unwrap();
    let failed = fake.invoke(json!({"do": "sleep", "ms": 600_000})).await.unwrap_err();
    assert!(matches!(failed, InvokeError::TimedOut(_)), "{failed:?}");
    assert!(!is_alive(before), "its process has ended");
    assert_ne!(fake.invoke(json!({})).await.unwrap()["pid"].as_u64().unwrap(), before);
}

#[tokio::test]
async fn an_instance_that_crashes_fails_its_invocation_only() {
    let fake = Fake::start(1, PLENTY).await;
    let failed = fake.invoke(json!({"do": "exit"})).await.unwrap_err();
    assert!(
        matches!(&failed, InvokeError::Crashed(reason) if reason.contains("exit status: 7")),
        "{failed:?}"
    );
    fake.invoke(json!({})).await.unwrap();
}

#[tokio::test]
async fn an_error_and_a_panic_leave_the_process_running() {
    let fake = Fake::start(1, PLENTY).await;
    let before = fake.invoke(json!({})).await.unwrap()["pid"].clone();
    for order in ["fail", "panic"] {
        let failed = fake.invoke(json!({"do": order})).await.unwrap_err();
        assert!(
            matches!(&failed, InvokeError::Failed(text) if text.contains("as told")),
            "{failed:?}"
        );
    }
    assert_eq!(fake.invoke(json!({})).await.unwrap()["pid"], before);
    let log = std::fs::read_to_string(fake.logs.path().join("fake.log")).unwrap();
    assert!(log.contains("panicked at"), "{log}");
}

#[tokio::test]
async fn shutting_down_lets_what_runs_finish_and_leaves_no_process() {
    let fake = Fake::start(2, PLENTY).await;
    let pid = fake.invoke(json!({})).await.unwrap()["pid"].as_u64().unwrap();
    let running = fake.invoke(json!({"do": "sleep", "ms": 300}));
    let stopping = async {
        // Not before the invocation above has been taken on.
        tokio::task::yield_now().await;
        fake.pool.shut_down(PLENTY).await;
    };
    let (answer, ()) = futures::future::join(running, stopping).await;
    answer.unwrap();
    assert!(!is_alive(pid));
    assert_eq!(fake.invoke(json!({})).await.unwrap_err(), InvokeError::ShuttingDown);
}

#[tokio::test]
async fn shutting_down_waits_no_longer_than_the_grace() {
    let fake = Fake::start(1, PLENTY).await;
    fake.pool.warm_up().await.unwrap();
    let running = fake.invoke(json!({"do": "sleep", "ms": 600_000}));
    let stopping = async {
        tokio::task::yield_now().await;
        fake.pool.shut_down(Duration::from_millis(100)).await;
    };
    let (answer, ()) = futures::future::join(running, stopping).await;
    assert!(
        matches!(answer, Err(InvokeError::Crashed(_) | InvokeError::NotStarted(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_binary_that_is_missing_or_ends_at_once_is_told() {
    let missing = Fake::of(|spec| spec.binary = "/no/such/function".into()).await;
    let failed = missing.pool.warm_up().await.unwrap_err();
    assert!(
        matches!(&failed, InvokeError::NotStarted(reason) if reason.contains("/no/such/function")),
        "{failed:?}"
    );

    let ends =
        Fake::of(|spec| spec.arguments = vec!["--exact".into(), "no-such-test".into()]).await;
    let failed = ends.pool.warm_up().await.unwrap_err();
    assert!(
        matches!(&failed, InvokeError::NotStarted(reason) if reason.contains("exit status: 0")),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_function_ends_by_itself_when_the_stack_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(arguments())
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://{}/id", listener.local_addr().unwrap()))
        .env("AWS_LAMBDA_FUNCTION_NAME", "fake")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut start = [0; 16];
    connection.read_exact(&mut start).await.unwrap();
    // What a kill -9 of the stack does to the connection on which the function waits for its next
    // event.
    drop((connection, listener));
    let ended =
        tokio::time::timeout(PLENTY, child.wait()).await.expect("the function ends by itself");
    assert!(!ended.unwrap().success());
}
