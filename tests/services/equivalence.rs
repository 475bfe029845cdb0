//! The same records give the same findings, byte for byte, whatever carries them and however they are
//! judged: files, S3 in text and Parquet, `CloudWatch` Logs, Kinesis over a split and a merge; in one run, in
//! hourly runs, as a stream, as a backfill.

use std::sync::OnceLock;

use crate::estate::{estate, findings_file};
use crate::parquet_logs;
use crate::program::logs::{assert_same_lines, last_revisions};
use crate::running::{Ended, Running};
use crate::stand_ins::{stage, unique_name};

/// The days of the estate.
const BEGIN: &str = "2025-03-03T00:00:00Z";
const END: &str = "2025-03-05T00:00:00Z";

/// The carriers of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Parquet,
}

/// The estate's logs in files of a form.
struct Files {
    folder: Option<tempfile::TempDir>,
}

impl Files {
    fn of(form: Form) -> Self {
        let folder = (form == Form::Parquet).then(|| tempfile::tempdir().unwrap());
        if let Some(folder) = &folder {
            parquet_logs::convert(&estate().files(), folder.path());
        }
        Self { folder }
    }

    fn path(&self) -> String {
        match &self.folder {
            Some(folder) => folder.path().to_str().unwrap().to_owned(),
            None => estate().logs(),
        }
    }

    /// Uploads those of times in `[from, to)`, as in `20250303T0500Z`.
    fn upload(&self, url: &str, layout: &str, from: &str, to: &str) {
        stage(&["s3", &self.path(), url, "--layout", layout, "--from", from, "--to", to]);
    }
}

/// Nothing was late: the carriers would differ.
#[track_caller]
fn assert_right(findings: &str, stderr: &str) {
    let ledger = stderr.lines().rfind(|line| line.starts_with("ledger:")).unwrap_or(stderr);
    assert!(!ledger.contains(" late"), "{stderr}");
    assert!(!ledger.contains("rejected"), "{stderr}");
    assert_same_lines(&estate().findings, findings);
}

/// What a test of equality rests on: findings of many kinds, some of them over.
#[test]
fn there_is_something_to_compare() {
    let findings = &estate().findings;
    for part in ["\"state\":\"closed\"", "new-peer", "\"kind\":", "beacon"] {
        assert!(findings.contains(part), "{part}");
    }
    assert!(findings.lines().count() > 3, "{findings}");
    let n_records = estate().n_records();
    assert!((20_000..200_000).contains(&n_records), "{n_records} records");
}

#[test]
fn runs_every_hour_tell_what_one_run_tells() {
    for form in [Form::Text, Form::Parquet] {
        let files = Files::of(form);
        let bucket = unique_name("flow-logs");
        let source = format!("s3://{bucket}/logs");
        let state = format!("s3://{bucket}/state");
        let mut told = String::new();
        // The first day at once, then each hour.
        let mut from = String::new();
        for hour in 0..=24 {
            let to = if hour == 24 { "~".to_owned() } else { format!("20250304T{hour:02}00Z") };
            files.upload(&source, "hive-hour", &from, &to);
            from = to;
            let last: &[&str] = if hour == 24 { &["--final"] } else { &[] };
            let run = estate().detect_well(&[&[&source, "--state", &state], last].concat());
            assert!(!run.run.stderr.contains(" late"), "{form:?}\n{}", run.run.stderr);
            told.push_str(&run.findings);
        }
        assert_same_lines(&estate().findings, &last_revisions(&told));
    }
}

#[test]
fn a_backfill_tells_what_one_run_tells() {
    let range = ["--since", BEGIN, "--until", END, "--learn", "0s"];
    for form in [Form::Text, Form::Parquet] {
        let files = Files::of(form);
        let url = format!("s3://{}/logs", unique_name("flow-logs"));
        files.upload(&url, "hour", "", "~");
        for source in [files.path(), url] {
            let judged =
                estate().judge("backfill", &[&[source.as_str()], &range[..]].concat(), &[]);
            assert_eq!(judged.run.code, 0, "{}", judged.run.stderr);
            assert_right(&judged.findings, &judged.run.stderr);
        }
    }
}

