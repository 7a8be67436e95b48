//! The one client for requests to customers' URLs.
//!
//! No redirects, proxies, cookies, decompression or HTTP/2: one request goes to the judged address,
//! and what comes back is read up to a limit. Everything else that a general HTTP client does is a
//! way around the target policy.
//!
//! Trust roots are the platform's; the environment variable `SSL_CERT_FILE` replaces them
//! (rustls-native-certs).
//!
//! # Pitfalls
//!
//! The timeout covers the whole exchange, with name lookup and the body: a receiver that sends one
//! byte a second is as slow as one that sends none.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use domain::endpoint_url::{EndpointUrl, TargetPolicy};
use http::{
    HeaderMap, HeaderName, Method,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, RETRY_AFTER, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use reqwest::{Certificate, Request, Response, redirect, tls};
use tokio::time::{Instant, timeout_at};
use tower::util::MapRequestLayer;
use url::Url;

use crate::{
    body, failure,
    outcome::{Exchange, ExchangeResult},
    resolver::{JudgingResolver, Lookup, system_lookup},
    retry_after, reuse,
};

/// The longest time that an exchange can be given: a Lambda invocation ends after 15 minutes.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(15);

/// How many idle connections are kept per host, and so how often a request may meet a dead one.
pub const MAX_IDLE_PER_HOST: usize = 4;

/// Shorter than common servers keep connections (nginx 75 s, Node 5 s, ALB 60 s), longer than a
/// busy function's pauses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// For TCP and TLS together. Only shortens long timeouts, so that one dead address of several
/// doesn't use up all the time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const USER_AGENT: &str = concat!("Posthaste/", env!("CARGO_PKG_VERSION"));

/// Headers that say where a message goes and where it ends. They are the client's own, whatever a
/// customer configured.
const FRAMING: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// One POST to make.
pub struct SignedRequest {
    /// Where to: judged again, by the client's policy, before anything is sent.
    pub url: String,
    /// All headers apart from framing, `User-Agent` and `Accept`.
    pub headers: HeaderMap,
    /// The bytes that were signed.
    pub body: Bytes,
    /// For the whole exchange, at most [`MAX_TIMEOUT`].
    pub timeout: Duration,
}

/// What differs from the platform's defaults.
#[derive(Default)]
pub struct ClientOptions {
    /// Certificate authorities to trust besides the platform's, as PEM text.
    pub extra_roots: Vec<u8>,
    /// Finds the addresses of names, in place of the operating system. Its answers are judged, too.
    pub lookup: Option<Arc<dyn Lookup>>,
}

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be built (no certificates of authorities on this machine?)")]
pub struct ClientError(#[from] reqwest::Error);

/// Sends requests to customers' URLs. Build one per process: it holds the connections and the TLS
/// sessions. Cheap to clone.
#[derive(Clone)]
pub struct DeliveryClient {
    policy: TargetPolicy,
    http: reqwest::Client,
}

impl DeliveryClient {
    /// A client that trusts the platform's certificate authorities and asks the operating system
    /// about names.
    pub fn new(policy: TargetPolicy) -> Result<Self, ClientError> {
        Self::with_options(policy, ClientOptions::default())
    }

    /// A client with options.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds the client")]
    pub fn with_options(policy: TargetPolicy, options: ClientOptions) -> Result<Self, ClientError> {
        let lookup = options.lookup.unwrap_or_else(|| Arc::new(system_lookup));
        let roots = Certificate::from_pem_bundle(&options.extra_roots)?;
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .dns_resolver(JudgingResolver::new(policy, lookup))
            .connector_layer(MapRequestLayer::new(reuse::note_connecting))
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http1_only()
            .https_only(policy == TargetPolicy::Strict)
            .tls_certs_merge(roots)
            .tls_version_min(tls::Version::TLS_1_2)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .build()?;
        Ok(Self { policy, http })
    }

    /// Makes one exchange. Never fails: whatever happens is an outcome.
    pub async fn send(&self, request: SignedRequest) -> Exchange {
        let started = Instant::now();
        let outcome = match EndpointUrl::parse(&request.url, self.policy) {
            Ok(url) => self.exchange(url.into_url(), request, started).await,
            Err(error) => ExchangeResult::Refused { reason: error.to_string() },
        };
        Exchange { outcome, duration: started.elapsed() }
    }

    async fn exchange(
        &self,
        url: Url,
        mut request: SignedRequest,
        started: Instant,
    ) -> ExchangeResult {
        let timeout = request.timeout.min(MAX_TIMEOUT);
        let deadline = started + timeout;
        for name in FRAMING {
            request.headers.remove(name);
        }
        let response = match timeout_at(deadline, self.request(&url, &request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return failure::outcome_of(&error),
            Err(_) => {
                return ExchangeResult::Timeout {
                    detail: format!("no response within {timeout:?}"),
                };
            }
        };
        let status = response.status().as_u16();
        let retry_after = retry_after_of(&response);
        match timeout_at(deadline, body::read_start(response)).await {
            Ok(Ok(body)) => ExchangeResult::Answered {
                status,
                retry_after,
                body: body.text,
                truncated: body.truncated,
            },
            Ok(Err(error)) => failure::outcome_of(&error),
            Err(_) => ExchangeResult::Timeout {
                detail: format!("status {status}, but not the whole body within {timeout:?}"),
            },
        }
    }

    /// Sends until a connection was fresh or answered: each pooled connection that turns out dead
    /// is one less in the pool.
    async fn request(
        &self,
        url: &Url,
        request: &SignedRequest,
    ) -> Result<Response, reqwest::Error> {
        let mut dead_connections = 0;
        loop {
            let post = post(url.clone(), request);
            let (result, reused) = reuse::noting_reuse(self.http.execute(post)).await;
            match result {
                Err(error)
                    if reused
                        && failure::is_hang_up(&error)
                        && dead_connections < MAX_IDLE_PER_HOST =>
                {
                    dead_connections += 1;
                }
                result => return result,
            }
        }
    }
}

fn post(url: Url, request: &SignedRequest) -> Request {
    let mut post = Request::new(Method::POST, url);
    *post.headers_mut() = request.headers.clone();
    *post.body_mut() = Some(request.body.clone().into());
    post
}

fn retry_after_of(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    retry_after::parse(value, SystemTime::now())
}
