//! What SQS's errors and missing answers mean.
//!
//! Enters: an error of the SDK's, or of one entry of a batch. Leaves: a [`QueueError`] that says what to do: may the
//! same call succeed in a moment, is this one message at fault, or must an operator act? Pure. Reads texts for three things
//! only, which have no code: how large a message may be, whether credentials are set up at all, and whether they are
//! to be had.

use std::error::Error;
use std::iter::successors;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use aws_smithy_runtime_api::client::result::DispatchFailure;

use crate::queue::{Breach, QueueError, RefusalCode};

/// SQS's codes for a message that breaks a rule.
const UNFIT: &[&str] = &[
    "BatchRequestTooLong",
    "EmptyValue",
    "InvalidAttributeName",
    "InvalidAttributeValue",
    "InvalidMessageContents",
    "InvalidParameterValue",
    "MissingParameter",
];

/// What the SDK says if no source of credentials is set up. It has a type for that too, `CredentialsError`, in a crate
/// that nothing else here needs.
const NO_PROVIDER: &str = "credential provider was not enabled";

/// In whatever the SDK says of any source of credentials: the call ended before it began.
const CREDENTIAL: &str = "credential";

/// In place of a code, if SQS sent none.
const NO_CODE: &str = "unknown";

/// Parts of codes of errors that may pass. The SDK has a type for some of them, another one for each operation; the
/// codes are the same for all.
const PASSING: &[&str] = &["Internal", "LimitExceeded", "Throttl", "Unavailable"];

/// Parts of codes about the sender, the rate of calls, or the queue: the next message would get the same answer.
const CONCERNS_EVERY_MESSAGE: &[&str] = &[
    "accessdenied",
    "credential",
    "deleted",
    "doesnotexist",
    "expired",
    "internal",
    "invalidaddress",
    "invalidclienttoken",
    "invalidsecurity",
    "kms",
    "limit",
    "nonexistent",
    "notauthorized",
    "optinrequired",
    "signature",
    "throttl",
    "timeout",
    "toomany",
    "unauthorized",
    "unavailable",
    "unrecognizedclient",
    "unsupported",
];

pub(super) fn classify<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or(NO_CODE);
            let is_passing = code == NO_CODE || PASSING.iter().any(|part| code.contains(part));
            by_code(code, !is_passing)
        }
        SdkError::TimeoutError(_) => QueueError::Unavailable("timeout".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => QueueError::Refused(RefusalCode::NoCredentials),
        SdkError::DispatchFailure(failure) if says(failure, CREDENTIAL) => {
            QueueError::Unavailable("no credentials could be loaded".to_owned())
        }
        SdkError::DispatchFailure(_) => QueueError::Unavailable("no connection".to_owned()),
        SdkError::ConstructionFailure(_) => QueueError::Refused("the request cannot be built".into()),
        _ => QueueError::Unavailable("an answer that is none".to_owned()),
    }
}

/// The same, for a call that needs this right.
pub(super) fn classify_call<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, right: &'static str) -> QueueError {
    match error {
        SdkError::ServiceError(service) if service.err().code().is_some_and(is_denial) => QueueError::Denied { right },
        other => classify(other),
    }
}

/// Does the call's error, or a cause of it, hold this text?
fn says(failure: &DispatchFailure, text: &str) -> bool {
    let first = failure.as_connector_error().map(|error| error as &(dyn Error + 'static));
    successors(first, |&error| error.source()).any(|error| error.to_string().contains(text))
}

/// Is the right at the queue missing? Rights at the key that encrypts it are another matter.
fn is_denial(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    code.contains("accessdenied") && !code.contains("kms")
}

pub(super) fn by_code(code: &str, sender_fault: bool) -> QueueError {
    let name = code.rsplit(['.', '#']).next().unwrap_or(code);
    match name {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => QueueError::NotInFlight,
        _ if sender_fault => QueueError::Refused(name.into()),
        _ => QueueError::Unavailable(name.to_owned()),
    }
}

/// The error of an entry that deletes or hides.
pub(super) fn settle_entry_error(entry: &BatchResultErrorEntry) -> QueueError {
    match entry.code.rsplit('.').next() {
        // An entry has two parameters. The visibility timeout is ours and valid, so the receipt is invalid.
        Some("InvalidParameterValue" | "InvalidParameterValueException") => QueueError::NotInFlight,
        _ => by_code(&entry.code, entry.sender_fault),
    }
}

/// The error of a send, with its text: does it concern this message alone? Then the queue may take others.
pub(super) fn send_error(error: QueueError, text: Option<&str>) -> QueueError {
    match (text.and_then(limit), error) {
        (Some(most), _) => Breach::TooLarge { most }.into(),
        (None, QueueError::Refused(RefusalCode::Other(code)))
            if UNFIT.contains(&code.trim_end_matches("Exception")) =>
        {
            Breach::Said(code).into()
        }
        (None, other) => other,
    }
}

/// The error of an entry that sends. SQS's "sender fault" concerns this message alone, unless its code concerns all.
pub(super) fn send_entry_error(entry: &BatchResultErrorEntry) -> QueueError {
    let error = by_code(&entry.code, entry.sender_fault);
    match send_error(error, entry.message()) {
        QueueError::Refused(code) if !concerns_every_message(&entry.code) => Breach::Said(code.to_string()).into(),
        error => error,
    }
}

fn concerns_every_message(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    CONCERNS_EVERY_MESSAGE.iter().any(|part| code.contains(part))
}

/// The service's text.
pub(super) fn text<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    let SdkError::ServiceError(service) = error else { return None };
    service.err().message()
}

/// How many bytes the queue takes. SQS has no code for it, so it is read from the text.
fn limit(text: &str) -> Option<usize> {
    let (_, limit) = text.split_once("Message must be shorter than ")?;
    limit.split(' ').next()?.parse().ok()
}

/// As [`classify`], for an operator: credentials that cannot be had are `Refused`.
pub(super) fn classify_for_operator<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    refused_where_said(CREDENTIAL, error)
}

