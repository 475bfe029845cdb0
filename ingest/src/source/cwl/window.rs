//! What was handed out of a log group, so that reading the same times again hands out the rest only.
//!
//! Flow-log records come minutes after the time they bear, those of one interface later than those of
//! another. So the events of the last while (the overlap) are read again and again, and told apart by
//! their ids. Older ones are taken to be complete.
//!
//! The end of that while is the time of the newest event, not a clock's: a clock that is wrong loses
//! nothing. A forged event from the future does not move it past what the service's own clock said
//! when it took the event in.
//!
//! A position is the time before which all is handed out, and the ids after it: with both, nothing
//! comes twice after a restart, and with the time alone (another build, a damaged position) at most
//! the overlap does.

use std::collections::BTreeSet;
use std::fmt::Write;

use twox_hash::XxHash64;

/// An event as the service lists it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) id: &'a str,
    pub(super) time_ms: i64,
    pub(super) ingested_ms: Option<i64>,
}

/// What was handed out.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Everything before is complete.
    floor_ms: i64,
    /// The end of what the sweep under way has come to; events come in the order of their times.
    swept_to_ms: i64,
    newest_ingested_ms: i64,
    /// What was handed out of what may be read again.
    ids: BTreeSet<(i64, u64)>,
    overlap_ms: i64,
    ids_max: usize,
}

/// Hexadecimal digits of an id in a position: among a million ids, one new event in 280 million is
/// taken for one of them.
const ID_DIGITS: usize = 12;
const ID_MASK: u64 = (1 << (4 * ID_DIGITS)) - 1;

impl Window {
    /// Nothing handed out; what is older than `floor_ms` is not wanted.
    pub(super) fn new(floor_ms: i64, overlap_ms: i64, ids_max: usize) -> Self {
        let ids = BTreeSet::new();
        let lowest = i64::MIN;
        Self { floor_ms, swept_to_ms: lowest, newest_ingested_ms: lowest, ids, overlap_ms, ids_max }
    }

    /// The first time a sweep has to read.
    pub(super) fn floor_ms(&self) -> i64 {
        self.floor_ms
    }

    /// How many ids are kept.
    #[cfg(test)]
    fn n_ids(&self) -> usize {
        self.ids.len()
    }

    /// Whether an event is new; it counts as handed out from now on.
    pub(super) fn admit(&mut self, event: Seen<'_>) -> bool {
        self.swept_to_ms = self.swept_to_ms.max(event.time_ms);
        let ingested_ms = event.ingested_ms.unwrap_or(i64::MIN);
        self.newest_ingested_ms = self.newest_ingested_ms.max(ingested_ms);
        self.ids.insert((event.time_ms, hash(event.id)))
    }

    /// Moves the floor after some events were admitted. Says how much of the overlap, milliseconds,
    /// the cap on ids cost: what comes later than that is not looked for any more.
    pub(super) fn advance(&mut self) -> i64 {
        let newest_ms = match self.newest_ingested_ms {
            i64::MIN => self.swept_to_ms,
            ingested_ms => self.swept_to_ms.min(ingested_ms),
        };
        self.raise(newest_ms.saturating_sub(self.overlap_ms));
        let wanted_ms = self.floor_ms;
        while self.ids.len() > self.ids_max {
            let Some(&(oldest_ms, _)) = self.ids.first() else { break };
            // All events of one time go together. Of a single time, ids stay however many.
            if self.ids.last().is_some_and(|&(last_ms, _)| last_ms == oldest_ms) {
                break;
            }
            self.raise(oldest_ms.saturating_add(1));
        }
        self.floor_ms.saturating_sub(wanted_ms)
    }

    fn raise(&mut self, floor_ms: i64) {
        if floor_ms > self.floor_ms {
            self.floor_ms = floor_ms;
            self.ids = self.ids.split_off(&(floor_ms, 0));
        }
    }

    /// A sweep begins at the floor.
    pub(super) fn begin_sweep(&mut self) {
        self.swept_to_ms = i64::MIN;
    }

    /// `1 FLOOR TIME ID… TIME ID…`: milliseconds, and the ids of each time as digits on end.
    pub(super) fn position(&self) -> String {
        let mut text = format!("1 {}", self.floor_ms);
        let mut last_ms = None;
        for &(time_ms, id) in &self.ids {
            // Writing to a string cannot fail.
            if last_ms.replace(time_ms) != Some(time_ms) {
                let _infallible = write!(text, " {time_ms} ");
            }
            let _infallible = write!(text, "{id:0ID_DIGITS$x}");
        }
        text
    }

    /// Goes on from a position; `None` if it is none.
    pub(super) fn from_position(text: &str, overlap_ms: i64, ids_max: usize) -> Option<Self> {
        let mut parts = text.split(' ');
        if parts.next() != Some("1") {
            return None;
        }
        let mut window = Self::new(parts.next()?.parse().ok()?, overlap_ms, ids_max);
        while let Some(time) = parts.next() {
            let time_ms: i64 = time.parse().ok()?;
            let ids = parts.next()?;
            if ids.len() % ID_DIGITS != 0 || !ids.is_ascii() {
                return None;
            }
            for at in (0..ids.len()).step_by(ID_DIGITS) {
                let id = u64::from_str_radix(ids.get(at..at + ID_DIGITS)?, 16).ok()?;
                window.ids.insert((time_ms, id));
            }
        }
        Some(window)
    }
}

/// The service assigns ids, so nobody can make two alike.
fn hash(id: &str) -> u64 {
    XxHash64::oneshot(0, id.as_bytes()) & ID_MASK
}

#[cfg(test)]
mod tests;
