//! What SQS's refusals and silences mean.
//!
//! Enters: an error of the SDK's, or of one entry of a batch. Leaves: a [`QueueError`] that says what to do. Pure. A text of
//! SQS's is read for one thing only: how large a message may be.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;

use super::QueueError;

pub(super) fn classify<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("unknown");
            let passing = code.contains("Throttl")
                || code.contains("LimitExceeded")
                || code.contains("Internal")
                || code.contains("Unavailable");
            by_code(code, !passing && code != "unknown")
        }
        SdkError::TimeoutError(_) => QueueError::Unavailable("timeout".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => QueueError::Refused("no credentials".to_owned()),
        SdkError::DispatchFailure(_) => QueueError::Unavailable("no connection".to_owned()),
        SdkError::ConstructionFailure(_) => QueueError::Refused("the request cannot be built".to_owned()),
        _ => QueueError::Unavailable("an answer that is none".to_owned()),
    }
}

/// The same of a call that needs this right.
pub(super) fn classify_call<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, right: &'static str) -> QueueError {
    match error {
        SdkError::ServiceError(service) if service.err().code().is_some_and(is_denial) => QueueError::Denied { right },
        other => classify(other),
    }
}

/// The key that encrypts the queue has rights of its own.
fn is_denial(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    code.contains("accessdenied") && !code.contains("kms")
}

pub(super) fn by_code(code: &str, sender_fault: bool) -> QueueError {
    let name = code.rsplit(['.', '#']).next().unwrap_or(code);
    match name {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => QueueError::NotInFlight,
        _ if sender_fault => QueueError::Refused(name.to_owned()),
        _ => QueueError::Unavailable(name.to_owned()),
    }
}

pub(super) fn entry_error(entry: &BatchResultErrorEntry) -> QueueError {
    match entry.code.rsplit('.').next() {
        // An entry has two parameters. The visibility is ours, and valid: so it is the receipt that is not.
        Some("InvalidParameterValue" | "InvalidParameterValueException") => QueueError::NotInFlight,
        _ => by_code(&entry.code, entry.sender_fault),
    }
}

/// SQS has no code for it: the reason is in the text, with the queue's limit.
pub(super) fn too_large<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<QueueError> {
    let SdkError::ServiceError(service) = error else { return None };
    let (_, limit) = service.err().message()?.split_once("Message must be shorter than ")?;
    Some(QueueError::TooLarge { most: limit.split(' ').next()?.parse().ok()? })
}

/// As [`classify`], but an operator, or a worker that starts, is told that there are no credentials; to one at work that is
/// a fault that may pass, for a moment without an answer looks the same.
pub(super) fn told<E: ProvideErrorMetadata + std::error::Error + 'static, R: std::fmt::Debug + 'static>(
    error: &SdkError<E, R>,
) -> QueueError {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("credential provider was not enabled") {
            return QueueError::Refused("no credentials".to_owned());
        }
        cause = error.source();
    }
    classify(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_at_the_queue_is_told_from_one_at_its_key_and_from_anything_else() {
        for code in ["AccessDenied", "AccessDeniedException", "com.amazonaws.sqs#AccessDeniedException"] {
            assert!(is_denial(code), "{code}");
        }
        for code in ["KMS.AccessDeniedException", "KmsAccessDenied", "ExpiredToken", "QueueDoesNotExist", "unknown"] {
            assert!(!is_denial(code), "{code}");
        }
    }
}
