//! What a deviation's edge carried before is drawn beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../model/tests/fixture/mod.rs"]
mod fixture;
#[allow(dead_code, reason = "each test uses some of it")]
mod judged;
#[path = "../../model/tests/made/mod.rs"]
mod made;

use detect::{Fact, Kind};
use judged::{DAY_SECS, activities, judge, learned, steady, talk};
use made::Talk;

/// The edge of a deviation of this kind, after seven usual days of which the fourth was silent.
fn drawn(kind: Kind, deviating: &[Talk]) -> String {
    let others = steady(7 * 24).into_iter().map(|t| Talk { client: 3, server: 5, ..t });
    let own =
        steady(7 * 24).into_iter().filter(|t| !(3 * DAY_SECS..4 * DAY_SECS).contains(&t.start));
    let mut usual: Vec<Talk> = own.chain(others).collect();
    usual.sort_by_key(|talk| talk.start);
    let mut judge = judge(learned(&usual));
    for activity in &activities(deviating) {
        judge.judge(activity);
    }
    let mut deviations = judge.episodes().open().flat_map(|e| e.deviations.values());
    let deviation = deviations.find(|d| d.kind == kind).unwrap();
    match deviation.evidence.get("this_edge_in_28_days_and_now") {
        Some(Fact::Text(line)) => line.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn days_before_it_stand_low_and_what_deviates_behind_the_bar() {
    let ask = |i: u16| Talk {
        client_port: 20_000 + i,
        ..talk(4, 5432, 8 * DAY_SECS + i64::from(i % 200), 2_000)
    };
    let line = drawn(Kind::Flood, &(0..600).map(ask).collect::<Vec<_>>());
    let (before, now) = line.split_once('|').unwrap();
    assert_eq!((before.chars().count(), now), (28, "█"), "{line}");
    let days = before.trim_matches('·');
    assert!(days.chars().all(|c| "·▁▂▃".contains(c)), "{line}");
    assert!(days.contains('·') && before.ends_with('·'), "the silent days are dots: {line}");
}

#[test]
fn what_was_never_there_is_dots() {
    let line = drawn(Kind::NewPeer, &[talk(5, 22, 8 * DAY_SECS, 20_000)]);
    assert_eq!(line, format!("{}|█", "·".repeat(28)));
}
