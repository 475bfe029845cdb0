//! How far each input has come, and what follows for the watermark.
//!
//! The watermark is the least of the inputs' newest records, less the lateness. An input that has
//! nothing more to bring and brought nothing for a while stops holding it; when nobody holds it, the
//! newest record of all counts. It never goes back: what an idle input brings later may be late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ingest::source::stream::Input;

/// How far an input may read ahead of the one that holds the watermark, seconds: what lies between
/// is held in open windows.
const AHEAD_MAX_SECS: i64 = 3600;

/// A record that ends later than this after now does not move the watermark, seconds: one wrong time
/// would make everything after it late.
const FUTURE_MAX_SECS: i64 = 600;

/// What time it is: for people, and for measuring how long nothing came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) unix_secs: i64,
}

/// Every input that may still bring records.
#[derive(Debug)]
pub(crate) struct Inputs {
    idle_after: Duration,
    lateness_secs: i64,
    known: BTreeMap<Arc<str>, Known>,
    /// The newest record of all, those of inputs that ended included.
    newest: Option<i64>,
    /// The least of what inputs brought first.
    first: Option<i64>,
    watermark: Option<i64>,
}

#[derive(Debug)]
struct Known {
    newest: Option<i64>,
    behind_ms: Option<u64>,
    is_answered: bool,
    brought_at: Instant,
    is_held: bool,
}

impl Inputs {
    /// Nobody is known yet.
    pub(crate) fn new(idle_after: Duration, lateness_secs: i64) -> Self {
        let known = BTreeMap::new();
        Self { idle_after, lateness_secs, known, newest: None, first: None, watermark: None }
    }

    /// Takes note of who may still bring records. A poll that names nobody says nothing.
    pub(crate) fn polled(&mut self, inputs: &[Input], now: Now) {
        if inputs.is_empty() {
            return;
        }
        let mut before = std::mem::take(&mut self.known);
        for input in inputs {
            let unheard = || Known {
                newest: None,
                behind_ms: None,
                is_answered: false,
                brought_at: now.instant,
                is_held: false,
            };
            let mut known = before.remove(&input.name).unwrap_or_else(unheard);
            known.behind_ms = input.behind_ms;
            known.is_answered = input.is_answered;
            self.known.insert(Arc::clone(&input.name), known);
        }
    }

    /// An input brought something; `newest` is its newest record's end, Unix seconds.
    pub(crate) fn brought(&mut self, name: &str, newest: Option<i64>, now: Now) {
        let newest = newest.map(|end| end.min(now.unix_secs.saturating_add(FUTURE_MAX_SECS)));
        self.newest = self.newest.max(newest);
        let Some(known) = self.known.get_mut(name) else { return };
        known.brought_at = now.instant;
        if known.newest.is_none()
            && let Some(end) = newest
        {
            self.first = Some(self.first.map_or(end, |first| first.min(end)));
        }
        known.newest = known.newest.max(newest);
    }

    /// No record that ends earlier is waited for, Unix seconds; `None` while nothing can be said.
    pub(crate) fn watermark(&mut self, now: Now) -> Option<i64> {
        let idle_after = self.idle_after;
        let mut holding = self.known.values().filter(|known| !known.is_idle(idle_after, now));
        let least = match holding.next() {
            None => self.newest,
            Some(one) => {
                holding.try_fold(one.newest?, |least, known| Some(least.min(known.newest?)))
            }
        };
        let watermark = least.map(|end| end.saturating_sub(self.lateness_secs));
        self.watermark = self.watermark.max(watermark);
        self.watermark
    }

    /// The inputs that are so far ahead of the one that holds the watermark that they had better wait.
    pub(crate) fn ahead(&mut self) -> Vec<Arc<str>> {
        let lateness_secs = self.lateness_secs;
        let reached = self.watermark.map(|watermark| watermark.saturating_add(lateness_secs));
        let Some(from) = reached.max(self.first) else { return Vec::new() };
        let mut ahead = Vec::new();
        for (name, known) in &mut self.known {
            let limit = from.saturating_add(AHEAD_MAX_SECS);
            known.is_held = known.newest.is_some_and(|newest| newest > limit);
            if known.is_held {
                ahead.push(Arc::clone(name));
            }
        }
        ahead
    }

    /// How far each input is behind, milliseconds, where the service says so.
    pub(crate) fn behind(&self) -> impl Iterator<Item = (&str, u64)> {
        self.known.iter().filter_map(|(name, known)| Some((&**name, known.behind_ms?)))
    }

