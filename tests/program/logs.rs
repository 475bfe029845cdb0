//! Made-up flow logs in a folder, judged by runs of the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use datasets::Options;
use tempfile::TempDir;

use super::{Run, run_well};

/// Made-up logs in a folder.
pub(crate) struct Logs {
    pub(crate) folder: TempDir,
    /// By the times in their names.
    pub(crate) files: Vec<String>,
    pub(crate) inventories: Vec<String>,
}

impl Logs {
    pub(crate) fn new(options: &Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        datasets::write(folder.path(), options).unwrap();
        let mut files = Vec::new();
        gather(&folder.path().join("AWSLogs"), &mut files);
        files.sort();
        let relative =
            |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
        let inventory = |name: String| ["--inventory".to_owned(), name];
        let entries = fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let inventories = names
            .filter(|name| Path::new(name).extension() == Some("json".as_ref()))
            .flat_map(inventory)
            .collect();
        let files = files.iter().map(relative).collect();
        Self { folder, files, inventories }
    }

    /// Detects in these files.
    pub(crate) fn detect(&self, files: &[String], options: &[&str]) -> Run {
        run_well(self.folder.path(), &self.arguments(files, options))
    }

    pub(crate) fn arguments<'a>(
        &'a self,
        files: &'a [String],
        options: &[&'a str],
    ) -> Vec<&'a str> {
        let files = files.iter().map(String::as_str);
        let inventories = self.inventories.iter().map(String::as_str);
        let fixed = ["--inventory-time", "2025-03-03", "--findings", "f.jsonl"];
        ["detect"]
            .into_iter()
            .chain(files)
            .chain(inventories)
            .chain(fixed)
            .chain(options.iter().copied())
            .collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn told(&self) -> String {
        fs::read_to_string(self.path("f.jsonl")).unwrap()
    }

    pub(crate) fn generations(&self, state: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        gather(&self.path(state), &mut files);
        files.retain(|path| path.extension().is_some_and(|extension| extension == "tidegate"));
        files.sort();
        files
    }
}

pub(crate) fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { gather(&path, files) } else { files.push(path) }
    }
}

/// The last line of each finding's id, by first record and id.
pub(crate) fn last_revisions(told: &str) -> String {
    let mut last: BTreeMap<String, (String, &str)> = BTreeMap::new();
    for line in told.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |member: &str| finding[member].as_str().unwrap().to_owned();
        last.insert(text("id"), (text("first_seen"), line));
    }
    let mut lines: Vec<_> = last.into_iter().map(|(id, (first, line))| (first, id, line)).collect();
    lines.sort();
    lines.into_iter().flat_map(|(_, _, line)| [line, "\n"]).collect()
}

/// Says where two runs differ, for the whole of it is long.
#[track_caller]
pub(crate) fn assert_same_lines(once: &str, many: &str) {
    assert_eq!(once.lines().count(), many.lines().count(), "number of findings");
    for (a, b) in once.lines().zip(many.lines()) {
        let at = a.bytes().zip(b.bytes()).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
        let from = at.saturating_sub(120);
        let around = |text: &str| text.get(from..(at + 200).min(text.len())).map(str::to_owned);
        assert!(a == b, "differ at {at}:\n{:?}\n{:?}", around(a), around(b));
    }
}

/// An intrusion into the smallest shop there is, of a seed whose first day has findings that are over on
/// the second: with so little learned, what the administrators do looks new.
pub(crate) fn small(days: u32) -> Options {
    Options { seed: 4, ..small_of("intrusion", days) }
}

/// A scenario in the smallest shop there is.
pub(crate) fn small_of(scenario: &str, days: u32) -> Options {
    Options { services: 12, days, ..Options::new(scenario) }
}

/// A day of the smallest shop with nothing in it, in so few records that a query sees all of them soon.
pub(crate) fn quiet_day() -> Options {
    Options { records: Some(20_000), ..small_of("shop", 1) }
}
