//! What can go wrong with a table.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// A call that failed, or an item that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// DynamoDB did not do it, also not after the SDK's retries: throttled, out of reach, not
    /// allowed.
    #[error("{operation}: {detail}")]
    Unavailable {
        /// The call.
        operation: &'static str,
        /// What the SDK says.
        detail: String,
    },
    /// A condition did not hold: another request was first, or the item does not exist (any more).
    #[error("the item is not as expected")]
    Conflict,
    /// An item that this code can't read: written by newer code, or damaged.
    #[error("unreadable item: {0}")]
    Unreadable(#[from] serde_dynamo::Error),
    /// An item whose compressed part can't be read.
    #[error("unreadable item: {0}")]
    Damaged(&'static str),
}

/// Tells failed conditions from failed calls.
pub(crate) fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    move |error| match error.code() {
        Some("ConditionalCheckFailedException") => StoreError::Conflict,
        Some("TransactionCanceledException")
            if error.message().is_some_and(|m| m.contains("ConditionalCheckFailed")) =>
        {
            StoreError::Conflict
        }
        _ => StoreError::Unavailable { operation, detail: DisplayErrorContext(&error).to_string() },
    }
}

/// Whether a transaction was cancelled because another one was writing one of its items at that
/// moment.
pub(crate) fn is_contended<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("TransactionCanceledException")
        && error.message().is_some_and(|m| m.contains("TransactionConflict"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::{
        error::ErrorMetadata, operation::transact_write_items::TransactWriteItemsError,
    };

    #[test]
    fn a_transaction_that_met_another_one_is_told_from_one_whose_conditions_failed() {
        let contended = |code: &str, reasons: &str| {
            let message = format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons \
                    {reasons}"
            );
            let error = TransactWriteItemsError::generic(
                ErrorMetadata::builder().code(code).message(message).build(),
            );
            is_contended(&SdkError::service_error(error, ()))
        };
        assert!(contended("TransactionCanceledException", "[TransactionConflict, None]"));
        assert!(!contended("TransactionCanceledException", "[ConditionalCheckFailed, None]"));
        assert!(!contended("TransactionInProgressException", "[TransactionConflict]"));
    }
}
