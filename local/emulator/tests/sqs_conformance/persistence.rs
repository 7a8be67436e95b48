//! What survives: everything acknowledged, across an orderly restart and across `kill -9`.

use std::{
    collections::HashSet,
    process::Stdio,
    sync::{Arc, Mutex},
};

use emulator::sqs::{Clock, Settings, Sqs};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
};

use crate::support::{START_MS, Stand, client_of, receive_count, serve};

/// Tells the child process which folder to serve.
const CHILD_FOLDER: &str = "SQS_CONFORMANCE_CHILD_FOLDER";

#[tokio::test]
async fn queues_messages_and_their_states_survive_a_restart() {
    let stand = Stand::new().await;
    let (live, _) = stand.queue_with_dead_letters("orders", 3).await;
    stand.send(&live, "hidden").await;
    let hidden = stand.receive_one(&live).await;
    stand.hide(&live, &hidden, 3_600).await.unwrap();
    stand.send(&live, "visible").await;
    let delayed = stand.client.send_message().queue_url(&live).delay_seconds(60);
    delayed.message_body("delayed").send().await.unwrap();

    let stand = stand.reopened().await;
    assert_eq!(stand.depth(&live).await, (1, 1, 1));
    let sources = stand.client.list_dead_letter_source_queues();
    let sources = sources.queue_url(live.replace("orders", "orders-dead")).send().await;
    assert_eq!(sources.unwrap().queue_urls.len(), 1, "the redrive policy is kept");
    stand.delete(&live, &hidden).await;
    assert_eq!(stand.depth(&live).await, (1, 0, 1), "a receipt handle outlives the process");
}

#[tokio::test]
async fn messages_held_by_dead_consumers_are_released_and_waiting_retries_are_not() {
    let stand = Stand::new().await;
    let url = stand.queue("retries").await;
    stand.send(&url, "waits for its retry").await;
    let waiting = stand.receive_one(&url).await;
    stand.hide(&url, &waiting, 3_600).await.unwrap();
    stand.send(&url, "was being delivered").await;
    stand.receive_one(&url).await;

    let stand = stand.reopened().await;
    assert_eq!(stand.sqs.release_received().await, Ok(1));
    let released = stand.receive_one(&url).await;
    assert_eq!(released.body(), Some("was being delivered"));
    assert_eq!(receive_count(&released), 2, "its receive count stays");
    assert_eq!(stand.sqs.release_received().await, Ok(1));
}

#[tokio::test]
async fn every_acknowledged_message_survives_kill_9() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "persistence::child_process", "--ignored", "--nocapture"])
        .env(CHILD_FOLDER, folder.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let base_url = loop {
        let line = lines.next_line().await.unwrap().expect("the child serves");
        if let Some((_, url)) = line.split_once("serving ") {
            break url.to_owned();
        }
    };
    let client = client_of(&base_url);
    let create = client.create_queue().queue_name("orders");
    let url = create.send().await.unwrap().queue_url.unwrap();

    let senders = (0..8).map(|sender| {
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let body = format!("{sender}-{number}");
                let send = client.send_message().queue_url(&url).message_body(&body);
                if send.send().await.is_err() {
                    break;
                }
                acknowledged.push(body);
            }
            acknowledged
        })
    });
    let senders: Vec<_> = senders.collect();
    // Well into it: a hundred messages can be received.
    let mut received = 0;
    while received < 100 {
        let receive = client.receive_message().queue_url(&url).visibility_timeout(43_200);
        let messages = receive.max_number_of_messages(10).wait_time_seconds(20).send().await;
        received += messages.unwrap().messages().len();
    }
    child.start_kill().unwrap();
    child.wait().await.unwrap();

    let stand = Stand::open(folder, Clock::system(), |_| {}).await;
    let held = stand.sqs.release_received().await.unwrap();
    assert!(held >= 100, "what was in flight still is: {held}");
    let mut kept = HashSet::new();
    loop {
        let messages = stand.receive(&url).await;
        if messages.is_empty() {
            break;
        }
        kept.extend(messages.into_iter().filter_map(|message| message.body));
    }
    for sender in senders {
        for body in sender.await.unwrap() {
            assert!(kept.contains(&body), "{body} was acknowledged and is lost");
        }
    }
}

/// Not a test: the process that `every_acknowledged_message_survives_kill_9` kills.
#[tokio::test]
#[ignore = "run as a child process by another test"]
async fn child_process() {
    let Ok(folder) = std::env::var(CHILD_FOLDER) else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let file = std::path::Path::new(&folder).join("sqs.sqlite");
    let sqs =
        Sqs::open(&file, Settings { base_url: base_url.clone(), ..Settings::default() }).unwrap();
    println!("serving {base_url}");
    serve(listener, Arc::new(Mutex::new(Some(sqs)))).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sqs.sqlite");
    std::fs::write(&file, "This is not a database. ".repeat(100)).unwrap();
    let settings = Settings { clock: Clock::manual(START_MS), ..Settings::default() };
    let refused = Sqs::open(&file, settings).map(drop).unwrap_err();
    assert!(refused.to_string().contains("can't be opened"), "{refused}");
}
