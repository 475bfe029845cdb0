//! What is learned is normal from then on, and what of it looked like an attack is said.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;

use program::run_well;
use tempfile::TempDir;

const T0: i64 = 1_740_960_000;
const DAY_SECS: i64 = 86_400;

/// Flow logs of days in which 10.0.0.1 knocks at these ports of a host, and is refused, ten minutes
/// after midnight.
fn round(folder: &TempDir, name: &str, days: Range<i64>, ports: Range<u16>) {
    let mut text = String::from(
        "account-id interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end \
         action log-status\n",
    );
    for day in days {
        let begin = T0 + day * DAY_SECS;
        for minute in 0..60 {
            let (start, end) = (begin + minute * 60, begin + minute * 60 + 50);
            writeln!(text, "1 eni-a - - - - - - - - {start} {end} - NODATA").unwrap();
        }
        for port in ports.clone() {
            let (start, end) = (begin + 600, begin + 650);
            let ends = format!("10.0.0.1 {} 10.0.1.5 {port}", 40_000 + port);
            writeln!(text, "1 eni-a {ends} 6 2 1 60 {start} {end} REJECT OK").unwrap();
        }
    }
    fs::write(folder.path().join(name), text).unwrap();
}

/// What a day is found to hold after four days with a scanner's round each.
fn findings_after_rounds(ports: Range<u16>) -> String {
    let folder = tempfile::tempdir().unwrap();
    round(&folder, "learned.log", 0..4, 1000..1030);
    round(&folder, "judged.log", 4..5, ports);
    run_well(folder.path(), &["learn", "learned.log", "--baseline", "baseline"]);
    let detect = ["detect", "judged.log", "--baseline", "baseline", "--findings", "found.jsonl"];
    run_well(folder.path(), &detect);
    fs::read_to_string(folder.path().join("found.jsonl")).unwrap()
}

#[test]
fn a_round_that_was_learned_is_no_news_and_another_is() {
    assert_eq!(findings_after_rounds(1000..1030), "");
    assert_eq!(findings_after_rounds(1000..1020), "", "a smaller one");
    let elsewhere = findings_after_rounds(2000..2030);
    assert!(elsewhere.contains("port-scan"), "other doors: {elsewhere}");
    let wider = findings_after_rounds(1000..1100);
    assert!(wider.contains("port-scan"), "many more doors: {wider}");
}

#[test]
fn a_scan_in_what_is_learned_is_said() {
    let folder = tempfile::tempdir().unwrap();
    round(&folder, "flows.log", 0..1, 1000..1030);
    let lines = |arguments: &[&str]| -> Vec<String> {
        let run = run_well(folder.path(), arguments);
        run.stderr.lines().filter(|line| line.contains("learned")).map(str::to_owned).collect()
    };
    for arguments in [
        &["learn", "flows.log", "--baseline", "baseline"][..],
        &["detect", "flows.log", "--warmup", "1d"],
    ] {
        let said = lines(arguments).join("\n");
        assert!(said.contains("One thing stood out in what was learned"), "{said}");
        assert!(said.contains("10.0.0.1") && said.contains("scanned"), "{said}");
    }
    let judged = lines(&["detect", "flows.log"]).join("\n");
    assert!(!judged.contains("stood out"), "it is told as a finding: {judged}");
    round(&folder, "flows.log", 0..1, 1000..1003);
    let quiet = lines(&["learn", "flows.log", "--baseline", "other"]).join("\n");
    assert!(!quiet.contains("stood out"), "{quiet}");
}

/// A day's flow logs of 10.0.0.1, which sends this to these addresses of the Internet in each window, and
/// gets half as much back.
fn uploads(folder: &TempDir, name: &str, sent: impl Iterator<Item = (i64, &'static str, u64)>) {
    let mut text = String::from(
        "account-id interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end \
         action log-status\n",
    );
    for (window, address, bytes) in sent {
        let (start, end) = (T0 + window * 300 + 10, T0 + window * 300 + 50);
        let port = 40_000 + window % 20_000;
        let there = format!("10.0.0.1 {port} {address} 443 6 3 2000 {bytes}");
        let back = format!("{address} 443 10.0.0.1 {port} 6 19 1000 {}", bytes / 2);
        writeln!(text, "1 eni-a {there} {start} {end} ACCEPT OK").unwrap();
        writeln!(text, "1 eni-a {back} {start} {end} ACCEPT OK").unwrap();
    }
    fs::write(folder.path().join(name), text).unwrap();
}

const WINDOWS_A_DAY: i64 = 288;

/// What is found after so many days in which `usual` is sent, when this is sent once more.
fn findings_of_one_more(
    days: i64,
    usual: impl Fn(i64) -> u64,
    address: &'static str,
    bytes: u64,
) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let known = (0..days * WINDOWS_A_DAY).map(|window| (window, "198.51.100.7", usual(window)));
    uploads(&folder, "learned.log", known);
    let more = [(days * WINDOWS_A_DAY + 20, address, bytes)];
    uploads(&folder, "judged.log", more.into_iter());
    run_well(folder.path(), &["learn", "learned.log", "--baseline", "baseline"]);
    let detect = ["detect", "judged.log", "--baseline", "baseline", "--findings", "found.jsonl"];
    run_well(folder.path(), &detect);
    let found = fs::read_to_string(folder.path().join("found.jsonl")).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[test]
fn a_network_beside_a_known_one_is_less_news_than_one_far_off() {
    let steady = |_| 20_000;
    let far = findings_of_one_more(7, steady, "203.0.113.9", 20_000);
    assert!(far.len() == 1 && far[0].contains("203.0.113.0/24"), "{far:?}");
    let beside = findings_of_one_more(7, steady, "198.51.7.9", 20_000);
    assert!(beside.is_empty(), "{beside:?}");
    assert!(findings_of_one_more(7, steady, "198.51.100.9", 20_000).is_empty(), "the same network");
}

#[test]
fn the_largest_of_few_batches_is_soon_outgrown() {
    let batch = |window: i64| match (window / WINDOWS_A_DAY, window % WINDOWS_A_DAY) {
        (day @ (1 | 5 | 9), 24) => 10_000_000 * u64::try_from(5 + day).unwrap(),
        _ => 20_000,
    };
    let found = |bytes| findings_of_one_more(40, batch, "198.51.100.7", bytes);
    assert!(found(750_000_000).is_empty(), "five times the largest of three");
    assert!(!found(6_000_000_000).is_empty(), "forty times");
}
