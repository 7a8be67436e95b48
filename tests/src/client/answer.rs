//! What the API answered.

use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::wait::PATIENCE;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body's text.
    pub text: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Result<Self, reqwest::Error> {
        // No answer takes so long. A client may wait for ever for a stack that was killed.
        Self::read_from(request.timeout(PATIENCE).send().await?).await
    }

    pub(crate) async fn read_from(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// The body as JSON, null if it isn't JSON.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The body, if the status is this one; else a panic that says what came instead.
    pub fn expect(&self, status: u16) -> Json {
        self.read(status)
    }

    /// As [`Answer::expect`], read as a type.
    pub fn read<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status, status, "the API answered {}: {}", self.status, self.text);
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("not what was expected ({error}): {}", self.text))
    }

    /// Holds the answer to the API's form of an error: this status and kind, a message that holds
    /// `part`, and this field.
    pub fn is_error(&self, status: u16, kind: &str, part: &str, field: Option<&str>) {
        let body = self.expect(status);
        assert_eq!(body["kind"], kind, "{}", self.text);
        assert_eq!(body["field"].as_str(), field, "{}", self.text);
        assert!(
            body["message"].as_str().is_some_and(|message| message.contains(part)),
            "no `{part}` in {}",
            self.text
        );
    }

    /// A header's text, empty if it isn't there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The path of the page that a list's `Link` header calls `next` or `prev`.
    pub fn link(&self, rel: &str) -> Option<String> {
        let wanted = format!("rel=\"{rel}\"");
        let link = self.header("link").split(", ").find(|link| link.ends_with(&wanted))?;
        Some(link.split_once('<')?.1.split_once('>')?.0.to_owned())
    }

    /// The ids of a list.
    pub fn ids(&self) -> Vec<String> {
        let items: Vec<Json> = self.read(200);
        items
            .iter()
            .map(|item| item["id"].as_str().expect("everything in a list has an id").to_owned())
            .collect()
    }
}
