//! What calls by the clock: usual where it was learned, or where others have it; told where it is new.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../model/tests/fixture/mod.rs"]
mod fixture;
#[allow(dead_code, reason = "each test uses some of it")]
mod judged;
#[path = "../../model/tests/made/mod.rs"]
mod made;

use detect::suppress::Suppressions;
use detect::{DeviationKey, Judge, JudgeOptions, Kind};
use fixture::WINDOW_SECS;
use judged::{DAY_SECS, HOUR_SECS, activities, judge, judging, learned, steady, talk, windows_of};
use made::Talk;
use model::baseline::Baseline;

/// Days that are learned.
const LEARNED: i64 = 7;

/// A host calls one address outside by the clock, in some days.
fn timer(client: u8, days: std::ops::Range<i64>, period_secs: i64) -> impl Iterator<Item = Talk> {
    let calls = days.start * DAY_SECS / period_secs..days.end * DAY_SECS / period_secs;
    calls.map(move |n| Talk { client, ..talk(9, 443, n * period_secs + 40, 3_000) })
}

/// Host 2 at its work, and what else there was.
fn past(more: impl Iterator<Item = Talk>) -> Baseline {
    learned(&steady(LEARNED * 24).into_iter().chain(more).collect::<Vec<_>>())
}

/// The windows in which a beacon of host 2 is told, on the days after the learned ones.
fn told(mut judge: Judge, now: impl Iterator<Item = Talk>) -> u64 {
    let mut talks: Vec<Talk> = now.collect();
    talks.sort_by_key(|talk| talk.start);
    for activity in &activities(&talks) {
        judge.judge(activity);
    }
    let is_beacon = |key: &DeviationKey| key.kind == Kind::Beacon;
    let closed = judge.episodes().take_closed();
    let windows = closed.iter().flat_map(|episode| &episode.windows);
    let over: u64 = windows.filter(|(key, _)| is_beacon(key)).map(|(_, n)| n).sum();
    over + windows_of(&mut judge, Kind::Beacon)
}

fn today(period_secs: i64) -> impl Iterator<Item = Talk> {
    timer(2, LEARNED..LEARNED + 1, period_secs)
}

#[test]
fn a_timer_that_was_learned_is_usual() {
    for period_secs in [300, 900, 3_600] {
        let usual = past(timer(2, 0..LEARNED, period_secs));
        assert_eq!(told(judge(usual), today(period_secs)), 0, "every {period_secs} s");
        let fresh = past(std::iter::empty());
        assert!(told(judge(fresh), today(period_secs)) > 0, "every {period_secs} s");
    }
}

#[test]
fn one_that_was_there_while_nothing_was_told_yet_is_usual_too() {
    let warm = JudgeOptions { warmup_secs: LEARNED * DAY_SECS, ..judging() };
    let all = |from: i64| {
        let work = steady((LEARNED + 1) * 24).into_iter();
        work.chain(timer(2, from..LEARNED + 1, 300))
    };
    assert_eq!(told(Judge::new(warm.clone(), Baseline::default()), all(0)), 0);
    assert!(told(Judge::new(warm, Baseline::default()), all(LEARNED)) > 0);
}

#[test]
fn the_odd_call_to_the_same_network_makes_no_timer_usual() {
    let usual = past(timer(2, 0..LEARNED, 3_600));
    assert!(told(judge(usual), today(300)) > 0);
}

#[test]
fn what_three_others_have_is_usual_of_a_new_one() {
    let others = |n: u8| (0..n).map(|n| if n < 2 { n } else { n + 1 });
    let past = |n| past(others(n).flat_map(|client| timer(client, 0..LEARNED, 300)));
    assert_eq!(told(judge(past(3)), today(300)), 0);
    assert!(told(judge(past(2)), today(300)) > 0);
}

#[test]
fn that_others_go_to_the_same_network_now_and_then_is_no_excuse() {
    let rarely = [0, 1, 3].into_iter().flat_map(|client| timer(client, 0..LEARNED, 3_600));
    assert!(told(judge(past(rarely)), today(300)) > 0);
}

#[test]
fn what_others_began_today_is_no_excuse() {
    let begin = |client| timer(client, LEARNED..LEARNED + 1, 300);
    let now = begin(0).chain(begin(1)).chain(begin(3)).chain(begin(2));
    assert!(told(judge(past(std::iter::empty())), now) > 0);
}

#[test]
fn one_that_is_told_does_not_become_usual_by_going_on() {
    let days = 6;
    let now = timer(2, LEARNED..LEARNED + days, 300);
    let windows = told(judge(past(std::iter::empty())), now);
    let all = u64::try_from(days * DAY_SECS / WINDOW_SECS).unwrap();
    assert!(windows > all - 20, "{windows} of {all}, the first of them before it could be known");
}

#[test]
fn one_that_is_accepted_is_usual_after_three_days() {
    let rule = "rules: [{reason: agent, port: 443, forever: true, learn: true}]";
    let accepted = Suppressions::parse("rules", rule).unwrap();
    let judge = Judge::new(JudgeOptions { accepted, ..judging() }, past(std::iter::empty()));
    let windows = told(judge, timer(2, LEARNED..LEARNED + 6, 300));
    let three_days = u64::try_from(3 * DAY_SECS / WINDOW_SECS).unwrap();
    assert!((three_days - 20..=three_days).contains(&windows), "{windows} of {three_days}");
}

/// The windows in which host 2 is told of a port of host 4, after a week in which it used some.
fn new_ports(used: &[u16], now: u16) -> u64 {
    let day = |of: i64, port: u16| talk(4, port, of * DAY_SECS + 6 * HOUR_SECS, 9_000);
    let weekly = used.iter().flat_map(|&port| (0..LEARNED).map(move |of| day(of, port)));
    // Its server is known to others too.
    let others = steady(LEARNED * 24).into_iter().map(|t| Talk { client: 3, ..t });
    let mut judge = judge(past(weekly.chain(others)));
    for activity in &activities(&[day(LEARNED, now)]) {
        judge.judge(activity);
    }
    windows_of(&mut judge, Kind::NewPort) + windows_of(&mut judge, Kind::NewPeer)
}

#[test]
fn of_dynamic_ports_one_is_like_another() {
    assert_eq!(new_ports(&[49_155], 61_001), 0);
    assert_eq!(new_ports(&[61_001], 49_152), 0);
    assert_eq!(new_ports(&[], 61_001), 1, "where none was used, one is news");
    assert_eq!(new_ports(&[49_155], 31_337), 1, "and so is one that is none of them");
}
