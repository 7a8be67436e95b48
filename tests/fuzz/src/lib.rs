//! One function per parser of bytes that come from outside. Each panics when what must hold
//! doesn't.
//!
//! It is not enough that nothing panics. What is *accepted* must keep its promises: an accepted URL
//! has a public host, an accepted header can't end its line, and JavaScript and serde read the same
//! from canonical JSON.
//!
//! cargo-fuzz runs them (README.md), and on stable Rust tests/tests/system/fuzz.rs, which includes
//! this file.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use api::{ApiError, NoFilter, TimeRange, judge::TargetRules, page_request};
use domain::{
    endpoint_url::{EndpointUrl, MAX_URL_LENGTH, OwnHost, TargetPolicy, address::is_global},
    id::{AttemptId, EndpointId, EventId, KeyId, ProjectId, RoundId},
    json::{JsonProblem, canonicalise, escape_for_sqs},
    model::{Catalogue, CustomHeaders, Selector, Topic},
    signing::{Secret, SignatureStyle, Signing},
    time::Timestamp,
    work::{self, Work},
};
use egress::retry_after;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::value::RawValue;

/// Every signature style.
const STYLES: [&str; 5] = ["standard", "svix", "timestamped", "digest", "token"];

/// A moment in 2027: what is read must not depend on when.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// `POST /events`: what is accepted has a canonical payload within its limit; what is refused is
/// the caller's mistake.
pub fn event(bytes: &[u8]) {
    posted(bytes, false);
}

/// `POST /events/batch`: the same.
pub fn batch(bytes: &[u8]) {
    posted(bytes, true);
}

fn posted(bytes: &[u8], batch: bool) {
    let catalogue: Catalogue = "a;task.created".parse().expect("a catalogue");
    let settings = [("TARGET_POLICY".to_owned(), "strict".to_owned())].into_iter().collect();
    let judge = TargetRules::from_settings(&settings).expect("settings").judge(&HeaderMap::new());
    match events::outside::payloads(bytes, batch, &catalogue, &judge, NOW) {
        Ok(payloads) => {
            assert!(batch || payloads.len() == 1);
            for payload in payloads {
                assert!(payload.len() <= 256 * 1_024);
                assert_eq!(canonicalise(payload.as_bytes()).expect("a payload is JSON"), payload);
            }
        }
        Err(error) => is_the_callers(&error),
    }
}

fn is_the_callers(error: &ApiError) {
    assert!(error.status().is_client_error(), "bad input gets a 4xx, not: {error}");
}

/// An endpoint's URL: what is accepted has a public host, fits into a request line, and means the
/// same when it is read again.
pub fn url(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let _ = text.parse::<OwnHost>();
    if let Ok(url) = EndpointUrl::parse(text, TargetPolicy::Local) {
        judge(&url, TargetPolicy::Local);
    }
    let Ok(url) = EndpointUrl::parse(text, TargetPolicy::Strict) else { return };
    judge(&url, TargetPolicy::Strict);
    assert!(url.normalised().starts_with("https://"));
    assert!(
        EndpointUrl::parse(text, TargetPolicy::Local).is_ok(),
        "the lenient policy allows what the strict one does"
    );
}

fn judge(url: &EndpointUrl, policy: TargetPolicy) {
    let allowed = |address: IpAddr| {
        is_global(address) || policy == TargetPolicy::Local && address.is_loopback()
    };
    match url.host().expect("a host") {
        url::Host::Ipv4(address) => assert!(allowed(address.into()), "{address}"),
        url::Host::Ipv6(address) => assert!(allowed(address.into()), "{address}"),
        url::Host::Domain(name) => {
            // No resolver may take it for an address.
            assert!(name.trim_end_matches('.').parse::<IpAddr>().is_err(), "{name}");
            assert!(
                name.contains('.') || policy == TargetPolicy::Local && name == "localhost",
                "{name}"
            );
        }
    }
    let sent = url.normalised();
    assert!(
        sent.len() <= MAX_URL_LENGTH && sent.bytes().all(|byte| byte.is_ascii_graphic()),
        "{sent}"
    );
    let uri: Uri = sent.parse().expect("what is sent is a request target");
    assert_eq!(
        uri.host(),
        url.host().map(|host| host.to_string()).as_deref(),
        "the HTTP client sees the host that was judged"
    );
    for again in [url.as_written(), sent] {
        assert_eq!(
            EndpointUrl::parse(again, policy).as_ref(),
            Ok(url),
            "read again, it is the same"
        );
    }
    assert!(!format!("{url:?}").contains('?'), "Debug shows no query");
}

