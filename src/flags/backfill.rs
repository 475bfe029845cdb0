//! What was typed after `tidegate backfill`.

use std::path::PathBuf;

use clap::Args;

use super::{SourceArgs, TellArgs};
use crate::duration;

#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// What is normal, learned from what came before --since.
    #[arg(long, value_name = "FILE", conflicts_with = "learn")]
    pub(crate) baseline: Option<PathBuf>,
    /// Learn what is normal from so long before --since first; 14d if there is no --baseline.
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    pub(crate) learn: Option<i64>,
    /// Keep here, in a folder or under `s3://BUCKET/PREFIX`, how far it came after each day, and go on
    /// from there if it was ended before it was done.
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) resume: Option<String>,
    /// Only say how much there is to read, about how long it takes and what the requests cost; a few
    /// files are read for it.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) tell: TellArgs,
}
