//! What the AWS SDK finds by itself: credentials, endpoint, profile files, and what it must not stumble over.
//!
//! Enters: what the configuration tells it. Leaves: the SDK's settings, or what is missing. Promises: no panic of
//! the SDK's, which is what it answers a profile's wrong number with. Makes no call but for a region or
//! credentials that only this machine's own service knows.

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileRegionProvider, ProfileSet};
use aws_config::retry::{RetryConfig, RetryMode};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use secrecy::ExposeSecret;

use crate::config::{AwsConfig, aws_attempts, aws_endpoint, is_adaptive, is_region, masked};

/// The services that are asked, by the names that their own variables and profile sections bear.
const SERVICES: [&str; 2] = ["SQS", "SNS"];

/// What the SDK lacks; the text names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// Neither the environment nor a profile nor the machine says.
    #[error("AWS_REGION must be set: nothing else says which region it is")]
    NoRegion,
    /// A profile says something else.
    #[error("AWS_REGION must be set, or the AWS profile's `region` mended: it is no region")]
    OddRegion,
    /// A profile's value breaks a rule.
    #[error("the AWS profile's `{0}` {1}")]
    Profile(&'static str, &'static str),
}

/// Loads the SDK's settings, for whoever makes calls.
///
/// # Errors
/// [`AwsError`].
pub async fn load(told: &AwsConfig) -> Result<SdkConfig, AwsError> {
    let config = look(told).await?;
    match config.region() {
        None => Err(AwsError::NoRegion),
        Some(region) if !is_region(region.as_ref()) => Err(AwsError::OddRegion),
        Some(_) => Ok(config),
    }
}

/// The same, and a region may be missing: for whoever tells of that.
///
/// # Errors
/// [`AwsError::Profile`].
pub async fn look(told: &AwsConfig) -> Result<SdkConfig, AwsError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    let mut by_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = &told.profile {
        loader = loader.profile_name(profile);
        by_profile = by_profile.profile_name(profile);
    }
    loader = match &told.region {
        Some(region) => loader.region(Region::new(region.clone())),
        // As the SDK looks for it, but for the environment: that was read.
        None => {
            let by_machine = ImdsRegionProvider::builder().build();
            loader.region(RegionProviderChain::first_try(by_profile.build()).or_else(by_machine))
        }
    };
    if let Some(endpoint) = &told.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some((id, secret, token)) = &told.keys {
        let token = token.as_ref().map(|token| token.expose_secret().to_owned());
        loader = loader.credentials_provider(Credentials::new(id, secret.expose_secret(), token, None, "environment"));
    }
    let profile = told.profile.clone().map(Into::into);
    // Files that cannot be read are the SDK's to warn of.
    let files = aws_config::profile::load(&Fs::real(), &Env::real(), &EnvConfigFiles::default(), profile).await.ok();
    or_profile(None, files.as_ref(), "endpoint_url", aws_endpoint)?;
    let config = loader.retry_config(retries(told, files.as_ref())?).load().await;
    let config = config.to_builder().service_config(Spaceless(config)).build();
    match endpoints(&config).into_iter().flatten().try_for_each(|url| aws_endpoint(&url)) {
        Ok(()) => Ok(config),
        Err(rule) => Err(AwsError::Profile("endpoint_url", rule)),
    }
}

/// Where calls go instead of to AWS, as it may be shown; none: they go to AWS.
#[must_use]
pub fn elsewhere(config: &SdkConfig) -> Option<String> {
    let [sqs, sns] = endpoints(config);
    if sqs == sns {
        return sqs.as_deref().map(masked);
    }
    let told = SERVICES.into_iter().zip([sqs, sns]);
    let told = told.map(|(service, url)| format!("{service}: {}", url.as_deref().map_or("AWS".to_owned(), masked)));
    Some(told.collect::<Vec<_>>().join(", "))
}

/// As each service's client finds its own: what is said of it alone, else what is said of all.
fn endpoints(config: &SdkConfig) -> [Option<String>; 2] {
    SERVICES.map(|service| {
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let own = key.build().ok().and_then(|key| config.service_config()?.load_config(key));
        own.or_else(|| config.endpoint_url().map(str::to_owned))
    })
}

/// What a service has of its own, without spaces around it; nothing but spaces is nothing.
#[derive(Debug)]
struct Spaceless(SdkConfig);

impl LoadServiceConfig for Spaceless {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let value = self.0.service_config()?.load_config(key)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

/// As the SDK has it: the environment, else the profile, else three times.
fn retries(told: &AwsConfig, files: Option<&ProfileSet>) -> Result<RetryConfig, AwsError> {
    let attempts = or_profile(told.max_attempts, files, "max_attempts", aws_attempts)?;
    let adaptive = or_profile(told.is_adaptive, files, "retry_mode", is_adaptive)?;
    let retries = RetryConfig::standard().with_max_attempts(attempts.unwrap_or(3));
    Ok(if adaptive == Some(true) { retries.with_retry_mode(RetryMode::Adaptive) } else { retries })
}

fn or_profile<T>(
    told: Option<T>,
    files: Option<&ProfileSet>,
    key: &'static str,
    parse: fn(&str) -> Result<T, &'static str>,
) -> Result<Option<T>, AwsError> {
    match (told, files.and_then(|files| files.get(key))) {
        (Some(told), _) => Ok(Some(told)),
        (None, Some(text)) => parse(text.trim()).map(Some).map_err(|rule| AwsError::Profile(key, rule)),
        (None, None) => Ok(None),
    }
}
