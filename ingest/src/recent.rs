//! Ids of the events that were taken lately, so that one delivered twice counts once.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use twox_hash::XxHash64;

/// So many ids are remembered at least, and at most twice as many. Two tables of them take 20 MB.
const IDS_MAX: usize = (1 << 20) / 8 * 7;

/// A set of ids in two generations: when the younger is full the older is forgotten. Clones are the
/// same set: an event may come again by another way than it came first.
///
/// It does not matter in which order ids come. An event that comes again after 900,000 others may be
/// taken for a new one. Ids are kept as 64 bits of a seeded hash: two different ones are taken for the
/// same once in about ten million million.
#[derive(Clone)]
pub struct RecentIds(Arc<Mutex<Generations>>);

struct Generations {
    seed: u64,
    younger: HashTable<u64>,
    older: HashTable<u64>,
    ids_max: usize,
}

impl Default for RecentIds {
    fn default() -> Self {
        Self::new()
    }
}

impl RecentIds {
    /// Nothing came yet.
    pub fn new() -> Self {
        Self::with_capacity(RandomState::new().hash_one(0), IDS_MAX)
    }

    fn with_capacity(seed: u64, ids_max: usize) -> Self {
        let (younger, older) = (HashTable::new(), HashTable::new());
        Self(Arc::new(Mutex::new(Generations { seed, younger, older, ids_max })))
    }

    /// All that is remembered, for [`Self::from_words`]: the same set gives the same words.
    pub fn to_words(&self) -> Vec<u64> {
        let known = self.known();
        if known.younger.is_empty() && known.older.is_empty() {
            return Vec::new();
        }
        let mut words = Vec::with_capacity(2 + known.older.len() + known.younger.len());
        words.extend([known.seed, known.older.len() as u64]);
        for ids in [&known.older, &known.younger] {
            let from = words.len();
            words.extend(ids.iter());
            words[from..].sort_unstable();
        }
        words
    }

    /// What [`Self::to_words`] gave, or nothing of what it cannot have given.
    pub fn from_words(words: &[u64]) -> Self {
        let [seed, n_older, ids @ ..] = words else { return Self::new() };
        let n_older = usize::try_from(*n_older).unwrap_or(usize::MAX);
        let Some((older, younger)) = ids.split_at_checked(n_older) else { return Self::new() };
        if older.len().max(younger.len()) > IDS_MAX {
            return Self::new();
        }
        let recent = Self::with_capacity(*seed, IDS_MAX);
        let mut known = recent.known();
        for id in older {
            insert(&mut known.older, *id);
        }
        for id in younger {
            insert(&mut known.younger, *id);
        }
        drop(known);
        recent
    }

    /// Which of these ids are new, for each in turn; what they are unique within is account, log group
    /// and log stream. What has no id is new.
    pub(crate) fn admit<'a>(
        &self,
        (account, group, stream): (&str, &str, &str),
        ids: impl Iterator<Item = &'a str>,
    ) -> Vec<bool> {
        let mut known = self.known();
        let mut scope = known.seed;
        for part in [account, group, stream] {
            scope = XxHash64::oneshot(scope, part.as_bytes());
        }
        ids.map(|id| id.is_empty() || known.insert(scope, id)).collect()
    }

    fn known(&self) -> MutexGuard<'_, Generations> {
        // Whoever panicked left a set that is good as it is.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    /// Whether the id is new.
    fn insert(&mut self, scope: u64, id: &str) -> bool {
        let hash = XxHash64::oneshot(scope, id.as_bytes());
        let is_same = |known: &u64| *known == hash;
        if self.younger.find(hash, is_same).is_some() || self.older.find(hash, is_same).is_some() {
            return false;
        }
        if self.younger.len() >= self.ids_max {
            mem::swap(&mut self.younger, &mut self.older);
            self.younger.clear();
        }
        insert(&mut self.younger, hash);
        true
    }
}

fn insert(ids: &mut HashTable<u64>, hash: u64) {
    ids.insert_unique(hash, hash, |known| *known);
}

impl fmt::Debug for RecentIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known();
        let n_ids = known.younger.len() + known.older.len();
        f.debug_struct("RecentIds").field("n_ids", &n_ids).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: (&str, &str, &str) = ("1", "g", "s");

    fn admit(recent: &RecentIds, source: (&str, &str, &str), ids: &[&str]) -> Vec<bool> {
        recent.admit(source, ids.iter().copied())
    }

    #[test]
    fn an_id_is_new_once_in_its_scope_and_for_all_clones() {
        let recent = RecentIds::new();
        assert_eq!(admit(&recent, STREAM, &["7", "7", "8"]), [true, false, true]);
        assert_eq!(admit(&recent.clone(), ("1", "gs", ""), &["7", "7"]), [true, false]);
        assert_eq!(admit(&recent.clone(), STREAM, &["7", "9"]), [false, true]);
        assert_eq!(admit(&recent, STREAM, &["", ""]), [true, true]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_less_than_the_cap() {
        let recent = RecentIds::with_capacity(1, 100);
        for n in 0..1000_u32 {
            assert_eq!(admit(&recent, STREAM, &[&n.to_string()]), [true]);
            let known = recent.known();
            assert!(known.younger.len() + known.older.len() <= 200);
            drop(known);
            let back = n.saturating_sub(100);
            assert_eq!(admit(&recent, STREAM, &[&back.to_string()]), [false], "{back} of {n}");
        }
        assert_eq!(admit(&recent, STREAM, &["0"]), [true]);
    }

    #[test]
    fn words_bring_everything_back_and_damaged_ones_nothing() {
        let recent = RecentIds::new();
        assert!(recent.to_words().is_empty());
        admit(&recent, STREAM, &["1", "2"]);
        {
            let known = &mut *recent.known();
            mem::swap(&mut known.younger, &mut known.older);
        }
        admit(&recent, STREAM, &["3"]);
        let words = recent.to_words();
        let back = RecentIds::from_words(&words);
        assert_eq!(back.to_words(), words);
        assert_eq!(admit(&back, STREAM, &["1", "2", "3", "4"]), [false, false, false, true]);
        for damaged in [&words[..1], &[1, 2, 3], &[1, u64::MAX]] {
            assert!(RecentIds::from_words(damaged).to_words().is_empty(), "{damaged:?}");
        }
    }
}
