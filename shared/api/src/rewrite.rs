//! Read, change, write: again from the start when another request wrote in between.

use std::future::Future;

use store::StoreError;

use crate::ApiError;

/// How often it is tried.
const TRIES: usize = 3;

/// Why an attempt to rewrite something failed.
#[derive(Debug)]
pub enum RewriteError {
    /// Another request wrote it since it was read.
    Overtaken,
    /// Anything else.
    Failed(ApiError),
}

impl From<StoreError> for RewriteError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Overtaken,
            other => Self::Failed(other.into()),
        }
    }
}

impl From<ApiError> for RewriteError {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// Runs `attempt`, which reads, changes and writes something, until no other request interferes.
/// 409 if one interferes each time.
pub async fn rewrite<T, F: Future<Output = Result<T, RewriteError>>>(
    attempt: impl Fn() -> F,
) -> Result<T, ApiError> {
    for _ in 0..TRIES {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(RewriteError::Overtaken) => {}
            Err(RewriteError::Failed(error)) => return Err(error),
        }
    }
    Err(StoreError::Conflict.into())
}
