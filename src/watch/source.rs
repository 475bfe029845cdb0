//! Opens what SOURCE names as a stream.

use anyhow::{Result, bail};
use ingest::source::stream::{Positions, Stream};

use super::replay::{self, Replay};
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

/// Opens a stream that goes on from `positions`, or begins at `start`.
pub(crate) fn open(
    url: &str,
    aws: &AwsArgs,
    start: Start,
    positions: &Positions,
) -> Result<Opened> {
    if let Some(path) = replay::path(url) {
        let stream = Box::new(Replay::open(path, positions)?);
        return Ok(Opened { stream, reach: Reach::default() });
    }
    let _unused = (aws, start);
    let Some((kind, _)) = url.split_once("://") else { bail!(not_a_stream(url)) };
    match kind {
        "kinesis" | "cwl" | "sqs" => {
            bail!("`{url}`: this build reads no such streams; build it with `--features {kind}`")
        }
        _ => bail!(not_a_stream(url)),
    }
}

fn not_a_stream(url: &str) -> String {
    format!(
        "`{url}`: not a stream; kinesis://STREAM, sqs://QUEUE and cwl://LOG-GROUP are watched, and \
         files and s3://BUCKET/PREFIX are for `tidegate detect`"
    )
}
