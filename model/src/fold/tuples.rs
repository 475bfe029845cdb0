//! The inconclusive five-tuples of one window, packed.
//!
//! They are what memory goes to, one for nearly every connection, so each takes 64 bytes where it
//! can: IPv4 ends, sums and times of 32 bits. What does not fit stands in a map of its own.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use super::counts::TupleCounts;
use super::key::TupleKey;
use super::packed::{OneWay, Packed};

/// A window's five-tuples under a cap. Of too many, those with the smallest hashes stay: see
/// [`super::SampledMap`], which does the same for conversations.
#[derive(Clone, Debug)]
pub struct Tuples {
    packed: Vec<Packed>,
    /// Where a packed five-tuple stands; empty while sealed.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// IPv6, and what grew out of 32 bits. No key is both here and packed.
    wide: HashMap<TupleKey, TupleCounts>,
    capacity: usize,
    /// Keys with a hash above this are not admitted.
    admitted_max: u64,
    /// Records of keys that were not admitted or were given up.
    cut_records: u64,
}

impl Tuples {
    /// None yet, and never more than `capacity`, at least one; with room for so many.
    pub fn new(capacity: usize, room: usize) -> Self {
        // Positions are 32 bits wide.
        let capacity = capacity.clamp(1, u32::MAX as usize);
        let mut tuples = Self {
            packed: Vec::with_capacity(room.min(capacity)),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            wide: HashMap::new(),
            capacity,
            admitted_max: u64::MAX,
            cut_records: 0,
        };
        tuples.index_all(room.min(capacity));
        tuples
    }

    /// Adds to a five-tuple's sums.
    pub fn add(&mut self, key: &TupleKey, counts: &TupleCounts) {
        self.add_either(key, Packed::of(key, counts), || *counts);
    }

    /// Adds one record.
    #[inline]
    pub(super) fn add_record(&mut self, key: &TupleKey, record: &OneWay) {
        self.add_either(key, Packed::of_record(key, record), || record.counts());
    }

    #[inline]
    fn add_either(
        &mut self,
        key: &TupleKey,
        packed: Option<Packed>,
        counts: impl Fn() -> TupleCounts,
    ) {
        if self.admitted_max != u64::MAX && key.stable_hash() > self.admitted_max {
            self.cut_records += counts().records();
            return;
        }
        if !packed.is_some_and(|tuple| self.add_packed(&tuple)) {
            self.add_wide(key, &counts());
        }
        if self.len() > self.capacity {
            self.shrink();
        }
    }

    #[inline]
    fn add_packed(&mut self, tuple: &Packed) -> bool {
        if !self.wide.is_empty() && self.wide.contains_key(&tuple.key()) {
            return false;
        }
        // The reply's record often follows the request's.
        if let Some(last) = self.packed.last_mut().filter(|last| last.is_same(tuple)) {
            return last.merge(tuple);
        }
        self.unseal();
        let Self { packed, index, hasher, .. } = self;
        let hash = hasher.hash_one(tuple.words());
        let same = |&at: &u32| packed.get(at as usize).is_some_and(|known| known.is_same(tuple));
        let rehash =
            |&at: &u32| packed.get(at as usize).map_or(0, |known| hasher.hash_one(known.words()));
        match index.entry(hash, same, rehash) {
            Entry::Occupied(at) => {
                packed.get_mut(*at.get() as usize).is_some_and(|known| known.merge(tuple))
            }
            Entry::Vacant(place) => {
                let Ok(at) = u32::try_from(packed.len()) else { return false };
                place.insert(at);
                packed.push(*tuple);
                true
            }
        }
    }

    #[cold]
    fn add_wide(&mut self, key: &TupleKey, counts: &TupleCounts) {
        let grown = self.take_packed(key);
        let known = self.wide.entry(*key).or_default();
        known.merge(counts);
        if let Some(grown) = grown {
            known.merge(&grown);
        }
    }

    /// Takes out what has grown too large to be packed.
    fn take_packed(&mut self, key: &TupleKey) -> Option<TupleCounts> {
        let wanted = Packed::of(key, &TupleCounts { last: 0, ..TupleCounts::default() })?;
        self.unseal();
        let Self { packed, index, hasher, .. } = self;
        let hash = hasher.hash_one(wanted.words());
        let same = |&at: &u32| packed.get(at as usize).is_some_and(|known| known.is_same(&wanted));
        let (at, _) = index.find_entry(hash, same).ok()?.remove();
        let taken = packed.swap_remove(at as usize);
        if let Some(moved) = packed.get(at as usize) {
            let from = packed.len();
            let hash = hasher.hash_one(moved.words());
            if let Some(place) = index.find_mut(hash, |&place| place as usize == from) {
                *place = at;
            }
        }
        Some(taken.counts())
    }

    /// Gives up hash ranges until the rest fits.
    #[cold]
    fn shrink(&mut self) {
        while self.len() > self.capacity {
            self.lower_to(self.admitted_max >> 1);
        }
    }

    fn lower_to(&mut self, admitted_max: u64) {
        self.admitted_max = admitted_max;
        let mut cut = 0;
        let mut stays = |key: TupleKey, records: u64| {
            let stays = key.stable_hash() <= admitted_max;
            cut += if stays { 0 } else { records };
            stays
        };
        self.packed.retain(|tuple| stays(tuple.key(), tuple.counts().records()));
        self.wide.retain(|&key, counts| stays(key, counts.records()));
        self.cut_records += cut;
        self.index_all(0);
    }

