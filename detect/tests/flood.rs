//! Floods: what is one, what has a reason, and what becomes usual.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../model/tests/fixture/mod.rs"]
mod fixture;
mod judged;
#[path = "../../model/tests/made/mod.rs"]
mod made;

use detect::Kind;
use fixture::WINDOW_SECS;
use judged::{DAY_SECS, HOUR_SECS, activities, judge, learned, steady, talk, windows_of};
use made::{Fate, Talk};

/// So many connections of host 2 to host 4 in a window that starts at a time.
fn burst(n: u16, start: i64) -> impl Iterator<Item = Talk> {
    (0..n).map(move |i| Talk {
        client_port: 20_000 + i,
        ..talk(4, 5432, start + i64::from(i) % (WINDOW_SECS - 60), 2_000)
    })
}

/// The windows of a flood that are told after what is usual.
fn told(usual: &[Talk], now: &[Talk]) -> u64 {
    let mut judge = judge(learned(usual));
    for activity in &activities(now) {
        judge.judge(activity);
    }
    windows_of(&mut judge, Kind::Flood)
}

#[test]
fn far_more_connections_on_a_known_edge_are_told() {
    let now: Vec<Talk> = burst(400, DAY_SECS).collect();
    assert_eq!(told(&steady(24), &now), 1);
    let few: Vec<Talk> = burst(200, DAY_SECS).collect();
    assert_eq!(told(&steady(24), &few), 0, "a busy client's");
}

#[test]
fn four_times_the_most_there_ever_was_is_not_enough() {
    let usual: Vec<Talk> = steady(24).into_iter().chain(burst(100, HOUR_SECS)).collect();
    let now: Vec<Talk> = burst(400, DAY_SECS).collect();
    assert_eq!(told(&usual, &now), 0);
    let more: Vec<Talk> = burst(600, DAY_SECS).collect();
    assert_eq!(told(&usual, &more), 1);
}

#[test]
fn who_is_asked_as_much_more_may_ask_as_much_more() {
    let asks = |t: Talk| Talk { client: 9, server: 2, port: 443, ..t };
    let asked = |n| burst(n, HOUR_SECS).map(asks);
    let usual = |n| steady(24).into_iter().flat_map(|t| [t.clone(), asks(t)]).chain(asked(n));
    let now: Vec<Talk> = burst(400, DAY_SECS).flat_map(|t| [t.clone(), asks(t)]).collect();
    assert_eq!(told(&usual(30).collect::<Vec<_>>(), &now), 1, "13 times as much, and 400 times");
    let twice = burst(100, 2 * HOUR_SECS).chain(usual(30));
    assert_eq!(told(&twice.collect::<Vec<_>>(), &now), 0);
    assert_eq!(told(&usual(0).collect::<Vec<_>>(), &now), 1, "who is hardly ever asked");
    let knocks = burst(400, DAY_SECS)
        .flat_map(|t| [t.clone(), Talk { fate: Fate::RejectedAtServer, ..asks(t) }]);
    let half = burst(70, 2 * HOUR_SECS).chain(usual(30));
    let half: Vec<Talk> = half.collect();
    assert_eq!(told(&half, &now), 0);
    assert_eq!(told(&half, &knocks.collect::<Vec<_>>()), 1, "what is refused is no reason");
}

#[test]
fn who_is_new_is_compared_with_the_estate() {
    let by_others: Vec<Talk> = steady(24).into_iter().map(|t| Talk { client: 3, ..t }).collect();
    let now: Vec<Talk> = burst(400, DAY_SECS).collect();
    assert_eq!(told(&by_others, &now), 1);
    let busy = burst(100, HOUR_SECS).map(|t| Talk { client: 3, ..t });
    let with_busy: Vec<Talk> = by_others.into_iter().chain(busy).collect();
    assert_eq!(told(&with_busy, &now), 0, "others did nearly as much");
    assert_eq!(told(&steady(3), &burst(400, 3 * HOUR_SECS).collect::<Vec<_>>()), 0, "too little");
}

#[test]
fn what_goes_on_becomes_usual() {
    let now: Vec<Talk> = (0..36).flat_map(|n| burst(400, DAY_SECS + n * WINDOW_SECS)).collect();
    let windows = told(&steady(24), &now);
    assert!((10..=24).contains(&windows), "flagged windows count a tenth each: {windows}");
}
