//! Opens what SOURCE names as a stream.

use anyhow::{Result, bail};
use ingest::source::stream::{Positions, Stream};

use super::replay::{self, Replay};
#[cfg(any(feature = "kinesis", feature = "cwl"))]
use crate::clock;
use crate::flags::AwsArgs;
use crate::sources::Reach;

/// Where reading begins when no state says where it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest that is kept.
    TrimHorizon,
    /// With what comes from now on.
    Latest,
    /// At this time, Unix seconds.
    At(i64),
}

/// A stream, and what reads the objects it names.
pub(crate) struct Opened {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) reach: Reach,
}

/// How streams are opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) aws: &'a AwsArgs,
    /// The consumer a Kinesis stream is sent to.
    pub(crate) fan_out: Option<&'a str>,
}

/// Opens a stream that goes on from `positions`, or begins at `start`.
pub(crate) fn open(
    url: &str,
    opening: Opening<'_>,
    start: Start,
    positions: &Positions,
) -> Result<Opened> {
    if opening.fan_out.is_some() && !url.starts_with("kinesis://") {
        bail!("`{url}`: --fan-out is for kinesis://STREAM");
    }
    if let Some(path) = replay::path(url) {
        let stream = Box::new(Replay::open(path, positions)?);
        return Ok(Opened { stream, reach: Reach::default() });
    }
    for of_kind in KINDS {
        if let Some(opened) = of_kind(url, opening, start, positions)? {
            return Ok(opened);
        }
    }
    match url.split_once("://").map(|(kind, _)| kind) {
        Some(kind @ ("kinesis" | "cwl" | "sqs")) => {
            bail!("`{url}`: this build reads no such streams; build it with `--features {kind}`")
        }
        _ => bail!(not_a_stream(url)),
    }
}

/// Opens a URL if it is of its kind.
type OfKind = fn(&str, Opening<'_>, Start, &Positions) -> Result<Option<Opened>>;

const KINDS: &[OfKind] = &[
    #[cfg(feature = "kinesis")]
    kinesis,
    #[cfg(feature = "cwl")]
    log_group,
    #[cfg(feature = "sqs")]
    queue,
];

#[cfg(feature = "kinesis")]
fn kinesis(
    url: &str,
    opening: Opening<'_>,
    start: Start,
    positions: &Positions,
) -> Result<Option<Opened>> {
    use ingest::source::kinesis::{
        Kinesis, KinesisOptions, KinesisReading, KinesisStart, KinesisUrl,
    };

    let Some(url) = KinesisUrl::parse(url) else { return Ok(None) };
    let start = match start {
        _ if !positions.is_empty() => KinesisStart::Saved(positions.clone()),
        Start::TrimHorizon => KinesisStart::TrimHorizon,
        Start::Latest => KinesisStart::At(clock::unix_secs() * 1000),
        Start::At(secs) => KinesisStart::At(secs.saturating_mul(1000)),
    };
    let reading = opening.fan_out.map_or(KinesisReading::Polling, |consumer| {
        KinesisReading::FanOut { consumer: consumer.to_owned() }
    });
    let options = KinesisOptions { start, reading };
    let stream = Box::new(Kinesis::open(&opening.aws.connect()?, &url?, options)?);
    Ok(Some(Opened { stream, reach: Reach::default() }))
}

#[cfg(feature = "cwl")]
fn log_group(
    url: &str,
    opening: Opening<'_>,
    start: Start,
    positions: &Positions,
) -> Result<Option<Opened>> {
    use ingest::source::cwl::{Cwl, CwlOptions, CwlUrl};

    let Some(url) = CwlUrl::parse(url) else { return Ok(None) };
    let since_ms = match start {
        Start::TrimHorizon => None,
        Start::Latest => Some(clock::unix_secs() * 1000),
        Start::At(secs) => Some(secs.saturating_mul(1000)),
    };
    let options = CwlOptions { since_ms, ..opening.aws.of_groups() };
    let stream = Box::new(Cwl::open(&opening.aws.connect()?, &url?, options, positions)?);
    Ok(Some(Opened { stream, reach: Reach::default() }))
}

/// A queue has no past but what waits in it: where to begin is not asked.
#[cfg(feature = "sqs")]
fn queue(
    url: &str,
    opening: Opening<'_>,
    _: Start,
    positions: &Positions,
) -> Result<Option<Opened>> {
    use ingest::source::sqs::{Sqs, SqsOptions, SqsUrl};

    let Some(url) = SqsUrl::parse(url) else { return Ok(None) };
    let aws = opening.aws.connect()?;
    let stream = Box::new(Sqs::open(&aws, &url?, SqsOptions::default(), positions)?);
    Ok(Some(Opened { stream, reach: Reach::of_objects(&aws) }))
}

fn not_a_stream(url: &str) -> String {
    format!(
        "`{url}`: not a stream; kinesis://STREAM, sqs://QUEUE and cwl://LOG-GROUP are watched, and \
         files and s3://BUCKET/PREFIX are for `tidegate detect`"
    )
}
