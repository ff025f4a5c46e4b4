//! The AWS SDK's settings: it finds credentials, endpoint and profile files itself; this file checks them first.
//!
//! Enters: [`AwsConfig`]. Leaves: the SDK's settings, or what is missing. Promises: the SDK does not panic, as it
//! would on a wrong number in a profile. Makes no call, except to this machine's metadata service (IMDS) for a
//! region or credentials that nothing else names.

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

/// The services that we call, by their names in variables (`AWS_ENDPOINT_URL_SQS`) and profile sections.
const SERVICES: [&str; 2] = ["SQS", "SNS"];

/// A setting that the SDK lacks or cannot use; the text names the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// Neither the environment nor a profile nor the machine names a region.
    #[error("AWS_REGION must be set: nothing else says which region it is")]
    NoRegion,
    /// The profile's `region` is no region's name.
    #[error("AWS_REGION must be set, or `region` corrected in the AWS profile: it is no region")]
    OddRegion,
    /// The named profile is in no file.
    #[error("AWS_PROFILE names a profile that no profile file has")]
    NoProfile,
    /// This key of the profile breaks this rule.
    #[error("the AWS profile's `{0}` {1}")]
    Profile(&'static str, &'static str),
}

/// Loads the SDK's settings for making calls: a region is required.
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

/// Like [`load`], but a region may be missing: for callers that report that themselves.
///
/// # Errors
/// [`AwsError::NoProfile`], [`AwsError::Profile`].
pub async fn look(told: &AwsConfig) -> Result<SdkConfig, AwsError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    let mut by_profile = ProfileFileRegionProvider::builder();
    if let Some(profile) = &told.profile {
        loader = loader.profile_name(profile);
        by_profile = by_profile.profile_name(profile);
    }
    loader = match &told.region {
        Some(region) => loader.region(Region::new(region.clone())),
        // The SDK's own order, without the environment: our configuration has read that already.
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
    // No error for files that cannot be read: the SDK warns of them.
    let files = aws_config::profile::load(&Fs::real(), &Env::real(), &EnvConfigFiles::default(), profile).await.ok();
    if files.as_ref().is_some_and(lacks_its_profile) {
        return Err(AwsError::NoProfile);
    }
    or_profile(None, files.as_ref(), "endpoint_url", aws_endpoint)?;
    let config = loader.retry_config(retries(told, files.as_ref())?).load().await;
    let config = config.to_builder().service_config(Spaceless(config)).build();
    match endpoints(&config).into_iter().flatten().try_for_each(|url| aws_endpoint(&url)) {
        Ok(()) => Ok(config),
        Err(rule) => Err(AwsError::Profile("endpoint_url", rule)),
    }
}

/// Where calls go instead of to AWS, with secrets masked. `None`: they go to AWS.
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

/// The endpoint of each service, as its client finds it: its own setting first, else the one for all services.
fn endpoints(config: &SdkConfig) -> [Option<String>; 2] {
    SERVICES.map(|service| {
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
        let own = key.build().ok().and_then(|key| config.service_config()?.load_config(key));
        own.or_else(|| config.endpoint_url().map(str::to_owned))
    })
}

/// A service's own settings, without spaces around each value; a value of spaces alone counts as not set.
#[derive(Debug)]
struct Spaceless(SdkConfig);

impl LoadServiceConfig for Spaceless {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let value = self.0.service_config()?.load_config(key)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

/// Was a profile asked for that is not there? The SDK would go on without it, to whatever else gives credentials. AWS's
/// own tools refuse it.
fn lacks_its_profile(files: &ProfileSet) -> bool {
    let name = files.selected_profile();
    name != "default" && files.get_profile(name).is_none()
}

/// The SDK's own order: the environment, else the profile, else 3 attempts.
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
