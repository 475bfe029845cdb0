//! A map with a cap, for evidence: the keys with the smallest hashes stay.
//!
//! A key among the `N` smallest of a union is among the `N` smallest of every part it occurs in, so
//! what stays has been counted whole, and merging in any order gives the same map.

use std::collections::BTreeMap;
use std::hash::Hasher;

use twox_hash::XxHash64;

/// A key that hashes the same on every machine.
pub trait StableKey: Clone + Ord {
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
#[derive(Clone, Debug, PartialEq)]
pub struct Bounded<K, V, const N: usize> {
    map: BTreeMap<K, V>,
    /// The hashes of the keys, kept only once the map is full.
    by_hash: BTreeMap<u64, K>,
    overflowed: bool,
}

impl<K: StableKey, V: Default, const N: usize> Default for Bounded<K, V, N> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), by_hash: BTreeMap::new(), overflowed: false }
    }
}

impl<K: StableKey, V: Default, const N: usize> Bounded<K, V, N> {
    /// The value of a key, made if new; `None` if the cap cuts the key.
    pub fn slot(&mut self, key: &K) -> Option<&mut V> {
        if !self.map.contains_key(key) {
            let hash = key.stable_hash();
            if self.map.len() >= N {
                let largest = self.by_hash.last_key_value().map(|(&hash, _)| hash)?;
                self.overflowed = true;
                if hash > largest {
                    return None;
                }
                if let Some((_, evicted)) = self.by_hash.pop_last() {
                    self.map.remove(&evicted);
                }
            }
            self.by_hash.insert(hash, key.clone());
            self.map.insert(key.clone(), V::default());
        }
        self.map.get_mut(key)
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.map.iter()
    }

    /// The entries from a key on, in order.
    pub fn range_from(&self, key: &K) -> impl Iterator<Item = (&K, &V)> {
        self.map.range(key.clone()..)
    }

    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether the cap has cut keys.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Restores whether the cap had cut keys before a snapshot.
    pub fn set_overflowed(&mut self) {
        self.overflowed = true;
    }

    /// Adds all of another, `merge` adding one value to another.
    pub fn merge(&mut self, other: &Self, merge: impl Fn(&mut V, &V)) {
        self.overflowed |= other.overflowed;
        for (key, value) in &other.map {
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
            prop_assert_eq!(merged, count(&keys));
        }
    }
}
