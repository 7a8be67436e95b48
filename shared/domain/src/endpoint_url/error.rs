//! Why a URL was refused: one variant per rule.
//!
//! The texts go to customers as they are (`"url must use https"`), so they name the rule and never
//! repeat the URL, whose query may hold a secret.

/// The longest URL taken, in characters as written and in bytes once percent-encoded: what browsers
/// and proxies agree on.
pub const MAX_URL_LENGTH: usize = 2048;

/// The rule that a URL breaks. Displays as a sentence for the API's `message`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing but white space was given.
    #[error("url must not be empty")]
    Empty,
    /// Longer than [`MAX_URL_LENGTH`], as written or once percent-encoded.
    #[error("url must not be longer than {MAX_URL_LENGTH} characters")]
    TooLong,
    /// White space, control characters or backslashes: parsers disagree about what these mean.
    #[error("url must not contain white space, control characters or backslashes")]
    ForbiddenCharacter,
    /// Not an absolute URL of the form `https://host/path`.
    #[error("url must have the form https://host/path ({0})")]
    Malformed(String),
    /// Any scheme but `https`, under the strict policy.
    #[error("url must use https")]
    NotHttps,
    /// Any scheme but `https` and `http`, under the local policy.
    #[error("url must use https or http")]
    NotHttp,
    /// `user:password@`, even an empty one.
    #[error("url must not contain a user name or password")]
    Credentials,
    /// `#…`, which an HTTP request never carries.
    #[error("url must not contain a fragment (#…), which is never sent")]
    Fragment,
    /// Port 0, which no connection can be made to.
    #[error("url must not use port 0")]
    PortZero,
    /// An IP address, in whatever spelling, that isn't globally reachable.
    #[error("url must not point to a private, local or reserved address")]
    AddressNotPublic,
    /// A host that isn't a DNS name: empty or overlong labels, characters outside of letters,
    /// digits, `-` and `_`.
    #[error("url must have a valid host name")]
    InvalidName,
    /// A name without a dot, which means something only inside of some network.
    #[error("url must have a fully qualified host name")]
    SingleLabel,
    /// A name under a domain that is reserved for local or special use.
    #[error("url must not use a name under the special-use domain .{0}")]
    SpecialName(&'static str),
    /// This service's own host: events would feed on themselves.
    #[error("url must not point to this service itself")]
    OwnHost,
    /// A public name with at least one answer that isn't globally reachable. The address is left
    /// out on purpose: it would tell customers about the inside of the network.
    #[error("url has a host name that resolves to a private, local or reserved address")]
    ResolvesToNotPublic,
}
