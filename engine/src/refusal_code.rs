//! Why AWS refuses a call, as a value: what a code means is decided here, once for SQS and SNS.
//!
//! Enters: a code as text. Leaves: a [`RefusalCode`], shown as the same text. Pure.

/// Why a server refuses. Shown as the code that it gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusalCode {
    /// There are no credentials to make a call with.
    #[error("no credentials")]
    NoCredentials,
    /// The server does not know our credentials, or they have expired.
    #[error("{0}")]
    BadCredentials(String),
    /// Too many messages are in flight: 120,000 on a standard queue.
    #[error("OverLimit")]
    OverLimit,
    /// Any other code, from a caller that the server knows.
    #[error("{0}")]
    Other(String),
}

impl RefusalCode {
    /// Does it concern the caller's credentials, not what was asked for?
    #[must_use]
    pub fn is_about_credentials(&self) -> bool {
        matches!(self, Self::NoCredentials | Self::BadCredentials(_))
    }
}

impl From<&str> for RefusalCode {
    fn from(code: &str) -> Self {
        match code {
            "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException" => Self::BadCredentials(code.to_owned()),
            "OverLimit" => Self::OverLimit,
            _ => Self::Other(code.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_shown_as_it_came() {
        for code in ["ExpiredToken", "OverLimit", "QueueDoesNotExist", ""] {
            assert_eq!(RefusalCode::from(code).to_string(), code);
        }
        assert_eq!(RefusalCode::NoCredentials.to_string(), "no credentials");
    }
}
