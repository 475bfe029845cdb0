//! What people accept is learned like anything else, and only that.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../model/tests/fixture/mod.rs"]
mod fixture;
#[allow(dead_code, reason = "each test uses some of it")]
mod judged;
#[path = "../../model/tests/made/mod.rs"]
mod made;

use std::collections::BTreeSet;

use detect::suppress::Suppressions;
use detect::{Judge, JudgeOptions, Kind};
use fixture::T0;
use jiff::Timestamp;
use judged::{DAY_SECS, HOUR_SECS, activities, judging, learned, steady, talk};
use made::Talk;

/// Nights on which the job runs; the first is day 7.
const NIGHTS: i64 = 7;

/// The rules hold for the first three nights.
const UNTIL: i64 = T0 + 10 * DAY_SECS;

/// The nights on which a kind of deviation of the job was told, hidden or not.
fn told(kind: Kind, rule: &str, job: fn(i64) -> Vec<Talk>) -> BTreeSet<i64> {
    let until = Timestamp::from_second(UNTIL).unwrap();
    let rule = format!("rules: [{{reason: known, until: '{until}', {rule}}}]");
    let accepted = Suppressions::parse("rules", &rule).unwrap();
    let nights = (0..NIGHTS).map(|night| (7 + night) * DAY_SECS + 2 * HOUR_SECS);
    // The job's server has to be known to be told of: others ask it.
    let usual = |days: i64| {
        let others = steady(days * 24).into_iter().map(|t| Talk { client: 3, server: 5, ..t });
        steady(days * 24).into_iter().chain(others)
    };
    let mut talks: Vec<Talk> = usual(7 + NIGHTS)
        .filter(|talk| talk.start >= 7 * DAY_SECS)
        .chain(nights.flat_map(job))
        .collect();
    talks.sort_by_key(|talk| talk.start);
    let options = JudgeOptions { accepted, ..judging() };
    let mut judge = Judge::new(options, learned(&usual(7).collect::<Vec<_>>()));
    let mut told = BTreeSet::new();
    for activity in &activities(&talks) {
        let changed = judge.judge(activity);
        let open = judge.episodes().open();
        let is_told = open.filter(|episode| changed.contains(&episode.id)).any(|episode| {
            episode.deviations.values().any(|d| d.kind == kind && d.last >= activity.start)
        });
        if is_told {
            told.insert((activity.start - T0) / DAY_SECS - 7);
        }
    }
    told
}

fn all() -> BTreeSet<i64> {
    (0..NIGHTS).collect()
}

fn a_new_peer(start: i64) -> Vec<Talk> {
    vec![talk(5, 22, start, 20_000)]
}

fn a_flood(start: i64) -> Vec<Talk> {
    let ask = |i: u16| Talk {
        client_port: 20_000 + i,
        ..talk(4, 5432, start + i64::from(i % 200), 2_000)
    };
    (0..600).map(ask).collect()
}

#[test]
fn what_is_accepted_is_usual_from_then_on() {
    let once = BTreeSet::from([0]);
    assert_eq!(told(Kind::NewPeer, "kind: new-peer, port: 22, learn: true", a_new_peer), once);
    assert_eq!(told(Kind::Flood, "kind: flood, port: 5432, learn: true", a_flood), once);
}

#[test]
fn what_is_only_hidden_is_told_again_when_the_rules_end() {
    assert_eq!(told(Kind::NewPeer, "kind: new-peer, port: 22", a_new_peer), all());
    assert_eq!(told(Kind::Flood, "kind: flood, port: 5432", a_flood), all());
}

#[test]
fn only_what_a_rule_matches_is_learned() {
    for other in ["kind: new-peer, port: 23", "kind: new-port, port: 22", "service: other"] {
        let rule = format!("{other}, learn: true");
        assert_eq!(told(Kind::NewPeer, &rule, a_new_peer), all(), "{other}");
    }
}

#[test]
fn nothing_is_learned_by_a_rule_that_has_run_out() {
    let late = |start: i64| if start < 10 * DAY_SECS { Vec::new() } else { a_new_peer(start) };
    let nights = told(Kind::NewPeer, "kind: new-peer, port: 22, learn: true", late);
    assert_eq!(nights, (3..NIGHTS).collect());
}