/// As [`classify`], for a starting worker: it does not wait where no source of credentials is set up. A source that does
/// not answer yet is waited for, as for a worker at work, because a moment without an answer looks the same.
pub(super) fn classify_at_start<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> QueueError {
    refused_where_said(NO_PROVIDER, error)
}

fn refused_where_said<E: ProvideErrorMetadata, R>(text: &str, error: &SdkError<E, R>) -> QueueError {
    match error {
        SdkError::DispatchFailure(failure) if says(failure, text) => QueueError::Refused(RefusalCode::NoCredentials),
        other => classify(other),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::error::ConnectorError;
    use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;

    use super::*;

    #[test]
    fn a_call_that_ended_for_want_of_credentials_does_not_say_that_sqs_is_away() {
        let lost = |cause: &'static str| {
            SdkError::<ReceiveMessageError, ()>::dispatch_failure(ConnectorError::other(cause.into(), None))
        };
        let unavailable = |why: &str| QueueError::Unavailable(why.to_owned());
        let none = QueueError::Refused(RefusalCode::NoCredentials);
        let later = unavailable("no credentials could be loaded");
        for (cause, at_work, at_start, for_operator) in [
            ("dns error", unavailable("no connection"), unavailable("no connection"), unavailable("no connection")),
            ("an error occurred while loading credentials", later.clone(), later.clone(), none.clone()),
            ("the credential provider was not enabled", later, none.clone(), none),
        ] {
            let error = lost(cause);
            assert_eq!((classify(&error), classify_at_start(&error)), (at_work, at_start), "{cause}");
            assert_eq!(classify_for_operator(&error), for_operator, "{cause}");
        }
    }

    #[test]
    fn a_right_at_the_queue_is_told_from_one_at_its_key_and_from_anything_else() {
        for code in ["AccessDenied", "AccessDeniedException", "com.amazonaws.sqs#AccessDeniedException"] {
            assert!(is_denial(code), "{code}");
        }
        for code in ["KMS.AccessDeniedException", "KmsAccessDenied", "ExpiredToken", "QueueDoesNotExist", "unknown"] {
            assert!(!is_denial(code), "{code}");
        }
    }

    #[test]
    fn a_message_that_is_not_taken_is_told_from_a_queue_that_takes_none() {
        let said = |code: &str, text| send_error(QueueError::Refused(code.into()), text);
        let own = "One or more parameters are invalid. Reason: Message must be shorter than 2048 bytes.";
        assert_eq!(said("InvalidParameterValue", Some(own)), Breach::TooLarge { most: 2_048 }.into());
        let code = "InvalidMessageContentsException";
        assert_eq!(said(code, Some("odd")), Breach::Said(code.to_owned()).into());
        assert_eq!(said("QueueDoesNotExist", None), QueueError::Refused("QueueDoesNotExist".into()));
        assert_eq!(send_error(QueueError::Unavailable("x".to_owned()), None), QueueError::Unavailable("x".to_owned()));
    }

    #[test]
    fn a_message_that_is_its_senders_fault_is_refused_alone_unless_the_code_speaks_of_all() {
        let sent = |code: &str, sender_fault| {
            let entry = BatchResultErrorEntry::builder().id("1").code(code).sender_fault(sender_fault);
            send_entry_error(&entry.build().expect("whole"))
        };
        let alone = [
            "InvalidMessageContents",
            "InvalidParameterValueException",
            "AWS.SimpleQueueService.InvalidMessageContents",
            "InvalidParameterCombination",
            "MalformedInput",
            "ContentPolicyViolation",
            "",
        ];
        for code in alone {
            let name = code.rsplit('.').next().unwrap_or_default();
            assert_eq!(sent(code, true), Breach::Said(name.to_owned()).into(), "{code}");
            assert!(matches!(sent(code, false), QueueError::Unavailable(_)), "{code}: not said to be ours");
        }
        let of_all = [
            "AccessDeniedException",
            "KMS.DisabledException",
            "KmsThrottled",
            "OverLimit",
            "RequestLimitExceeded",
            "RequestThrottled",
            "ThrottlingException",
            "TooManyRequestsException",
            "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
            "QueueDeletedRecently",
            "UnsupportedOperation",
            "InvalidAddress",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "ExpiredToken",
            "SignatureDoesNotMatch",
            "OptInRequired",
            "ServiceUnavailable",
        ];
        for code in of_all {
            assert!(matches!(sent(code, true), QueueError::Refused(_)), "{code}");
        }
    }
}
