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
use secrecy::ExposeSecret;

use crate::config::{AwsConfig, aws_attempts, is_adaptive, is_region};

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
    Ok(loader.retry_config(retries(told).await?).load().await)
}

/// As the SDK has it: the environment, else the profile, else three times.
async fn retries(told: &AwsConfig) -> Result<RetryConfig, AwsError> {
    let profile = told.profile.clone().map(Into::into);
    // Files that cannot be read are the SDK's to warn of.
    let files = aws_config::profile::load(&Fs::real(), &Env::real(), &EnvConfigFiles::default(), profile).await.ok();
    let attempts = or_profile(told.max_attempts, files.as_ref(), "max_attempts", aws_attempts)?;
    let adaptive = or_profile(told.is_adaptive, files.as_ref(), "retry_mode", is_adaptive)?;
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
