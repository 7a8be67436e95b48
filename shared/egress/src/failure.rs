//! From the HTTP client's error to what happened.
//!
//! # Pitfalls
//!
//! `reqwest::Error` displays the URL, whose query may hold a token, so its text is never used. And
//! `io::Error::source` skips the error that it wraps, so TLS errors are only found through
//! `get_ref`.

use std::{error::Error, io, iter};

use crate::{
    outcome::{ExchangeResult, UnreachableClass},
    resolver::Refusal,
};

/// The longest detail kept, in characters. Certificate errors list all names of a certificate.
const MAX_DETAIL: usize = 200;

/// What happened, by the error of a request or of reading its response.
pub(crate) fn outcome_of(error: &reqwest::Error) -> ExchangeResult {
    if let Some(refusal) = find::<Refusal>(error) {
        return ExchangeResult::Refused { reason: refusal.to_string() };
    }
    if error.is_timeout() {
        let what = if error.is_connect() {
            "no connection was made in time"
        } else {
            "the connection timed out"
        };
        return ExchangeResult::Timeout { detail: what.to_owned() };
    }
    let (class, mut detail) = class_of(error);
    if let Some((end, _)) = detail.char_indices().nth(MAX_DETAIL) {
        detail.truncate(end);
        detail.push('…');
    }
    ExchangeResult::Unreachable { class, detail }
}

/// Whether the connection ended before there was a response: what a dead pooled connection looks
/// like.
pub(crate) fn is_hang_up(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_timeout() && class_of(error).0 == UnreachableClass::Closed
}

fn class_of(error: &reqwest::Error) -> (UnreachableClass, String) {
    // hyper-rustls wraps I/O errors in others of kind `Other`; the innermost one says what
    // happened.
    let io = chain(error).filter_map(<dyn Error>::downcast_ref::<io::Error>).last();
    if io.is_some_and(is_our_fault) {
        return (
            UnreachableClass::Internal,
            "no connection could be opened on our side".to_owned(),
        );
    }
    if error.is_dns() {
        return (UnreachableClass::Dns, "the host name could not be resolved".to_owned());
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return (UnreachableClass::Tls, tls.to_string());
    }
    if error.is_connect() {
        return class_of_connecting(io);
    }
    if let Some(hyper) = find::<hyper::Error>(error)
        && (hyper.is_parse() || hyper.to_string().contains("unexpected message"))
    {
        return (UnreachableClass::Protocol, hyper.to_string());
    }
    match io {
        // hyper reports broken chunks as invalid input or data.
        Some(io) if !is_end(io) => (UnreachableClass::Protocol, io.to_string()),
        _ => (
            UnreachableClass::Closed,
            "the connection was closed before the response was complete".to_owned(),
        ),
    }
}

/// TCP and TLS errors look alike, but TCP itself doesn't end in the middle of being made.
fn class_of_connecting(io: Option<&io::Error>) -> (UnreachableClass, String) {
    match io {
        Some(io) if is_end(io) => {
            (UnreachableClass::Tls, "the connection was closed during the TLS handshake".to_owned())
        }
        Some(io) => (UnreachableClass::Connect, io.kind().to_string()),
        None => (UnreachableClass::Connect, "no connection could be made".to_owned()),
    }
}

fn is_end(io: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(
        io.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof
    )
}

/// Out of memory, file handles (`ENFILE`, `EMFILE`) or buffers, by their numbers on Linux.
fn is_our_fault(io: &io::Error) -> bool {
    matches!(io.raw_os_error(), Some(12 | 23 | 24 | 105))
}

/// The first error of a type in the chain.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(<dyn Error>::downcast_ref)
}

/// An error and its causes, with what `io::Error` wraps.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(move || error.source())
    })
}
