//! How AWS words the calls that it doesn't carry out.
//!
//! The SDKs decide by the error's name whether they try again, and for SQS by the name in
//! `x-amzn-query-error`.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::Fault;
use crate::aws::requirement::Service;
use crate::aws::server::json_response;

/// The answer of a service with this fault; `None` if the fault isn't an answer.
pub(in crate::aws) fn error(service: Service, fault: Fault) -> Option<Response<Bytes>> {
    let (status, shape, query_error, message) = match (service, fault) {
        (Service::DynamoDb, Fault::Throttled) => (
            StatusCode::BAD_REQUEST,
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            None,
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        (Service::Sqs, Fault::Throttled) => (
            StatusCode::FORBIDDEN,
            "com.amazonaws.sqs#RequestThrottled",
            Some("RequestThrottled;Sender"),
            "The request was denied due to request throttling.",
        ),
        (Service::DynamoDb, Fault::InternalError) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "com.amazonaws.dynamodb.v20120810#InternalServerError",
            None,
            "The request processing has failed because of an unknown error, exception or failure.",
        ),
        (Service::Sqs, Fault::InternalError) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "com.amazon.coral.service#InternalFailure",
            Some("InternalFailure;Receiver"),
            "We encountered an internal error. Please try again.",
        ),
        (_, Fault::Unavailable) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "com.amazon.coral.service#ServiceUnavailableException",
            (service == Service::Sqs).then_some("ServiceUnavailable;Receiver"),
            "Service Unavailable",
        ),
        (_, Fault::ExpiredCredentials) => (
            if service == Service::Sqs { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST },
            "com.amazon.coral.service#ExpiredTokenException",
            (service == Service::Sqs).then_some("ExpiredToken;Sender"),
            "The security token included in the request is expired",
        ),
        (Service::DynamoDb, Fault::Contended) => (
            StatusCode::BAD_REQUEST,
            "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            None,
            "Transaction cancelled, please refer cancellation reasons for specific reasons \
                [None, TransactionConflict]",
        ),
        _ => return None,
    };
    let mut response =
        json_response(status, json!({"__type": shape, "message": message}).to_string());
    if let Some(name) = query_error {
        response.headers_mut().insert("x-amzn-query-error", HeaderValue::from_static(name));
    }
    Some(response)
}
