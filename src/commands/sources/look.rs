//! What the services tell of a source, by the least requests.

use anyhow::Result;
use ingest::Reader;
use ingest::TimeRange;
use ingest::source::SourceError;
use ingest::source::aws::Aws;
use ingest::source::s3::{S3, S3Url};

use super::found::Found;
use crate::flags::SourcesCheckArgs;

/// What is listed of a bucket first: a whole one may have millions of objects.
const LISTED_SECS: i64 = 2 * 86_400;

/// Looks at a URL; says whether this build knows its kind.
pub(super) fn at_service(args: &SourcesCheckArgs, found: &mut Found) -> Result<bool> {
    if let Some(url) = S3Url::parse(&args.url) {
        at_bucket(&args.aws.connect()?, &url?, found);
        return Ok(true);
    }
    #[cfg(feature = "cwl")]
    if let Some(url) = ingest::source::cwl::CwlUrl::parse(&args.url) {
        at_group(args, &args.aws.connect()?, &url?, found)?;
        return Ok(true);
    }
    #[cfg(feature = "sqs")]
    if let Some(url) = ingest::source::sqs::SqsUrl::parse(&args.url) {
        at_queue(&args.aws.connect()?, &url?, found);
        return Ok(true);
    }
    #[cfg(feature = "kinesis")]
    if let Some(name) = args.url.strip_prefix("kinesis://") {
        at_stream(&args.aws.connect()?, name, found);
        return Ok(true);
    }
    Ok(false)
}

/// IAM's name of the permission a request needs.
pub(super) fn action_of(operation: &str) -> String {
    let action = match operation {
        "ListObjectsV2" => "s3:ListBucket",
        "GetObject" | "HeadObject" => "s3:GetObject",
        "FilterLogEvents" => "logs:FilterLogEvents",
        "DescribeLogStreams" => "logs:DescribeLogStreams",
        "GetQueueUrl" => "sqs:GetQueueUrl",
        "GetQueueAttributes" => "sqs:GetQueueAttributes",
        "ReceiveMessage" => "sqs:ReceiveMessage",
        "DescribeStreamSummary" => "kinesis:DescribeStreamSummary",
        "ListShards" => "kinesis:ListShards",
        other => other,
    };
    action.to_owned()
}

/// A permission that is missing, or what else went wrong.
fn note(error: &SourceError, what_for: &'static str, found: &mut Found) {
    match error.denied() {
        Some(operation) => found.missing(action_of(operation), what_for),
        None => found.trouble(error.to_string()),
    }
}

fn at_bucket(aws: &Aws, url: &S3Url, found: &mut Found) {
    let s3 = S3::new(aws);
    let recent = TimeRange { since: Some(found.now() - LISTED_SECS), until: None };
    let listed = s3.list(url, recent).and_then(|files| {
        let is_recent = !files.is_empty();
        let files = if is_recent { files } else { s3.list(url, TimeRange::default())? };
        Ok((files, is_recent))
    });
    match listed {
        Err(error) => note(&error, "finding objects", found),
        Ok((files, _)) if files.is_empty() => {
            found.trouble("no flow logs under this prefix".to_owned());
        }
        Ok((files, is_recent)) => {
            if is_recent {
                found.fact("listed", "what the last two days brought");
            }
            let reader = Reader::default().with_s3(&s3, &[]);
            found.files(&files, &reader);
        }
    }
}

#[cfg(feature = "sqs")]
fn at_queue(aws: &Aws, url: &ingest::source::sqs::SqsUrl, found: &mut Found) {
    use ingest::source::sqs::QueueLook;

    let mut look = QueueLook::take(aws, url).unwrap_or_else(|error| {
        note(&error, "this check", found);
        QueueLook::default()
    });
    let number = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    let (waiting, in_flight) = (number(look.waiting), number(look.in_flight));
    found.fact("messages", format!("about {waiting} waiting, {in_flight} held by somebody"));
    let redrive = match look.receipts_max {
        None => "no dead-letter queue: what cannot be read comes back until it expires".to_owned(),
        Some(n) => format!("to a dead-letter queue after {n} receipts"),
    };
    found.fact("redrive", redrive);
    // Looking counts as a receipt.
    if look.receipts_max.is_some_and(|n| n <= 2) {
        found.fact("not looked", "at messages: it would bring them near the dead-letter queue");
        return;
    }
    if let Err(error) = look.peek(aws, url) {
        return note(&error, "receiving messages", found);
    }
    if look.unreadable > 0 {
        found.trouble(format!("{} messages tell of no objects", look.unreadable));
    }
    if look.objects.is_empty() {
        return found.fact("objects", "none told of in the messages looked at");
    }
    let objects: Vec<ingest::LogFile> = look.objects;
    found.files(&objects, &Reader::default().with_s3(&S3::new(aws), &[]));
}

