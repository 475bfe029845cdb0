//! `detect --state` in S3: the same as on files, and of two runs at once one stops.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::program::logs::{Logs, assert_same_lines, last_revisions, small};
use crate::program::{Run, run_in};
use crate::proxy::{Effect, Fault, Proxy};
use crate::stand_ins::{moto, stage, unique_name};

const WARMUP: [&str; 2] = ["--warmup", "3h"];

/// A bucket that flow logs come into, with a state under `keep/state`.
struct Bucket {
    logs: Logs,
    name: String,
}

impl Bucket {
    fn new(days: u32) -> Self {
        Self { logs: Logs::new(&small(days)), name: unique_name("flow-logs") }
    }

    /// Uploads these files.
    fn publish(&self, files: &[String]) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let to = folder.path().join(file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(self.logs.path(file), to).unwrap();
        }
        let path = folder.path().to_str().unwrap();
        let put = stage(&["s3", path, &format!("s3://{}/logs", self.name)]);
        assert_eq!(put["objects"], files.len());
    }

    fn arguments(&self, endpoint: &str, options: &[&str]) -> Vec<String> {
        let (source, state) =
            (format!("s3://{}/logs", self.name), format!("s3://{}/keep/state/", self.name));
        let fixed = ["detect", &source, "--state", &state, "--endpoint-url", endpoint];
        let rest = ["--inventory-time", "2025-03-03", "--findings", "f.jsonl"];
        let inventories = self.logs.inventories.iter().map(String::as_str);
        let all = fixed.into_iter().chain(rest).chain(inventories).chain(options.iter().copied());
        all.map(str::to_owned).collect()
    }

    fn detect(&self, endpoint: &str, options: &[&str]) -> Run {
        let arguments = self.arguments(endpoint, options);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run_in(self.logs.folder.path(), &arguments)
    }

    fn detect_well(&self, options: &[&str]) -> Run {
        let run = self.detect(&moto(), options);
        assert_eq!(run.code, 0, "{}", run.stderr);
        run
    }

    /// The keys that are no flow logs.
    fn kept(&self) -> Vec<String> {
        let listed = stage(&["s3-list", &format!("s3://{}", self.name)]);
        let keys = listed["objects"].as_array().unwrap().iter();
        let keys = keys.map(|object| object["key"].as_str().unwrap().to_owned());
        keys.filter(|key| !key.starts_with("logs/")).collect()
    }
}

#[test]
fn runs_as_objects_come_tell_what_one_run_of_the_files_tells() {
    let bucket = Bucket::new(2);
    let logs = &bucket.logs;
    logs.detect(&logs.files, &WARMUP);
    let once = logs.told();
    assert!(once.contains("\"state\":\"closed\""), "nothing closed: this shows too little");

    let mut told = String::new();
    let runs: Vec<&[String]> = logs.files.chunks(24).collect();
    assert_eq!(runs.len(), 24);
    for (n, files) in runs.iter().enumerate() {
        bucket.publish(files);
        let last: &[&str] = if n + 1 == runs.len() { &["--final"] } else { &[] };
        let run = bucket.detect_well(&[&WARMUP[..], last].concat());
        assert!(!run.stderr.contains(" late"), "{}", run.stderr);
        assert_eq!(run.stderr.contains("S3 is listed from 2025-03-0"), n > 0, "{}", run.stderr);
        told.push_str(&logs.told());
    }
    assert_same_lines(&once, &last_revisions(&told));

    let kept = bucket.kept();
    assert_eq!(kept.len(), 6, "three generations and their marks: {kept:?}");
    assert!(kept.iter().all(|key| key.starts_with("keep/state/generation-0000")), "{kept:?}");

    // Two hours before the newest file are listed again, and are known.
    let again = bucket.detect_well(&WARMUP);
    assert!(again.stderr.contains(" 0 new files, 25 taken before"), "{}", again.stderr);
    assert!(again.stderr.contains("records = 0 used"), "{}", again.stderr);
}

#[test]
fn of_two_runs_at_once_one_stops() {
    let bucket = Bucket::new(1);
    bucket.publish(&bucket.logs.files[..12]);
    let slow = Effect::SlowBody { bytes_per_sec: 1500 };
    let proxy = Proxy::start(&moto(), vec![Fault::always(slow).on_path(".log.gz")]);
    let second = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(bucket.arguments(&proxy.url(), &[]))
        .current_dir(bucket.logs.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has looked for a generation and found none.
    while proxy.requests_with(".log.gz") == 0 {
        sleep(Duration::from_millis(5));
    }
    bucket.detect_well(&[]);
    let first = bucket.logs.told();
    let second = second.wait_with_output().unwrap();
    let stderr = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("another run was first"), "{stderr}");
    assert!(stderr.contains("/keep/state/generation-000001.tidegate"), "{stderr}");
    assert_eq!(bucket.logs.told(), first, "the second tells nothing");
    assert_eq!(bucket.kept().len(), 2, "a generation and its mark");
}

#[test]
fn a_run_knows_its_own_generation_when_the_answer_was_lost() {
    let bucket = Bucket::new(1);
    bucket.publish(&bucket.logs.files[..12]);
    let lose = Fault::nth(1, Effect::LoseAnswer).on_path("000001.tidegate").on_method("PUT");
    let proxy = Proxy::start(&moto(), vec![lose]);
    let run = bucket.detect(&proxy.url(), &[]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(proxy.injected(), 1);
    assert_eq!(bucket.kept().len(), 2, "a generation and its mark");
}

#[test]
fn a_folder_keeps_the_state_of_runs_from_s3() {
    let bucket = Bucket::new(1);
    bucket.publish(&bucket.logs.files[..12]);
    let source = format!("s3://{}/logs", bucket.name);
    let endpoint = moto();
    let arguments = ["detect", &source, "--endpoint-url", &endpoint, "--state", "state"];
    let folder = bucket.logs.folder.path();
    assert_eq!(run_in(folder, &arguments).code, 0);
    let again = run_in(folder, &arguments);
    assert!(again.stderr.contains(" 0 new files, 12 taken before"), "{}", again.stderr);
    assert!(Path::new(&folder.join("state/generation-000002.delivered")).exists());
}
