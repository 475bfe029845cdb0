//! Ids of the events that were taken lately, so that one delivered twice counts once.

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// So many ids are remembered at least, and at most twice as many. Two tables of them take 20 MB.
const IDS_MAX: usize = (1 << 20) / 8 * 7;

/// A set of ids in two generations: when the younger is full the older is forgotten.
///
/// It does not matter in which order ids come. An event that comes again after [`IDS_MAX`] others
/// may be taken for a new one; nothing is remembered over a restart either. Ids are kept as 64 bits of
/// a seeded hash: two different ones are taken for the same once in about ten million million.
pub(crate) struct RecentIds {
    hasher: DefaultHashBuilder,
    younger: HashTable<u64>,
    older: HashTable<u64>,
    ids_max: usize,
}

impl RecentIds {
    pub(crate) fn new() -> Self {
        Self::with_capacity(IDS_MAX)
    }

    fn with_capacity(ids_max: usize) -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { hasher, younger: HashTable::new(), older: HashTable::new(), ids_max }
    }

    /// What an id is unique within: account, log group and log stream.
    pub(crate) fn scope(&self, source: (&str, &str, &str)) -> u64 {
        self.hasher.hash_one(source)
    }

    /// Whether the id is new.
    pub(crate) fn insert(&mut self, scope: u64, id: &str) -> bool {
        let hash = self.hasher.hash_one((scope, id));
        let is_same = |known: &u64| *known == hash;
        if self.younger.find(hash, is_same).is_some() || self.older.find(hash, is_same).is_some() {
            return false;
        }
        if self.younger.len() >= self.ids_max {
            std::mem::swap(&mut self.younger, &mut self.older);
            self.younger.clear();
        }
        self.younger.insert_unique(hash, hash, |known| *known);
        true
    }
}

impl fmt::Debug for RecentIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_ids = self.younger.len() + self.older.len();
        f.debug_struct("RecentIds").field("n_ids", &n_ids).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_in_its_scope() {
        let mut recent = RecentIds::new();
        let (one, other) = (recent.scope(("1", "g", "s")), recent.scope(("1", "gs", "")));
        assert!(recent.insert(one, "7"));
        assert!(recent.insert(other, "7"));
        assert!(recent.insert(one, "8"));
        assert!(!recent.insert(one, "7"));
        assert!(!recent.insert(other, "7"));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_less_than_the_cap() {
        let mut recent = RecentIds::with_capacity(100);
        let scope = recent.scope(("", "", ""));
        for n in 0..1000_u32 {
            assert!(recent.insert(scope, &n.to_string()));
            assert!(recent.younger.len() + recent.older.len() <= 200);
            let back = n.saturating_sub(100);
            assert!(!recent.insert(scope, &back.to_string()), "{back} of {n}");
        }
        assert!(recent.insert(scope, "0"));
    }
}
