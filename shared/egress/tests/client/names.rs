//! Names: what they resolve to is judged when the connection is made.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use domain::endpoint_url::TargetPolicy;
use egress::{ClientOptions, DeliveryClient, ExchangeResult, UnreachableClass};

use crate::{BRIEF, class_of, outcome_of, post, receiver::Receiver};

/// A client for which every name has these addresses.
fn client_resolving_to(policy: TargetPolicy, answers: &[&str]) -> DeliveryClient {
    let answers: Vec<IpAddr> = answers.iter().map(|answer| answer.parse().unwrap()).collect();
    let lookup = move |_name| std::future::ready(Ok(answers.clone()));
    client_with(
        policy,
        ClientOptions { lookup: Some(Arc::new(lookup)), ..ClientOptions::default() },
    )
}

fn client_with(policy: TargetPolicy, options: ClientOptions) -> DeliveryClient {
    DeliveryClient::with_options(policy, options).unwrap()
}

fn receiver() -> Receiver {
    Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_name_is_connected_to_at_its_addresses() {
    let receiver = receiver();
    let client = client_resolving_to(TargetPolicy::Local, &["127.0.0.1"]);
    let outcome =
        outcome_of(&client, post(format!("http://example.com:{}/", receiver.port()))).await;
    assert!(matches!(outcome, ExchangeResult::Answered { status: 200, .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_name_with_any_address_that_is_not_allowed_is_refused_and_nothing_connected() {
    let receiver = receiver();
    let url = format!("https://example.com:{}/?token=sesame", receiver.port());
    let answers: [&[&str]; 5] = [
        &["127.0.0.1"],
        &["::1"],
        &["8.8.8.8", "127.0.0.1"],
        &["2606:4700:4700::1111", "8.8.8.8", "169.254.169.254"],
        &["::ffff:127.0.0.1"],
    ];
    for answers in answers {
        let outcome =
            outcome_of(&client_resolving_to(TargetPolicy::Strict, answers), post(&url)).await;
        let reason =
            "url has a host name that resolves to a private, local or reserved address".to_owned();
        assert_eq!(outcome, ExchangeResult::Refused { reason }, "{answers:?}");
    }
    let outcome = outcome_of(
        &client_resolving_to(TargetPolicy::Local, &["127.0.0.1", "10.0.0.1"]),
        post(&url),
    )
    .await;
    assert!(
        matches!(outcome, ExchangeResult::Refused { .. }),
        "private addresses stay refused locally: {outcome:?}"
    );
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_refused_url_is_refused_at_send_too() {
    let receiver = receiver();
    let strict = client_resolving_to(TargetPolicy::Strict, &["8.8.8.8"]);
    let urls = [
        format!("https://127.0.0.1:{}/", receiver.port()),
        format!("https://2130706433:{}/", receiver.port()),
        format!("https://[::ffff:127.0.0.1]:{}/", receiver.port()),
        format!("https://localhost:{}/", receiver.port()),
        receiver.url(),
        "no url at all".to_owned(),
    ];
    for url in urls {
        let outcome = outcome_of(&strict, post(&url)).await;
        assert!(matches!(outcome, ExchangeResult::Refused { .. }), "{url}: {outcome:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_without_addresses_is_a_dns_error() {
    let failing = |_name| std::future::ready(Err(io::Error::other("no such host")));
    let failing = ClientOptions { lookup: Some(Arc::new(failing)), ..ClientOptions::default() };
    for client in
        [client_with(TargetPolicy::Strict, failing), client_resolving_to(TargetPolicy::Strict, &[])]
    {
        let outcome = outcome_of(&client, post("https://example.com/?token=sesame")).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Dns, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_name_that_takes_too_long_to_resolve_is_a_timeout() {
    let hanging = |_name| std::future::pending::<io::Result<Vec<IpAddr>>>();
    let client = client_with(
        TargetPolicy::Strict,
        ClientOptions { lookup: Some(Arc::new(hanging)), ..ClientOptions::default() },
    );
    let mut request = post("https://example.com/?token=sesame");
    request.timeout = BRIEF;
    let outcome = outcome_of(&client, request).await;
    assert!(matches!(outcome, ExchangeResult::Timeout { .. }), "{outcome:?}");
}

/// The attack is called DNS rebinding: a name's first answer passes the check, its second is what
/// is connected to.
#[tokio::test]
async fn a_name_that_resolves_differently_on_the_second_look_is_looked_at_once_for_each_connection()
{
    let receiver = receiver();
    let url = format!("http://rebind.example.com:{}/?token=sesame", receiver.port());
    let looks = Arc::new(AtomicUsize::new(0));
    let looked = Arc::clone(&looks);
    // Every other answer is one that must never be connected to.
    let lookup = move |_name| {
        let answer = if looked.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            "127.0.0.1"
        } else {
            "169.254.169.254"
        };
        std::future::ready(Ok(vec![answer.parse().unwrap()]))
    };
    let client = client_with(
        TargetPolicy::Local,
        ClientOptions { lookup: Some(Arc::new(lookup)), ..ClientOptions::default() },
    );
    for connections in 1..=5 {
        let outcome = outcome_of(&client, post(&url)).await;
        assert!(
            matches!(outcome, ExchangeResult::Answered { status: 200, .. }),
            "the judged address is the one that is used: {outcome:?}"
        );
        let outcome = outcome_of(&client, post(&url)).await;
        assert!(matches!(outcome, ExchangeResult::Refused { .. }), "{outcome:?}");
        assert_eq!(receiver.connections(), connections);
    }
    assert_eq!(
        looks.load(Ordering::SeqCst),
        10,
        "one look for each connection: nothing can change between check and use"
    );
}

#[tokio::test]
async fn no_header_of_an_answer_leads_anywhere_else() {
    let elsewhere = receiver();
    let headers = [
        format!("location: {}", elsewhere.url()),
        "location: http://169.254.169.254/latest/meta-data/".to_owned(),
        "location: file:///etc/passwd".to_owned(),
        "location: //localhost/".to_owned(),
        format!("refresh: 0; url={}", elsewhere.url()),
        format!("alt-svc: http/1.1=\":{}\"; ma=9999", elsewhere.port()),
        format!("content-location: {}", elsewhere.url()),
        format!("link: <{}>; rel=preload", elsewhere.url()),
        "www-authenticate: Basic".to_owned(),
        "set-cookie: a=b".to_owned(),
    ];
    let client = client_with(TargetPolicy::Local, ClientOptions::default());
    for header in headers {
        for status in [200, 302, 307, 308, 401, 421] {
            let receiver = Receiver::answering(format!(
                "HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: 0\r\n\r\n"
            ));
            let outcome = outcome_of(&client, post(receiver.url())).await;
            assert!(
                matches!(
                    outcome,
                    ExchangeResult::Answered { status: there, .. } if there == status
                ),
                "{header}: {outcome:?}"
            );
            assert_eq!(receiver.connections(), 1, "{status} {header}");
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}
