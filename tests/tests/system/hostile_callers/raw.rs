//! Requests as bytes, and their answers.

use std::io;

use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use system_tests::PATIENCE;

/// What came back, as far as it is looked at.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    body: String,
    to_head: bool,
}

/// Sends a request, which must ask for the connection's end, and reads the answer up to it.
pub(super) async fn send(base_url: &str, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(base_url.trim_start_matches("http://")).await?;
    // The front door may answer and hang up before it has read all.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await?;
    if bytes.is_empty() {
        read?;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    while let Some(rest) = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n") {
        text = rest.to_owned();
    }
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
        to_head: request.starts_with(b"HEAD "),
    })
}

impl Answer {
    /// Whether no function was asked: HTTP itself was broken, or a limit of API Gateway's.
    pub(super) fn at_the_door(&self) -> bool {
        !self.head.contains("\r\napigw-requestid: ")
    }

    /// Whether the answer is a documented one; else what is wrong with it.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let json: Json = serde_json::from_str(&self.body).unwrap_or_default();
        let is_ours = self.head.contains("\r\ncontent-type: application/json")
            && json["kind"].is_string()
            && json["message"].is_string();
        match self.status {
            200..=202 if self.to_head || !json.is_null() => Ok(()),
            400..=499 if self.at_the_door() || self.to_head || is_ours => Ok(()),
            400..=499 => Err("this error isn't in our format"),
            500..=599 => Err("bad input got a 5xx"),
            _ => Err("this status isn't documented"),
        }
    }
}
