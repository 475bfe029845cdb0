//! Much that goes to a new destination little by little is told, and not what goes where the estate does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../model/tests/fixture/mod.rs"]
mod fixture;
#[allow(dead_code, reason = "each test uses some of it")]
mod judged;
#[path = "../../model/tests/made/mod.rs"]
mod made;

use detect::{Fact, Kind};
use fixture::T0;
use judged::{DAY_SECS, HOUR_SECS, activities, judge, learned, steady, talk};
use made::Talk;

/// Days that are learned.
const LEARNED: i64 = 7;

/// The destination that is new in the end.
const DROP: u8 = 60;

/// Twenty-five destinations that get half a megabyte a day, each at its hour.
fn usual(days: std::ops::Range<i64>) -> impl Iterator<Item = Talk> {
    let visits = days.flat_map(|day| (0..25_u8).map(move |n| (day, n)));
    let visit = |(day, n): (i64, u8)| {
        let start = day * DAY_SECS + i64::from(n) * 3000 + 7 * day;
        talk(20 + n, 443, start, 500_000 + 20_000 * u64::from(n))
    };
    visits.map(visit)
}

/// Uploads at odd times, so many a day.
fn uploads(from: i64, days: i64, each_bytes: u64) -> impl Iterator<Item = Talk> {
    // Gaps of 5 to 70 minutes, by no clock.
    let gaps = (1..).scan(from, |time, n: i64| {
        *time += 300 + (n * n * 7919 + n * 104_729) % 3900;
        Some(*time)
    });
    let times = gaps.take_while(move |&time| time < from + days * DAY_SECS);
    times.map(move |start| talk(DROP, 443, start, each_bytes))
}

/// What was told of uploads to the destination: bytes, and how long after the first one it was, seconds.
fn told(past: Vec<Talk>, now: Vec<Talk>) -> Option<(f64, i64)> {
    let past = sorted(past.into_iter().chain(usual(0..LEARNED)).chain(steady(LEARNED * 24)));
    let now = sorted(now.into_iter().chain(usual(LEARNED..LEARNED + 3)));
    let begun = T0 + now.iter().find(|talk| talk.server == DROP).unwrap().start;
    let mut judge = judge(learned(&past));
    for activity in &activities(&now) {
        judge.judge(activity);
        let mut all = judge.episodes().open().flat_map(|episode| episode.deviations.values());
        let slow = all.find(|d| d.kind == Kind::Volume);
        if let Some(slow) = slow {
            assert!(slow.evidence.contains_key("first_met_ago_secs"), "{:?}", slow.evidence);
            assert!(matches!(slow.evidence["would_not_have_fired_below_bytes"],
                Fact::Number(bytes) if bytes <= slow.observed));
            return Some((slow.observed, activity.end() - begun));
        }
    }
    None
}

fn sorted(talks: impl Iterator<Item = Talk>) -> Vec<Talk> {
    let mut talks: Vec<Talk> = talks.collect();
    talks.sort_by_key(|talk| talk.start);
    talks
}

#[test]
fn a_hundred_megabytes_in_small_parts_are_told_within_the_day() {
    let (bytes, after) = told(Vec::new(), uploads(8 * DAY_SECS, 2, 4_000_000).collect()).unwrap();
    assert!(bytes >= 50e6, "{bytes}");
    assert!((6 * HOUR_SECS..DAY_SECS).contains(&after), "{after}");
}

#[test]
fn what_other_destinations_get_too_is_silent() {
    assert_eq!(told(Vec::new(), uploads(8 * DAY_SECS, 2, 50_000).collect()), None);
}

#[test]
fn where_others_of_the_estate_went_before_is_silent() {
    let others = uploads(5 * DAY_SECS, 1, 20_000).map(|talk| Talk { client: 3, ..talk });
    assert_eq!(told(others.collect(), uploads(8 * DAY_SECS, 2, 4_000_000).collect()), None);
}

#[test]
fn where_others_of_the_estate_begin_to_go_too_is_silent() {
    let now =
        |client: u8| uploads(8 * DAY_SECS, 2, 4_000_000).map(move |talk| Talk { client, ..talk });
    assert_eq!(told(Vec::new(), now(2).chain(now(3)).chain(now(5)).collect()), None);
    assert!(told(Vec::new(), now(2).chain(now(3)).collect()).is_some(), "two may be broken into");
}

#[test]
fn a_vendor_of_all_hides_no_other_destination() {
    let vendor = |client: u8| {
        let to_it = uploads(8 * DAY_SECS, 2, 8_000_000);
        to_it.map(move |talk| Talk { client, server: DROP + 1, ..talk })
    };
    let all = [2, 3, 5].into_iter().flat_map(vendor);
    let now = uploads(8 * DAY_SECS + 600, 2, 4_000_000).chain(all);
    assert!(told(Vec::new(), now.collect()).is_some());
}
