//! The AWS SDK's own variables: those in which a mistake would make the SDK panic, or would stay unnoticed.
//!
//! Enters: a snapshot of the environment. Leaves: an [`AwsConfig`]: values that we pass to the SDK, because the SDK
//! takes spaces around a value as part of the value. Promises: a variable that the SDK reads itself has no spaces
//! around its value, or is a mistake. Knows no profile file: see [`crate::aws`].

use secrecy::SecretString;

use super::environment::{is_given, set};
use super::reader::SettingsReader;

/// Values that we pass to the SDK, so that it does not read them itself.
#[derive(Debug, Clone, Default)]
pub struct AwsConfig {
    /// The region.
    pub region: Option<String>,
    /// Where calls go instead of to AWS. `None`: the SDK reads the same value as we do.
    pub endpoint: Option<String>,
    /// The profile's name. `None`: the SDK reads the same value as we do.
    pub profile: Option<String>,
    /// How often a call is tried, the first try included.
    pub max_attempts: Option<u32>,
    /// Does the SDK slow down when AWS throttles?
    pub is_adaptive: Option<bool>,
    /// Id, secret and token. `None`: the SDK reads the same values as we do.
    pub keys: Option<(String, SecretString, Option<SecretString>)>,
}

const URL: &str = "must be a URL like http://localhost:4566";
const HALF: &str = "the other half of this key is set";
const NO_TOKEN: &str = "must be of letters, digits and signs of ASCII, without spaces or lines";
const REGION: &str = "must be a region like eu-west-1";
/// Id, secret and token, in the order of [`AwsConfig::keys`].
const KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// Variables whose values we trim, like those in [`KEYS`]. Spaces around any other `AWS_` variable are a mistake.
const TOLD: [&str; 8] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_PROFILE",
];
/// Checked here because the SDK would only warn of a value that is neither true nor false.
const SWITCHES: [&str; 4] = [
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_EC2_METADATA_DISABLED",
];
/// Says whether a value is sound, or the rule that it breaks.
type Rule = fn(&str) -> Result<(), &'static str>;
/// By these the SDK finds credentials. Of a wrong value it would tell at each call anew, as of a server that is away.
const SOURCES: [(&str, Rule); 4] = [
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", ip_mode),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path),
];
/// Followed by a service's name. Other services than SQS and SNS count too: the SDK gets credentials from them.
const OF_A_SERVICE: &str = "AWS_ENDPOINT_URL_";

/// Reads the values that we pass to the SDK, and checks its other variables.
pub fn aws(read: &mut SettingsReader<'_>) -> AwsConfig {
    let environment = read.environment();
    let region = |text: &str| if is_region(text) { Ok(text.to_owned()) } else { Err(REGION) };
    read.texts("AWS_");
    let region = match is_given(environment, "AWS_REGION") {
        false => read.parsed("AWS_DEFAULT_REGION", region),
        true => read.parsed("AWS_REGION", region),
    };
    let max_attempts = read.parsed("AWS_MAX_ATTEMPTS", max_attempts);
    let is_adaptive = read.parsed("AWS_RETRY_MODE", is_adaptive);
    let endpoint = read.parsed("AWS_ENDPOINT_URL", |text| endpoint(text).map(|()| text.to_owned()));
    for (name, _) in environment.iter().filter(|(name, _)| name.starts_with(OF_A_SERVICE)) {
        read.parsed(name, self::endpoint);
    }
    let [ignores, ..] = SWITCHES.map(|name| read.parsed(name, switch));
    for (name, rule) in SOURCES {
        read.parsed(name, rule);
    }
    let endpoint = endpoint.filter(|_| ignores != Some(true));
    let profile = read.parsed("AWS_PROFILE", |text| Ok(text.to_owned()));
    let spaced = environment.iter().filter(|(name, value)| name.starts_with("AWS_") && is_spaced(value));
    for (name, _) in spaced {
        let name = name.as_str();
        if !TOLD.contains(&name) && !KEYS.contains(&name) && set(environment, name).is_some() {
            read.mistake(name, "has spaces around its value: the AWS SDK would take them as part of it");
        }
    }
    let is_spaced = |name: &str| environment.get(name).is_some_and(|value| is_spaced(value));
    let [id, secret, token] = KEYS.map(|name| set(environment, name));
    for (name, _) in KEYS.iter().zip([id, secret, token]).filter(|(_, key)| key.is_some_and(|key| !is_token(key))) {
        read.mistake(name, NO_TOKEN);
    }
    match (id, secret) {
        (Some(_), None) if !is_given(environment, KEYS[1]) => read.missing(KEYS[1], HALF),
        (None, Some(_)) if !is_given(environment, KEYS[0]) => read.missing(KEYS[0], HALF),
        _ => {}
    }
    let keys = id.zip(secret).filter(|_| KEYS.into_iter().any(is_spaced));
    let secret = |text: &str| SecretString::from(text.to_owned());
    AwsConfig {
        region,
        endpoint: endpoint.filter(|_| is_spaced("AWS_ENDPOINT_URL")),
        profile: if is_spaced("AWS_PROFILE") { Some(profile.unwrap_or_else(|| "default".to_owned())) } else { None },
        max_attempts,
        is_adaptive,
        keys: keys.map(|(id, key)| (id.to_owned(), secret(key), token.map(secret))),
    }
}

