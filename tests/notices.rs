//! What a run says about itself at its end: suppressions that hide much, flow logs that stop.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fmt::Write as _;
use std::fs;

use program::run_well;
use tempfile::TempDir;

const T0: i64 = 1_740_960_000;

/// An hour of flow logs: 10.0.0.1 and 10.0.0.4 sweep, and of `eni-b` there is nothing from `silent` on,
/// in minutes.
fn logs(silent: std::ops::Range<i64>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from(
        "account-id interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end \
         action log-status\n",
    );
    for minute in 0..60 {
        let (start, end) = (T0 + minute * 60, T0 + minute * 60 + 50);
        for eni in ["b", "d"] {
            if eni == "d" || !silent.contains(&minute) {
                writeln!(text, "1 eni-{eni} - - - - - - - - {start} {end} - NODATA").unwrap();
            }
        }
        for (eni, from) in [("a", "10.0.0.1"), ("c", "10.0.0.4")] {
            let ends = format!("{from} {} 10.0.1.{minute} 22", 50_000 + minute);
            writeln!(text, "1 eni-{eni} {ends} 6 2 1 60 {start} {end} ACCEPT OK").unwrap();
        }
    }
    fs::write(folder.path().join("flows.log"), text).unwrap();
    folder
}

/// The lines of a run that have this in them.
fn told(folder: &TempDir, more: &[&str], about: &str) -> Vec<String> {
    let run = run_well(folder.path(), &[&["detect", "flows.log"], more].concat());
    run.stderr.lines().filter(|line| line.contains(about)).map(str::to_owned).collect()
}

#[test]
fn a_flow_log_that_stops_is_told() {
    let stopped = told(&logs(30..60), &[], "flow log gap");
    assert_eq!(stopped.len(), 1, "{stopped:?}");
    for part in ["eni-b", "since 2025-03-03T00:30:00Z", "up to 2025-03-03T01:00:00Z", "T1562.008"] {
        assert!(stopped[0].contains(part), "{part}: {stopped:?}");
    }
    let paused = told(&logs(20..40), &[], "flow log gap");
    assert_eq!(paused.len(), 1, "{paused:?}");
    assert!(paused[0].contains("from 2025-03-03T00:20:00Z to 2025-03-03T00:40:00Z"), "{paused:?}");
    assert!(told(&logs(50..60), &[], "flow log gap").is_empty(), "two windows are no gap");
    assert!(told(&logs(0..0), &[], "flow log gap").is_empty(), "NODATA is a sign of life");
}

#[test]
fn a_gap_over_the_end_of_a_run_with_a_state_is_told_once() {
    let folder = logs(20..60);
    let run = |until: &str| {
        let range = ["--until", until, "--state", "state", "--final"];
        told(&folder, &range, "flow log gap").len()
    };
    assert_eq!(run("2025-03-03T00:40:00Z"), 1);
    // The same file is taken once: the next run reads what came since.
    let text = fs::read_to_string(folder.path().join("flows.log")).unwrap();
    fs::write(folder.path().join("flows.log"), text + "\n").unwrap();
    assert_eq!(run("2025-03-03T01:00:00Z"), 0);
}

#[test]
fn a_suppression_that_hides_much_is_told() {
    let folder = logs(0..0);
    let hides = |rules: &str| {
        fs::write(folder.path().join("known.yaml"), format!("rules:\n{rules}")).unwrap();
        told(&folder, &["--suppress", "known.yaml"], "much")
    };
    let all = hides("  - { id: all, reason: quiet, kind: sweep, forever: true }\n");
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].starts_with("suppression all hides much: 2 of 2"), "{all:?}");
    let one = hides("  - { reason: known, workload: 10.0.0.1, kind: sweep, forever: true }\n");
    assert!(one.is_empty(), "half is not more than half: {one:?}");
}
