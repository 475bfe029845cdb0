//! What a backfill would read, how long it would take and what its requests would cost: from the
//! listing, and from a few files read as a sample.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZero;
use std::thread;

use anyhow::Result;
use ingest::{DecodeOptions, LogFile, LogFormat, Place};
use model::fold::{Aggregator, FoldOptions};

use super::{Range, weight};
use crate::flags::BackfillArgs;
use crate::sources::{self, Reach, Sources, Wanted};
use crate::{Ending, clock, output};

/// Files read as a sample, spread evenly.
const SAMPLE_FILES: usize = 5;

/// S3 Standard's prices per 1,000 requests in us-east-1, US dollars. Elsewhere they differ a little.
const LIST_USD: f64 = 0.005;
const GET_USD: f64 = 0.0004;

/// Keys that one request lists.
const KEYS_PER_LIST: u64 = 1000;

/// A Parquet object is read by its end and then by the columns wanted, neighbours in one request.
const GETS_PER_PARQUET: u64 = 3;

/// What a sample shows.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    n_files: usize,
    weight: u64,
    records: u64,
    secs: f64,
}

/// Prints it.
pub(super) fn report(args: &BackfillArgs, range: &Range) -> Result<Ending> {
    let since = range.since.saturating_sub(range.learn_secs);
    let wanted = Wanted {
        since: Some(since),
        until: Some(range.until),
        lateness_secs: range.lateness_secs,
        ..Wanted::default()
    };
    let Sources { files, reach } = sources::find(&args.source.sources, &args.source.aws, wanted)?;
    let files = range.between(since, range.until, files);
    let earlier = if range.learn_secs > 0 {
        range.between(since, range.since, files.clone())
    } else {
        Vec::new()
    };
    let judged = range.files(files);
    let sample = sample(args, &judged, &reach)?;
    let all: Vec<&LogFile> = earlier.iter().chain(&judged).collect();
    let bytes: u64 = all.iter().map(|file| file.bytes).sum();
    let scale =
        all.iter().map(|file| weight(file)).sum::<u64>() as f64 / sample.weight.max(1) as f64;
    let n_cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut out = output::stdout();
    writeln!(
        out,
        "files     {} ({} to learn from, {} to judge)",
        all.len(),
        earlier.len(),
        judged.len()
    )?;
    if bytes > 0 || all.is_empty() {
        writeln!(out, "bytes     {bytes}")?;
    }
    if sample.weight == 0 {
        writeln!(out, "records   unknown: no file could be read as a sample")?;
    } else {
        let records = sample.records as f64 * scale;
        let minutes = sample.secs * scale / n_cores as f64 / 60.0;
        writeln!(
            out,
            "records   about {records:.0} ({} files were read as a sample)",
            sample.n_files
        )?;
        writeln!(out, "time      about {minutes:.1} min on {n_cores} cores, judging not counted")?;
    }
    write_requests(&mut out, &all)?;
    out.flush()?;
    Ok(Ending::Ran)
}

fn write_requests(out: &mut impl Write, files: &[&LogFile]) -> Result<()> {
    let (lists, gets) = requests(files);
    let dollars = (lists as f64 * LIST_USD + gets as f64 * GET_USD) / 1000.0;
    let slices = files.iter().filter(|file| matches!(file.place, Place::Slice { .. })).count();
    if slices > 0 {
        writeln!(
            out,
            "requests  {slices} FilterLogEvents and one for each further 10,000 events or MB of a slice"
        )?;
    }
    if lists + gets > 0 || slices == 0 {
        writeln!(
            out,
            "requests  {lists} LIST, {gets} GET: about ${dollars:.4} at ${LIST_USD} and ${GET_USD} per \
             1,000 (S3 Standard in us-east-1); traffic out of a region costs extra"
        )?;
    }
    Ok(())
}

fn sample(args: &BackfillArgs, files: &[LogFile], reach: &Reach) -> Result<Sample> {
    let format = args.source.log_format.as_deref().map(LogFormat::parse).transpose()?;
    let options = DecodeOptions { format, ..DecodeOptions::of_columns(Aggregator::columns()) };
    let step = files.len().div_ceil(SAMPLE_FILES).max(1);
    let some: Vec<LogFile> = files.iter().skip(step / 2).step_by(step).cloned().collect();
    let reader = reach.reader(&some);
    let mut sample = Sample::default();
    for file in &some {
        let begun = clock::now();
        let mut aggregator = Aggregator::new(FoldOptions::new(300));
        let read = reader.read(file, &options, &mut |batch| aggregator.push(&batch));
        if read.error.is_some() {
            continue;
        }
        sample.n_files += 1;
        sample.weight += weight(file);
        sample.records += aggregator.ledger().records + read.tally.ledger.records;
        sample.secs += begun.elapsed().as_secs_f64();
    }
    Ok(sample)
}

/// How many requests list and get these files; those of this machine take none.
fn requests(files: &[&LogFile]) -> (u64, u64) {
    let mut by_folder: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut gets = 0;
    for file in files {
        let Place::Object { bucket, key } = &file.place else { continue };
        let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
        *by_folder.entry((bucket, folder)).or_default() += 1;
        gets += if file.place.is_parquet() { GETS_PER_PARQUET } else { 1 };
    }
    // Each folder above one with files is asked for its folders.
    let above: std::collections::BTreeSet<(&str, &str)> = by_folder
        .keys()
        .flat_map(|&(bucket, folder)| {
            folder.match_indices('/').map(move |(at, _)| (bucket, &folder[..at]))
        })
        .collect();
    let lists: u64 = by_folder.values().map(|n| n.div_ceil(KEYS_PER_LIST)).sum();
    (lists + above.len() as u64, gets)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn object(key: String) -> LogFile {
        let place = Place::Object { bucket: "b".to_owned(), key };
        LogFile { place, origin: Arc::default(), bytes: 1, etag: None }
    }

    #[test]
    fn a_folder_takes_a_request_for_each_thousand_keys() {
        let files: Vec<LogFile> = (0..1001)
            .map(|n| object(format!("p/2025/01/{n}.log.gz")))
            .chain([object("p/2025/02/1.log.parquet".to_owned())])
            .collect();
        // Two for January, one for February, one each for `p` and `p/2025`.
        assert_eq!(requests(&files.iter().collect::<Vec<_>>()), (5, 1004));
    }
}
