//! Signature styles, chosen by name. A new one is one file, and one line in [`STYLES`].

use super::{Secret, digest, standard, svix, timestamped, token};
use crate::by_name::by_name;

/// Every style that there is.
const STYLES: [&Style; 5] =
    [&standard::STYLE, &svix::STYLE, &timestamped::STYLE, &digest::STYLE, &token::STYLE];

/// A request to sign.
pub struct Signing<'a> {
    /// The live secrets, newest first.
    pub secrets: &'a [Secret],
    /// The name in brand-specific headers.
    pub brand: &'a str,
    /// The event's id.
    pub id: &'a str,
    /// The attempt's Unix seconds.
    pub timestamp: u64,
    /// The bytes that are sent.
    pub body: &'a [u8],
}

/// One way to prove where a request comes from.
pub(super) struct Style {
    pub(super) name: &'static str,
    /// Whether its key is the secret's decoded bytes, so that the secret must be base64.
    pub(super) decodes_secret: bool,
    /// The headers that carry the proof.
    pub(super) headers: fn(&Signing<'_>) -> Vec<(String, String)>,
}

/// A style, by its name.
#[derive(Clone, Copy)]
pub struct SignatureStyle(&'static Style);

/// A text that names no style.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of: {}", STYLES.map(|style| style.name).join(", "))]
pub struct UnknownStyle;

impl SignatureStyle {
    /// Standard Webhooks 1.0.0: the default.
    pub const STANDARD: Self = Self(&standard::STYLE);
    /// The secret itself in a header.
    pub const TOKEN: Self = Self(&token::STYLE);

    /// The headers that carry the proof.
    pub fn headers(self, request: &Signing<'_>) -> Vec<(String, String)> {
        (self.0.headers)(request)
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether it takes only secrets that are base64.
    pub fn decodes_secret(self) -> bool {
        self.0.decodes_secret
    }

    /// Whether it can sign with this secret.
    pub fn takes(self, secret: &Secret) -> bool {
        !self.0.decodes_secret || secret.is_decodable()
    }

    /// Whether the two can't be on one request, as they use the same header.
    pub fn excludes(self, other: Self) -> bool {
        let brand_signature =
            |style: Self| [timestamped::STYLE.name, digest::STYLE.name].contains(&style.name());
        self != other && brand_signature(self) && brand_signature(other)
    }
}

/// Styles that can't sign one request together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StylesError {
    /// There are none.
    #[error("must name at least one style")]
    None,
    /// Two would write the same header.
    #[error("`{0}` and `{1}` use the same header; choose one of them")]
    Excluded(&'static str, &'static str),
}

/// The styles without repetitions, if they can sign one request together.
pub fn compatible(wanted: Vec<SignatureStyle>) -> Result<Vec<SignatureStyle>, StylesError> {
    let mut styles: Vec<SignatureStyle> = Vec::new();
    for style in wanted {
        if let Some(other) = styles.iter().find(|other| style.excludes(**other)) {
            return Err(StylesError::Excluded(other.name(), style.name()));
        }
        if !styles.contains(&style) {
            styles.push(style);
        }
    }
    if styles.is_empty() { Err(StylesError::None) } else { Ok(styles) }
}

by_name!(
    SignatureStyle,
    STYLES,
    UnknownStyle,
    "How a request is signed: `standard` sends the headers of Standard Webhooks, `svix` the same \
        under other names, `timestamped` sends `<Brand>-Signature: t=…,v1=…`, `digest` sends \
        `<Brand>-Signature: <hex>`, `token` sends the secret itself in `X-<Brand>-Token`."
);

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"task_1"}"#;

    fn headers(style: &str, secrets: &[Secret]) -> Vec<(String, String)> {
        let request = Signing {
            secrets,
            brand: "Ittybit",
            id: "evt_1",
            timestamp: 1_614_265_330,
            body: BODY,
        };
        style.parse::<SignatureStyle>().unwrap().headers(&request)
    }

    fn secret() -> Secret {
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()
    }

    /// The values were computed with Python's `hmac` module.
    #[test]
    fn each_style_has_its_headers_and_scheme() {
        let one = |style: &str| headers(style, &[secret()]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            one("timestamped"),
            [pair(
                "Ittybit-Signature",
                "t=1614265330,v1=40d9396ad627f2ffba36af0557c55e4547ea5e7e8f717b4226d8612326435a88"
            )]
        );
        assert_eq!(
            one("digest"),
            [pair(
                "Ittybit-Signature",
                "86b485aa500a5caa5a407db81706086388ad06b998fa2b2b9791c37d828c7dea"
            )]
        );
        assert_eq!(
            one("token"),
            [pair("X-Ittybit-Token", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
        );
        let names = |style: &str| one(style).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names("standard"), ["webhook-id", "webhook-timestamp", "webhook-signature"]);
        assert_eq!(names("svix"), ["svix-id", "svix-timestamp", "svix-signature"]);
        assert_eq!(one("svix")[2].1, one("standard")[2].1, "the same signature by other names");
    }

    #[test]
    fn two_live_secrets_both_sign_where_the_style_has_room() {
        let both = [Secret::new([1; 32]), secret()];
        assert_eq!(headers("timestamped", &both)[0].1.matches("v1=").count(), 2);
        assert_eq!(headers("standard", &both)[2].1.matches("v1,").count(), 2);
        for style in ["digest", "token"] {
            assert_eq!(
                headers(style, &both),
                headers(style, &both[1..]),
                "the old one alone, until it is no longer live"
            );
        }
    }

    #[test]
    fn styles_of_one_header_exclude_each_other() {
        let style = |name: &str| name.parse::<SignatureStyle>().unwrap();
        assert!(style("timestamped").excludes(style("digest")));
        assert!(!style("timestamped").excludes(style("timestamped")));
        assert!(!style("standard").excludes(style("digest")));
    }

    #[test]
    fn an_unknown_style_is_told_the_known_ones() {
        assert_eq!(
            "md5".parse::<SignatureStyle>().unwrap_err().to_string(),
            "must be one of: standard, svix, timestamped, digest, token"
        );
    }
}
