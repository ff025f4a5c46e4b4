//! What SQS says when it says no, as a [`QueueError`] that says what to do.
//!
//! Enters: an error of the SDK's, or a code. Leaves: may the same call succeed in a moment, is this one message at fault, or
//! must an operator look? Never a text of the service's: its codes alone. Pure.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;

use super::{Breach, QueueError};

/// What SQS says of a message that breaks a rule: of its size, too, where a queue takes less than SQS does.
const UNFIT: &[&str] = &[
    "BatchRequestTooLong",
    "EmptyValue",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidMessageContents",
    "InvalidParameterValue",
    "MissingParameter",
];

/// Of an entry that settles or hides.
pub(super) fn entry_error(entry: &BatchResultErrorEntry) -> QueueError {
    match entry.code.rsplit('.').next() {
        // An entry has two parameters. The visibility is ours, and valid: so it is the receipt that is not.
        Some("InvalidParameterValue" | "InvalidParameterValueException") => QueueError::NotInFlight,
        _ => by_code(&entry.code, entry.sender_fault),
    }
}

pub(super) fn classify<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("unknown");
            let passing = code.contains("Throttl") || code.contains("Internal") || code.contains("Unavailable");
            by_code(code, !passing && code != "unknown")
        }
        SdkError::TimeoutError(_) => QueueError::Unavailable("timeout".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => QueueError::Refused("no credentials".to_owned()),
        SdkError::DispatchFailure(_) => QueueError::Unavailable("no connection".to_owned()),
        SdkError::ConstructionFailure(_) => QueueError::Refused("the request cannot be built".to_owned()),
        _ => QueueError::Unavailable("an answer that is none".to_owned()),
    }
}

pub(super) fn by_code(code: &str, sender_fault: bool) -> QueueError {
    let name = code.rsplit(['.', '#']).next().unwrap_or(code);
    match name {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => QueueError::NotInFlight,
        _ if sender_fault => QueueError::Refused(name.to_owned()),
        _ => QueueError::Unavailable(name.to_owned()),
    }
}

/// The answer to a message that was sent: is it this one alone that is refused? Then others may be taken.
pub(super) fn of_message(error: QueueError) -> QueueError {
    match error {
        QueueError::Refused(code) if UNFIT.contains(&code.trim_end_matches("Exception")) => {
            QueueError::Unfit(Breach::Said(code))
        }
        other => other,
    }
}
