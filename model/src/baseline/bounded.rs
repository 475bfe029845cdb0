//! A map with a cap, for evidence: the keys with the smallest hashes stay.
//!
//! A key among the `N` smallest of a union is among the `N` smallest of every part it occurs in, so
//! what stays has been counted whole, and merging in any order gives the same map.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use twox_hash::XxHash64;

/// A key that hashes the same on every machine.
pub trait StableKey: Clone + Ord + Hash {
    /// Feeds the key to a stable hasher.
    fn feed(&self, hasher: &mut XxHash64);

    /// The key's stable hash.
    fn stable_hash(&self) -> u64 {
        let mut hasher = XxHash64::with_seed(3);
        self.feed(&mut hasher);
        hasher.finish()
    }
}

/// At most `N` keys, those with the smallest hashes.
#[derive(Clone, Debug)]
pub struct Bounded<K, V, const N: usize> {
    list: Vec<(K, V)>,
    /// Where in the list a key is.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The stable hashes of the keys, kept only once the map is full.
    by_hash: BTreeMap<u64, K>,
    overflowed: bool,
}

impl<K: StableKey, V: Default, const N: usize> Default for Bounded<K, V, N> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            by_hash: BTreeMap::new(),
            overflowed: false,
        }
    }
}

/// The same keys and values, cut or not; where they are in memory does not matter.
impl<K: StableKey, V: Default + PartialEq, const N: usize> PartialEq for Bounded<K, V, N> {
    fn eq(&self, other: &Self) -> bool {
        self.overflowed == other.overflowed
            && self.len() == other.len()
            && self.unordered().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl<K: StableKey, V: Default, const N: usize> Bounded<K, V, N> {
    /// The value of a key, made if new; `None` if the cap cuts the key.
    pub fn slot(&mut self, key: &K) -> Option<&mut V> {
        let at = match self.find(key) {
            Some(at) => at,
            None => self.insert(key)?,
        };
        self.list.get_mut(at).map(|(_, value)| value)
    }

    fn find<Q>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let same = |&at: &u32| self.list[at as usize].0.borrow() == key;
        self.index.find(self.hasher.hash_one(key), same).map(|&at| at as usize)
    }

    /// Adds a key that is not there; `None` if the cap cuts it.
    fn insert(&mut self, key: &K) -> Option<usize> {
        if self.list.len() >= N {
            self.make_room(key)?;
        }
        let at = self.list.len();
        self.list.push((key.clone(), V::default()));
        let Self { list, index, hasher, .. } = self;
        let rehash = |&at: &u32| hasher.hash_one(&list[at as usize].0);
        // No cap is near four thousand million.
        index.insert_unique(hasher.hash_one(key), u32::try_from(at).unwrap_or(u32::MAX), rehash);
        Some(at)
    }

    /// Drops the key with the largest hash for one with a smaller one; `None` if there is none.
    fn make_room(&mut self, key: &K) -> Option<()> {
        if self.by_hash.is_empty() {
            self.by_hash = self.list.iter().map(|(k, _)| (k.stable_hash(), k.clone())).collect();
        }
        let hash = key.stable_hash();
        let (&largest, _) = self.by_hash.last_key_value()?;
        self.overflowed = true;
        if hash > largest {
            return None;
        }
        if let Some((_, evicted)) = self.by_hash.pop_last() {
            self.remove(&evicted);
        }
        self.by_hash.insert(hash, key.clone());
        Some(())
    }

    fn remove(&mut self, key: &K) {
        let Self { list, index, hasher, .. } = self;
        let place = |key: &K| hasher.hash_one(key);
        let gone = index.entry(place(key), |&at| list[at as usize].0 == *key, |_| 0);
        let Entry::Occupied(gone) = gone else { return };
        let (at, _) = gone.remove();
        let last = u32::try_from(list.len() - 1).unwrap_or(u32::MAX);
        list.swap_remove(at as usize);
        if let Some((moved, _)) = list.get(at as usize)
            && let Some(of_moved) = index.find_mut(place(moved), |&n| n == last)
        {
            *of_moved = at;
        }
    }

    /// The value of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find(key).and_then(|at| self.list.get(at)).map(|(_, value)| value)
    }

    /// Keys and values in order; it takes sorting.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let mut all: Vec<(&K, &V)> = self.unordered().collect();
        all.sort_unstable_by_key(|&(key, _)| key);
        all.into_iter()
    }

    /// Keys and values in the order they came, for what no order can change.
    pub fn unordered(&self) -> impl Iterator<Item = (&K, &V)> {
        self.list.iter().map(|(key, value)| (key, value))
    }

    /// The values, to change what no order can change.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.list.iter_mut().map(|(_, value)| value)
    }

    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether the cap has cut keys.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Whether a key that is not there never was: it would have been kept.
    pub fn covers(&self, key: &K) -> bool {
        if !self.overflowed {
            return true;
        }
        let known = self.by_hash.last_key_value().map(|(&largest, _)| largest);
        let largest = known.or_else(|| self.list.iter().map(|(key, _)| key.stable_hash()).max());
        largest.is_some_and(|largest| key.stable_hash() <= largest)
    }

    /// Restores whether the cap had cut keys before a snapshot.
    pub fn set_overflowed(&mut self) {
        self.overflowed = true;
    }

    /// Adds all of another, `merge` adding one value to another.
    pub fn merge(&mut self, other: &Self, merge: impl Fn(&mut V, &V)) {
        self.overflowed |= other.overflowed;
        for (key, value) in other.unordered() {
            if let Some(slot) = self.slot(key) {
                merge(slot, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl StableKey for u32 {
        fn feed(&self, hasher: &mut XxHash64) {
            hasher.write_u32(*self);
        }
    }

    type Counts = Bounded<u32, u64, 8>;

    fn count(keys: &[u32]) -> Counts {
        let mut counts = Counts::default();
        for key in keys {
            if let Some(n) = counts.slot(key) {
                *n += 1;
            }
        }
        counts
    }

    proptest! {
        #[test]
        fn merging_parts_equals_counting_the_whole(
            keys in prop::collection::vec(0u32..40, 0..120),
            cut in 0usize..120,
        ) {
            let (left, right) = keys.split_at(cut.min(keys.len()));
            let mut merged = count(right);
            merged.merge(&count(left), |a, b| *a += b);
            prop_assert!(merged.len() <= 8);
            let is_lost = |key: &&u32| merged.get(*key).is_none() && merged.covers(key);
            prop_assert_eq!(keys.iter().find(is_lost), None, "what was counted and is not there was cut");
            prop_assert_eq!(merged, count(&keys));
        }
    }
}
