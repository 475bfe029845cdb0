//! What was told once becomes usual: a step is told when it comes, a monthly job the first time it runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use program::run_well;

const T0: i64 = 1_740_960_000;
const DAY_SECS: i64 = 86_400;

/// Uploads of three hosts to twenty addresses each, every ten minutes; what the first one sends is told by
/// the day, the turn of the day and what would be usual.
fn logs(days: i64, sent: impl Fn(i64, i64, u64) -> u64) -> String {
    let mut text = String::from(
        "account-id interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end \
         action log-status\n",
    );
    let mut noise = 1_u64;
    let mut next = || {
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise >> 33
    };
    for turn in 0..days * 144 {
        let (day, turn_of_day) = (turn / 144, turn % 144);
        for host in 1..=3 {
            let usual = 500_000 + next() % 1_000_000;
            let bytes = if host == 1 { sent(day, turn_of_day, usual) } else { usual };
            let to = if bytes > 50 * usual { 1 } else { 1 + next() % 20 };
            let start =
                T0 + day * DAY_SECS + turn_of_day * 600 + i64::try_from(next() % 500).unwrap();
            let (end, port, packets) = (start + 20, 33_000 + next() % 20_000, 5 + bytes / 1_000);
            let (own, other) = (format!("10.0.0.{host}"), format!("203.0.{}.9", 20 * host + to));
            writeln!(text, "1 eni-{host} {own} {port} {other} 443 6 3 {packets} {bytes} {start} {end} ACCEPT OK")
                .unwrap();
            writeln!(
                text,
                "1 eni-{host} {other} 443 {own} {port} 6 19 9 900 {start} {end} ACCEPT OK"
            )
            .unwrap();
        }
    }
    text
}

/// The days on which findings about volumes began, from 0.
fn told_on(text: &str) -> Vec<i64> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flows.log"), text).unwrap();
    let detect = ["detect", "flows.log", "--warmup", "168h", "--findings", "found.jsonl"];
    run_well(folder.path(), &detect);
    let found = fs::read_to_string(folder.path().join("found.jsonl")).unwrap();
    let findings =
        found.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let volumes = findings.filter(|finding| finding["kind"] == "volume");
    let began: BTreeSet<i64> = volumes
        .map(|finding| {
            let first: jiff::Timestamp = finding["first_seen"].as_str().unwrap().parse().unwrap();
            (first.as_second() - T0) / DAY_SECS
        })
        .collect();
    began.into_iter().collect()
}

#[test]
fn a_monthly_job_is_no_alarm_the_second_time() {
    let job = |bytes: u64| {
        move |day: i64, turn: i64, usual: u64| {
            let is_first = day == 10 && (12..15).contains(&turn);
            let is_second = day == 40 && (12..15).contains(&turn);
            if is_first {
                400_000_000 + usual
            } else if is_second {
                bytes
            } else {
                usual
            }
        }
    };
    assert_eq!(told_on(&logs(42, job(450_000_000))), [10]);
    assert_eq!(
        told_on(&logs(42, job(4_500_000_000))),
        [10, 40],
        "ten times as much is another matter"
    );
}

#[test]
fn a_step_is_told_once() {
    let step = |day: i64, _: i64, usual: u64| if day >= 14 { 40 * usual } else { usual };
    assert_eq!(told_on(&logs(32, step)), [14]);
}
