//! `tidegate sources`: what is at a source, and what may be asked of it.

mod found;
#[cfg(feature = "s3")]
mod look;
mod policy;
mod sample;

use std::io::Write;

use anyhow::{Context, Result, bail};
use ingest::{DecodeOptions, FieldSet, LogFormat, Reader};

use crate::flags::{SourcesCheckArgs, SourcesCommand};
use crate::{Ending, clock, output};
use found::Found;

pub(crate) fn run(command: &SourcesCommand) -> Result<Ending> {
    match command {
        SourcesCommand::Check(args) => check(args),
        SourcesCommand::Policy(args) => policy::run(args),
    }
}

fn check(args: &SourcesCheckArgs) -> Result<Ending> {
    let format = args
        .log_format
        .as_deref()
        .map(|spec| LogFormat::parse(spec).context("--log-format"))
        .transpose()?;
    let decode = DecodeOptions { format, ..DecodeOptions::of_columns(FieldSet::all()) };
    let mut found = Found::new(&args.url, decode, clock::unix_secs());
    look(args, &mut found)?;
    let mut stdout = output::stdout();
    found.write(&mut stdout)?;
    stdout.flush()?;
    Ok(if found.is_readable() { Ending::Ran } else { Ending::Incomplete })
}

fn look(args: &SourcesCheckArgs, found: &mut Found) -> Result<()> {
    if !args.url.contains("://") {
        let files = ingest::find_files(&args.url)?;
        found.files(&files, &Reader::default());
        return Ok(());
    }
    #[cfg(feature = "s3")]
    if look::at_service(args, found)? {
        return Ok(());
    }
    let kind = args.url.split("://").next().unwrap_or_default();
    if ["s3", "cwl", "kinesis", "sqs"].contains(&kind) {
        bail!("`{}`: this build reads no {kind}://; build it with `--features {kind}`", args.url);
    }
    bail!("`{}`: not a source; write a path, s3://, cwl://, kinesis:// or sqs://", args.url)
}