#[cfg(feature = "cwl")]
fn at_group(
    args: &SourcesCheckArgs,
    aws: &Aws,
    url: &ingest::source::cwl::CwlUrl,
    found: &mut Found,
) -> Result<()> {
    use ingest::source::cwl::GroupLook;

    let (url, look) = match GroupLook::take(aws, url) {
        Ok(taken) => taken,
        Err(error) => {
            note(&error, "this check", found);
            (url.clone(), GroupLook::default())
        }
    };
    found.fact("log group", url.group_name());
    let more = if look.has_more { " or more" } else { "" };
    found.fact("streams", format!("{}{more}", look.streams.len()));
    if let Some(ms) = look.newest_ingestion_ms {
        found.newest("newest event", ms / 1000);
    }
    of_flow_logs(args, url.group_name(), found)?;
    // Without its help: what the last hour brought.
    let newest_ms = look.newest_event_ms.unwrap_or(found.now().saturating_mul(1000));
    if let Err(error) = some_events(aws, &url, newest_ms, found) {
        note(&error, "reading events", found);
    }
    Ok(())
}

/// The format, where no header line tells it.
#[cfg(feature = "cwl")]
fn of_flow_logs(args: &SourcesCheckArgs, group: &str, found: &mut Found) -> Result<()> {
    use ingest::inventory::flow_logs;

    let Some(file) = &args.flow_logs else {
        if args.log_format.is_none() {
            found.fact(
                "format",
                "the default one, as neither --log-format nor --flow-logs is given",
            );
        }
        return Ok(());
    };
    let flow_logs = flow_logs::read(file, &crate::output::read_file(file)?)?;
    match flow_logs::of_group(&flow_logs, group)? {
        None => found.trouble(format!("{}: no flow log writes to {group}", file.display())),
        Some(described) => {
            found.fact("flow logs", described.ids.join(", "));
            found.use_format(described.format);
        }
    }
    Ok(())
}

#[cfg(feature = "cwl")]
fn some_events(
    aws: &Aws,
    url: &ingest::source::cwl::CwlUrl,
    newest_ms: i64,
    found: &mut Found,
) -> Result<(), SourceError> {
    use std::time::Duration;

    use ingest::source::cwl::{Cwl, CwlOptions};
    use ingest::source::stream::{Content, Positions, Stream};

    let options = CwlOptions {
        since_ms: Some(newest_ms - 3_600_000),
        // The service's word on the newest may be an hour old.
        until_ms: Some(newest_ms + 3_600_000),
        ..CwlOptions::default()
    };
    let mut cwl = Cwl::open(aws, url, options, &Positions::new())?;
    for _ in 0..POLLS_MAX {
        let polled = cwl.poll(Duration::from_secs(10))?;
        let is_enough = !polled.deliveries.is_empty();
        for delivery in polled.deliveries {
            if let Content::Bytes { origin, bytes } = delivery.content {
                found.bytes(&origin, &bytes);
            }
        }
        if is_enough || polled.ended {
            break;
        }
    }
    Ok(())
}

/// Pages may be empty.
#[cfg(feature = "cwl")]
const POLLS_MAX: usize = 20;

#[cfg(feature = "kinesis")]
fn at_stream(aws: &Aws, name: &str, found: &mut Found) {
    match ingest::source::stream_look::StreamLook::take(aws, name) {
        Err(error) => note(&error, "finding shards", found),
        Ok(look) => {
            found.fact("stream", look.status);
            found.fact("shards", format!("{} open, {} closed", look.n_open, look.n_closed));
            found.fact("retention", format!("{} h", look.retention_hours));
        }
    }
}
