//! What the SOURCE arguments stand for: files of this machine, objects in S3 and slices of log groups.

use anyhow::{Result, bail};
use ingest::{LogFile, Reader, TimeRange};

use crate::flags::AwsArgs;
use crate::output;

/// Records that are wanted, by the times of their ends, Unix seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    /// How long after a file's time it may be published.
    pub(crate) lateness_secs: i64,
    pub(crate) course: Course,
}

/// A run's place among others that read the same sources.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    /// Objects of times before this are not listed: an earlier run did.
    #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "nothing is listed"))]
    pub(crate) listed_from: Option<i64>,
    /// Whether another run goes on where this one stops: files are read whole or left to it, since what is
    /// left out of one that was read would be found by neither.
    pub(crate) is_continued: bool,
}

impl Wanted {
    /// The files that can hold it.
    fn files(&self) -> TimeRange {
        let lateness_secs = if self.course.is_continued { 0 } else { self.lateness_secs };
        TimeRange::of_records(self.since, self.until, lateness_secs)
    }

    /// The first time that records are left out for.
    pub(crate) fn records_until(&self) -> Option<i64> {
        self.until.filter(|_| !self.course.is_continued)
    }
}

/// Files to read, and what reads them.
pub(crate) struct Sources {
    pub(crate) files: Vec<LogFile>,
    pub(crate) reach: Reach,
}

/// A way to the services the sources named.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    #[cfg(feature = "s3")]
    s3: Option<ingest::source::s3::S3>,
    #[cfg(feature = "cwl")]
    groups: Vec<ingest::source::cwl::LogGroup>,
}

impl Reach {
    /// Reads objects in S3.
    #[cfg(feature = "sqs")]
    pub(crate) fn of_objects(aws: &ingest::source::aws::Aws) -> Self {
        Self { s3: Some(ingest::source::s3::S3::new(aws)), ..Self::default() }
    }

    /// What reads these files, in this order.
    #[cfg_attr(
        not(any(feature = "s3", feature = "cwl")),
        expect(clippy::unused_self, unused_variables, reason = "has nothing to reach")
    )]
    pub(crate) fn reader(&self, files: &[LogFile]) -> Reader {
        let reader = Reader::default();
        #[cfg(feature = "s3")]
        let reader = match &self.s3 {
            Some(s3) => reader.with_s3(s3, files),
            None => reader,
        };
        #[cfg(feature = "cwl")]
        let reader = reader.with_groups(&self.groups.clone().into());
        reader
    }
}

/// Finds the files that can hold what is wanted, each once, in the order to read them.
pub(crate) fn find(sources: &[String], aws: &AwsArgs, wanted: Wanted) -> Result<Sources> {
    let (urls, paths): (Vec<&String>, Vec<&String>) =
        sources.iter().partition(|source| source.contains("://"));
    let mut files = if paths.is_empty() { Vec::new() } else { ingest::find_all_files(&paths)? };
    let (n_found, times) = (files.len(), wanted.files());
    files.retain(|file| times.has(&file.origin));
    if files.len() < n_found {
        let n_left_out = n_found - files.len();
        output::note(&format!(
            "{n_left_out} of {n_found} files are of other times by their names, and are not read"
        ));
    }
    let mut reach = Reach::default();
    for url in urls {
        let found = match url.split_once("://") {
            Some(("cwl", _)) => slices(url, aws, wanted, &mut reach),
            _ => objects(url, aws, wanted, &mut reach),
        };
        files.extend(found?);
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.place.clone()));
    files.sort_by_cached_key(LogFile::reading_order);
    Ok(Sources { files, reach })
}

#[cfg(feature = "s3")]
fn objects(url: &str, aws: &AwsArgs, wanted: Wanted, reach: &mut Reach) -> Result<Vec<LogFile>> {
    use ingest::source::s3::{S3, S3Url};

    let Some(parsed) = S3Url::parse(url) else { bail!(not_batch(url)) };
    let parsed = parsed?;
    let s3 = match &reach.s3 {
        Some(s3) => s3.clone(),
        None => S3::new(&aws.connect()?),
    };
    reach.s3 = Some(s3.clone());
    let mut range = wanted.files();
    range.since = range.since.max(wanted.course.listed_from);
    let files = s3.list(&parsed, range)?;
    if files.is_empty() && range == TimeRange::default() {
        bail!(
            "`{url}`: no flow logs under this prefix; `aws s3 ls --recursive {url}` shows what is there"
        );
    }
    Ok(files)
}

#[cfg(not(feature = "s3"))]
fn objects(url: &str, _: &AwsArgs, _: Wanted, _: &mut Reach) -> Result<Vec<LogFile>> {
    if url.starts_with("s3://") {
        bail!("`{url}`: this build reads no S3; build it with `--features s3`");
    }
    bail!(not_batch(url))
}

/// What a log group has of the time, to now if no end is given.
#[cfg(feature = "cwl")]
fn slices(url: &str, aws: &AwsArgs, wanted: Wanted, reach: &mut Reach) -> Result<Vec<LogFile>> {
    use ingest::source::cwl::{CwlUrl, LogGroup};

    let Some(parsed) = CwlUrl::parse(url) else { bail!(not_batch(url)) };
    let until = wanted.until.unwrap_or_else(crate::clock::unix_secs);
    let (aws, options) = (aws.connect()?, aws.of_groups());
    let group = LogGroup::find(&aws, &parsed?, wanted.since, until, options)?;
    if group.files().is_empty() && wanted.since.is_none() {
        bail!("`{url}`: no events in this log group; `tidegate sources check {url}` says more");
    }
    let files = group.files().to_vec();
    reach.groups.push(group);
    Ok(files)
}

#[cfg(not(feature = "cwl"))]
fn slices(url: &str, _: &AwsArgs, _: Wanted, _: &mut Reach) -> Result<Vec<LogFile>> {
    bail!("`{url}`: this build reads no log groups; build it with `--features cwl`")
}

fn not_batch(url: &str) -> String {
    let is_stream = ["kinesis://", "sqs://"].iter().any(|kind| url.starts_with(kind));
    if is_stream {
        format!("`{url}` is a stream, which goes on: use `tidegate watch {url}`")
    } else {
        format!(
            "`{url}`: not a source; files, folders, globs, s3://BUCKET/PREFIX and cwl://LOG-GROUP are read here"
        )
    }
}
