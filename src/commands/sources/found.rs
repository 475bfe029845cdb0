//! What a check found, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use ingest::escape::harmless;
use ingest::{DecodeOptions, LogFile, Origin, ReadError, Reader};

use super::sample::Sample;

/// Files read, the newest of as many flow logs.
const FILES_MAX: usize = 4;

/// Names shown of accounts, regions and the like.
const NAMES_MAX: usize = 12;

/// What a file's name says.
type Part = fn(&LogFile) -> Option<String>;

/// What a check found.
pub(super) struct Found {
    url: String,
    decode: DecodeOptions,
    now: i64,
    facts: Vec<(&'static str, String)>,
    /// What was refused: the permission, and what it is needed for.
    missing: BTreeMap<String, &'static str>,
    troubles: Vec<String>,
    sample: Sample,
}

impl Found {
    pub(super) fn new(url: &str, decode: DecodeOptions, now: i64) -> Self {
        Self {
            url: url.to_owned(),
            decode,
            now,
            facts: Vec::new(),
            missing: BTreeMap::new(),
            troubles: Vec::new(),
            sample: Sample::default(),
        }
    }

    /// Whether everything that was tried worked, and gave records if there were any.
    pub(super) fn is_readable(&self) -> bool {
        self.missing.is_empty() && self.troubles.is_empty()
    }

    /// Now, Unix seconds.
    #[cfg(feature = "s3")]
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// The format of records without a header line.
    #[cfg(feature = "cwl")]
    pub(super) fn use_format(&mut self, format: Option<ingest::LogFormat>) {
        self.decode.format = format;
    }

    /// A line of the report.
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push((name, value.into()));
    }

    /// A permission that is not there, by its name in IAM.
    #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "files need no permission"))]
    pub(super) fn missing(&mut self, action: String, what_for: &'static str) {
        self.missing.insert(action, what_for);
    }

    /// Something that went wrong and is no permission.
    pub(super) fn trouble(&mut self, text: String) {
        self.troubles.push(text);
    }

    /// How old the newest is.
    pub(super) fn newest(&mut self, what: &'static str, time: i64) {
        let shown =
            jiff::Timestamp::from_second(time).map_or_else(|_| time.to_string(), |t| t.to_string());
        let behind = self.now - time;
        let age =
            if behind < 0 { "in the future".to_owned() } else { format!("{} ago", ago(behind)) };
        self.fact(what, format!("{shown}, {age}"));
    }

    /// Bytes as a stream brings them.
    #[cfg_attr(not(feature = "cwl"), expect(dead_code, reason = "no streams of bytes"))]
    pub(super) fn bytes(&mut self, origin: &Arc<Origin>, bytes: &[u8]) {
        if let Err(error) = self.sample.decode(origin, bytes, true, &self.decode) {
            self.trouble(error.to_string());
        }
    }