    /// Gives up the index and spare room: for what waits and is not added to.
    pub fn seal(&mut self) {
        self.index = HashTable::new();
        self.packed.shrink_to_fit();
    }

    #[inline]
    fn unseal(&mut self) {
        if self.index.len() != self.packed.len() {
            self.index_all(0);
        }
    }

    /// Makes the index, with room for more.
    fn index_all(&mut self, room: usize) {
        let Self { packed, index, hasher, .. } = self;
        let hash_at =
            |at: u32| packed.get(at as usize).map_or(0, |tuple| hasher.hash_one(tuple.words()));
        *index = HashTable::with_capacity(packed.len().max(room));
        for at in (0_u32..).take(packed.len()) {
            index.insert_unique(hash_at(at), at, |&at| hash_at(at));
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, mut other: Self) {
        if other.len() > self.len() {
            std::mem::swap(self, &mut other);
            // Each was made under its own cap; this one's counts.
            self.capacity = other.capacity;
        }
        self.cut_records += other.cut_records;
        if other.admitted_max < self.admitted_max {
            self.lower_to(other.admitted_max);
        }
        for (key, counts) in other.iter() {
            self.add(&key, &counts);
        }
    }

    /// The five-tuples with their sums, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (TupleKey, TupleCounts)> {
        let wide = self.wide.iter().map(|(&key, &counts)| (key, counts));
        self.packed.iter().map(|tuple| (tuple.key(), tuple.counts())).chain(wide)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.packed.len() + self.wide.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The share of keys that are admitted, as a power of two: 0 means all of them.
    pub fn halvings(&self) -> u32 {
        self.admitted_max.leading_zeros()
    }

    /// Records of keys the cap cut.
    pub fn cut_records(&self) -> u64 {
        self.cut_records
    }

    /// Restores what the cap had done before a snapshot.
    pub fn restore_cut(&mut self, halvings: u32, cut_records: u64) {
        self.admitted_max = u64::MAX.checked_shr(halvings).unwrap_or(0);
        self.cut_records = cut_records;
    }

    /// Memory held, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.packed.capacity() * size_of::<Packed>()
            + self.index.allocation_size()
            + self.wide.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::packed::MAPPED;
    use crate::fold::{Flow, ObserverId, SampledMap};
    use proptest::prelude::*;

    #[test]
    fn a_five_tuple_takes_one_cache_line() {
        assert_eq!(size_of::<Packed>(), 64);
    }

    /// One record of few keys, some of them IPv6, some too large to be packed.
    fn record() -> impl Strategy<Value = (TupleKey, TupleCounts)> {
        let key = (0_u128..4, 0_u16..3, any::<bool>(), any::<bool>(), 0_u64..2);
        let sums = (any::<bool>(), prop_oneof![1_u64..9, 1_u64 << 31..1 << 33], 0_i64..99);
        (key, sums).prop_map(|((end, port, v6, rejected, observer), (from_low, bytes, time))| {
            let low = if v6 { 1 << 100 } else { MAPPED } + end;
            let key = TupleKey {
                low,
                high: low + 7,
                low_port: port,
                high_port: 443,
                protocol: 6,
                rejected,
                observer: ObserverId(observer),
            };
            let flow = Flow { packets: 1, bytes, records: 1, flags: 0 };
            let mut counts = TupleCounts { last: time + 1, ..TupleCounts::default() };
            if from_low {
                (counts.from_low, counts.low_first) = (flow, time);
            } else {
                (counts.from_high, counts.high_first) = (flow, time);
            }
            (key, counts)
        })
    }

    type Content = (Vec<(TupleKey, TupleCounts)>, u32, u64);

    fn content(tuples: &Tuples) -> Content {
        let mut rows: Vec<_> = tuples.iter().collect();
        rows.sort_by_key(|&(key, _)| key);
        (rows, tuples.halvings(), tuples.cut_records())
    }

    fn fold(records: &[(TupleKey, TupleCounts)], capacity: usize) -> Tuples {
        let mut tuples = Tuples::new(capacity, 0);
        for (key, counts) in records {
            let from_low = counts.from_low.records > 0;
            let (flow, start) = if from_low {
                (counts.from_low, counts.low_first)
            } else {
                (counts.from_high, counts.high_first)
            };
            let (packets, bytes, end) = (flow.packets, flow.bytes, counts.last);
            tuples.add_record(key, &OneWay { from_low, packets, bytes, start, end, flags: None });
        }
        tuples
    }

    /// The same in the plain map.
    fn plain(records: &[(TupleKey, TupleCounts)], capacity: usize) -> Content {
        let mut map: SampledMap<TupleKey, TupleCounts> = SampledMap::new(capacity);
        for (key, counts) in records {
            if let Some(known) = map.slot(*key, 1) {
                known.merge(counts);
                map.shrink(TupleCounts::records);
            }
        }
        let mut rows: Vec<_> = map.iter().map(|(&key, &counts)| (key, counts)).collect();
        rows.sort_by_key(|&(key, _)| key);
        (rows, map.halvings(), map.cut_records())
    }

    proptest! {
        #[test]
        fn packing_changes_nothing(
            records in prop::collection::vec(record(), 0..120),
            cut in 0_usize..120,
            capacity in 1_usize..40,
        ) {
            let whole = plain(&records, capacity);
            prop_assert_eq!(&content(&fold(&records, capacity)), &whole);
            let (left, right) = records.split_at(cut.min(records.len()));
            let mut merged = fold(left, capacity);
            merged.seal();
            merged.merge(fold(right, capacity));
            prop_assert_eq!(content(&merged), whole);
        }
    }
}
