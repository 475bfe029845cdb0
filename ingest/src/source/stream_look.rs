//! What can be told of a Kinesis stream without reading it.

use aws_sdk_kinesis::Client;

use super::SourceError;
use super::aws::Aws;

/// What a stream has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamLook {
    /// `ACTIVE`, `UPDATING` and the like.
    pub status: String,
    /// Shards that take records.
    pub n_open: usize,
    /// Shards that were split or merged and still hold records.
    pub n_closed: usize,
    /// How long records are kept, hours.
    pub retention_hours: i32,
}

impl StreamLook {
    /// Asks for the stream's summary and its shards; `name` may be its ARN.
    pub fn take(aws: &Aws, name: &str) -> Result<Self, SourceError> {
        aws.wait(Self::ask(&Client::new(aws.config()), name))
    }

    async fn ask(client: &Client, name: &str) -> Result<Self, SourceError> {
        let place = format!("kinesis://{name}");
        let given = Some(name.to_owned());
        let (name, arn) = if name.starts_with("arn:") { (None, given) } else { (given, None) };
        let summary = client
            .describe_stream_summary()
            .set_stream_name(name.clone())
            .set_stream_arn(arn.clone())
            .send()
            .await
            .map_err(|error| SourceError::of_request(&place, "DescribeStreamSummary", &error))?;
        let mut look = Self::default();
        if let Some(summary) = summary.stream_description_summary() {
            look.status = summary.stream_status().as_str().to_owned();
            look.retention_hours = summary.retention_period_hours();
        }
        let mut token = None;
        loop {
            // A token stands for the name.
            let (name, arn) =
                if token.is_some() { (None, None) } else { (name.clone(), arn.clone()) };
            let request = client.list_shards().set_stream_name(name).set_stream_arn(arn);
            let page = request
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| SourceError::of_request(&place, "ListShards", &error))?;
            for shard in page.shards() {
                let range = shard.sequence_number_range();
                let is_closed = range.is_some_and(|r| r.ending_sequence_number().is_some());
                look.n_open += usize::from(!is_closed);
                look.n_closed += usize::from(is_closed);
            }
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(look);
            }
        }
    }
}