/// Watches until all records came; then it is told to stop, and closes the last windows.
fn watched(url: &str, options: &[&str]) -> Ended {
    let mut watch = Running::watch(url, &findings_file(), options);
    watch.wait_for(estate().n_records());
    watch.stop()
}

#[test]
fn a_log_group_tells_what_files_tell() {
    let group = unique_name("group");
    let put = stage(&["cwl", &estate().logs(), &group]);
    let format = ["--log-format", text(&put, "format"), "--cwl-requests", "200"];
    let ended = watched(&format!("cwl://{group}"), &format);
    assert_right(&ended.findings, &ended.stderr);
}

/// Shards that are open in the end: one of four became two, two became one.
pub(crate) const SHARDS: u64 = 4;

/// What a stream of the estate's records is read with. Interfaces are put one after the other, some ten
/// minutes of each, so that records come out of order by as much.
pub(crate) struct Stream {
    url: String,
    format: String,
}

impl Stream {
    pub(crate) fn watch(&self, findings: &str, options: &[&str]) -> Running {
        let own = ["--log-format", &self.format, "--lateness", "40m"];
        Running::watch(&self.url, findings, &[&own[..], options].concat())
    }
}

/// Four shards, one of which is split and two of which are merged on the way, in every form there is,
/// made once, since the stand-in takes its time.
pub(crate) fn stream() -> &'static Stream {
    static STREAM: OnceLock<Stream> = OnceLock::new();
    STREAM.get_or_init(|| {
        let (logs, stream) = (estate().logs(), unique_name("stream"));
        let form = ["--form", "mixed", "--per-record", "60", "--redeliver", "0.2"];
        let changes = ["--split-at", "0.3", "--merge-at", "0.6"];
        let put = stage(&[&["kinesis", &logs, &stream], &form[..], &changes].concat());
        assert!(put["redelivered"].as_u64().unwrap() > 0);
        Stream { url: format!("kinesis://{stream}"), format: text(&put, "format").to_owned() }
    })
}

fn text<'a>(put: &'a serde_json::Value, member: &str) -> &'a str {
    put[member].as_str().unwrap()
}

#[test]
fn a_kinesis_stream_tells_what_files_tell() {
    let mut watch = stream().watch(&findings_file(), &[]);
    watch.wait_for(estate().n_records());
    let ended = watch.stop();
    assert_right(&ended.findings, &ended.stderr);
    assert!(
        ended.stderr.contains(" duplicate"),
        "what came again was told apart: {}",
        ended.stderr
    );
}

#[test]
fn a_watch_that_is_stopped_and_started_tells_what_files_tell() {
    let (findings, state) = (findings_file(), unique_name("state"));
    let start =
        |more: &[&str]| stream().watch(&findings, &[&["--state", &state][..], more].concat());
    // Stopped as soon as something came.
    for _ in 0..3 {
        let mut watch = start(&[]);
        watch.wait_for_some();
        watch.stop();
    }
    let mut watch = start(&["--final"]);
    watch.wait_until_read(SHARDS);
    let ended = watch.stop();
    assert_right(&ended.findings, &ended.stderr);
}

#[test]
fn a_queue_that_tells_of_objects_tells_what_files_tell() {
    for form in [Form::Text, Form::Parquet] {
        let files = Files::of(form);
        let (bucket, queue) = (unique_name("flow-logs"), unique_name("told"));
        stage(&["s3-notify", &bucket, &queue]);
        // Objects of two hours go up at once, so that they are told of in any order.
        let options = ["--lateness", "3h"];
        let url = format!("sqs://{queue}");
        let mut watch = Running::watch(&url, &findings_file(), &options);
        let mut from = String::new();
        for day in 3..=4 {
            for hour in (2..=24).step_by(2) {
                let to = format!("202503{day:02}T{hour:02}00Z");
                let to = if (day, hour) == (4, 24) { "~".to_owned() } else { to };
                files.upload(&format!("s3://{bucket}/logs"), "hour", &from, &to);
                from = to;
            }
        }
        watch.wait_for(estate().n_records());
        let ended = watch.stop();
        assert_right(&ended.findings, &ended.stderr);
    }
}
