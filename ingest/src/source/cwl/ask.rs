//! One page of `FilterLogEvents`, asked for until it comes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::{Builder, Region};
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::filter_log_events::{
    FilterLogEventsError, FilterLogEventsOutput,
};
use tokio::sync::Mutex;

use super::pace::Pace;
use super::{CwlOptions, CwlUrl};
use crate::source::aws::Aws;
use crate::source::{SourceError, again};

/// What to ask for, and not before `after`.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) start_ms: i64,
    pub(super) token: Option<String>,
    pub(super) after: Duration,
}

/// What came of asking.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) page: Result<FilterLogEventsOutput, Failed>,
    /// What it had to be asked again for.
    pub(super) retries: BTreeMap<&'static str, u64>,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Failed {
    /// Tokens live for a day; the sweep has to begin anew.
    TokenLost(SourceError),
    /// The name may be meant otherwise.
    NoSuchGroup(SourceError),
    /// Asking again does not help.
    ForGood(SourceError),
}

impl Asked {
    /// The task that asked ended without an answer.
    pub(super) fn lost(place: &str, error: &tokio::task::JoinError) -> Self {
        let error = SourceError::of_request(place, OPERATION, error);
        Self { page: Err(Failed::ForGood(error)), retries: BTreeMap::new() }
    }
}

const OPERATION: &str = "FilterLogEvents";

/// Together with the waits between them: about two minutes in which a service may be away.
const ATTEMPTS_MAX: u32 = 13;
const WAIT_MAX: Duration = Duration::from_secs(20);
const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(30);

/// Asks, at the pace of all requests for this group.
#[derive(Clone)]
pub(super) struct Asker {
    client: Client,
    url: CwlUrl,
    until_ms: Option<i64>,
    pace: Arc<Mutex<Pace>>,
}

impl Asker {
    pub(super) fn new(aws: &Aws, url: &CwlUrl, options: &CwlOptions) -> Self {
        Self {
            client: client(aws, url),
            url: url.clone(),
            until_ms: options.until_ms,
            pace: Arc::new(Mutex::new(Pace::new(options.requests_per_second))),
        }
    }

    /// The same pace for another group.
    pub(super) fn of_group(&self, url: &CwlUrl) -> Self {
        Self { url: url.clone(), ..self.clone() }
    }

    /// The same pace to another bound.
    pub(super) fn until(&self, until_ms: Option<i64>) -> Self {
        Self { until_ms, ..self.clone() }
    }

    pub(super) fn url(&self) -> &CwlUrl {
        &self.url
    }

    pub(super) async fn ask(&self, page: Page) -> Asked {
        tokio::time::sleep(page.after).await;
        let mut retries = BTreeMap::new();
        let mut attempt = 1;
        loop {
            let mut pace = self.pace.lock().await;
            pace.turn().await;
            let error = match self.ask_once(&page).await {
                Ok(output) => {
                    pace.answered();
                    return Asked { page: Ok(output), retries };
                }
                Err(error) => error,
            };
            let reason = again::reason(&error);
            if reason == Some(again::THROTTLED) {
                pace.slower();
            }
            drop(pace);
            let Some(reason) = reason.filter(|_| attempt < ATTEMPTS_MAX) else {
                return Asked { page: Err(self.failed(&page, &error)), retries };
            };
            *retries.entry(reason).or_default() += 1;
            tokio::time::sleep((Duration::from_millis(100) * (1 << attempt)).min(WAIT_MAX)).await;
            attempt += 1;
        }
    }

    async fn ask_once(
        &self,
        page: &Page,
    ) -> Result<FilterLogEventsOutput, SdkError<FilterLogEventsError>> {
        let (name, arn) = self.url.name_or_arn();
        let request = self
            .client
            .filter_log_events()
            .set_log_group_name(name)
            .set_log_group_identifier(arn)
            .set_log_stream_name_prefix(self.url.stream_prefix.clone())
            // The service takes no times before 1970. Both bounds are inclusive.
            .start_time(page.start_ms.max(0))
            .set_end_time(self.until_ms.map(|until_ms| until_ms.saturating_sub(1).max(0)))
            .set_next_token(page.token.clone());
        match tokio::time::timeout(ATTEMPT_TIME_MAX, request.send()).await {
            Ok(sent) => sent,
            Err(elapsed) => Err(SdkError::timeout_error(elapsed)),
        }
    }

    fn failed(&self, page: &Page, error: &SdkError<FilterLogEventsError>) -> Failed {
        let told = SourceError::of_request(&self.url.to_string(), OPERATION, error);
        match error.code() {
            Some("InvalidParameterException") if page.token.is_some() => Failed::TokenLost(told),
            // Who may read one group only is not told that another does not exist.
            Some("ResourceNotFoundException" | "AccessDeniedException") => {
                Failed::NoSuchGroup(told)
            }
            _ => Failed::ForGood(told),
        }
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A client that does not retry by itself, since what it retries it does not tell.
pub(super) fn client(aws: &Aws, url: &CwlUrl) -> Client {
    use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;

    let mut config = Builder::from(aws.config()).retry_config(RetryConfig::disabled());
    if let Some(region) = url.region().filter(|region| !region.is_empty()) {
        config = config.region(Region::new(region.to_owned()));
    }
    Client::from_conf(config.build())
}
