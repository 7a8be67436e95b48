//! What reads a posted body, without AWS around it: for fuzzing.
//!
//! Everything else here is private. This says only whether a body would be accepted, and as which
//! payloads.

use api::{ApiError, judge::TargetCheck};
use domain::{model::Catalogue, time::Timestamp};

use crate::input::{Draft, Rules};

/// The payloads of a body of `POST /events`, or, for a `batch`, of `POST /events/batch`.
pub fn payloads(
    body: &[u8],
    batch: bool,
    catalogue: &Catalogue,
    judge: &TargetCheck,
    now: Timestamp,
) -> Result<Vec<String>, ApiError> {
    let rules =
        Rules { catalogue: catalogue.clone(), judge: judge.clone(), now, retention_days: 30 };
    let drafts = if batch {
        let entries = Draft::read_batch(body)?;
        Draft::accepted(entries, |draft| draft.check(&rules)).map_err(|refused| refused.error)?
    } else {
        let draft = Draft::read(body)?;
        draft.check(&rules)?;
        vec![draft]
    };
    Ok(drafts.into_iter().map(|draft| draft.data.get().to_owned()).collect())
}
