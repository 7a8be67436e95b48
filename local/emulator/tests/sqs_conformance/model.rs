//! Random sequences of calls against a simple model of a queue: no message is lost, none is handed
//! out while hidden, and restarts change nothing.

use std::time::Duration;

use emulator::sqs::{Clock, Settings, Sqs};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::START_MS;

#[derive(Clone, Debug)]
enum Step {
    Send {
        delay_s: i64,
    },
    Receive {
        count: usize,
        visibility_s: i64,
    },
    /// With one of all handles ever given, so with stale ones too.
    Delete {
        handle: prop::sample::Index,
    },
    Hide {
        handle: prop::sample::Index,
        seconds: i64,
    },
    Pass {
        seconds: u64,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let handle = any::<prop::sample::Index>;
    prop_oneof![
        4 => prop_oneof![Just(0), 1..4_i64].prop_map(|delay_s| Step::Send { delay_s }),
        4 => (1..=10_usize, 0..6_i64)
            .prop_map(|(count, visibility_s)| Step::Receive { count, visibility_s }),
        3 => handle().prop_map(|handle| Step::Delete { handle }),
        3 => (handle(), 0..8_i64).prop_map(|(handle, seconds)| Step::Hide { handle, seconds }),
        3 => (1..5_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => Just(Step::Restart),
    ]
}

/// What a message must be like.
struct Expected {
    visible_ms: i64,
    receive_count: u32,
    latest_handle: Option<usize>,
    is_deleted: bool,
}

struct Run {
    directory: tempfile::TempDir,
    clock: Clock,
    sqs: Option<Sqs>,
    messages: Vec<Expected>,
    /// Every handle ever given, and whose it was.
    handles: Vec<(String, usize)>,
}

impl Run {
    async fn new() -> Self {
        let mut run = Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Clock::manual(START_MS),
            sqs: None,
            messages: Vec::new(),
            handles: Vec::new(),
        };
        run.restart();
        run.call("CreateQueue", json!({"QueueName": "q"})).await.unwrap();
        run
    }

    fn restart(&mut self) {
        self.sqs = None;
        let settings = Settings { clock: self.clock.clone(), ..Settings::default() };
        self.sqs = Some(Sqs::open(&self.directory.path().join("sqs.sqlite"), settings).unwrap());
    }

    async fn call(&self, operation: &str, mut request: Value) -> Result<Value, String> {
        request["QueueUrl"] = json!("http://x/0/q");
        let sqs = self.sqs.as_ref().unwrap();
        let response = sqs.call(operation, request.to_string().as_bytes()).await;
        if response.status == 200 {
            return Ok(serde_json::from_slice(&response.body).unwrap_or_default());
        }
        Err(response.headers["x-amzn-query-error"].to_str().unwrap().to_owned())
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Send { delay_s } => self.send(*delay_s).await,
            Step::Receive { count, visibility_s } => {
                self.receive(*count, *visibility_s).await;
            }
            Step::Delete { handle } => self.delete(*handle).await,
            Step::Hide { handle, seconds } => self.hide(*handle, *seconds).await,
            Step::Pass { seconds } => self.clock.advance(Duration::from_secs(*seconds)),
            Step::Restart => self.restart(),
        }
    }

    async fn send(&mut self, delay_s: i64) {
        let body = self.messages.len().to_string();
        let request = json!({"MessageBody": body, "DelaySeconds": delay_s});
        self.call("SendMessage", request).await.unwrap();
        self.messages.push(Expected {
            visible_ms: self.clock.now_ms() + delay_s * 1000,
            receive_count: 0,
            latest_handle: None,
            is_deleted: false,
        });
    }

    async fn receive(&mut self, count: usize, visibility_s: i64) -> usize {
        let now = self.clock.now_ms();
        let visible = self.messages.iter().filter(|m| !m.is_deleted && m.visible_ms <= now).count();
        let request = json!({"MaxNumberOfMessages": count, "VisibilityTimeout": visibility_s,
            "AttributeNames": ["All"]});
        let answer = self.call("ReceiveMessage", request).await.unwrap();
        let received = answer["Messages"].as_array().cloned().unwrap_or_default();
        assert_eq!(received.len(), visible.min(count), "all that is visible, up to the count");
        for message in &received {
            let index: usize = message["Body"].as_str().unwrap().parse().unwrap();
            let expected = &mut self.messages[index];
            assert!(!expected.is_deleted, "{index} was deleted");
            assert!(expected.visible_ms <= now, "{index} is hidden");
            expected.receive_count += 1;
            let counted = &message["Attributes"]["ApproximateReceiveCount"];
            assert_eq!(counted, &json!(expected.receive_count.to_string()));
            expected.visible_ms = now + visibility_s * 1000;
            expected.latest_handle = Some(self.handles.len());
            let handle = message["ReceiptHandle"].as_str().unwrap().to_owned();
            self.handles.push((handle, index));
        }
        received.len()
    }

    async fn delete(&mut self, handle: prop::sample::Index) {
        let Some(chosen) = self.choose(handle) else { return };
        let (text, message) = self.handles[chosen].clone();
        self.call("DeleteMessage", json!({"ReceiptHandle": text})).await.unwrap();
        let expected = &mut self.messages[message];
        expected.is_deleted |= expected.latest_handle == Some(chosen);
    }

    async fn hide(&mut self, handle: prop::sample::Index, seconds: i64) {
        let Some(chosen) = self.choose(handle) else { return };
        let now = self.clock.now_ms();
        let (text, message) = self.handles[chosen].clone();
        let request = json!({"ReceiptHandle": text, "VisibilityTimeout": seconds});
        let outcome = self.call("ChangeMessageVisibility", request).await;
        let expected = &mut self.messages[message];
        if expected.is_deleted || expected.latest_handle != Some(chosen) {
            assert_eq!(outcome, Err("InvalidParameterValue;Sender".into()));
        } else if expected.visible_ms <= now {
            assert_eq!(outcome, Err("AWS.SimpleQueueService.MessageNotInflight;Sender".into()));
        } else {
            outcome.unwrap();
            expected.visible_ms = now + seconds * 1000;
        }
    }

    fn choose(&self, handle: prop::sample::Index) -> Option<usize> {
        (!self.handles.is_empty()).then(|| handle.index(self.handles.len()))
    }

    /// Lets every timeout end: what was never deleted must be received, and nothing else.
    async fn drain(&mut self) {
        self.clock.advance(Duration::from_mins(1));
        let left = self.messages.iter().filter(|message| !message.is_deleted).count();
        let mut received = 0;
        loop {
            match self.receive(10, 30).await {
                0 => break,
                some => received += some,
            }
        }
        assert_eq!(received, left, "every message that was not deleted");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_message_is_lost_or_handed_out_while_hidden(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for step in &steps {
                run.take(step).await;
            }
            run.drain().await;
        });
    }
}
