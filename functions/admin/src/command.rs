//! What invokes the function: a request to the API or, from a caller with the IAM permission to
//! invoke it directly, a command.
//!
//! A deployment begins without any operator key, and IAM decides who may make the first one:
//! `sam remote invoke AdminFunction --event '{"create_operator_key": {"name": "first"}}'`.
//! API Gateway puts what its callers send into `body` and so on, so that no caller of the API can
//! give a command.

use std::sync::Arc;

use axum::Router;
use lambda_http::{Adapter, LambdaEvent, Service, request::LambdaRequest};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{App, operator_keys::NewOperatorKey};

/// Why an invocation has no answer.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Neither a request of API Gateway nor a command.
    #[error(
        "send an event of API Gateway, or a command: \
         {{\"create_operator_key\": {{\"name\": \"first\"}}}} ({0})"
    )]
    Event(serde_json::Error),
    /// An answer that is no JSON.
    #[error("the answer can't be written: {0}")]
    Answer(#[from] serde_json::Error),
}

/// What may be asked of the function directly.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// A new operator key, answered as `POST /operator-keys` does.
    CreateOperatorKey(NewOperatorKey),
}

/// Answers one invocation.
pub async fn handle(
    app: &Arc<App>,
    api: Router,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Value, InvokeError> {
    let LambdaEvent { payload, context } = event;
    if let Some(command) = command_in(payload.get())? {
        return Ok(command.carry_out(app).await);
    }
    let request: LambdaRequest = serde_json::from_str(payload.get()).map_err(InvokeError::Event)?;
    let answer = Adapter::from(api).call(LambdaEvent::new(request, context)).await;
    let answer = answer.unwrap_or_else(|never| match never {});
    Ok(serde_json::to_value(answer)?)
}

/// The command, if the event is one: an object of a single field that no event of API Gateway has.
fn command_in(payload: &str) -> Result<Option<Command>, InvokeError> {
    let event: Map<String, Value> = serde_json::from_str(payload).map_err(InvokeError::Event)?;
    if event.len() != 1 {
        return Ok(None);
    }
    serde_json::from_value(Value::Object(event)).map(Some).map_err(InvokeError::Event)
}

impl Command {
    /// The answer's body, as the API would give it: what was made, or an error.
    async fn carry_out(self, app: &App) -> Value {
        let answer = match self {
            Self::CreateOperatorKey(new) => app.create_operator_key(new).await,
        };
        match answer {
            Ok(made) => serde_json::to_value(made).unwrap_or_default(),
            Err(error) => error.into_json(),
        }
    }
}
