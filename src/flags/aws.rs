//! How AWS is reached, whatever is asked of it.

use clap::Args;

/// On each option, so that what comes after them in a command's help is not of AWS too.
const HEADING: &str = "AWS";

/// How AWS is reached. What is not given is found as every AWS tool finds it: environment, profiles,
/// SSO, web identity, the role of the instance or task.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AwsArgs {
    /// A profile of the AWS config file.
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The region of the services asked.
    #[arg(long, help_heading = HEADING, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Send requests here instead of to AWS.
    #[arg(long, help_heading = HEADING, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Take on this role first, for logs of another account.
    #[arg(long, help_heading = HEADING, value_name = "ARN")]
    pub(crate) assume_role: Option<String>,
    /// Pay for the requests to a bucket of another account.
    #[arg(long, help_heading = HEADING)]
    pub(crate) requester_pays: bool,
    /// How many times a second a log group is asked at most (4): AWS's quota is the whole account's. It is
    /// asked less often after a refusal.
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = rate)]
    pub(crate) cwl_requests: Option<f64>,
}

/// Requests a second.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=1000.0).contains(rate));
    rate.ok_or_else(|| format!("`{text}`: a number of requests a second, from 0.01 to 1000"))
}

#[cfg(any(feature = "s3", feature = "kinesis", feature = "cwl"))]
impl AwsArgs {
    /// A way to AWS with these settings.
    pub(crate) fn connect(&self) -> anyhow::Result<ingest::source::aws::Aws> {
        let options = ingest::source::aws::AwsOptions {
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoint_url: self.endpoint_url.clone(),
            assume_role: self.assume_role.clone(),
            attempts_max: None,
            requester_pays: self.requester_pays,
        };
        Ok(ingest::source::aws::Aws::new(options)?)
    }

    /// How a log group is read with these settings.
    #[cfg(feature = "cwl")]
    pub(crate) fn of_groups(&self) -> ingest::source::cwl::CwlOptions {
        let default = ingest::source::cwl::CwlOptions::default();
        let requests_per_second = self.cwl_requests.unwrap_or(default.requests_per_second);
        ingest::source::cwl::CwlOptions { requests_per_second, ..default }
    }
}
