//! A project to play with, made through the API on the first start and kept.
//!
//! The kept key may have been revoked, or its project's table emptied. So it is tried, and replaced
//! if it opens nothing.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::data::{DataDirectory, DataError};

const FILE: &str = "demo.json";

/// The demo project and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demo {
    /// `proj_…`
    pub project_id: String,
    /// The key in clear text; all scopes.
    pub project_key: String,
}

/// Why there is no demo project.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The API doesn't answer as it should.
    #[error("can't make the demo project: {what} answered {status}: {body}")]
    Refused {
        /// Method and path.
        what: String,
        /// HTTP status.
        status: StatusCode,
        /// What it said.
        body: String,
    },
    /// The API doesn't answer.
    #[error("can't make the demo project: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// It can't be kept.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// The demo project of this data directory, made if need be.
pub async fn ensure(
    base_url: &str,
    operator_key: &str,
    data: &DataDirectory,
) -> Result<Demo, DemoError> {
    let api = Api { client: crate::http_client::http_client()?, base_url, operator_key };
    let kept = data.kept(FILE)?.and_then(|text| serde_json::from_str::<Demo>(&text).ok());
    let project_id = match kept {
        Some(demo) if api.opens(&demo.project_key).await? => return Ok(demo),
        Some(demo) if api.has_project(&demo.project_id).await? => demo.project_id,
        _ => api.create("/projects", &json!({"name": "Demo"}), "id").await?,
    };
    let path = format!("/projects/{project_id}/keys");
    let project_key = api.create(&path, &json!({"name": "demo"}), "key").await?;
    let demo = Demo { project_id, project_key };
    data.keep(FILE, &json!(demo).to_string())?;
    Ok(demo)
}

struct Api<'a> {
    client: reqwest::Client,
    base_url: &'a str,
    operator_key: &'a str,
}

impl Api<'_> {
    async fn opens(&self, project_key: &str) -> Result<bool, DemoError> {
        Ok(self.get("/webhooks/endpoints?limit=1", project_key).await? == StatusCode::OK)
    }

    async fn has_project(&self, id: &str) -> Result<bool, DemoError> {
        Ok(self.get(&format!("/projects/{id}/keys"), self.operator_key).await? == StatusCode::OK)
    }

    async fn get(&self, path: &str, key: &str) -> Result<StatusCode, DemoError> {
        Ok(self
            .client
            .get(format!("{}{path}", self.base_url))
            .bearer_auth(key)
            .send()
            .await?
            .status())
    }

    /// Posts, and returns one field of the answer.
    async fn create(&self, path: &str, body: &Json, field: &str) -> Result<String, DemoError> {
        let request =
            self.client.post(format!("{}{path}", self.base_url)).bearer_auth(self.operator_key);
        let response = request
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .await?;
        let (status, text) = (response.status(), response.text().await?);
        let answer: Json = serde_json::from_str(&text).unwrap_or_default();
        match answer[field].as_str().filter(|_| status == StatusCode::CREATED) {
            Some(value) => Ok(value.to_owned()),
            None => Err(DemoError::Refused { what: format!("POST {path}"), status, body: text }),
        }
    }
}