/// Can this be a region's name? It becomes part of a host name.
#[must_use]
pub(crate) fn is_region(text: &str) -> bool {
    let sound = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(sound) && !text.starts_with('-') && !text.ends_with('-')
}

/// Checks an endpoint from the environment or from a profile. With a wrong one the SDK would warn and call AWS, or
/// fail every call.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn endpoint(text: &str) -> Result<(), &'static str> {
    uri(text)?;
    // The SDK would leave them out, and log them.
    if text.contains(['?', '#']) { Err("must be a URL without `?` or `#`") } else { Ok(()) }
}

fn uri(text: &str) -> Result<(), &'static str> {
    let url = url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(drop).ok_or(URL)
}

fn path(text: &str) -> Result<(), &'static str> {
    text.starts_with('/').then_some(()).ok_or("must be a path that begins with `/`")
}

fn ip_mode(text: &str) -> Result<(), &'static str> {
    ["ipv4", "ipv6"].contains(&text.to_ascii_lowercase().as_str()).then_some(()).ok_or("must be IPv4 or IPv6")
}

/// Can this be a part of a key? It stands in a header of each call: at any other character the SDK would panic, or fail
/// each call.
fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn switch(text: &str) -> Result<bool, &'static str> {
    text.to_ascii_lowercase().parse().map_err(|_| "must be true or false")
}

/// Reads `AWS_MAX_ATTEMPTS` or a profile's `max_attempts`.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn max_attempts(text: &str) -> Result<u32, &'static str> {
    // With billions the SDK makes no call at all.
    text.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or("must be a whole number from 1 to 1000")
}

/// Reads `AWS_RETRY_MODE` or a profile's `retry_mode`.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn is_adaptive(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "standard" => Ok(false),
        "adaptive" => Ok(true),
        "legacy" => Err("must be standard or adaptive: the SDK of this program has no legacy mode"),
        _ => Err("must be standard or adaptive"),
    }
}

