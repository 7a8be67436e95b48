//! What a caller may say of an endpoint.
//!
//! Create, replace and change take the same fields through the same checks: a creation is a change
//! of an endpoint that has only defaults, and a replacement is a change of one that is set back to
//! them first.

use std::collections::BTreeMap;

use api::{ApiError, Field, Texts, given, judge::TargetCheck};
use domain::{
    body_schema,
    endpoint_url::EndpointUrl,
    model::{
        Catalogue, CustomHeaders, Endpoint, Project, Selector, Status,
        endpoint::{
            MAX_DESCRIPTION, MAX_METADATA, MAX_METADATA_BYTES, MAX_METADATA_KEY,
            MAX_METADATA_VALUE, MAX_SELECTORS, TIMEOUT_SECONDS,
        },
        project::MAX_NAME,
    },
    rate::RATE_LIMIT,
    schedule::Schedule,
    shape::BodyShape,
    signing::{Secret, SignatureStyle, compatible},
};
use serde::{Deserialize, de::IgnoredAny};
use utoipa::ToSchema;

/// The body of a creation, replacement or change. Fields that only Posthaste sets are taken and
/// left alone, so that what was read can be put back. No `Debug`: it may hold a secret.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Changes {
    #[serde(deserialize_with = "given")]
    #[schema(value_type = EndpointUrl, required = false)]
    url: Field<String>,
    /// An event is sent to the endpoint if one of these matches its topic.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Vec<Selector>, required = false, min_items = 1, max_items = 100)]
    topics: Field<Vec<String>>,
    /// Display name.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Field<String>,
    /// A description for your own use.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Field<String>,
    /// Your own key-value pairs: at most 50, with keys of 1 to 40 characters and values of at most
    /// 500.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    metadata: Field<Texts>,
    /// Headers to add to each request: at most 20, with names of at most 100 characters and values
    /// of at most 1,024 visible ASCII characters. `null` removes them.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    headers: Field<Texts>,
    /// How requests are signed. Use several at once while a receiver migrates; `timestamped` and
    /// `digest` exclude each other. `null` for the project's default.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Vec<SignatureStyle>>, min_items = 1)]
    signatures: Field<Vec<SignatureStyle>>,
    /// `null` for the project's default.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<BodyShape>)]
    body: Field<BodyShape>,
    /// Seconds that the receiver has for the whole exchange. `null` for the deployment's default.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u8>, minimum = 1, maximum = 30)]
    timeout_seconds: Field<u64>,
    /// `null` for the deployment's default.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Schedule>)]
    retry_schedule: Field<Vec<u32>>,
    /// The most deliveries a second; deliveries over the limit wait. `null` for no limit.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 500)]
    rate_limit: Field<u64>,
    /// `active` or `paused`. Only Posthaste sets `disabled`; set `active` to enable the endpoint
    /// again.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Status, required = false)]
    status: Field<Status>,
    /// Your own secret: 16 to 256 visible ASCII characters without spaces. `standard` and `svix`
    /// need `whsec_` and the base64 of 24 to 64 bytes. Generated if absent or null.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 16, max_length = 256, pattern = "^[!-~]+$")]
    pub(crate) secret: Field<String>,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(rename = "id")]
    #[schema(value_type = Value)]
    _id: IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(rename = "object")]
    #[schema(value_type = Value)]
    _object: IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(rename = "disabled_reason")]
    #[schema(value_type = Value)]
    _disabled_reason: IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(rename = "health")]
    #[schema(value_type = Value)]
    _health: IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(rename = "created_at")]
    #[schema(value_type = Value)]
    _created_at: IgnoredAny,
    /// Ignored; accepted so that a response can be sent back.
    #[serde(rename = "updated_at")]
    #[schema(value_type = Value)]
    _updated_at: IgnoredAny,
}

body_schema! {
    /// A new endpoint. Omitted fields have their defaults.
    NewEndpoint: Changes, requires ["url", "topics"], without [], like {
        "url": "https://example.com/webhooks", "topics": ["task.*", "run.failed"],
        "name": "Billing", "metadata": {"team": "billing"}
    }
}
body_schema! {
    /// Full replacement. Omitted fields are reset to their defaults; the secret and the status are
    /// kept.
    EndpointReplacement: Changes, requires ["url", "topics"], without ["secret"], like {
        "url": "https://example.com/webhooks", "topics": ["task.*"], "signatures": ["standard",
            "timestamped"]
    }
}
body_schema! {
    /// The fields of an endpoint to change. Omitted fields are unchanged.
    EndpointChanges: Changes, requires [], without ["secret"], like {"status": "paused",
        "timeout_seconds": 10}
}

