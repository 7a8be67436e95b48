//! Which host names may be asked for at all, before any resolver is.
//!
//! The resolver refuses private answers anyway. Names are judged too, because a refusal when the
//! endpoint is created tells the customer more than a failed delivery, and because what a special
//! name means depends on who resolves it.
//!
//! A trailing dot (`localhost.`) changes nothing about what a name means. Case, Unicode lookalikes
//! and ideographic dots don't arrive here: the `url` crate has mapped them (UTS #46).

use crate::endpoint_url::error::TargetError;

/// RFC 1035 §2.3.4: a name holds at most 253 characters as text, without the trailing dot.
const MAX_NAME_LENGTH: usize = 253;

/// RFC 1035 §2.3.4: a label holds at most 63 characters.
const MAX_LABEL_LENGTH: usize = 63;

/// Domains whose names are local, or not in the DNS at all.
///
/// `example` is missing on purpose: RFC 6761 §6.5 asks applications not to treat it specially, and
/// documentation needs it.
const SPECIAL_DOMAINS: [&str; 15] = [
    "alt",         // RFC 9476: outside of the DNS
    "arpa",        // RFC 3172: infrastructure, and home.arpa (RFC 8375)
    "corp",        // RFC 6762 appendix G: private namespaces in use; ICANN never delegates it
    "home",        // the same
    "internal", // the same; reserved by ICANN for private use, and the home of cloud metadata names
    "intranet", // the same
    "invalid",  // RFC 6761 §6.4: never resolves
    "lan",      // RFC 6762 appendix G
    "local",    // RFC 6762: multicast DNS
    "localdomain", // the traditional domain of /etc/hosts
    "localhost", // RFC 6761 §6.3: loopback
    "mail",     // ICANN never delegates it, since private networks use it
    "onion",    // RFC 7686: outside of the DNS
    "private",  // RFC 6762 appendix G
    "test",     // RFC 6761 §6.2: private testing
];

/// A name without its trailing dot: the same host, in one spelling.
pub(crate) fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Refuses names that can't be in the public DNS. Expects the lower-case ASCII that the `url` crate
/// makes.
pub(crate) fn judge(name: &str) -> Result<(), TargetError> {
    let name = without_root(name);
    if name.len() > MAX_NAME_LENGTH || !name.split('.').all(is_label) {
        return Err(TargetError::InvalidName);
    }
    let top = name.rsplit('.').next().unwrap_or(name);
    if let Some(special) = SPECIAL_DOMAINS.iter().find(|domain| **domain == top) {
        return Err(TargetError::SpecialName(special));
    }
    if top.len() == name.len() {
        return Err(TargetError::SingleLabel);
    }
    Ok(())
}

/// Underscores are no part of a host name by RFC 952, but are in use.
fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_LENGTH).contains(&label.len())
        && label.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        })
}
