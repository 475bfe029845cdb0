//! Flow logs in S3: finding them by their keys, reading them whole or by ranges, and keeping small
//! objects beside them.

mod ahead;
mod body;
mod keep;
mod list;
mod ranges;
mod url;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_s3::types::RequestPayer;

use super::aws::Aws;

pub use ahead::Ahead;
pub use body::Body;
pub use keep::Put;
#[cfg(feature = "sqs")]
pub(super) use list::is_flow_log;
pub(crate) use ranges::Ranges;
pub use url::S3Url;

/// Attempts of a request before it has failed: with the SDK's pauses, which double up to 20 s, a
/// minute of throttling is mostly waited out.
const ATTEMPTS_MAX: u32 = 10;

/// A way to S3.
#[derive(Clone, Debug)]
pub struct S3 {
    aws: Aws,
    client: Client,
}

impl S3 {
    /// A client with the credentials, region and endpoint of `aws`.
    pub fn new(aws: &Aws) -> Self {
        let config = aws.config();
        // What is not AWS seldom has a host name per bucket.
        let is_elsewhere =
            config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        // The SDK's clients share an allowance of retries: used up when every request fails once, it would
        // leave files out. Each request has its own bound, and waits longer each time.
        let retries = RetryPartition::custom("tidegate").token_bucket(TokenBucket::unlimited());
        let config = Builder::from(config).force_path_style(is_elsewhere);
        let attempts = aws.options().attempts_max.unwrap_or(ATTEMPTS_MAX);
        let config = config
            .retry_partition(retries.build())
            .retry_config(RetryConfig::standard().with_max_attempts(attempts))
            .build();
        Self { aws: aws.clone(), client: Client::from_conf(config) }
    }

    fn payer(&self) -> Option<RequestPayer> {
        self.aws.options().requester_pays.then_some(RequestPayer::Requester)
    }
}
