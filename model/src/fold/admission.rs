//! Which keys a cap admits: by their hashes, never by their arrival.

/// The range of hashes that a capped collection admits, and what that cost.
///
/// A collection that overflows gives up half of the range until what is left fits. Whether a half is
/// given up depends only on how many distinct keys fall into it, so the survivors are the same for
/// every order of arrival (Wegman's adaptive sampling; Flajolet, 1990).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// Keys with a hash above this are not admitted.
    hash_max: u64,
    /// Records of keys that were not admitted or were given up.
    cut_records: u64,
}

impl Admission {
    /// Every key is admitted.
    pub(super) const ALL: Self = Self { hash_max: u64::MAX, cut_records: 0 };

    /// Whether nothing was ever given up.
    #[inline]
    pub(super) fn is_all(self) -> bool {
        self.hash_max == u64::MAX
    }

    /// Whether a key is admitted. Its hash is asked for only where that depends on it.
    #[inline]
    pub(super) fn admits(self, hash: impl FnOnce() -> u64) -> bool {
        self.is_all() || hash() <= self.hash_max
    }

    /// Counts records of a key that is not admitted.
    #[inline]
    pub(super) fn cut(&mut self, records: u64) {
        self.cut_records += records;
    }

    /// Gives up half of the range.
    pub(super) fn halve(&mut self) {
        self.hash_max >>= 1;
    }

    /// Admits only what another does too, and takes over what it has cut. Says whether less is admitted
    /// than before.
    pub(super) fn narrow(&mut self, other: Self) -> bool {
        self.cut_records += other.cut_records;
        let is_less = other.hash_max < self.hash_max;
        self.hash_max = self.hash_max.min(other.hash_max);
        is_less
    }

    /// How often the range was halved: 0 means that all keys are admitted.
    pub(super) fn halvings(self) -> u32 {
        self.hash_max.leading_zeros()
    }

    /// Records of keys the cap cut.
    pub(super) fn cut_records(self) -> u64 {
        self.cut_records
    }

    /// What [`Self::halvings`] and [`Self::cut_records`] told.
    pub(super) fn restored(halvings: u32, cut_records: u64) -> Self {
        Self { hash_max: u64::MAX.checked_shr(halvings).unwrap_or(0), cut_records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_halvings_is_restored() {
        let mut admission = Admission::ALL;
        for halvings in 0..=65 {
            assert_eq!(admission.halvings(), halvings.min(64));
            assert_eq!(Admission::restored(halvings, 0), admission);
            admission.halve();
        }
        assert!(admission.admits(|| 0) && !admission.admits(|| 1));
    }

    #[test]
    fn of_two_the_narrower_counts_and_both_cuts() {
        let (wide, narrow) = (Admission::restored(1, 5), Admission::restored(3, 7));
        for (mut one, other, is_less) in [(wide, narrow, true), (narrow, wide, false)] {
            assert_eq!(one.narrow(other), is_less);
            assert_eq!(one, Admission::restored(3, 12));
        }
    }
}