    /// What the names of files tell, and the beginnings of some.
    pub(super) fn files(&mut self, files: &[LogFile], reader: &Reader) {
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        self.fact("files", format!("{} of {} bytes", files.len(), bytes));
        let parts: [(&'static str, Part); 4] = [
            ("layouts", |file| Some(layout(&file.place.name()).to_owned())),
            ("accounts", |file| file.origin.account.clone()),
            ("regions", |file| file.origin.region.clone()),
            ("flow logs", |file| file.origin.flow_log_id.clone()),
        ];
        for (name, part) in parts {
            let values: BTreeSet<String> = files.iter().filter_map(part).collect();
            if !values.is_empty() {
                self.fact(name, listed(&values));
            }
        }
        if let Some(newest) = files.iter().filter_map(|file| file.origin.time).max() {
            self.newest("newest file", newest);
        }
        for file in newest_of_each(files) {
            if let Err(error) = self.sample.add_file(file, reader, &self.decode) {
                self.failed_read(&error);
            }
        }
    }

    fn failed_read(&mut self, error: &ReadError) {
        #[cfg(feature = "s3")]
        if let ReadError::Io { source, .. } = error
            && let Some(source) =
                source.get_ref().and_then(|e| e.downcast_ref::<ingest::source::SourceError>())
            && let Some(operation) = source.denied()
        {
            return self.missing(super::look::action_of(operation), "reading objects");
        }
        self.trouble(error.to_string());
    }

    /// Prints it.
    pub(super) fn write(&mut self, to: &mut dyn Write) -> Result<()> {
        self.facts_of_sample();
        writeln!(to, "{}", harmless(&self.url))?;
        for (name, value) in &self.facts {
            writeln!(to, "  {name:12} {}", harmless(value))?;
        }
        for (action, what_for) in &self.missing {
            writeln!(to, "  missing      {action}, for {what_for}")?;
        }
        for trouble in &self.troubles {
            writeln!(to, "  trouble      {}", harmless(trouble))?;
        }
        if !self.missing.is_empty() {
            let url = harmless(&self.url);
            writeln!(to, "  what is needed: tidegate sources policy '{url}'")?;
        }
        for record in &self.sample.shown {
            writeln!(to, "  record       {}", harmless(record))?;
        }
        Ok(())
    }

    fn facts_of_sample(&mut self) {
        let sample = std::mem::take(&mut self.sample);
        for fields in &sample.formats {
            self.fact("fields", fields.join(" "));
        }
        if !sample.unknown_fields.is_empty() {
            self.fact("unknown", listed(&sample.unknown_fields));
        }
        if let Some(secs) = sample.interval_secs() {
            self.fact("interval", format!("{secs} s, by the records"));
        }
        if let Some(newest) = sample.newest_end {
            self.newest("newest record", newest);
        }
        self.fact(
            "looked at",
            format!("{} records, {} rejected", sample.n_records, sample.n_rejected),
        );
        for reject in sample.rejects.iter().take(NAMES_MAX) {
            self.fact("rejected", reject.clone());
        }
        if sample.n_records == 0 && sample.n_rejected > 0 {
            self.trouble(
                "no record could be decoded: is --log-format the format of these logs?".to_owned(),
            );
        }
        self.sample = sample;
    }
}

fn listed(values: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = values.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = values.len().saturating_sub(NAMES_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}

/// The newest file of each flow log, the newest first.
fn newest_of_each(files: &[LogFile]) -> Vec<&LogFile> {
    let mut newest: BTreeMap<Option<&str>, &LogFile> = BTreeMap::new();
    for file in files {
        let kept = newest.entry(file.origin.flow_log_id.as_deref()).or_insert(file);
        if file.origin.time >= kept.origin.time {
            *kept = file;
        }
    }
    let mut newest: Vec<&LogFile> = newest.into_values().collect();
    newest.sort_by_key(|file| std::cmp::Reverse(file.origin.time));
    newest.truncate(FILES_MAX);
    newest
}

/// What AWS calls the layouts of flow logs.
fn layout(name: &str) -> &'static str {
    let Some((_, folders)) = name.rsplit_once("AWSLogs/") else { return "no AWSLogs/ in the name" };
    let is_parquet = folders.ends_with(".parquet");
    let has_hour = folders.matches('/').count() >= 7;
    match (folders.starts_with("aws-account-id="), has_hour, is_parquet) {
        (false, false, false) => "plain by day, text",
        (false, true, false) => "plain by hour, text",
        (true, false, false) => "hive by day, text",
        (true, true, false) => "hive by hour, text",
        (false, false, true) => "plain by day, Parquet",
        (false, true, true) => "plain by hour, Parquet",
        (true, false, true) => "hive by day, Parquet",
        (true, true, true) => "hive by hour, Parquet",
    }
}

/// A duration with its largest unit.
fn ago(secs: i64) -> String {
    match secs {
        ..120 => format!("{secs} s"),
        120..7200 => format!("{} min", secs / 60),
        7200..172_800 => format!("{} h", secs / 3600),
        _ => format!("{} days", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_by_their_folders() {
        let plain = "p/AWSLogs/1/vpcflowlogs/eu-west-1/2025/03/03/f.log.gz";
        assert_eq!(layout(plain), "plain by day, text");
        assert_eq!(layout(&plain.replace("03/f", "03/14/f")), "plain by hour, text");
        let hive = "AWSLogs/aws-account-id=1/aws-service=vpcflowlogs/aws-region=r/year=2025/month=03/day=03/hour=14/f.log.parquet";
        assert_eq!(layout(hive), "hive by hour, Parquet");
        assert_eq!(layout(&hive.replace("hour=14/", "")), "hive by day, Parquet");
        assert_eq!(layout("logs/f.log"), "no AWSLogs/ in the name");
    }
}
