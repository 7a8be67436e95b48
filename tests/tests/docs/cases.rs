//! Requests as Posthaste signs them, and what may become of them on the way.

use std::collections::BTreeMap;

use domain::{
    json::canonicalise,
    signing::{Secret, SignatureStyle, Signing},
};
use serde::Serialize;

use crate::styles::{Style, Timestamp};

/// A request, and whether a receiver must take it.
#[derive(Clone, Serialize)]
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) genuine: bool,
    /// What the receiver knows.
    pub(crate) secret: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// Whether JavaScript can represent all its values, and so writes the same bytes.
    pub(crate) survives_javascript: bool,
}

/// `1.5` holds a full stop, at which a forger could cut.
const BODY: &str = r#"{"n":1.5,"text":"grüße 😀\u2028 </x>","list":[true,null,1e21]}"#;
/// Also holds a number that JavaScript has not.
const BIG: &str = r#"{"big":12345678901234567891}"#;

/// The cases of a style.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn of(style: &Style) -> Vec<Case> {
    let [body, big] = [BODY, BIG].map(|text| canonicalise(text.as_bytes()).unwrap());
    let now = runtime::clock::now().seconds();
    let [new, old, foreign] = [1, 2, 3].map(|byte| Secret::new([byte; 32]));
    let signed = |secrets: &[Secret], at| headers(style.name, secrets, at, body.as_bytes());
    let newest = std::slice::from_ref(&new);
    let good = Case {
        what: "a request as it was sent",
        genuine: true,
        secret: new.reveal().to_owned(),
        headers: signed(newest, now),
        body: body.clone(),
        survives_javascript: true,
    };
    let both = Case {
        what: "the old secret during a rotation",
        secret: old.reveal().to_owned(),
        headers: signed(&[new.clone(), old.clone()], now),
        ..good.clone()
    };
    let mut cases = vec![
        good.clone(),
        Case {
            what: "a number that JavaScript has not",
            headers: headers(style.name, newest, now, big.as_bytes()),
            body: big.clone(),
            survives_javascript: false,
            ..good.clone()
        },
        both.clone(),
        Case {
            what: "the new secret during a rotation",
            genuine: style.every_secret_signs,
            secret: new.reveal().to_owned(),
            ..both
        },
        Case {
            what: "another secret",
            genuine: false,
            secret: foreign.reveal().to_owned(),
            ..good.clone()
        },
        Case { what: "no headers", genuine: false, headers: BTreeMap::new(), ..good.clone() },
        Case {
            what: "empty headers",
            genuine: false,
            headers: with_values(&good, |_| String::new()),
            ..good.clone()
        },
        Case {
            what: "garbled headers",
            genuine: false,
            headers: with_values(&good, |_| "t=,v1=,,v1, v1,% =é".to_owned()),
            ..good.clone()
        },
        Case {
            what: "a header cut short",
            genuine: false,
            headers: with_values(&good, |value| value[..value.len() - 1].to_owned()),
            ..good.clone()
        },
    ];
    if style.signs_body {
        cases.push(Case {
            what: "a changed body",
            genuine: false,
            body: body.replace("1.5", "1.6"),
            ..good.clone()
        });
        cases.push(Case { what: "no body", genuine: false, body: String::new(), ..good.clone() });
    }
    if let Some(timestamp) = style.timestamp {
        let at =
            |what, genuine, at| Case { what, genuine, headers: signed(newest, at), ..good.clone() };
        cases.push(at("a request of two minutes ago", true, now - 120));
        cases.push(at("a request of ten minutes ago", false, now - 600));
        cases.push(at("a request of ten minutes from now", false, now + 600));
        cases.push(cut_at_a_full_stop(&good, timestamp, now));
        cases.push(Case {
            what: "a newer timestamp than the signed one",
            genuine: false,
            headers: at_time(&good, timestamp, now, &(now + 1).to_string()),
            ..good
        });
    }
    cases
}

/// The signed text is the same, but the body's start is in the timestamp.
fn cut_at_a_full_stop(good: &Case, timestamp: Timestamp, now: u64) -> Case {
    let (start, rest) = good.body.split_once('.').unwrap();
    let headers = at_time(good, timestamp, now, &format!("{now}.{start}"));
    Case {
        what: "a body whose start was moved into the timestamp",
        genuine: false,
        headers,
        body: rest.to_owned(),
        ..good.clone()
    }
}

/// The headers with another timestamp than the signed one.
fn at_time(
    good: &Case,
    timestamp: Timestamp,
    signed: u64,
    shown: &str,
) -> BTreeMap<String, String> {
    let (name, old, new) = match timestamp {
        Timestamp::Header(name) => (name, signed.to_string(), shown.to_owned()),
        Timestamp::Start(name) => (name, format!("t={signed},"), format!("t={shown},")),
    };
    let mut headers = good.headers.clone();
    let value = headers.get_mut(name).unwrap();
    *value = value.replacen(&old, &new, 1);
    headers
}

fn with_values(case: &Case, change: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    case.headers.iter().map(|(name, value)| (name.clone(), change(value))).collect()
}

fn headers(
    style: &str,
    secrets: &[Secret],
    timestamp: u64,
    body: &[u8],
) -> BTreeMap<String, String> {
    let request =
        Signing { secrets, brand: "Acme", id: "evt_01ARYZ6S410000000000000000", timestamp, body };
    let headers = style.parse::<SignatureStyle>().unwrap().headers(&request);
    headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect()
}
