//! What settling remembers: who listens where, and which five-tuples were active lately.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};

use hashbrown::HashMap;

use crate::activity::EndpointId;

/// How long an endpoint is remembered as a listener after it last answered: a day and a half bridges
/// a daily job.
const LISTENER_SECS: i64 = 36 * 3600;

/// At most this many listeners are remembered; the ones with the largest hash are dropped first.
const LISTENERS_MAX: usize = 1 << 20;

/// Who listens where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listener {
    endpoint: EndpointId,
    port: u16,
    protocol: u8,
}

/// The endpoint is a hash already, so one word holds enough of it all.
impl Hash for Listener {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let place = u64::from(self.port) << 8 | u64::from(self.protocol);
        state.write_u64(self.endpoint.0 ^ place << 40);
    }
}

/// Who was seen to answer where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    last_seen: HashMap<Listener, i64>,
}

impl Listeners {
    #[inline]
    pub(super) fn knows(&self, endpoint: EndpointId, port: u16, protocol: u8) -> bool {
        self.last_seen.contains_key(&Listener { endpoint, port, protocol })
    }

    pub(super) fn note(&mut self, endpoint: EndpointId, port: u16, protocol: u8, time: i64) {
        self.last_seen.insert(Listener { endpoint, port, protocol }, time);
    }

    /// Drops what is over the cap.
    pub(super) fn shrink(&mut self) {
        if self.last_seen.len() > LISTENERS_MAX {
            let mut keys: Vec<Listener> = self.last_seen.keys().copied().collect();
            let (_, _, dropped) = keys.select_nth_unstable(LISTENERS_MAX - 1);
            for key in dropped {
                self.last_seen.remove(key);
            }
        }
    }

    /// Forgets, once an hour of event time, who has not answered for long.
    pub(super) fn forget_before(&mut self, now: i64) {
        if now.rem_euclid(3600) == 0 {
            self.last_seen.retain(|_, last| *last >= now - LISTENER_SECS);
        }
    }

    /// All of them as (endpoint, port, protocol, last seen), in a fixed order.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u16, u8, i64)> {
        let mut rows: Vec<_> = self
            .last_seen
            .iter()
            .map(|(key, &last)| (key.endpoint.0, key.port, key.protocol, last))
            .collect();
        rows.sort_unstable();
        rows.into_iter()
    }

    /// Rebuilds what [`Self::rows`] told.
    pub fn restore(rows: impl IntoIterator<Item = (u64, u16, u8, i64)>) -> Self {
        let key = |(id, port, protocol, last)| {
            (Listener { endpoint: EndpointId(id), port, protocol }, last)
        };
        Self { last_seen: rows.into_iter().map(key).collect() }
    }
}

/// Five-tuples active in the last two windows: where flags do not tell, a five-tuple that was not
/// active lately is a new connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// The hashes of each window, ascending, each once.
    windows: VecDeque<(i64, Vec<u64>)>,
}

impl Recent {
    /// Tells which of some hashes, given ascending with a number each, were active.
    pub(super) fn among(&self, hashes: &[(u64, u32)], mut active: impl FnMut(u32)) {
        for (_, known) in &self.windows {
            let mut known = known.iter().copied().peekable();
            for &(hash, at) in hashes {
                while known.next_if(|&known| known < hash).is_some() {}
                if known.peek() == Some(&hash) {
                    active(at);
                }
            }
        }
    }

    /// Notes a window's hashes, ascending.
    pub(super) fn note(&mut self, window: i64, hashes: &[(u64, u32)]) {
        let mut kept: Vec<u64> = hashes.iter().map(|&(hash, _)| hash).collect();
        kept.dedup();
        kept.shrink_to_fit();
        self.windows.push_back((window, kept));
    }

    pub(super) fn forget_before(&mut self, window: i64) {
        while self.windows.front().is_some_and(|&(start, _)| start < window) {
            self.windows.pop_front();
        }
    }

    /// All of them as (window, hash), in a fixed order.
    pub fn rows(&self) -> impl Iterator<Item = (i64, u64)> {
        self.windows.iter().flat_map(|(start, hashes)| hashes.iter().map(|&hash| (*start, hash)))
    }

    /// Rebuilds what [`Self::rows`] told.
    pub fn restore(rows: impl IntoIterator<Item = (i64, u64)>) -> Self {
        let mut windows: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (start, hash) in rows {
            windows.entry(start).or_default().push(hash);
        }
        for hashes in windows.values_mut() {
            hashes.sort_unstable();
            hashes.dedup();
        }
        Self { windows: windows.into_iter().collect() }
    }
}
