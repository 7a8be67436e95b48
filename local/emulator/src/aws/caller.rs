//! Who makes a call, read from its signature's access key id.
//!
//! Signatures aren't verified, so this tells honest callers apart and is no protection. It holds
//! our own functions to their roles.

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Access key ids of functions: this, then the function's name.
const FUNCTION_PREFIX: &str = "FUNCTION";

/// Access key id of the SQS pollers.
const POLLER_KEY: &str = "POLLER";

/// Access key id of the stack itself, which creates tables and queues.
const STACK_KEY: &str = "POSTHASTE";

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// A function of the template, by name; held to its role.
    Function(String),
    /// The SQS pollers, which stand for Lambda's event source mappings.
    Poller,
    /// The stack itself, at start; not counted.
    Stack,
    /// Anyone else, by access key id: the user's own tools, tests.
    Other(String),
}

impl Caller {
    /// The caller of a request, from `Authorization: AWS4-HMAC-SHA256 Credential=<key>/<date>/…`.
    pub fn of(headers: &HeaderMap) -> Self {
        let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = authorization
            .and_then(|value| value.split_once("Credential="))
            .and_then(|(_, credential)| credential.split('/').next())
            .unwrap_or("anonymous");
        match key {
            POLLER_KEY => Self::Poller,
            STACK_KEY => Self::Stack,
            _ => match key.strip_prefix(FUNCTION_PREFIX) {
                Some(function) => Self::Function(function.to_owned()),
                None => Self::Other(key.to_owned()),
            },
        }
    }

    /// The access key id that makes [`Caller::of`] see this caller.
    pub fn access_key(&self) -> String {
        match self {
            Self::Function(name) => format!("{FUNCTION_PREFIX}{name}"),
            Self::Poller => POLLER_KEY.to_owned(),
            Self::Stack => STACK_KEY.to_owned(),
            Self::Other(key) => key.clone(),
        }
    }

    /// The name under which calls are counted.
    pub fn label(&self) -> &str {
        match self {
            Self::Function(name) | Self::Other(name) => name,
            Self::Poller => "poller",
            Self::Stack => "stack",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_caller_is_recognised_by_its_own_access_key() {
        let callers = [
            Caller::Function("deliver".into()),
            Caller::Poller,
            Caller::Stack,
            Caller::Other("AKIA1".into()),
        ];
        for caller in callers {
            let mut headers = HeaderMap::new();
            let value = format!(
                "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/sqs/aws4_request, \
                    SignedHeaders=host, Signature=0",
                caller.access_key()
            );
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            assert_eq!(Caller::of(&headers), caller);
        }
    }

    #[test]
    fn a_request_without_a_signature_is_anonymous() {
        assert_eq!(Caller::of(&HeaderMap::new()), Caller::Other("anonymous".into()));
    }
}
