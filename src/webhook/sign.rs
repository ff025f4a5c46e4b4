//! Signs requests by Standard Webhooks: <https://www.standardwebhooks.com>.
//!
//! Enters: a secret as teams write it, `whsec_` and base64; then what is signed. Leaves: the value of
//! `webhook-signature`. Promises: the secret is in no text of ours.

use std::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

/// How long a secret may be, in bytes, by Standard Webhooks.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that requests are signed with.
#[derive(Clone)]
pub struct SigningKey(SecretSlice<u8>);

impl SigningKey {
    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// What is wrong with it, without repeating any of it.
    pub fn parse(secret: &SecretString) -> Result<Self, &'static str> {
        const RULE: &str = "must be whsec_ and the base64 of 24 to 64 bytes";
        let encoded = secret.expose_secret().strip_prefix("whsec_").ok_or(RULE)?;
        let key = BASE64.decode(encoded.as_bytes()).map_err(|_| RULE)?;
        if LENGTHS.contains(&key.len()) { Ok(Self(key.into())) } else { Err(RULE) }
    }

    fn signature(&self, signed: &[&[u8]]) -> Option<String> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok()?;
        signed.iter().for_each(|part| hmac.update(part));
        Some(format!("v1,{}", BASE64.encode(&hmac.finalize().into_bytes())))
    }
}

/// The value of `webhook-signature`: a signature by each key, so that a receiver can change its secret in its own time.
pub(super) fn signatures(keys: &[SigningKey], id: &str, seconds: u64, body: &str) -> String {
    let seconds = seconds.to_string();
    let signed = [id, ".", &seconds, ".", body].map(str::as_bytes);
    keys.iter().filter_map(|key| key.signature(&signed)).collect::<Vec<_>>().join(" ")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str) -> Result<SigningKey, &'static str> {
        SigningKey::parse(&secret.to_owned().into())
    }

    #[test]
    fn the_signature_is_the_one_that_the_libraries_of_standard_webhooks_expect() {
        // Of their own tests.
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let sign = |keys: &[SigningKey]| {
            signatures(keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#)
        };
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(std::slice::from_ref(&key)), expected);
        assert_eq!(sign(&[key.clone(), key.clone()]), format!("{expected} {expected}"), "one by each key");
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }

    #[test]
    fn a_secret_is_of_24_to_64_bytes_in_base64() {
        let of = |bytes: usize| format!("whsec_{}", BASE64.encode(&vec![7; bytes]));
        assert!([24, 32, 64].iter().all(|bytes| key(&of(*bytes)).is_ok()));
        let plain = of(32).replace("whsec_", "");
        for bad in [of(23), of(65), plain, "whsec_".to_owned(), "whsec_a b".to_owned(), of(32).replace("Bw", "B-")] {
            assert!(key(&bad).is_err(), "{bad}");
        }
    }
}
