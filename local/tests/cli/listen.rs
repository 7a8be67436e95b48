//! `posthaste listen`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use domain::signing::{Secret, standard};
use serde_json::Value;

use super::posthaste::command;

struct Listening {
    child: Child,
    address: String,
}

impl Listening {
    fn start(arguments: &[&str]) -> Self {
        let arguments = [&["listen", "--addr", "127.0.0.1:0", "--json"], arguments].concat();
        let mut command = command(std::env::temp_dir().as_path(), &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().trim_start_matches("listening on http://").trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// Posts, and returns the whole answer, empty if there is none.
    fn post(&self, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /hook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: \
            {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        // A connection that is closed early may be an error here, too.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// What it has printed: one JSON object per request.
    fn end(mut self) -> Vec<Value> {
        self.child.kill().unwrap();
        let mut output = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signed(secret: &Secret, body: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = standard::sign([secret], "evt_1", now, body.as_bytes());
    format!("webhook-id: evt_1\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {signature}\r\n")
}

impl Listening {
    fn status(&self) -> String {
        self.post("", "{}").split(' ').nth(1).unwrap_or("none").to_owned()
    }
}

#[test]
fn it_verifies_what_it_gets() {
    let secret = Secret::new([9; 32]);
    let listening = Listening::start(&["--secret", secret.reveal()]);
    listening.post(&signed(&secret, "{}"), "{}");
    listening.post(&signed(&secret, "{}"), "{ }");
    let seen = listening.end();
    assert_eq!((&seen[0]["verified"], &seen[0]["webhook_id"]), (&true.into(), &"evt_1".into()));
    assert_eq!((&seen[1]["verified"], &seen[1]["body"]), (&false.into(), &"{ }".into()));
}

#[test]
fn it_fails_as_often_as_it_is_told() {
    let listening = Listening::start(&["--fail", "2", "--status", "503"]);
    assert_eq!([listening.status(), listening.status(), listening.status()], ["503", "503", "200"]);
}

#[test]
fn it_hangs_up_without_an_answer() {
    let listening = Listening::start(&["--hang-up"]);
    assert_eq!(listening.post("", "{}"), "");
    let seen = listening.end();
    assert_eq!(
        (&seen[0]["body"], &seen[0]["answered"]),
        (&"{}".into(), &Value::Null),
        "the request was read all the same"
    );
}

#[test]
fn it_is_as_slow_as_it_is_told() {
    let listening = Listening::start(&["--delay", "0.5"]);
    let started = std::time::Instant::now();
    assert_eq!(listening.status(), "200");
    assert!(started.elapsed().as_millis() >= 500);
}
