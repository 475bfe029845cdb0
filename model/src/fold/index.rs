//! Where five-tuples stand, by hash.
//!
//! A slot is one word: half of it hash, half of it position. A search reads neighbouring slots of one
//! table and almost never a five-tuple that is not the one sought, and growing hashes nothing again.

/// Positions by hash: open addressing, kept in the order of the hashes, with empty slots between.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// The hash above, the position plus one below; 0 is empty. At least one is.
    slots: Vec<u64>,
    len: usize,
}

impl Index {
    /// An empty index with room for so many positions.
    pub(super) fn with_room(n: usize) -> Self {
        let n_slots = if n == 0 { 0 } else { slots_for(n) };
        Self { slots: vec![0; n_slots], len: 0 }
    }

    /// How many positions there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Reads the slot where a search begins. To read those of many hashes at once and search then is
    /// to wait once for memory where each search would wait.
    #[inline]
    pub(super) fn touch(&self, hash: u32) -> u64 {
        self.slots.get(self.home(hash)).copied().unwrap_or(0)
    }

    /// The first position with this hash for which `same` holds.
    #[inline]
    pub(super) fn find(&self, hash: u32, same: impl Fn(u32) -> bool) -> Option<u32> {
        let place = self.place(hash, same)?;
        self.slots.get(place).and_then(|&slot| position(slot))
    }

    /// Adds a position that is not there yet; it must be below [`u32::MAX`].
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, at: u32) {
        if slots_for(self.len + 1) > self.slots.len() {
            self.grow();
        }
        self.fill(slot(hash, at));
        self.len += 1;
    }

    /// Takes out a position.
    pub(super) fn remove(&mut self, hash: u32, at: u32) {
        let Some(mut hole) = self.place(hash, |known| known == at) else { return };
        self.len -= 1;
        // What a search would no longer reach past the hole moves into it.
        let mut next = self.after(hole);
        while let Some(&moved) = self.slots.get(next).filter(|&&slot| slot != 0) {
            let home = self.home(hash_of(moved));
            let stays =
                if hole < next { hole < home && home <= next } else { hole < home || home <= next };
            if !stays {
                self.slots[hole] = moved;
                hole = next;
            }
            next = self.after(next);
        }
        self.slots[hole] = 0;
    }

    /// Notes that what stood at one position stands at another.
    pub(super) fn replace(&mut self, hash: u32, from: u32, to: u32) {
        if let Some(place) = self.place(hash, |known| known == from) {
            self.slots[place] = slot(hash, to);
        }
    }

    /// Memory held, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    #[inline]
    fn place(&self, hash: u32, same: impl Fn(u32) -> bool) -> Option<usize> {
        let mut place = self.home(hash);
        loop {
            let slot = *self.slots.get(place)?;
            let at = position(slot)?;
            if hash_of(slot) == hash && same(at) {
                return Some(place);
            }
            place = self.after(place);
        }
    }

    #[inline]
    fn fill(&mut self, slot: u64) {
        let mut place = self.home(hash_of(slot));
        while self.slots[place] != 0 {
            place = self.after(place);
        }
        self.slots[place] = slot;
    }

    #[cold]
    fn grow(&mut self) {
        let n_slots = slots_for(self.len + 1).max(self.slots.len() * 2);
        let slots = std::mem::replace(&mut self.slots, vec![0; n_slots]);
        slots.into_iter().filter(|&slot| slot != 0).for_each(|slot| self.fill(slot));
    }

    /// A hash's share of the table: the order of hashes is the order of their places.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        if place + 1 < self.slots.len() { place + 1 } else { 0 }
    }
}

/// A quarter stays empty, so that searches are short.
#[inline]
fn slots_for(n: usize) -> usize {
    n + n / 3 + 8
}

#[inline]
fn slot(hash: u32, at: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(at.wrapping_add(1))
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
fn position(slot: u64) -> Option<u32> {
    (slot as u32).checked_sub(1)
}

#[inline]
fn hash_of(slot: u64) -> u32 {
    (slot >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// Few hashes: at both ends of the range, so that searches collide and wrap around, and some whose
    /// places are neighbours.
    fn hash(drawn: u32) -> u32 {
        match drawn {
            0..4 => drawn,
            4..7 => u32::MAX - drawn,
            _ => (1 << 31) + (drawn << 26),
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_map_finds(
            steps in prop::collection::vec((0_u32..40, 0_u32..12, 0_u8..4), 0..200),
            room in 0_usize..50,
        ) {
            let mut index = Index::with_room(room);
            let mut known: BTreeMap<u32, u32> = BTreeMap::new();
            for (at, drawn, what) in steps {
                match (known.get(&at).copied(), what) {
                    (None, _) => {
                        index.insert(hash(drawn), at);
                        known.insert(at, hash(drawn));
                    }
                    (Some(hash), 0) => {
                        index.remove(hash, at);
                        known.remove(&at);
                    }
                    (Some(hash), 1) if !known.contains_key(&(at + 100)) => {
                        index.replace(hash, at, at + 100);
                        known.remove(&at);
                        known.insert(at + 100, hash);
                    }
                    _ => {}
                }
                prop_assert_eq!(index.len(), known.len());
                for at in 0..140 {
                    let expected = known.get(&at).copied();
                    let asked = expected.unwrap_or_else(|| hash(at % 12));
                    let found = index.find(asked, |known| known == at);
                    prop_assert_eq!(found, expected.map(|_| at));
                    let other = hash((at + 1) % 12);
                    let is_other = other != asked;
                    prop_assert!(!is_other || index.find(other, |known| known == at).is_none());
                }
            }
        }
    }
}
