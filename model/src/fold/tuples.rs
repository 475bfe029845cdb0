//! The inconclusive five-tuples of one window, packed.
//!
//! They are what memory goes to, one for nearly every connection, so each takes 64 bytes where it
//! can: IPv4 ends, sums and times of 32 bits. What does not fit stands in a map of its own.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};

use super::admission::Admission;
use super::counts::TupleCounts;
use super::index::Index;
use super::key::TupleKey;
use super::packed::{OneWay, Packed};

/// So many five-tuples are looked up together.
const TOGETHER: usize = 128;

/// A window's five-tuples under a cap. Of too many, those with the smallest hashes stay: see
/// [`super::SampledMap`], which does the same for conversations.
#[derive(Clone, Debug)]
pub struct Tuples {
    packed: Vec<Packed>,
    /// Records that wait to be added together; none outside the fold of a batch.
    pending: Vec<Packed>,
    /// Where a packed five-tuple stands; empty while sealed.
    index: Index,
    hasher: DefaultHashBuilder,
    /// IPv6, and what grew out of 32 bits. No key is both here and packed.
    wide: HashMap<TupleKey, TupleCounts>,
    capacity: usize,
    admission: Admission,
}

impl Tuples {
    /// None yet, and never more than `capacity`, at least one; with room for so many.
    pub fn new(capacity: usize, room: usize) -> Self {
        // Positions are 32 bits wide, and one of them is none.
        let capacity = capacity.clamp(1, u32::MAX as usize - 1);
        let room = room.min(capacity);
        Self {
            packed: Vec::with_capacity(room),
            pending: Vec::new(),
            index: Index::with_room(room),
            hasher: DefaultHashBuilder::default(),
            wide: HashMap::new(),
            capacity,
            admission: Admission::ALL,
        }
    }

    /// Adds to a five-tuple's sums.
    pub fn add(&mut self, key: &TupleKey, counts: &TupleCounts) {
        match Packed::of(key, counts) {
            Some(tuple) => self.add_hashed(&tuple, short_hash(&self.hasher, &tuple)),
            None => self.add_unpacked(key, counts),
        }
    }

    /// Adds one record, at the latest with the next [`Self::flush`].
    #[inline]
    pub(super) fn add_record(&mut self, key: &TupleKey, record: &OneWay) {
        let Some(tuple) = Packed::of_record(key, record) else {
            return self.add_unpacked(key, &record.counts());
        };
        // The reply's record often follows the request's.
        if self.pending.last_mut().is_some_and(|last| last.is_same(&tuple) && last.merge(&tuple)) {
            return;
        }
        self.pending.push(tuple);
        if self.pending.len() == TOGETHER {
            self.flush();
        }
    }

    /// Adds what waits.
    pub(super) fn flush(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.add_all(&pending);
        // Its memory serves again, but not in a window of which no more comes.
        if pending.len() == TOGETHER {
            self.pending = pending;
            self.pending.clear();
        }
    }

    /// Adds many. Each step reads what the next one needs for all of a block, so that memory is
    /// waited for together and not five-tuple by five-tuple.
    fn add_all(&mut self, tuples: &[Packed]) {
        let mut found = [(0_u32, 0_u64, None); TOGETHER];
        for block in tuples.chunks(TOGETHER) {
            self.unseal();
            for (found, tuple) in found.iter_mut().zip(block) {
                let hash = short_hash(&self.hasher, tuple);
                *found = (hash, self.index.touch(hash), None);
            }
            for (found, tuple) in found.iter_mut().zip(block) {
                found.2 = self.find(tuple, found.0);
            }
            for (&(hash, _, at), tuple) in found.iter().zip(block) {
                self.add_found(tuple, hash, at);
            }
        }
    }

    /// Where the five-tuple stands, if the first one with its hash is it.
    #[inline]
    fn find(&self, tuple: &Packed, hash: u32) -> Option<u32> {
        let at = self.index.find(hash, |_| true)?;
        self.packed.get(at as usize).filter(|known| known.is_same(tuple)).map(|_| at)
    }

    /// Adds to a five-tuple's sums, given what [`Self::find`] told before others were added.
    #[inline]
    fn add_found(&mut self, tuple: &Packed, hash: u32, found: Option<u32>) {
        let is_simple = self.admission.is_all() && self.wide.is_empty();
        let known = found.filter(|_| is_simple).and_then(|at| self.packed.get_mut(at as usize));
        if !known.is_some_and(|known| known.is_same(tuple) && known.merge(tuple)) {
            self.add_hashed(tuple, hash);
        }
    }