    /// How many inputs there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

impl Known {
    /// Has nothing more and brought nothing for a while; one that is made to wait is not idle, nor one
    /// the service is slow to answer for.
    fn is_idle(&self, after: Duration, now: Now) -> bool {
        let quiet = now.instant.saturating_duration_since(self.brought_at);
        let has_nothing = self.is_answered && self.behind_ms.is_none_or(|behind| behind == 0);
        !self.is_held && has_nothing && quiet >= after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_mins(5);

    fn input(name: &str, behind_ms: Option<u64>) -> Input {
        Input { name: name.into(), behind_ms, is_answered: true }
    }

    struct Watch {
        inputs: Inputs,
        begun: Instant,
    }

    impl Watch {
        fn of(names: &[&str]) -> Self {
            let mut watch = Self { inputs: Inputs::new(IDLE, 100), begun: crate::clock::now() };
            let listed: Vec<Input> = names.iter().map(|name| input(name, Some(0))).collect();
            watch.inputs.polled(&listed, watch.at(0));
            watch
        }

        fn at(&self, secs: u64) -> Now {
            Now { instant: self.begun + Duration::from_secs(secs), unix_secs: 1 << 40 }
        }
    }

    #[test]
    fn the_slowest_input_holds_the_watermark() {
        let mut watch = Watch::of(&["a", "b"]);
        let now = watch.at(1);
        watch.inputs.brought("a", Some(5000), now);
        assert_eq!(watch.inputs.watermark(now), None, "b may bring anything");
        watch.inputs.brought("b", Some(3000), now);
        assert_eq!(watch.inputs.watermark(now), Some(2900));
    }

    #[test]
    fn an_idle_input_lets_go_and_the_watermark_stays() {
        let mut watch = Watch::of(&["a", "b"]);
        watch.inputs.brought("b", Some(3000), watch.at(1));
        watch.inputs.brought("a", Some(5000), watch.at(200));
        assert_eq!(watch.inputs.watermark(watch.at(300)), Some(2900));
        assert_eq!(watch.inputs.watermark(watch.at(301)), Some(4900), "b is idle");
        watch.inputs.brought("b", Some(3010), watch.at(302));
        assert_eq!(watch.inputs.watermark(watch.at(302)), Some(4900), "no way back");
        assert_eq!(watch.inputs.watermark(watch.at(9000)), Some(4900), "all idle");
    }

    #[test]
    fn who_is_behind_is_waited_for_however_long() {
        let mut watch = Watch::of(&["a", "b"]);
        watch.inputs.polled(&[input("a", Some(0)), input("b", Some(9))], watch.at(0));
        watch.inputs.brought("a", Some(5000), watch.at(1));
        assert_eq!(watch.inputs.watermark(watch.at(100_000)), None);
        watch.inputs.polled(&[input("a", Some(0)), input("b", None)], watch.at(0));
        assert_eq!(watch.inputs.watermark(watch.at(100_000)), Some(4900), "nothing said: idle");
    }

    #[test]
    fn who_was_never_answered_for_is_waited_for_however_long() {
        let mut watch = Watch::of(&["a"]);
        let silent = Input { is_answered: false, ..input("b", None) };
        watch.inputs.polled(&[input("a", Some(0)), silent], watch.at(0));
        watch.inputs.brought("a", Some(5000), watch.at(1));
        assert_eq!(watch.inputs.watermark(watch.at(100_000)), None, "b may have older records");
        watch.inputs.polled(&[input("a", Some(0)), input("b", Some(0))], watch.at(100_000));
        assert_eq!(watch.inputs.watermark(watch.at(100_001)), Some(4900), "b is empty");
    }

    #[test]
    fn an_input_that_ended_holds_nothing_and_a_new_one_stops_the_watermark() {
        let mut watch = Watch::of(&["a", "b"]);
        let now = watch.at(1);
        watch.inputs.brought("a", Some(1000), now);
        watch.inputs.brought("b", Some(3000), now);
        watch.inputs.polled(&[input("b", None), input("c", None)], now);
        assert_eq!(watch.inputs.watermark(now), None, "nothing had been closed, and c is new");
        watch.inputs.brought("c", Some(2000), now);
        assert_eq!(watch.inputs.watermark(now), Some(1900));
    }

    #[test]
    fn a_record_of_the_future_does_not_make_all_others_late() {
        let mut watch = Watch::of(&["a"]);
        let now = Now { unix_secs: 10_000, ..watch.at(1) };
        watch.inputs.brought("a", Some(90_000), now);
        assert_eq!(watch.inputs.watermark(now), Some(10_500));
    }

    #[test]
    fn who_is_an_hour_ahead_waits_and_is_not_taken_for_idle() {
        let mut watch = Watch::of(&["a", "b"]);
        watch.inputs.brought("a", Some(1000), watch.at(0));
        watch.inputs.brought("b", Some(9000), watch.at(0));
        watch.inputs.watermark(watch.at(0));
        assert_eq!(watch.inputs.ahead(), [Arc::from("b")]);
        watch.inputs.brought("a", Some(6000), watch.at(299));
        assert_eq!(watch.inputs.watermark(watch.at(301)), Some(5900));
        assert!(watch.inputs.ahead().is_empty());
    }
}