/// A message from SQS: what is read survives being written and read again, to the byte.
pub fn message(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let write = |work: &Work| match work {
        Work::First(message) => work::encode(message),
        Work::Again(again) => work::encode_again(again),
    };
    let Ok(read) = work::decode(text) else { return };
    let written = write(&read).expect("what was read can be written");
    let again = work::decode(&written).expect("what was written can be read");
    assert_eq!(write(&again).expect("it can be written again"), written);
}

/// Ids, topics and a list's parameters: an id has one spelling; a page has 1 to 100 entries; what
/// is refused is the caller's mistake.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(id) = text.parse::<AttemptId>() {
        assert_eq!(id.to_string(), text);
    }
    let spellings = [
        text.parse::<ProjectId>().ok().map(|id| id.to_string()),
        text.parse::<KeyId>().ok().map(|id| id.to_string()),
        text.parse::<EndpointId>().ok().map(|id| id.to_string()),
        text.parse::<EventId>().ok().map(|id| id.to_string()),
        text.parse::<RoundId>().ok().map(|id| id.to_string()),
        text.parse::<Topic>().ok().map(|topic| topic.to_string()),
        text.parse::<Selector>().ok().map(|selector| selector.to_string()),
    ];
    for spelling in spellings.into_iter().flatten() {
        assert_eq!(spelling, text);
        assert!(!spelling.contains(['#', '/', '\0']), "a key can't hold it");
    }
    match page_request::<EventId, TimeRange>(Some(text)) {
        Ok((request, _, _)) => assert!(
            (1..=100).contains(&request.limit)
                && !(request.after.is_some() && request.before.is_some())
        ),
        Err(error) => is_the_callers(&error),
    }
    let _ = page_request::<AttemptId, NoFilter>(Some(text));
}

/// Checks the canonical form: it is valid JSON, making it canonical again changes nothing, and
/// serde reads the same value from it.
pub fn json(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<Box<RawValue>>(bytes);
    let canonical = match canonicalise(bytes) {
        Ok(canonical) => canonical,
        Err(error) => {
            assert!(error.offset <= bytes.len());
            assert!(
                theirs.is_err() || error.problem == JsonProblem::TooDeep,
                "serde reads it: {error}"
            );
            return;
        }
    };
    assert!(theirs.is_ok(), "serde doesn't read it");
    assert!(
        canonical.len() <= bytes.len() * 21 / 4 + 1,
        "{} bytes became {}",
        bytes.len(),
        canonical.len()
    );
    assert_eq!(canonicalise(canonical.as_bytes()).as_deref(), Ok(canonical.as_str()));
    let escaped = escape_for_sqs(&canonical);
    assert_eq!(
        canonicalise(escaped.as_bytes()).as_deref(),
        Ok(canonical.as_str()),
        "the way through SQS changes nothing"
    );
}

/// A customer's own secret, and whatever is signed with it: only headers that can be sent.
pub fn secret(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(secret) = text.parse::<Secret>() else { return };
    assert_eq!(secret.reveal(), text);
    assert!(!format!("{secret:?}").contains(text), "Debug shows it");
    for style in STYLES
        .map(|name| name.parse::<SignatureStyle>().expect("a style"))
        .into_iter()
        .filter(|style| style.takes(&secret))
    {
        let request = Signing {
            secrets: std::slice::from_ref(&secret),
            brand: "Brand",
            id: "evt_1",
            timestamp: NOW.seconds(),
            body: bytes,
        };
        for (name, value) in style.headers(&request) {
            HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            HeaderValue::from_str(&value).expect("a header's value");
        }
    }
}

/// An endpoint's own headers, one a line, and a receiver's `Retry-After`: what is accepted is sent
/// as it is, and is neither ours nor HTTP's.
pub fn headers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(wait) =
        retry_after::parse(&text, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.seconds()))
    {
        assert!(
            wait <= Duration::from_hours(100_000_000),
            "HTTP's dates have four digits for the year"
        );
    }
    // Not by line breaks: whether they are refused is the question.
    let pairs = text.split('\u{1}').filter_map(|line| line.split_once('\u{2}'));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let Ok(headers) = CustomHeaders::new(pairs.clone()) else { return };
    let mut sent = HeaderMap::new();
    headers.write_to(&mut sent);
    assert_eq!(sent.len(), pairs.len(), "each is sent, once");
    for (name, value) in &sent {
        let value = value.to_str().expect("visible ASCII");
        assert!(!value.contains(['\r', '\n', '\0']));
        let ours = [
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
            "content-type",
            "webhook-id",
            "webhook-signature",
        ];
        assert!(!ours.contains(&name.as_str()), "{name}");
    }
}
