//! Bounded collections whose content does not depend on the order of arrival.

use std::hash::Hash;

use hashbrown::HashMap;

use super::admission::Admission;

/// How many times one conversation keeps per window. A window of ten minutes holds 32 connections
/// that are 19 s apart; a faster rhythm is told by the count alone.
pub const TIMES_MAX: usize = 32;

/// A count of times and the smallest few of them, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smallest {
    count: u64,
    times: Vec<i64>,
}

impl Smallest {
    /// Adds one time, Unix seconds.
    pub fn add(&mut self, time: i64) {
        self.count += 1;
        self.keep(time);
    }

    fn keep(&mut self, time: i64) {
        // A busy conversation has them all soon, and most that come are later.
        if self.times.len() >= TIMES_MAX && self.times.last().is_some_and(|&last| last <= time) {
            return;
        }
        let at = self.times.partition_point(|&t| t <= time);
        if at < TIMES_MAX {
            self.times.insert(at, time);
            self.times.truncate(TIMES_MAX);
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        other.times.iter().for_each(|&time| self.keep(time));
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest of them, ascending.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// The smallest of them, ascending.
    pub fn into_times(self) -> Vec<i64> {
        self.times
    }

    /// Rebuilds what [`Self::count`] and [`Self::times`] told.
    pub fn restore(count: u64, mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        times.truncate(TIMES_MAX);
        Self { count, times }
    }
}

/// A key whose survival under a cap is decided by a hash, not by its arrival.
pub trait Sampled: Copy + Eq + Hash {
    /// The same on every machine and for every vantage.
    fn sample_hash(&self) -> u64;
}

/// A map that never holds more than `capacity` keys.
///
/// When it overflows it halves the range of hashes it admits, until what is left fits: the survivors
/// and their sums are the same for every order of arrival.
#[derive(Clone, Debug)]
pub struct SampledMap<K, V> {
    map: HashMap<K, V>,
    capacity: usize,
    admission: Admission,
}

impl<K: Sampled, V: Default> SampledMap<K, V> {
    /// An empty map for at most `capacity` keys, at least one.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { map: HashMap::new(), capacity, admission: Admission::ALL }
    }

    /// The value of a key, made if new; `None` if the cap cut the key, with `records` counted as cut.
    #[inline]
    pub fn slot(&mut self, key: K, records: u64) -> Option<&mut V> {
        if !self.admission.admits(|| key.sample_hash()) {
            self.admission.cut(records);
            return None;
        }
        Some(self.map.entry(key).or_default())
    }

    /// Gives up hash ranges until the map fits its capacity. `records` tells a value's records.
    #[inline]
    pub fn shrink(&mut self, records: impl Fn(&V) -> u64) {
        while self.map.len() > self.capacity {
            self.admission.halve();
            self.give_up(&records);
        }
    }

    /// Removes what is not admitted any more.
    fn give_up(&mut self, records: &impl Fn(&V) -> u64) {
        let admission = self.admission;
        let mut cut = 0;
        self.map.retain(|key, value| {
            let stays = admission.admits(|| key.sample_hash());
            cut += if stays { 0 } else { records(value) };
            stays
        });
        self.admission.cut(cut);
    }

    /// Adds all of another map. `merge` adds one value to another.
    pub fn merge(
        &mut self,
        mut other: Self,
        records: impl Fn(&V) -> u64,
        merge: impl Fn(&mut V, &V),
    ) {
        if other.map.len() > self.map.len() {
            std::mem::swap(&mut self.map, &mut other.map);
            std::mem::swap(&mut self.admission, &mut other.admission);
        }
        if self.admission.narrow(other.admission) {
            self.give_up(&records);
        }
        for (key, value) in other.map {
            if let Some(slot) = self.slot(key, records(&value)) {
                merge(slot, &value);
                self.shrink(&records);
            }
        }
    }

    /// The share of keys that are admitted, as a power of two: 0 means all of them.
    pub fn halvings(&self) -> u32 {
        self.admission.halvings()
    }

    /// Records of keys the cap cut.
    pub fn cut_records(&self) -> u64 {
        self.admission.cut_records()
    }

    /// Restores what the cap had done before a snapshot.
    pub fn restore_cut(&mut self, halvings: u32, cut_records: u64) {
        self.admission = Admission::restored(halvings, cut_records);
    }

    /// The keys and values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Memory held, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.map.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Sampled for u64 {
        fn sample_hash(&self) -> u64 {
            self.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }
    }

    fn fold(keys: &[u64], capacity: usize) -> SampledMap<u64, u64> {
        let mut map = SampledMap::new(capacity);
        for &key in keys {
            if let Some(n) = map.slot(key, 1) {
                *n += 1;
                map.shrink(|&n| n);
            }
        }
        map
    }

    fn content(map: &SampledMap<u64, u64>) -> (Vec<(u64, u64)>, u32, u64) {
        let mut rows: Vec<_> = map.iter().map(|(&k, &n)| (k, n)).collect();
        rows.sort_unstable();
        (rows, map.halvings(), map.cut_records())
    }

    proptest! {
        #[test]
        fn what_a_cap_leaves_depends_on_the_keys_alone(
            keys in prop::collection::vec(0u64..60, 0..200),
            cut in 0usize..200,
            capacity in 1usize..20,
        ) {
            let whole = fold(&keys, capacity);
            prop_assert!(whole.len() <= capacity);
            let mut reversed = keys.clone();
            reversed.reverse();
            prop_assert_eq!(content(&fold(&reversed, capacity)), content(&whole));

            let (left, right) = keys.split_at(cut.min(keys.len()));
            let mut merged = fold(left, capacity);
            merged.merge(fold(right, capacity), |&n| n, |a, &b| *a += b);
            prop_assert_eq!(content(&merged), content(&whole));
        }

        #[test]
        fn every_record_is_kept_or_counted_as_cut(keys in prop::collection::vec(0u64..90, 0..300)) {
            let map = fold(&keys, 7);
            let kept: u64 = map.iter().map(|(_, n)| n).sum();
            prop_assert_eq!(kept + map.cut_records(), keys.len() as u64);
        }

        #[test]
        fn the_smallest_times_do_not_depend_on_order(times in prop::collection::vec(0i64..500, 0..90)) {
            let mut forward = Smallest::default();
            let mut backward = Smallest::default();
            for &time in &times {
                forward.add(time);
            }
            for &time in times.iter().rev() {
                backward.add(time);
            }
            prop_assert_eq!(forward, backward);
        }
    }
}
