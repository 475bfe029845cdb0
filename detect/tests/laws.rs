//! The laws of judging: the same records give the same findings however they come (I1), nothing later
//! is looked at (I3), and what was flagged hardly teaches (I5).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]
// Made-up volumes are drawn as floats.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]

#[path = "../../model/tests/fixture/mod.rs"]
mod fixture;
#[allow(dead_code, reason = "each test uses some of it")]
mod judged;
#[path = "../../model/tests/made/mod.rs"]
mod made;

use std::collections::BTreeMap;

use detect::{Judge, Kind, tell};
use fixture::{T0, WINDOW_SECS};
use jiff::tz::TimeZone;
use judged::{HOUR_SECS, activities, judge, learned, options, steady, talk, windows_of};
use made::{IN_ORDER, Talk};
use model::activity::Activity;
use model::baseline::{Baseline, Flagged, HourOfWeek, Measure, learn, volume_tail};
use proptest::prelude::*;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }
}

/// All findings so far as JSON by id, the last revision of each.
fn told(judge: &mut Judge, closed: &mut BTreeMap<String, String>) -> BTreeMap<String, String> {
    let json = |judge: &Judge, episode: &detect::Episode| {
        let held_days = judge.held_days(episode.last_window);
        serde_json::to_string(&tell(episode, held_days)).unwrap()
    };
    for episode in judge.episodes().take_closed() {
        closed.insert(episode.id.clone(), json(judge, &episode));
    }
    let mut all = closed.clone();
    let open: Vec<detect::Episode> = judge.episodes().open().cloned().collect();
    all.extend(open.iter().map(|episode| (episode.id.clone(), json(judge, episode))));
    all
}

/// What is told after the last of these windows.
fn findings(activities: &[Activity]) -> BTreeMap<String, String> {
    let mut judge = judge(Baseline::default());
    let mut closed = BTreeMap::new();
    for activity in activities {
        judge.judge(activity);
        told(&mut judge, &mut closed);
    }
    told(&mut judge, &mut closed)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_order_partition_and_chunking_tell_the_same(
        mut talks in made::talks(60),
        delivery in made::deliveries(),
        seed in any::<u64>(),
    ) {
        talks.extend(made::attacks());
        let lines = made::lines(&talks);
        let expected = findings(&made::settled(&lines, &IN_ORDER, &options()).activities);
        prop_assert!(!expected.is_empty());
        let delivered = made::settled(&lines, &delivery, &options()).activities;
        prop_assert_eq!(&findings(&delivered), &expected);
        let streamed = made::streamed(&lines, seed, 1200, &options()).activities;
        prop_assert_eq!(&findings(&streamed), &expected);
    }

    /// What is told after a window is what would have been told had the records ended there.
    #[test]
    fn later_windows_change_nothing_told_before(
        mut talks in made::talks(60),
        n_known in 1_usize..40,
    ) {
        talks.extend(made::attacks());
        let lines = made::lines(&talks);
        let activities = made::settled(&lines, &IN_ORDER, &options()).activities;
        let n_known = n_known.min(activities.len());
        let border = activities[n_known - 1].end();
        let early: Vec<_> = lines.iter().filter(|line| line.end < border).cloned().collect();
        let prefix = made::settled(&early, &IN_ORDER, &options()).activities;
        let mut whole = judge(Baseline::default());
        let mut closed = BTreeMap::new();
        for activity in &activities[..n_known] {
            whole.judge(activity);
            told(&mut whole, &mut closed);
        }
        prop_assert_eq!(told(&mut whole, &mut closed), findings(&prefix));
    }

    /// Saving the baseline between two windows and going on from the file changes no profile judgement.
    #[test]
    fn a_baseline_saved_in_between_judges_on_the_same(
        talks in made::talks(60),
        n_known in 1_usize..40,
    ) {
        let lines = made::lines(&talks);
        let activities = made::settled(&lines, &IN_ORDER, &options()).activities;
        let (before, after) = activities.split_at(n_known.min(activities.len()));
        let mut straight = judge(Baseline::default());
        let mut learned = Baseline::default();
        for activity in before {
            learn(&mut learned, activity, &Flagged::default());
            learn(straight.baseline_mut(), activity, &Flagged::default());
        }
        let mut bytes = Vec::new();
        model::baseline::write(&learned, &mut bytes).unwrap();
        let mut resumed = judge(model::baseline::read(bytes).unwrap());
        for activity in after {
            prop_assert_eq!(straight.judge(activity), resumed.judge(activity));
        }
        let (mut a, mut b) = (BTreeMap::new(), BTreeMap::new());
        prop_assert_eq!(told(&mut straight, &mut a), told(&mut resumed, &mut b));
    }
}