fn is_spaced(value: &str) -> bool {
    value.len() != value.trim().len() || value.is_empty()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::Environment;

    fn read(variables: &[(&str, &str)]) -> (AwsConfig, Vec<String>) {
        let environment: Environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut reader = SettingsReader::new(&environment);
        let config = aws(&mut reader);
        let mistakes = reader.finish(None::<()>).map_err(|mistakes| mistakes.0).unwrap_err();
        (config, mistakes.into_iter().map(|mistake| mistake.variable).collect())
    }

    #[test]
    fn what_the_sdk_would_stumble_over_is_named_and_nothing_else_is() {
        let odd = [
            ("AWS_REGION", "eu west"),
            ("AWS_MAX_ATTEMPTS", "0"),
            ("AWS_RETRY_MODE", "legacy"),
            ("AWS_ENDPOINT_URL", "localhost:4566"),
            ("AWS_ENDPOINT_URL_SNS", "localhost"),
            ("AWS_ENDPOINT_URL_STS", "sts"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "yes"),
            ("AWS_EC2_METADATA_DISABLED", "maybe"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "not a url"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv9"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "nowhere"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "no slash"),
            ("AWS_ROLE_ARN", " arn "),
        ];
        let names: Vec<_> = odd.iter().map(|(name, _)| *name).collect();
        assert_eq!(read(&odd).1, names);
        for odd in ["abc", "-1", "1.5", "0x3", "1001", "4294967296"] {
            assert_eq!(read(&[("AWS_MAX_ATTEMPTS", odd)]).1, ["AWS_MAX_ATTEMPTS"], "{odd}");
        }
        for odd in ["EU-WEST-1", "-", "eu-west-1.", "https://x", "ü"] {
            assert_eq!(read(&[("AWS_DEFAULT_REGION", odd)]).1, ["AWS_DEFAULT_REGION"], "{odd}");
        }
        let sound =
            [("AWS_REGION", "us-gov-west-1"), ("AWS_DEFAULT_REGION", "not read"), ("AWS_RETRY_MODE", "Adaptive")];
        let (config, mistakes) = read(&sound);
        assert_eq!(
            (config.region.as_deref(), config.is_adaptive, mistakes.len()),
            (Some("us-gov-west-1"), Some(true), 0)
        );
    }

    #[test]
    fn a_key_is_whole_and_of_what_a_header_can_hold() {
        let whole = [("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", "a+/="), ("AWS_SESSION_TOKEN", "t==")];
        assert_eq!(read(&whole).1, [""; 0]);
        for (n, odd) in ["AK\nIA", "AK IA", "ключ", "A\u{7f}"].into_iter().flat_map(|odd| [0, 1, 2].map(|n| (n, odd)))
        {
            let mut keys = whole;
            keys[n].1 = odd;
            assert_eq!(read(&keys).1, [keys[n].0], "{odd:?}");
        }
        assert_eq!(
            (read(&whole[..1]).1, read(&whole[1..]).1),
            (vec![whole[1].0.to_owned()], vec![whole[0].0.to_owned()])
        );
    }

    #[test]
    fn an_endpoint_has_neither_query_nor_fragment_because_the_sdk_would_log_them() {
        for odd in ["http://h?token=hunter2", "http://h/#hunter2"] {
            assert_eq!(read(&[("AWS_ENDPOINT_URL", odd)]).1, ["AWS_ENDPOINT_URL"], "{odd}");
        }
    }

    #[test]
    fn the_sdk_is_told_what_it_would_read_with_spaces() {
        let plain = [
            ("AWS_ENDPOINT_URL", "http://h"),
            ("AWS_PROFILE", "p"),
            ("AWS_ACCESS_KEY_ID", "i"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let (config, _) = read(&plain);
        assert!(config.endpoint.is_none() && config.profile.is_none() && config.keys.is_none());
        let spaced = plain.map(|(name, value)| (name, format!(" {value}\n")));
        let (config, mistakes) = read(&spaced.each_ref().map(|(name, value)| (*name, value.as_str())));
        assert_eq!((config.endpoint.as_deref(), config.profile.as_deref()), (Some("http://h"), Some("p")));
        let (id, secret, token) = config.keys.expect("told");
        assert_eq!((id.as_str(), secret.expose_secret(), token.is_none(), mistakes.len()), ("i", "s", true, 0));
        let ignored = [("AWS_ENDPOINT_URL", " http://h"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE")];
        let (config, mistakes) = read(&ignored);
        assert_eq!((config.endpoint, mistakes.len()), (None, 0));
        assert_eq!(read(&[("AWS_ENDPOINT_URL_SQS", " http://h "), ("AWS_ENDPOINT_URL_SNS", " ")]).1, [""; 0]);
        assert_eq!(read(&[("AWS_PROFILE", " ")]).0.profile.as_deref(), Some("default"));
        let blank = read(&[("AWS_REGION", " "), ("AWS_DEFAULT_REGION", "eu-west-1 "), ("AWS_MAX_ATTEMPTS", "")]);
        assert_eq!((blank.0.region.as_deref(), blank.0.max_attempts, blank.1.len()), (Some("eu-west-1"), None, 0));
    }
}
