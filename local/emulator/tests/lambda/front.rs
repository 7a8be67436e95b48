//! The HTTP API in front of a function.

use std::net::SocketAddr;
use std::time::Duration;

use emulator::front::{Front, RouteTable, Service};
use sam_template::{Settings, Template};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fake::Fake;

const TEMPLATE: &str = r#"
Resources:
  Fake:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: fake } }
    Properties:
      Events:
        Do: { Type: HttpApi, Properties: { Method: POST, Path: "/things/{id}" } }
"#;

struct Api {
    address: SocketAddr,
    fake: Fake,
    front: Front,
}

impl Api {
    async fn start(timeout: Duration) -> Self {
        let fake = Fake::start(2, timeout).await;
        let template = Template::parse(TEMPLATE, &Settings::default()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pools = [("fake".to_owned(), fake.pool.clone())].into();
        let front =
            Front::start(listener, Service { routes: RouteTable::of(&template.functions), pools })
                .unwrap();
        Self { address, fake, front }
    }

    /// Status, head and body of the answer.
    async fn request(&self, line: &str, headers: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = if headers.contains("content-length") {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let request = format!(
            "{line} HTTP/1.1\r\nhost: api\r\nconnection: close\r\n{length}{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    async fn order(&self, order: &Value) -> (u16, Value) {
        let (status, _, body) = self
            .request("POST /things/1", "content-type: application/json\r\n", &order.to_string())
            .await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

const PLENTY: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_request_reaches_its_function_and_the_answer_comes_back() {
    let api = Api::start(PLENTY).await;
    let (status, head, body) =
        api.request("POST /things/a%20b?x=1", "content-type: application/json\r\n", "{}").await;
    assert_eq!(status, 201);
    assert!(head.contains("x-fake: yes"), "{head}");
    let seen: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(seen["event"]["routeKey"], "POST /things/{id}");
    assert_eq!(seen["event"]["pathParameters"], json!({"id": "a b"}));
    assert_eq!(seen["event"]["rawQueryString"], "x=1");
}

#[tokio::test]
async fn what_no_route_matches_is_not_found() {
    let api = Api::start(PLENTY).await;
    for line in ["GET /things/1", "POST /things", "POST /things/1/2"] {
        let (status, _, body) = api.request(line, "", "").await;
        assert_eq!((status, body.as_str()), (404, r#"{"message":"Not Found"}"#), "{line}");
    }
}

#[tokio::test]
async fn a_body_over_10_mb_is_refused_before_it_is_sent() {
    let api = Api::start(PLENTY).await;
    let (status, _, body) = api.request("POST /things/1", "content-length: 10485761\r\n", "").await;
    assert_eq!(status, 413);
    assert!(body.contains("payload_too_large"), "{body}");
}

/// `lambda_http` would panic at some of these.
#[tokio::test]
async fn a_head_that_api_gateway_refuses_reaches_no_function() {
    let api = Api::start(PLENTY).await;
    let status = async |request: String| {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(!answer.contains("apigw-requestid") || answer.contains(" 201 "), "{answer}");
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let with = |target: &str, headers: &str| {
        format!("POST {target} HTTP/1.1\r\nconnection: close\r\ncontent-length: 0\r\n{headers}\r\n")
    };
    let long = "x".repeat(10_240);
    for (target, headers, expected) in [
        ("/things/1", "host: api\r\n".to_owned(), 201),
        ("/things/1", "host: a b\r\n".to_owned(), 400),
        ("/things/1", "host: api:port\r\n".to_owned(), 400),
        ("/things/1", String::new(), 400),
        ("*", "host: api\r\n".to_owned(), 400),
        (&format!("/things/{long}"), "host: api\r\n".to_owned(), 414),
        ("/things/1", format!("host: api\r\nx-long: {long}\r\n"), 431),
    ] {
        assert_eq!(status(with(target, &headers)).await, expected, "{target:.20} {headers:.40}");
    }
}

#[tokio::test]
async fn a_function_that_takes_too_long_or_crashes_or_fails_is_told_in_our_error_format() {
    let api = Api::start(Duration::from_secs(2)).await;
    for (order, status, kind) in [
        (json!({"do": "sleep", "ms": 600_000}), 503, "unavailable"),
        (json!({"do": "exit"}), 503, "unavailable"),
        (json!({"do": "fail"}), 500, "internal_error"),
        (json!({"do": "panic"}), 500, "internal_error"),
    ] {
        let (actual, body) = api.order(&order).await;
        assert_eq!((actual, body["kind"].as_str().unwrap()), (status, kind), "{order}");
    }
    assert_eq!(api.order(&json!({})).await.0, 201, "and it serves on");
}

#[tokio::test]
async fn stopping_answers_what_was_asked_before() {
    let api = Api::start(PLENTY).await;
    api.fake.pool.warm_up().await.unwrap();
    let mut stream = TcpStream::connect(api.address).await.unwrap();
    let body = r#"{"do": "sleep", "ms": 300}"#;
    let head = format!(
        "POST /things/1 HTTP/1.1\r\nhost: api\r\ncontent-type: \
            application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    // One more answered request shows that the connection above has been accepted before.
    api.order(&json!({})).await;
    api.front.shut_down(PLENTY).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(TcpStream::connect(api.address).await.is_err(), "nothing new is accepted");
}
