//! Credentials, region, endpoint and the runtime that requests run on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use tokio::runtime::{Builder, Runtime};
#[cfg(any(feature = "cwl", feature = "sqs"))]
use tokio::task::{JoinError, JoinHandle};

use super::SourceError;
use crate::escape::harmless;

/// How to reach AWS. What is not given is found as every AWS tool finds it: environment, profiles,
/// SSO, web identity, the instance's or task's role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsOptions {
    /// A profile of the shared config file; its credentials go before those of the environment.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// Where requests go instead of AWS: for stand-ins and private endpoints.
    pub endpoint_url: Option<String>,
    /// The ARN of a role to take on, for logs of another account.
    pub assume_role: Option<String>,
    /// How often a request is made before it has failed; the SDK's three if `None`.
    pub attempts_max: Option<u32>,
    /// Whether the one who asks pays for S3 requests.
    pub requester_pays: bool,
}

/// A way to AWS that everything that asks shares.
#[derive(Clone)]
pub struct Aws {
    runtime: Arc<Runtime>,
    config: Arc<SdkConfig>,
    options: AwsOptions,
}

/// Attempts of a request before it has failed. More than the SDK's three: a batch job would rather
/// wait half a minute than leave a file out.
const ATTEMPTS_MAX: u32 = 6;

impl Aws {
    /// Finds out region and credentials; these are asked for when the first request is made.
    pub fn new(options: AwsOptions) -> Result<Self, SourceError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("aws")
            .enable_all()
            .build()
            .map_err(|error| SourceError::Refused {
                place: "aws".to_owned(),
                detail: format!("no threads for requests: {error}"),
            })?;
        if let Some(profile) = &options.profile {
            runtime.block_on(check_profile(profile))?;
        }
        let config = runtime.block_on(load(&options));
        Ok(Self { runtime: Arc::new(runtime), config: Arc::new(config), options })
    }

    /// What clients are made from.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// How AWS is reached.
    pub fn options(&self) -> &AwsOptions {
        &self.options
    }

    /// The runtime requests run on.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Waits for a request.
    pub(crate) fn wait<T>(&self, request: impl Future<Output = T>) -> T {
        self.runtime.block_on(request)
    }

    /// Waits for what is on its way, and takes it; `None` if nothing is, or it takes longer.
    #[cfg(any(feature = "cwl", feature = "sqs"))]
    pub(crate) fn arrived<T>(
        &self,
        on_its_way: &mut Option<JoinHandle<T>>,
        wait: Duration,
    ) -> Option<Result<T, JoinError>> {
        let task = on_its_way.as_mut()?;
        let arrived = self.wait(async { tokio::time::timeout(wait, task).await.ok() })?;
        *on_its_way = None;
        Some(arrived)
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration prints its parts, credentials' providers among them: not here.
        f.debug_struct("Aws").field("region", &self.config.region()).finish_non_exhaustive()
    }
}

async fn load(options: &AwsOptions) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let connecting = TimeoutConfig::builder().connect_timeout(CONNECT_WITHIN).build();
    let attempts = options.attempts_max.unwrap_or(ATTEMPTS_MAX);
    let mut loader = ConfigLoader::default()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.clone())
        .timeout_config(connecting.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(attempts));
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    let mut config = loader.load().await;
    if let Some(profile) = &options.profile {
        let provider = ProviderConfig::without_region()
            .with_region(config.region().cloned())
            .with_http_client(http)
            .with_timeout_config(connecting);
        let provider = SharedCredentialsProvider::new(of_profile(profile, &provider));
        config = config.into_builder().credentials_provider(provider).build();
    }
    let Some(role) = &options.assume_role else { return config };
    let provider =
        AssumeRoleProvider::builder(role).configure(&config).session_name("tidegate").build().await;
    let provider = SharedCredentialsProvider::new(provider);
    config.into_builder().credentials_provider(provider).build()
}

/// A profile that is not there would let the credentials of the task or the instance be taken.
#[expect(clippy::default_trait_access, reason = "the types' crates are not named by aws-config")]
async fn check_profile(profile: &str) -> Result<(), SourceError> {
    let refused =
        |detail| SourceError::Refused { place: format!("profile `{}`", harmless(profile)), detail };
    let (fs, env, files) = (&Default::default(), &Default::default(), &Default::default());
    let profiles = aws_config::profile::load(fs, env, files, None)
        .await
        .map_err(|error| refused(error.to_string()))?;
    if profiles.get_profile(profile).is_some() {
        return Ok(());
    }
    Err(refused("it is neither in the AWS config file nor in the credentials file".to_owned()))
}

/// Credentials of a profile that was asked for by name: before those of the environment, which the SDK
/// would take first. A profile without any stands for those of the task or the instance, as everywhere.
fn of_profile(profile: &str, provider: &ProviderConfig) -> CredentialsProviderChain {
    let named = ProfileFileCredentialsProvider::builder().profile_name(profile);
    CredentialsProviderChain::first_try("Profile", named.configure(provider).build())
        .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(provider).build())
        .or_else(
            "Ec2InstanceMetadata",
            ImdsCredentialsProvider::builder().configure(provider).build(),
        )
}

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