/// What the checks are made against.
pub(crate) struct Rules {
    /// The topics that exist.
    pub(crate) catalogue: Catalogue,
    /// Where requests may go.
    pub(crate) judge: TargetCheck,
    /// The project, for its defaults.
    pub(crate) project: Option<Project>,
}

impl Rules {
    /// The URL of a request, judged.
    pub(crate) fn url(&self, text: &str) -> Result<EndpointUrl, ApiError> {
        self.judge.url(text).map_err(|error| ApiError::validation("url", error.to_string()))
    }

    /// How an endpoint is signed that doesn't say.
    pub(crate) fn default_signatures(&self) -> Vec<SignatureStyle> {
        self.project
            .as_ref()
            .map_or_else(|| vec![SignatureStyle::STANDARD], Project::default_signatures)
    }

    /// What the bodies of an endpoint look like that doesn't say.
    pub(crate) fn default_body(&self) -> BodyShape {
        self.project.as_ref().and_then(|project| project.body).unwrap_or(BodyShape::EVENT)
    }

    /// An endpoint with the project's defaults.
    pub(crate) fn blank(&self, endpoint: Endpoint) -> Endpoint {
        Endpoint { signatures: self.default_signatures(), body: self.default_body(), ..endpoint }
    }

    fn topics(&self, texts: &[String]) -> Result<Vec<Selector>, ApiError> {
        if texts.is_empty() || texts.len() > MAX_SELECTORS {
            return Err(ApiError::validation(
                "topics",
                format!("must name 1 to {MAX_SELECTORS} topics"),
            ));
        }
        let mut topics = Vec::with_capacity(texts.len());
        for (place, text) in texts.iter().enumerate() {
            let refused =
                |message: String| ApiError::validation(format!("topics[{place}]"), message);
            let selector: Selector =
                text.parse().map_err(|error| refused(format!("`{text}`: {error}")))?;
            if !self.catalogue.reaches(&selector) {
                return Err(refused(format!(
                    "no such topic: `{text}`; GET /webhooks/topics lists them"
                )));
            }
            if !topics.contains(&selector) {
                topics.push(selector);
            }
        }
        Ok(topics)
    }
}

impl Changes {
    /// The URL that a creation or replacement must have.
    pub(crate) fn required_url(&self, rules: &Rules) -> Result<EndpointUrl, ApiError> {
        let url = self.url.as_ref().and_then(Option::as_ref);
        url.ok_or_else(|| ApiError::validation("url", "is required")).and_then(|url| rules.url(url))
    }

    /// The topics that a creation or replacement must have.
    pub(crate) fn required_topics(&self, rules: &Rules) -> Result<Vec<Selector>, ApiError> {
        let topics = self.topics.as_ref().and_then(Option::as_ref);
        topics
            .ok_or_else(|| ApiError::validation("topics", "is required"))
            .and_then(|topics| rules.topics(topics))
    }

    /// Whether what an endpoint did before says nothing any more: it goes elsewhere, or was turned
    /// on.
    pub(crate) fn starts_afresh(&self) -> bool {
        self.url.is_some() || self.status == Some(Some(Status::Active))
    }

