//! A function URL in front of a function that streams its answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use emulator::front::{Front, RouteTable, Service};
use nix::sys::signal::kill;
use nix::unistd::Pid;
use sam_template::{Settings, Template};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::fake::Fake;

const TEMPLATE: &str = r#"
Resources:
  Fake:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: fake }, LocalPath: /stream }
    Properties:
      FunctionUrlConfig: { AuthType: NONE, InvokeMode: RESPONSE_STREAM }
      Events:
        Do: { Type: HttpApi, Properties: { Method: POST, Path: "/things/{id}" } }
"#;

/// Long enough for a loaded machine.
const PLENTY: Duration = Duration::from_secs(30);

struct Started {
    address: SocketAddr,
    fake: Fake,
    front: Front,
}

async fn start(instances: usize, timeout: Duration) -> Started {
    let fake = Fake::start(instances, timeout).await;
    let template = Template::parse(TEMPLATE, &Settings::default()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pools = [("fake".to_owned(), fake.pool.clone())].into();
    let front =
        Front::start(listener, Service { routes: RouteTable::of(&template.functions), pools })
            .unwrap();
    Started { address, fake, front }
}

/// A client in the middle of an answer.
struct Client {
    connection: BufReader<TcpStream>,
    head: String,
    pid: i32,
}

impl Started {
    async fn ask(&self, query: &str) -> (String, BufReader<TcpStream>) {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection
            .write_all(
                format!("GET /stream?{query} HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await
            .unwrap();
        let (mut connection, mut head) = (BufReader::new(connection), String::new());
        while !head.ends_with("\r\n\r\n") {
            assert!(connection.read_line(&mut head).await.unwrap() > 0, "the head ends: {head}");
        }
        (head, connection)
    }

    /// Asks for a stream, and reads until the first piece.
    async fn open(&self, query: &str) -> Client {
        let (head, connection) = self.ask(query).await;
        let mut client = Client { connection, head, pid: 0 };
        client.pid = client.line().await.parse().unwrap();
        client
    }
}

impl Client {
    /// The next line of the body, past the lengths of its chunks.
    async fn line(&mut self) -> String {
        let mut line = String::new();
        for _ in 0..2 {
            line.clear();
            tokio::time::timeout(PLENTY, self.connection.read_line(&mut line))
                .await
                .expect("a line in time")
                .unwrap();
        }
        let mut end = String::new();
        self.connection.read_line(&mut end).await.unwrap();
        line.trim().to_owned()
    }

    async fn rest(mut self) -> String {
        let mut rest = String::new();
        tokio::time::timeout(PLENTY, self.connection.read_to_string(&mut rest))
            .await
            .expect("an end in time")
            .unwrap();
        rest
    }

    fn is_served(&self) -> bool {
        kill(Pid::from_raw(self.pid), None).is_ok()
    }
}

/// Polls until a condition holds.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PLENTY;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn pieces_come_as_they_are_made_and_the_instance_serves_on() {
    let started = start(1, PLENTY).await;
    let mut client = started.open("pieces=2").await;
    assert!(
        client.head.starts_with("HTTP/1.1 200") && client.head.contains("x-fake: yes"),
        "{}",
        client.head
    );
    assert!(client.head.contains("transfer-encoding: chunked"), "{}", client.head);
    assert_eq!(client.line().await, "piece 1");
    assert_eq!(client.line().await, "piece 2");
    let pid = client.pid;
    assert_eq!(client.rest().await, "0\r\n\r\n", "it ends as a whole answer does");
    // Its end is known to the client first.
    let mut again = started.ask("pieces=0").await;
    while again.0.starts_with("HTTP/1.1 429") {
        again = started.ask("pieces=0").await;
    }
    let mut client = Client { head: again.0, connection: again.1, pid: 0 };
    assert_eq!(client.line().await, pid.to_string());
}

#[tokio::test]
async fn each_stream_has_an_instance_of_its_own_and_one_too_many_is_refused_at_once() {
    let started = start(2, PLENTY).await;
    let (one, other) = (started.open("endless").await, started.open("endless").await);
    assert_ne!(one.pid, other.pid);
    let (refused, _) = started.ask("endless").await;
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 1"), "{refused}");
}

#[tokio::test]
async fn an_invocation_ends_when_its_client_goes_away() {
    let started = start(1, PLENTY).await;
    let client = started.open("endless").await;
    let pid = client.pid;
    drop(client);
    eventually("its process ends", || kill(Pid::from_raw(pid), None).is_err()).await;
    assert_ne!(started.open("endless").await.pid, pid, "and there is room for another");
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_takes_too_long_is_not_taken_for_whole() {
    let started = start(1, Duration::from_secs(2)).await;
    for query in ["exit", "endless"] {
        let client = started.open(query).await;
        let pid = client.pid;
        assert!(!client.rest().await.ends_with("0\r\n\r\n"), "{query}");
        eventually("its process ends", || kill(Pid::from_raw(pid), None).is_err()).await;
    }
}

#[tokio::test]
async fn open_streams_do_not_hold_up_the_end() {
    let started = start(2, PLENTY).await;
    let client = started.open("endless").await;
    let begun = Instant::now();
    started.front.shut_down(PLENTY).await;
    started.fake.pool.shut_down(Duration::ZERO).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    assert!(!client.is_served());
    assert!(client.rest().await.ends_with("0\r\n\r\n"), "the client sees a clean end");
}
