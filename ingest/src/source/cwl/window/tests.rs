//! Positions on a made-up log group: late events, restarts, caps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const OVERLAP_MS: i64 = 100;

/// One that comes later than the overlap is not waited for, so none does.
#[derive(Clone, Debug)]
struct Event {
    time_ms: i64,
    /// When it can first be read.
    visible_ms: i64,
    id: String,
}

fn sweep(window: &mut Window, events: &[Event], now_ms: i64, n_events_max: usize) -> Vec<String> {
    window.begin_sweep();
    let mut visible: Vec<&Event> = events
        .iter()
        .filter(|event| event.visible_ms <= now_ms && event.time_ms >= window.floor_ms())
        .collect();
    visible.sort_by_key(|event| (event.time_ms, &event.id));
    let mut new = Vec::new();
    for event in visible.into_iter().take(n_events_max) {
        let seen =
            Seen { id: &event.id, time_ms: event.time_ms, ingested_ms: Some(event.visible_ms) };
        if window.admit(seen) {
            new.push(event.id.clone());
        }
        window.advance();
    }
    new
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0..1000i64, 0..OVERLAP_MS / 2);
    proptest::collection::vec(one, 0..60).prop_map(|drawn| {
        let event = |(n, (time_ms, delay_ms)): (usize, (i64, i64))| Event {
            time_ms,
            visible_ms: time_ms + delay_ms,
            id: format!("{n:056}"),
        };
        drawn.into_iter().enumerate().map(event).collect()
    })
}

proptest! {
    /// Whenever it is read, broken off and gone on with: each event once.
    #[test]
    fn every_event_comes_once(
        events in events(),
        steps in proptest::collection::vec((1..60i64, 0..40usize, any::<bool>()), 0..40),
    ) {
        let mut window = Window::new(0, OVERLAP_MS, 10_000);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut now_ms = 0;
        let whole = (2000, usize::MAX, false);
        for (later_ms, n_events_max, restarts) in steps.into_iter().chain([whole]) {
            now_ms += later_ms;
            if restarts {
                let position = window.position();
                window = Window::from_position(&position, OVERLAP_MS, 10_000).unwrap();
            }
            for id in sweep(&mut window, &events, now_ms, n_events_max) {
                *counts.entry(id).or_default() += 1;
            }
        }
        prop_assert_eq!(counts.len(), events.len());
        prop_assert!(counts.values().all(|&n| n == 1));
    }

    #[test]
    fn any_position_is_read_without_panic(text in "1 [0-9 -]{0,9}[0-9a-f é]{0,40}|\\PC{0,40}") {
        let _read = Window::from_position(&text, OVERLAP_MS, 10);
    }
}

fn event(id: &str, time_ms: i64) -> Seen<'_> {
    Seen { id, time_ms, ingested_ms: None }
}

#[test]
fn a_position_keeps_times_and_ids() {
    let mut window = Window::new(5, OVERLAP_MS, 10);
    for (id, time_ms) in [("a", 200), ("b", 200), ("c", 250)] {
        assert!(window.admit(event(id, time_ms)));
    }
    window.advance();
    let mut again = Window::from_position(&window.position(), OVERLAP_MS, 10).unwrap();
    assert_eq!((again.floor_ms(), again.n_ids()), (150, 3));
    assert!(!again.admit(event("b", 200)) && again.admit(event("d", 200)));
}

#[test]
fn an_event_from_the_future_does_not_hide_others() {
    let mut window = Window::new(0, OVERLAP_MS, 10);
    let now_ms = 10_000;
    window.admit(Seen { id: "a", time_ms: now_ms + 7_200_000, ingested_ms: Some(now_ms) });
    window.advance();
    assert_eq!(window.floor_ms(), now_ms - OVERLAP_MS);
}

#[test]
fn the_cap_on_ids_shortens_the_overlap_and_says_so() {
    let mut window = Window::new(0, OVERLAP_MS, 3);
    let ids = ["a", "b", "c", "d", "e"];
    let lost_ms: i64 = ids
        .iter()
        .zip(1000..)
        .map(|(id, time_ms)| {
            window.admit(event(id, time_ms));
            window.advance()
        })
        .sum();
    assert_eq!((window.n_ids(), window.floor_ms()), (3, 1002));
    assert!(lost_ms > 0);
    assert!(!window.admit(event("e", 1004)), "what is kept is still known");
}

#[test]
fn events_of_one_time_stay_known_over_the_cap() {
    let mut window = Window::new(0, OVERLAP_MS, 2);
    for id in ["a", "b", "c"] {
        window.admit(event(id, 1000));
    }
    window.advance();
    assert!(["a", "b", "c"].iter().all(|id| !window.admit(event(id, 1000))));
}

#[test]
fn damaged_positions_are_refused() {
    for text in ["", "2 5", "1", "1 x", "1 5 7", "1 5 7 abc", "1 5 7 00000000000g"] {
        assert!(Window::from_position(text, OVERLAP_MS, 10).is_none(), "{text}");
    }
}
