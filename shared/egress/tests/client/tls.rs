//! TLS: whom the client trusts, and what it says when it doesn't.

use std::{sync::Arc, time::Duration};

use domain::endpoint_url::TargetPolicy;
use egress::{ClientOptions, DeliveryClient, ExchangeResult, UnreachableClass};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        version,
    },
};

use crate::{
    class_of, local_client, outcome_of, post,
    receiver::{Receiver, read_request, until_hung_up},
};

struct TlsReceiver {
    receiver: Receiver,
    /// The authority that signed its certificate, as PEM.
    authority: String,
}

impl TlsReceiver {
    /// Answers 200, with a certificate for `name` by an authority of its own.
    fn named(name: &str) -> Self {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        Self::with(&params, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    }

    /// Answers with this, and a certificate of these parameters by an authority of its own.
    fn with(certificate: &CertificateParams, answer: &'static str) -> Self {
        let mut params = CertificateParams::default();
        // A name of its own, so that no authority of this machine is taken for it.
        params.distinguished_name.push(rcgen::DnType::CommonName, "Posthaste's test authority");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let receiver = Receiver::serving(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                // The client may refuse the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                read_request(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                // Dropped without TLS's own goodbye.
            }
        });
        Self { receiver, authority: authority.pem() }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/?token=sesame", self.receiver.port())
    }

    fn trusting_client(&self) -> DeliveryClient {
        let options = ClientOptions {
            extra_roots: self.authority.clone().into(),
            ..ClientOptions::default()
        };
        DeliveryClient::with_options(TargetPolicy::Local, options).unwrap()
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    let receiver = TlsReceiver::named("localhost");
    let outcome = outcome_of(&receiver.trusting_client(), post(receiver.url())).await;
    assert!(matches!(outcome, ExchangeResult::Answered { status: 200, .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_a_tls_error() {
    let receiver = TlsReceiver::named("localhost");
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
    assert!(format!("{outcome:?}").contains("UnknownIssuer"), "the detail says why: {outcome:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_tls_error() {
    let receiver = TlsReceiver::named("other.example.com");
    let outcome = outcome_of(&receiver.trusting_client(), post(receiver.url())).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_a_tls_error() {
    let receiver = Receiver::serving(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let url = format!("https://127.0.0.1:{}/?token=sesame", receiver.port());
    let outcome = outcome_of(&local_client(), post(url)).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
}

#[tokio::test]
async fn hanging_up_in_the_handshake_is_a_tls_error() {
    let receiver = Receiver::serving(|stream, _| async move { drop(stream) });
    let url = format!("https://127.0.0.1:{}/?token=sesame", receiver.port());
    let outcome = outcome_of(&local_client(), post(url)).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_or_for_another_purpose_is_a_tls_error() {
    let mut expired = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let mut early = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    early.not_before = rcgen::date_time_ymd(4000, 1, 1);
    let mut for_clients = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    for_clients.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let nameless = CertificateParams::new(Vec::new()).unwrap();
    for certificate in [expired, early, for_clients, nameless] {
        let receiver = TlsReceiver::with(&certificate, "HTTP/1.1 200 OK\r\n\r\n");
        let outcome = outcome_of(&receiver.trusting_client(), post(receiver.url())).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
    }
}

#[tokio::test]
async fn hanging_up_behind_the_handshake_is_told_as_such() {
    for answer in [
        "",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
    ] {
        let receiver = TlsReceiver::with(
            &CertificateParams::new(vec!["localhost".to_owned()]).unwrap(),
            answer,
        );
        let outcome = outcome_of(&receiver.trusting_client(), post(receiver.url())).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Closed, "{answer:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_none_is_a_tls_error() {
    const SERVER_HELLO: &[u8] = &[0x16, 3, 3, 0, 0x7a, 2, 0, 0, 0x76, 3, 3];
    for (what, bytes) in [
        ("an alert: no common version", &[0x15, 3, 1, 0, 2, 2, 70][..]),
        ("half a ServerHello", SERVER_HELLO),
        ("SSH", b"SSH-2.0-OpenSSH_9.6\r\n"),
        ("zeros", &[0; 100]),
        ("a record of a version of its own", &[0x16, 9, 9, 0, 1, 0]),
        ("data before keys", &[0x17, 3, 3, 0, 2, 0, 0]),
        ("a message of 16 MiB", &[0x16, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff]),
    ] {
        let receiver = Receiver::serving(move |mut stream, _| async move {
            let mut hello = [0; 512];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        });
        let url = format!("https://127.0.0.1:{}/?token=sesame", receiver.port());
        let outcome = outcome_of(&local_client(), post(url)).await;
        assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{what}: {outcome:?}");
        assert_eq!(receiver.connections(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_handshake_without_end_is_a_tls_error_or_a_timeout() {
    // Silence; a message that claims 16 MiB, for ever; messages of no length, for ever.
    for (start, rest) in [
        (&[][..], &[][..]),
        (&[0x16, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff], &[0x16, 3, 3, 0, 1, 0]),
        (&[], &[0x16, 3, 3, 0, 0]),
    ] {
        let receiver = Receiver::serving(move |mut stream, _| async move {
            let _ = stream.write_all(start).await;
            let piece = rest.repeat(1_000);
            while !piece.is_empty() && stream.write_all(&piece).await.is_ok() {}
            until_hung_up(&mut stream).await;
        });
        let mut request = post(format!("https://127.0.0.1:{}/?token=sesame", receiver.port()));
        request.timeout = Duration::from_secs(1);
        let exchange = local_client().send(request).await;
        assert!(exchange.duration < Duration::from_secs(5), "{exchange:?}");
        let tls = matches!(
            exchange.outcome,
            ExchangeResult::Unreachable { class: UnreachableClass::Tls, .. }
        );
        assert!(tls || matches!(exchange.outcome, ExchangeResult::Timeout { .. }), "{exchange:?}");
        if rest.is_empty() {
            assert!(!tls, "{exchange:?}");
        }
    }
}
