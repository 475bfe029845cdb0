//! Runs the program as a user would.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub(crate) mod logs;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program with these arguments, in a folder.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Run {
    run_with(folder, arguments, &[])
}

/// The same with more in its environment.
pub(crate) fn run_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program, which has to end with 0.
pub(crate) fn run_well(folder: &Path, arguments: &[&str]) -> Run {
    let run = run_in(folder, arguments);
    assert_eq!(run.code, 0, "{arguments:?}\n{}", run.stderr);
    run
}

/// The findings of a file that `--findings` wrote.
pub(crate) fn findings(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Made-up logs in a folder, with snapshots of who is who that all say when they were taken.
pub(crate) fn write_dated(options: &datasets::Options) -> (TempDir, datasets::Summary) {
    let folder = tempfile::tempdir().unwrap();
    let summary = datasets::write(folder.path(), options).unwrap();
    // The name says it; the first one's does not yet.
    let stamp = jiff::Timestamp::from_second(options.start).unwrap();
    let name = format!("network-interfaces-{}.json", stamp.strftime("%Y%m%dT%H%MZ"));
    fs::rename(folder.path().join("network-interfaces.json"), folder.path().join(name)).unwrap();
    (folder, summary)
}

/// A made-up scenario in a folder, the days before the last one learned.
pub(crate) struct Made {
    pub(crate) folder: TempDir,
    pub(crate) summary: datasets::Summary,
    learn_until: String,
}

impl Made {
    /// Generates and learns.
    pub(crate) fn new(options: &datasets::Options) -> Self {
        let (folder, summary) = write_dated(options);
        let learn_until = jiff::Timestamp::from_second(summary.learn_until).unwrap().to_string();
        let made = Self { folder, summary, learn_until };
        let mut arguments = vec!["learn", "AWSLogs", "--baseline", "b.parquet"];
        arguments.extend(["--until", &made.learn_until]);
        made.run(&arguments);
        made
    }

    /// Detects on the last day.
    pub(crate) fn detect(&self) -> Vec<Value> {
        let mut arguments = vec!["detect", "AWSLogs", "--baseline", "b.parquet"];
        arguments.extend(["--since", &self.learn_until, "--findings", "f.jsonl"]);
        self.run(&arguments);
        findings(&self.folder.path().join("f.jsonl"))
    }

    fn run(&self, arguments: &[&str]) {
        let inventories: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("network-interfaces"))
            .flat_map(|name| ["--inventory".to_owned(), name])
            .collect();
        let mut all = arguments.to_vec();
        all.extend(inventories.iter().map(String::as_str));
        run_well(self.folder.path(), &all);
    }
}

/// One of the real captures, if they are there; says so if not.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn capture(name: &str) -> Option<PathBuf> {
    // Cargo runs tests in their package's folder. The path compiled in may be another checkout's, where two share
    // a target directory: its captures would not be there, and no test would look at any.
    let folder = std::env::current_dir().unwrap().join("../shared/data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: ../shared/data is not here");
    None
}

/// The kinds of a finding's deviations.
pub(crate) fn kinds(finding: &Value) -> BTreeSet<String> {
    let deviations = finding["deviations"].as_array().unwrap().iter();
    deviations.map(|d| d["kind"].as_str().unwrap().to_owned()).collect()
}