/// A window is judged by what was known before it: had it been learned first, nothing of it were new,
/// and its own volume usual.
#[test]
fn a_window_is_judged_before_it_is_learned() {
    let hours = 24;
    let known = steady(hours);
    // The server has to be known to be told of: others ask it.
    let others = known.iter().map(|t| Talk { client: 3, server: 5, ..t.clone() });
    let outward = known.iter().map(|t| Talk { server: 9, port: 443, ..t.clone() });
    let usual: Vec<Talk> = known.iter().cloned().chain(others).chain(outward).collect();
    let mut judge = judge(learned(&usual));
    let before = judge.baseline().clone();
    let at = hours * HOUR_SECS + 20;
    let talks = [talk(5, 22, at, 20_000), talk(9, 443, at + 1, 900_000_000)];
    let window = activities(&talks).into_iter().find(|window| !window.conversations.is_empty());
    judge.judge(&window.unwrap());
    let new = windows_of(&mut judge, Kind::NewPeer) + windows_of(&mut judge, Kind::NewPort);
    assert_eq!((new, windows_of(&mut judge, Kind::Volume)), (1, 1));
    assert!(*judge.baseline() != before, "it is learned after all");
}

#[test]
fn a_flagged_edge_is_still_new_in_the_next_window() {
    let known = steady(24);
    // The server has to be known to be told of: others ask it.
    let others = known.iter().map(|t| Talk { client: 3, server: 5, ..t.clone() });
    let mut judge = judge(learned(&known.iter().cloned().chain(others).collect::<Vec<_>>()));
    let day = 24 * HOUR_SECS;
    let moved: Vec<Talk> =
        (0..12).map(|n| talk(5, 22, day + n * WINDOW_SECS + 30, 20_000)).collect();
    for activity in &activities(&moved) {
        judge.judge(activity);
    }
    assert_eq!(windows_of(&mut judge, Kind::NewPeer) + windows_of(&mut judge, Kind::NewPort), 12);
}

/// An upload that was flagged leaves the tail nearly where it was; one that was not moves it.
#[test]
fn a_flagged_spike_hardly_raises_the_tail() {
    let day = 24 * HOUR_SECS;
    let level = |baseline: &Baseline| {
        let (_, service) =
            baseline.services.iter().find(|(name, _)| &***name == "10.0.0.3").unwrap();
        let histogram = &service.measures[&Measure::BytesOutside];
        let hour = (T0 + 3 * day) / HOUR_SECS;
        let model = volume_tail(histogram, 0..hour, &mut HourOfWeek::new(TimeZone::UTC)).unwrap();
        model.value_at(1e-5, 0)
    };
    let outward: Vec<Talk> =
        steady(48).into_iter().map(|t| Talk { server: 9, port: 443, ..t }).collect();
    let usual = learned(&outward);
    let spikes: Vec<Talk> =
        (0..12).map(|n| talk(9, 443, 2 * day + n * WINDOW_SECS + 20, 900_000_000)).collect();
    let mut judged = judge(usual.clone());
    let mut taken_as_usual = usual.clone();
    for activity in &activities(&spikes) {
        judged.judge(activity);
        learn(&mut taken_as_usual, activity, &Flagged::default());
    }
    assert_eq!(windows_of(&mut judged, Kind::Volume), 12);
    let (before, after, poisoned) =
        (level(&usual), level(judged.baseline()), level(&taken_as_usual));
    assert!(after < 4.0 * before, "{before} {after} {poisoned}");
    assert!(poisoned > 4.0 * after, "{before} {after} {poisoned}");
}

/// Uploads that grow a hundredfold, so slowly that no window stands out from the ones before it.
#[test]
fn a_slow_boil_is_found() {
    for hours in [6, 24, 96] {
        assert!(boiled(hours) > 0, "over {hours} hours");
    }
}

/// Windows in which a rise over these hours was told, after four steady days.
fn boiled(hours: i64) -> u64 {
    let outward = |n: i64, bytes: f64| talk(9, 443, n * WINDOW_SECS + 20, bytes as u64);
    let n_usual = 4 * 24 * HOUR_SECS / WINDOW_SECS;
    let usual: Vec<Talk> =
        (0..n_usual).map(|n| outward(n, 1e6 * (1.0 + (n % 7) as f64 / 10.0))).collect();
    let mut judge = judge(learned(&usual));
    let n_rising = hours * HOUR_SECS / WINDOW_SECS;
    let rise = 100_f64.ln() / n_rising as f64;
    let boil: Vec<Talk> =
        (0..n_rising).map(|n| outward(n_usual + n, 1e6 * (rise * n as f64).exp())).collect();
    for activity in &activities(&boil) {
        judge.judge(activity);
    }
    windows_of(&mut judge, Kind::Volume)
}
