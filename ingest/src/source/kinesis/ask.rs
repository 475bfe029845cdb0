//! Requests to Kinesis: what a failed one means, and how long to wait before the next.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

use super::place::KinesisUrl;
use crate::source::SourceError;
use crate::source::aws::Aws;

/// A way to one stream. Clones share what they count.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) client: Client,
    pub(super) url: KinesisUrl,
    attempts_max: u32,
    retries: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

/// What a failed request means.
#[derive(Debug)]
pub(super) enum Failed {
    /// Too many requests, or too much read.
    Throttled,
    /// An iterator or a token got too old.
    Expired,
    /// A subscription, or a consumer, is in use.
    InUse,
    /// There is no such thing.
    Absent(SourceError),
    /// The service does not take an argument.
    Invalid(SourceError),
    /// It may work another time.
    Again(SourceError),
    /// It will not work another time.
    ForGood(SourceError),
}

/// Requests that fail one after the other before reading has failed: about two minutes' worth.
const ATTEMPTS_MAX: u32 = 16;
const ATTEMPT_WITHIN: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const FIRST_DELAY: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_secs(10);

impl Asker {
    /// The client does not retry by itself, since what it retries it does not tell.
    pub(super) fn new(aws: &Aws, url: &KinesisUrl) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .operation_attempt_timeout(ATTEMPT_WITHIN)
            .build();
        let config = Builder::from(aws.config())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // A subscription to an idle shard is silent for seconds.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        let attempts_max = aws.options().attempts_max.unwrap_or(ATTEMPTS_MAX).max(1);
        let client = Client::from_conf(config);
        Self { client, url: url.clone(), attempts_max, retries: Arc::default() }
    }

    /// Counts something the service had to be asked again for.
    pub(super) fn count(&self, reason: &'static str, n: u64) {
        if n > 0 {
            *self.counts().entry(reason).or_default() += n;
        }
    }

    /// What was counted since the last call.
    pub(super) fn take_counts(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut *self.counts())
    }

    /// Nothing panics while it holds this, so a poisoned lock holds what it should.
    fn counts(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.retries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the failure of a request means.
    pub(super) fn failed<E>(
        &self,
        operation: &'static str,
        error: &SdkError<E, HttpResponse>,
    ) -> Failed
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let may_pass = match error {
            SdkError::ServiceError(context) => context.raw().status().is_server_error(),
            SdkError::TimeoutError(_)
            | SdkError::DispatchFailure(_)
            | SdkError::ResponseError(_) => true,
            _ => false,
        };
        let otherwise = if may_pass { Failed::Again } else { Failed::ForGood };
        self.meaning(operation, error, otherwise)
    }

    /// What an error means that ends an answer already begun: unless it says so, nothing for good.
    pub(super) fn cut_short<E, R>(&self, operation: &'static str, error: &SdkError<E, R>) -> Failed
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: fmt::Debug + 'static,
    {
        self.meaning(operation, error, Failed::Again)
    }

    fn meaning<E, R>(
        &self,
        operation: &'static str,
        error: &SdkError<E, R>,
        otherwise: fn(SourceError) -> Failed,
    ) -> Failed
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: fmt::Debug + 'static,
    {
        let told = || SourceError::of_request(&self.url.to_string(), operation, error);
        match error.as_service_error().and_then(ProvideErrorMetadata::code) {
            Some(
                "ProvisionedThroughputExceededException"
                | "LimitExceededException"
                | "KMSThrottlingException"
                | "ThrottlingException"
                | "Throttling",
            ) => Failed::Throttled,
            Some("ExpiredIteratorException" | "ExpiredNextTokenException") => Failed::Expired,
            Some("ResourceInUseException") => Failed::InUse,
            Some("ResourceNotFoundException") => Failed::Absent(told()),
            Some("InvalidArgumentException" | "ValidationException") => Failed::Invalid(told()),
            Some("InternalFailureException" | "InternalFailure" | "ServiceUnavailable") => {
                Failed::Again(told())
            }
            _ => otherwise(told()),
        }
    }

    /// Makes a request until it succeeds, or fails for good.
    pub(super) async fn patiently<T, E, F>(
        &self,
        operation: &'static str,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let mut patience = self.patience(operation);
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => patience.again(self.failed(operation, &error)).await?,
            }
        }
    }

    /// Waiting between requests that fail; `who` spreads those who wait at the same time.
    pub(super) fn patience(&self, who: &str) -> Patience {
        let mut hasher = DefaultHasher::new();
        who.hash(&mut hasher);
        Patience { asker: self.clone(), seed: hasher.finish(), n_failed: 0, n_broken: 0 }
    }
}

/// How often asking has failed without success in between.
#[derive(Debug)]
pub(super) struct Patience {
    asker: Asker,
    seed: u64,
    n_failed: u32,
    /// Of these, not because of throttling.
    n_broken: u32,
}

impl Patience {
    /// A request succeeded.
    pub(super) fn restore(&mut self) {
        (self.n_failed, self.n_broken) = (0, 0);
    }

    /// Counts a failure and waits, unless waiting does not help.
    pub(super) async fn again(&mut self, failed: Failed) -> Result<(), Failed> {
        let reason = match &failed {
            Failed::Throttled => "throttled",
            Failed::Again(_) => "failed",
            _ => return Err(failed),
        };
        self.asker.count(reason, 1);
        self.n_failed += 1;
        if let Failed::Again(error) = failed {
            self.n_broken += 1;
            if self.n_broken >= self.asker.attempts_max {
                return Err(Failed::ForGood(error));
            }
        }
        tokio::time::sleep(self.delay()).await;
        Ok(())
    }

    /// Twice as long each time, give or take a quarter.
    fn delay(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.n_failed.saturating_sub(1)).unwrap_or(u32::MAX);
        let delay = FIRST_DELAY.saturating_mul(factor).min(DELAY_MAX);
        let mut hasher = DefaultHasher::new();
        (self.seed, self.n_failed).hash(&mut hasher);
        let eighths = u32::try_from(hasher.finish() % 5).unwrap_or_default();
        delay * (6 + eighths) / 8
    }
}

impl Failed {
    /// The error where no failure is expected to pass.
    pub(super) fn into_error(self, url: &KinesisUrl, operation: &'static str) -> SourceError {
        let detail = match self {
            Self::Absent(error) | Self::Invalid(error) => return error,
            Self::Again(error) | Self::ForGood(error) => return error,
            Self::Throttled => "throttled",
            Self::Expired => "what was asked with has expired",
            Self::InUse => "in use by another reader",
        };
        SourceError::Request { place: url.to_string(), operation, detail: detail.to_owned() }
    }
}
