//! A streamed answer as an HTTP response: first a JSON prelude with status and headers, then eight
//! zero bytes, then the body as it comes (Lambda's guide, "Building a custom runtime", response
//! streaming).
//!
//! Pieces know nothing of that form. The zero bytes may be split over two of them, and the body may
//! begin in the last.

use axum::body::Body;
use axum::http::Response;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::watch;

use super::answer;
use crate::runtime::{InvokeError, Pieces};

/// What ends the prelude.
const DELIMITER: [u8; 8] = [0; 8];

/// The largest prelude: more headers than any function has.
const MAX_PRELUDE: usize = 1024 * 1024;

/// The response that the pieces make. Its body ends with them, or once the front door is
/// `stopping`: a stream would hold that up.
pub(super) async fn response(
    mut pieces: Pieces,
    mut stopping: watch::Receiver<bool>,
) -> Result<Response<Body>, InvokeError> {
    let (prelude, start) = split(&mut pieces).await?;
    let (parts, _) = answer::response(&prelude).map_err(InvokeError::Failed)?.into_parts();
    let rest = stream::unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
    let stopped = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
    let start = (!start.is_empty()).then_some(Ok(start));
    Ok(Response::from_parts(
        parts,
        Body::from_stream(stream::iter(start).chain(rest.take_until(Box::pin(stopped)))),
    ))
}

/// The prelude, and what of the body has come with it.
async fn split(pieces: &mut Pieces) -> Result<(Bytes, Bytes), InvokeError> {
    let mut start = Vec::new();
    while start.len() < MAX_PRELUDE {
        let piece = pieces.recv().await.ok_or_else(|| {
            InvokeError::Failed("its streamed answer has no prelude".to_owned())
        })??;
        start.extend_from_slice(&piece);
        if let Some(end) = start.windows(DELIMITER.len()).position(|window| window == DELIMITER) {
            let mut start = Bytes::from(start);
            let body = start.split_off(end + DELIMITER.len());
            start.truncate(end);
            return Ok((start, body));
        }
    }
    Err(InvokeError::Failed("the prelude of its streamed answer doesn't end".to_owned()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::*;

    /// The pieces of a whole answer.
    async fn pieces(given: &[&'static [u8]]) -> Pieces {
        let (sender, pieces) = mpsc::channel(given.len().max(1));
        for piece in given {
            sender.send(Ok(Bytes::from_static(piece))).await.unwrap();
        }
        pieces
    }

    #[tokio::test]
    async fn status_headers_and_body_are_told_apart_however_they_are_cut() {
        let whole =
            b"{\"statusCode\":201,\"headers\":{\"x-a\":\"b\"},\"cookies\":[]}\0\0\0\0\0\0\0\0a\0b";
        let (_stop, stopping) = watch::channel(false);
        for cut in 1..whole.len() {
            let pieces = pieces(&[&whole[..cut], &whole[cut..]]).await;
            let response = response(pieces, stopping.clone()).await.unwrap();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["x-a"]),
                (201, &"b".parse().unwrap())
            );
            assert_eq!(
                response.into_body().collect().await.unwrap().to_bytes(),
                &b"a\0b"[..],
                "cut at {cut}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_such_answer_is_a_failure() {
        for given in [&[] as &[&[u8]], &[b"{}"], &[b"nonsense\0\0\0\0\0\0\0\0"]] {
            let response = response(pieces(given).await, watch::channel(false).1).await;
            assert!(matches!(response, Err(InvokeError::Failed(_))));
        }
    }

    #[tokio::test]
    async fn a_body_ends_when_the_front_door_stops() {
        let (sender, pieces) = mpsc::channel(1);
        sender
            .send(Ok(Bytes::from_static(b"{\"statusCode\":200}\0\0\0\0\0\0\0\0a")))
            .await
            .unwrap();
        let (stop, stopping) = watch::channel(false);
        let response = response(pieces, stopping).await.unwrap();
        stop.send_replace(true);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), &b"a"[..]);
        assert!(sender.is_closed(), "and the invocation is told");
    }
}
