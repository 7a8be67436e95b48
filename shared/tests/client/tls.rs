//! TLS: whom the client trusts, and what it says when it doesn't.

use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use shared::target::{ClientOptions, DeliveryClient, Outcome, TargetPolicy, UnreachableClass};
use tokio::io::AsyncWriteExt;
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
    receiver::{Receiver, read_request},
};

struct TlsReceiver {
    receiver: Receiver,
    /// The authority that signed its certificate, as PEM.
    authority: String,
}

impl TlsReceiver {
    /// Answers 200, with a certificate for `name` by an authority of its own.
    async fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        // A name of its own, so that no authority of this machine is taken for it.
        params.distinguished_name.push(rcgen::DnType::CommonName, "Posthaste's test authority");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
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
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                stream.shutdown().await.unwrap();
            }
        })
        .await;
        Self { receiver, authority: authority.pem() }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/?token=sesame", self.receiver.port())
    }

    fn trusting_client(&self) -> DeliveryClient {
        let options = ClientOptions { extra_roots: self.authority.clone().into(), ..ClientOptions::default() };
        DeliveryClient::with_options(TargetPolicy::Local, options).unwrap()
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted() {
    let receiver = TlsReceiver::named("localhost").await;
    let outcome = outcome_of(&receiver.trusting_client(), post(receiver.url())).await;
    assert!(matches!(outcome, Outcome::Answered { status: 200, .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_a_tls_error() {
    let receiver = TlsReceiver::named("localhost").await;
    let outcome = outcome_of(&local_client(), post(receiver.url())).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
    assert!(format!("{outcome:?}").contains("UnknownIssuer"), "the detail says why: {outcome:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_tls_error() {
    let receiver = TlsReceiver::named("other.example.com").await;
    let outcome = outcome_of(&receiver.trusting_client(), post(receiver.url())).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
}

#[tokio::test]
async fn plain_http_where_tls_is_expected_is_a_tls_error() {
    let receiver = Receiver::serving(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    })
    .await;
    let url = format!("https://127.0.0.1:{}/?token=sesame", receiver.port());
    let outcome = outcome_of(&local_client(), post(url)).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
}

#[tokio::test]
async fn hanging_up_in_the_handshake_is_a_tls_error() {
    let receiver = Receiver::serving(|stream, _| async move { drop(stream) }).await;
    let url = format!("https://127.0.0.1:{}/?token=sesame", receiver.port());
    let outcome = outcome_of(&local_client(), post(url)).await;
    assert_eq!(class_of(&outcome), UnreachableClass::Tls, "{outcome:?}");
}
