//! The start of a response body.
//!
//! # Pitfalls
//!
//! A hostile receiver sends gigabytes. So reading stops at the limit, and dropping the response
//! closes the connection.

use reqwest::Response;

/// How much of a response body is kept, in bytes.
pub const RESPONSE_BODY_LIMIT: usize = 1024;

/// The text that a body starts with, and whether there was more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BodyStart {
    pub(crate) text: String,
    pub(crate) truncated: bool,
}

/// Reads up to the limit, and one chunk beyond to know whether there is more.
pub(crate) async fn read_start(mut response: Response) -> Result<BodyStart, reqwest::Error> {
    let mut kept = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = RESPONSE_BODY_LIMIT - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok(BodyStart { text: cut_text(&kept), truncated: true });
        }
    }
    Ok(BodyStart { text: String::from_utf8_lossy(&kept).into_owned(), truncated: false })
}

/// A character that the cut went through is left out, rather than shown as broken.
fn cut_text(kept: &[u8]) -> String {
    let whole = match str::from_utf8(kept) {
        Err(error) if error.error_len().is_none() => &kept[..error.valid_up_to()],
        _ => kept,
    };
    // Broken bytes further up hide the cut character from the check above.
    let text = String::from_utf8_lossy(whole);
    text.strip_suffix('\u{fffd}').unwrap_or(&text).to_owned()
}
