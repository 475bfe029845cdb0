//! `tidegate backfill`: the past judged as it would have been at the time, in one go or in pieces.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use program::logs::{Logs, assert_same_lines, small};
use program::{Run, run_in, run_well};
use serde_json::Value;

const SINCE: &str = "2025-03-03T03:00:00Z";
const UNTIL: &str = "2025-03-05T00:00:00Z";
/// Within the second day, when some findings of the first have closed.
const EARLIER: &str = "2025-03-04T18:00:00Z";

fn arguments<'a>(logs: &'a Logs, command: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let inventories = logs.inventories.iter().map(String::as_str);
    [command, "AWSLogs", "--inventory-time", "2025-03-03"]
        .into_iter()
        .chain(inventories)
        .chain(options.iter().copied())
        .collect()
}

fn backfill(logs: &Logs, until: &str, options: &[&str]) -> Run {
    let range = ["--since", SINCE, "--until", until, "--findings", "f.jsonl"];
    run_well(logs.folder.path(), &arguments(logs, "backfill", &[&range[..], options].concat()))
}

/// What `detect` tells of the range, with what was learned before it.
fn detected(logs: &Logs) -> String {
    let learn = ["--until", SINCE, "--baseline", "b.parquet"];
    run_well(logs.folder.path(), &arguments(logs, "learn", &learn));
    let range = ["--since", SINCE, "--until", UNTIL, "--baseline", "b.parquet"];
    let options = [&range[..], &["--findings", "f.jsonl"]].concat();
    run_well(logs.folder.path(), &arguments(logs, "detect", &options));
    logs.told()
}

#[test]
fn it_tells_what_one_run_of_detect_tells() {
    let logs = Logs::new(&small(2));
    let once = detected(&logs);
    assert!(once.contains("\"state\":\"closed\""), "nothing closed: this shows too little");
    let learned = backfill(&logs, UNTIL, &["--learn", "3h"]);
    assert_same_lines(&once, &logs.told());
    assert!(learned.stderr.contains("day 1 of 2"), "{}", learned.stderr);
    assert!(learned.stderr.contains(" s left"), "{}", learned.stderr);
    let given = backfill(&logs, UNTIL, &["--baseline", "b.parquet"]);
    assert_same_lines(&once, &logs.told());
    let ledger =
        |run: &Run| run.stderr.lines().rfind(|line| line.starts_with("ledger")).map(str::to_owned);
    assert_eq!(ledger(&learned), ledger(&given));
    assert!(!ledger(&given).unwrap().contains("open"), "{:?}", ledger(&given));
}

/// The findings that are over, by id.
fn closed(told: &str) -> BTreeSet<(String, &str)> {
    let lines = told.lines().map(|line| (serde_json::from_str::<Value>(line).unwrap(), line));
    lines
        .filter(|(finding, _)| finding["state"] == "closed")
        .map(|(finding, line)| (finding["id"].as_str().unwrap().to_owned(), line))
        .collect()
}

#[test]
fn what_came_later_changes_nothing_told_before() {
    let logs = Logs::new(&small(2));
    backfill(&logs, EARLIER, &["--learn", "3h"]);
    let short = logs.told();
    backfill(&logs, UNTIL, &["--learn", "3h"]);
    let long = logs.told();
    let (before, after) = (closed(&short), closed(&long));
    let by_baseline = |(_, line): &&(String, &str)| line.contains("\"calibration\":\"prior\"");
    assert!(
        before.iter().any(|found| by_baseline(&found)),
        "nothing closed that a baseline bears on"
    );
    assert!(before.is_subset(&after), "{:?}", before.difference(&after).next());
    // A finding that closes later than the short run saw was open in it.
    let open: BTreeSet<String> = short
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|finding| finding["state"] != "closed")
        .map(|finding| finding["id"].as_str().unwrap().to_owned())
        .collect();
    let first_seen = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["first_seen"].as_str().unwrap().to_owned()
    };
    for (id, line) in after.difference(&before) {
        assert!(open.contains(id) || first_seen(line).as_str() >= EARLIER, "{line}");
    }
}

#[test]
fn one_that_was_killed_goes_on_and_tells_the_same() {
    let logs = Logs::new(&small(2));
    backfill(&logs, UNTIL, &["--learn", "3h"]);
    let whole = logs.told();
    fs::remove_file(logs.path("f.jsonl")).unwrap();
    let range = ["--since", SINCE, "--until", UNTIL, "--findings", "f.jsonl", "--learn", "3h"];
    let options = [&range[..], &["--resume", "state"]].concat();
    // After learning, and after the first day.
    for generation in 1..=2 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(arguments(&logs, "backfill", &options))
            .current_dir(logs.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let written = logs.path(&format!("state/generation-{generation:06}.tidegate"));
        while !written.exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!logs.path("f.jsonl").exists(), "it was killed before it was done");
    }
    let rest = run_well(logs.folder.path(), &arguments(&logs, "backfill", &options));
    assert!(
        rest.stderr.contains("day 1 of 1"),
        "the first day is not judged again: {}",
        rest.stderr
    );
    assert_same_lines(&whole, &logs.told());
    // Once done it only tells again.
    let again = run_well(logs.folder.path(), &arguments(&logs, "backfill", &options));
    assert!(again.stderr.contains("records = 0 used"), "{}", again.stderr);
    assert_same_lines(&whole, &logs.told());

    let other = ["--since", SINCE, "--until", EARLIER, "--resume", "state"];
    let other = run_in(logs.folder.path(), &arguments(&logs, "backfill", &other));
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("--resume holds another backfill"), "{}", other.stderr);
}

#[test]
fn a_baseline_of_later_is_refused() {
    let logs = Logs::new(&small(1));
    run_well(logs.folder.path(), &arguments(&logs, "learn", &["--baseline", "b.parquet"]));
    let options = ["--since", SINCE, "--until", UNTIL, "--baseline", "b.parquet"];
    let run = run_in(logs.folder.path(), &arguments(&logs, "backfill", &options));
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("was learned until 2025-03-04T00:00:00Z, after --since"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_dry_run_says_what_there_is_and_writes_nothing() {
    let logs = Logs::new(&small(1));
    let run = backfill(&logs, UNTIL, &["--learn", "3h", "--dry-run", "--resume", "state"]);
    let number = |name: &str| {
        let line = run.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().find_map(|word| word.parse::<f64>().ok()).unwrap()
    };
    // Three hours and twenty minutes to learn from, and the day from five minutes before the range on.
    assert!(run.stdout.contains("293 (40 to learn from, 253 to judge)"), "{}", run.stdout);
    let n_records = records(&logs);
    let told = number("records") / n_records;
    assert!((0.7..1.4).contains(&told), "{told} of {n_records}: {}", run.stdout);
    assert!(run.stdout.contains("0 LIST, 0 GET: about $0.0000"), "{}", run.stdout);
    assert!(!logs.path("state").exists() && !logs.path("f.jsonl").exists());
}

/// Records of the whole day.
fn records(logs: &Logs) -> f64 {
    run_well(logs.folder.path(), &arguments(logs, "learn", &["--baseline", "b.parquet"]));
    let run = run_in(logs.folder.path(), &["baseline", "inspect", "b.parquet"]);
    let all = format!("{}{}", run.stdout, run.stderr);
    let line = all.lines().find(|line| line.contains("records")).unwrap_or(&all).to_owned();
    let digits = |word: &str| word.replace([',', '_'], "").parse::<f64>().ok();
    line.split_whitespace().find_map(digits).unwrap_or_else(|| panic!("{line}"))
}
