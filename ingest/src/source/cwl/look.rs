//! What can be told of a log group without reading it.

use aws_sdk_cloudwatchlogs::types::{LogStream, OrderBy};

use super::ask::client;
use super::{Aws, CwlUrl, SourceError};

/// What a log group has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLook {
    /// Streams that were listed: at most fifty.
    pub streams: Vec<String>,
    /// Whether there are more.
    pub has_more: bool,
    /// The time of the newest event of those streams, Unix milliseconds. The service keeps it
    /// up within an hour or so.
    pub newest_event_ms: Option<i64>,
    /// When the last event of those streams came in, Unix milliseconds.
    pub newest_ingestion_ms: Option<i64>,
}

impl GroupLook {
    /// Lists the group's streams, the newest first where the service can, and says which reading of
    /// the name it is.
    pub fn take(aws: &Aws, url: &CwlUrl) -> Result<(CwlUrl, Self), SourceError> {
        let mut refused = None;
        let mut reading = Some(url.clone());
        while let Some(url) = reading {
            match Self::of_reading(aws, &url) {
                Ok(look) => return Ok((url, look)),
                Err(error) => drop(refused.get_or_insert(error)),
            }
            reading = url.next();
        }
        Err(refused.unwrap_or_else(|| SourceError::Refused {
            place: url.to_string(),
            detail: "no such log group".to_owned(),
        }))
    }

    fn of_reading(aws: &Aws, url: &CwlUrl) -> Result<Self, SourceError> {
        // By time, or with a prefix: the service cannot do both.
        let by_time = url.stream_prefix.is_none();
        let order = if by_time { OrderBy::LastEventTime } else { OrderBy::LogStreamName };
        let (name, arn) = url.name_or_arn();
        let request = client(aws, url)
            .describe_log_streams()
            .set_log_group_name(name)
            .set_log_group_identifier(arn)
            .set_log_stream_name_prefix(url.stream_prefix.clone())
            .order_by(order)
            .descending(by_time)
            .limit(STREAMS_MAX);
        let output = aws.wait(request.send()).map_err(|error| {
            SourceError::of_request(&url.to_string(), "DescribeLogStreams", &error)
        })?;
        let streams = output.log_streams();
        let names = streams.iter().filter_map(|stream| stream.log_stream_name());
        Ok(Self {
            streams: names.map(str::to_owned).collect(),
            has_more: output.next_token().is_some(),
            newest_event_ms: streams.iter().filter_map(LogStream::last_event_timestamp).max(),
            newest_ingestion_ms: streams.iter().filter_map(LogStream::last_ingestion_time).max(),
        })
    }
}

/// What one request lists.
const STREAMS_MAX: i32 = 50;
