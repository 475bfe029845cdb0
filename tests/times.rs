//! Which records are read, by the times in files' names and by the clock: nothing that was asked for is
//! left out, and nothing that cannot be is believed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fs;

use program::logs::{Logs, quiet_day};
use program::run_in;

const SINCE_NOON: [&str; 2] = ["--since", "2025-03-03T12:00:00Z"];

/// How many records the ledger says were used.
fn used(stderr: &str) -> u64 {
    let ledger = stderr.lines().find(|line| line.starts_with("ledger: ")).unwrap();
    let words: Vec<&str> = ledger.split(' ').collect();
    let at = words.iter().position(|&word| word == "used").unwrap();
    words[at - 1].parse().unwrap()
}

#[test]
fn files_are_left_out_by_their_own_times_and_by_no_others() {
    let logs = Logs::new(&quiet_day());
    let by_names = logs.detect(&["AWSLogs".to_owned()], &SINCE_NOON);
    assert!(by_names.stderr.contains("are not read"), "{}", by_names.stderr);

    // The same without times in names, and put together in the folder of their day.
    let day = std::path::Path::new(&logs.files[0]).parent().unwrap().to_owned();
    let (nameless, together) = (logs.path("nameless"), logs.path("together").join(day));
    fs::create_dir_all(&nameless).unwrap();
    fs::create_dir_all(&together).unwrap();
    let mut all = Vec::new();
    for (n, file) in logs.files.iter().enumerate() {
        fs::copy(logs.path(file), nameless.join(format!("{n}.log.gz"))).unwrap();
        all.extend(fs::read(logs.path(file)).unwrap());
    }
    fs::write(together.join("part-0.log.gz"), all).unwrap();
    for folder in ["nameless", "together"] {
        let run = logs.detect(&[folder.to_owned()], &SINCE_NOON);
        assert_eq!(used(&run.stderr), used(&by_names.stderr), "{folder}: {}", run.stderr);
        assert!(!run.stderr.contains("are not read"), "{folder}: {}", run.stderr);
    }
}

#[test]
fn a_record_of_a_time_to_come_is_rejected_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let line = |end: i64| {
        format!("eni-a 10.0.0.1 40000 10.0.0.2 443 6 3 9 900 {} {end} ACCEPT\n", end - 50)
    };
    let header = "interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action\n";
    let text = [header, &line(1_740_960_060), &line(1_740_960_120), &line(7_000_000_000)].concat();
    fs::write(folder.path().join("flows.log"), text).unwrap();
    let run = run_in(folder.path(), &["learn", "flows.log", "--baseline", "b.parquet"]);
    assert!(run.stderr.contains("3 records = 2 used + 1 rejected (in-future 1)"), "{}", run.stderr);
    assert!(run.stderr.contains("by this machine's clock"), "{}", run.stderr);
    let inspected = run_in(folder.path(), &["baseline", "inspect", "b.parquet"]);
    assert!(inspected.stdout.contains("to 2025-03-03T00:05:00Z"), "{}", inspected.stdout);
}

#[test]
fn files_that_hold_more_time_than_the_lateness_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let header = "interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action\n";
    let line = |n: i64| {
        let end = 1_740_960_060 + 30 * n;
        format!("eni-a 10.0.0.1 {} 10.0.0.2 443 6 3 9 900 {} {end} ACCEPT\n", 40_000 + n, end - 20)
    };
    // Two hours each, named by their ends.
    for (turn, name) in ["20250303T0200Z", "20250303T0400Z"].into_iter().enumerate() {
        let first = 240 * i64::try_from(turn).unwrap();
        let lines: String = (first..first + 240).map(line).collect();
        let name = format!("123456789012_vpcflowlogs_eu-west-1_fl-1_{name}_0a.log");
        fs::write(folder.path().join(name), format!("{header}{lines}")).unwrap();
    }
    let detect = |lateness: &str| run_in(folder.path(), &["detect", ".", "--lateness", lateness]);
    let told = "records end longer than --lateness before";
    let run = detect("20m");
    assert!(run.stderr.contains(told) && run.stderr.contains(" late"), "{}", run.stderr);
    let run = detect("3h");
    assert!(!run.stderr.contains(told) && !run.stderr.contains(" late"), "{}", run.stderr);
}