    fn add_hashed(&mut self, tuple: &Packed, hash: u32) {
        if !self.admission.admits(|| tuple.key().stable_hash()) {
            self.admission.cut(tuple.counts().records());
            return;
        }
        if !self.add_packed(tuple, hash) {
            self.add_wide(&tuple.key(), &tuple.counts());
        }
        if self.len() > self.capacity {
            self.shrink();
        }
    }

    #[cold]
    fn add_unpacked(&mut self, key: &TupleKey, counts: &TupleCounts) {
        if !self.admission.admits(|| key.stable_hash()) {
            self.admission.cut(counts.records());
            return;
        }
        self.add_wide(key, counts);
        if self.len() > self.capacity {
            self.shrink();
        }
    }

    #[inline]
    fn add_packed(&mut self, tuple: &Packed, hash: u32) -> bool {
        if !self.wide.is_empty() && self.wide.contains_key(&tuple.key()) {
            return false;
        }
        self.unseal();
        let Self { packed, index, .. } = self;
        let same = |at: u32| packed.get(at as usize).is_some_and(|known| known.is_same(tuple));
        if let Some(at) = index.find(hash, same) {
            return packed.get_mut(at as usize).is_some_and(|known| known.merge(tuple));
        }
        let Ok(at) = u32::try_from(packed.len()) else { return false };
        index.insert(hash, at);
        packed.push(*tuple);
        true
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
        let hash = short_hash(&self.hasher, &wanted);
        let Self { packed, index, hasher, .. } = self;
        let same = |at: u32| packed.get(at as usize).is_some_and(|known| known.is_same(&wanted));
        let at = index.find(hash, same)?;
        index.remove(hash, at);
        let taken = packed.swap_remove(at as usize);
        if let (Some(moved), Ok(from)) = (packed.get(at as usize), u32::try_from(packed.len())) {
            index.replace(short_hash(hasher, moved), from, at);
        }
        Some(taken.counts())
    }

    /// Gives up hash ranges until the rest fits.
    #[cold]
    fn shrink(&mut self) {
        while self.len() > self.capacity {
            self.admission.halve();
            self.give_up();
        }
    }

    /// Removes what is not admitted any more.
    fn give_up(&mut self) {
        let admission = self.admission;
        let mut cut = 0;
        let mut stays = |key: TupleKey, records: u64| {
            let stays = admission.admits(|| key.stable_hash());
            cut += if stays { 0 } else { records };
            stays
        };
        self.packed.retain(|tuple| stays(tuple.key(), tuple.counts().records()));
        self.wide.retain(|&key, counts| stays(key, counts.records()));
        self.admission.cut(cut);
        self.index_all();
    }

    /// Gives up the index and spare room: for what waits and is not added to.
    pub fn seal(&mut self) {
        self.index = Index::default();
        self.packed.shrink_to_fit();
    }

    #[inline]
    fn unseal(&mut self) {
        if self.index.len() != self.packed.len() {
            self.index_all();
        }
    }

    #[cold]
    fn index_all(&mut self) {
        self.index = Index::with_room(self.packed.len());
        for (at, tuple) in (0_u32..).zip(&self.packed) {
            self.index.insert(short_hash(&self.hasher, tuple), at);
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, mut other: Self) {
        if other.len() > self.len() {
            std::mem::swap(self, &mut other);
            // Each was made under its own cap; this one's counts.
            self.capacity = other.capacity;
        }
        if self.admission.narrow(other.admission) {
            self.give_up();
        }
        self.add_all(&other.packed);
        for (key, counts) in &other.wide {
            self.add_unpacked(key, counts);
        }
    }

    /// The five-tuples with their sums, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (TupleKey, TupleCounts)> {
        self.packed.iter().map(|tuple| (tuple.key(), tuple.counts())).chain(self.iter_wide())
    }

    /// Those that are not packed: all of IPv6 are among them.
    pub(crate) fn iter_wide(&self) -> impl Iterator<Item = (TupleKey, TupleCounts)> {
        self.wide.iter().map(|(&key, &counts)| (key, counts))
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

    /// Memory held, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.packed.capacity() * size_of::<Packed>()
            + self.index.size_bytes()
            + self.wide.allocation_size()
    }
}

#[inline]
fn short_hash(hasher: &DefaultHashBuilder, tuple: &Packed) -> u32 {
    (hasher.hash_one(tuple.words()) >> 32) as u32
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
        tuples.flush();
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