    /// Applies every field that is there. All or nothing: `endpoint` is taken and given back.
    pub(crate) fn apply(self, mut endpoint: Endpoint, rules: &Rules) -> Result<Endpoint, ApiError> {
        if let Some(url) = self.url {
            endpoint.url = rules.url(&url.ok_or_else(|| not_null("url"))?)?;
        }
        if let Some(topics) = self.topics {
            endpoint.topics = rules.topics(&topics.ok_or_else(|| not_null("topics"))?)?;
        }
        if let Some(name) = self.name {
            endpoint.name = name.map(|text| short(text, "name", MAX_NAME)).transpose()?;
        }
        if let Some(description) = self.description {
            endpoint.description =
                description.map(|text| short(text, "description", MAX_DESCRIPTION)).transpose()?;
        }
        if let Some(metadata) = self.metadata {
            endpoint.metadata = metadata_within_limits(metadata.unwrap_or_default().0)?;
        }
        if let Some(headers) = self.headers {
            let headers = CustomHeaders::new(headers.unwrap_or_default().0);
            endpoint.headers =
                headers.map_err(|error| ApiError::validation("headers", error.to_string()))?;
        }
        if let Some(signatures) = self.signatures {
            let signatures = signatures.unwrap_or_else(|| rules.default_signatures());
            endpoint.signatures = compatible(signatures)
                .map_err(|error| ApiError::validation("signatures", error.to_string()))?;
        }
        if let Some(body) = self.body {
            endpoint.body = body.unwrap_or_else(|| rules.default_body());
        }
        if let Some(seconds) = self.timeout_seconds {
            endpoint.timeout_seconds = seconds.map(timeout_within_limits).transpose()?;
        }
        if let Some(waits) = self.retry_schedule {
            endpoint.retry_schedule = waits.map(schedule).transpose()?;
        }
        if let Some(limit) = self.rate_limit {
            endpoint.rate_limit = limit.map(rate_within_limits).transpose()?;
        }
        if let Some(status) = self.status {
            set_status(&mut endpoint, status.ok_or_else(|| not_null("status"))?)?;
        }
        Ok(endpoint)
    }
}

/// Only Posthaste disables; saying "disabled" of an endpoint that is so already changes nothing.
fn set_status(endpoint: &mut Endpoint, status: Status) -> Result<(), ApiError> {
    if status == Status::Disabled && endpoint.status != Status::Disabled {
        return Err(ApiError::validation("status", "must be `active` or `paused`"));
    }
    if status != Status::Disabled {
        endpoint.disabled_reason = None;
    }
    endpoint.status = status;
    Ok(())
}

pub(crate) fn not_null(field: &str) -> ApiError {
    ApiError::validation(field, "can't be null")
}

fn short(text: String, field: &str, most: usize) -> Result<String, ApiError> {
    if text.chars().count() > most {
        return Err(ApiError::validation(field, format!("must be at most {most} characters")));
    }
    Ok(text)
}

fn metadata_within_limits(
    metadata: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let fits = |key: &str, value: &str| {
        key.chars().count() <= MAX_METADATA_KEY && value.chars().count() <= MAX_METADATA_VALUE
    };
    if metadata.len() > MAX_METADATA
        || metadata.iter().any(|(key, value)| key.is_empty() || !fits(key, value))
    {
        return Err(ApiError::validation(
            "metadata",
            format!(
                "must have at most {MAX_METADATA} entries, with keys of 1 to {MAX_METADATA_KEY} \
                    characters and values of at most {MAX_METADATA_VALUE}"
            ),
        ));
    }
    if metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
        > MAX_METADATA_BYTES
    {
        return Err(ApiError::validation(
            "metadata",
            format!("must be at most {MAX_METADATA_BYTES} bytes in all"),
        ));
    }
    Ok(metadata)
}

/// Some styles decode the secret, and so need one that can be decoded.
pub(crate) fn check_secret(styles: &[SignatureStyle], secret: &Secret) -> Result<(), ApiError> {
    match styles.iter().find(|style| !style.takes(secret)) {
        Some(style) => Err(ApiError::validation(
            "secret",
            format!("{} for the signature style `{}`", Secret::DECODABLE, style.name()),
        )),
        None => Ok(()),
    }
}

fn timeout_within_limits(seconds: u64) -> Result<u8, ApiError> {
    let within = u8::try_from(seconds).ok().filter(|seconds| TIMEOUT_SECONDS.contains(seconds));
    within.ok_or_else(|| {
        ApiError::validation(
            "timeout_seconds",
            format!("must be {} to {} seconds", TIMEOUT_SECONDS.start(), TIMEOUT_SECONDS.end()),
        )
    })
}

fn rate_within_limits(limit: u64) -> Result<u16, ApiError> {
    let within = u16::try_from(limit).ok().filter(|limit| RATE_LIMIT.contains(limit));
    within.ok_or_else(|| {
        ApiError::validation(
            "rate_limit",
            format!(
                "must be {} to {} deliveries a second, or null",
                RATE_LIMIT.start(),
                RATE_LIMIT.end()
            ),
        )
    })
}

fn schedule(waits: Vec<u32>) -> Result<Schedule, ApiError> {
    waits.try_into().map_err(|error: domain::schedule::ScheduleError| {
        ApiError::validation("retry_schedule", error.to_string())
    })
}
