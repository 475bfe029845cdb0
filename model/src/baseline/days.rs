//! What an edge carried on each of its last days: enough to draw it, and no more.
//!
//! A day keeps its largest window, and of days only those near the newest: both are maxima, so any order
//! of learning and merging gives the same.

use super::buckets::{Bucket, bucket_of, bucket_value};

/// Days kept, the newest among them.
pub const EDGE_DAYS: usize = 28;

/// The largest window of each of the last days, by the bytes it carried in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeDays {
    /// The newest day since the epoch on which anything was carried.
    newest: i32,
    /// Its level and those of the days before it, backwards; 0 where nothing was carried.
    levels: [Level; EDGE_DAYS],
}

/// Two buckets in one, and 1 for the lowest: 0 is nothing.
type Level = u8;

fn level_of(bytes: u64) -> Level {
    Level::try_from(bucket_of(bytes) / 2 + 1).unwrap_or(Level::MAX)
}

fn about(level: Level) -> Option<u64> {
    let bucket = Bucket::from(level).checked_sub(1)? * 2;
    Some(bucket_value(bucket))
}

impl EdgeDays {
    /// Adds a window's bytes to its day.
    pub fn note(&mut self, day: i64, bytes: u64) {
        let Ok(newest) = i32::try_from(day) else { return };
        let mut levels = [0; EDGE_DAYS];
        levels[0] = level_of(bytes);
        self.merge(&Self { newest, levels });
    }

    /// About how many bytes the largest window of a day carried; `None` if none did, or it is too long ago.
    pub fn largest(&self, day: i64) -> Option<u64> {
        let ago = usize::try_from(i64::from(self.newest) - day).ok()?;
        about(*self.levels.get(ago)?)
    }

    /// Adds another part of the same edge.
    pub(super) fn merge(&mut self, other: &Self) {
        let (newer, older) =
            if self.newest >= other.newest { (*self, *other) } else { (*other, *self) };
        let ago = usize::try_from(i64::from(newer.newest) - i64::from(older.newest));
        *self = newer;
        let shared = self.levels.iter_mut().skip(ago.unwrap_or(EDGE_DAYS));
        for (level, other) in shared.zip(older.levels) {
            *level = (*level).max(other);
        }
    }

    /// The newest day and the levels, as files keep them.
    pub(super) fn parts(&self) -> (i64, &[u8]) {
        (self.newest.into(), &self.levels)
    }

    /// What [`Self::parts`] told; what a later program keeps besides is left out.
    pub(super) fn of_parts(newest: i64, levels: &[u8]) -> Option<Self> {
        let mut days = Self { newest: i32::try_from(newest).ok()?, ..Self::default() };
        for (level, kept) in days.levels.iter_mut().zip(levels) {
            *level = *kept;
        }
        Some(days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn days_of(notes: &[(i64, u64)]) -> EdgeDays {
        let mut days = EdgeDays::default();
        for &(day, bytes) in notes {
            days.note(day, bytes);
        }
        days
    }

    proptest! {
        #[test]
        fn any_order_and_any_parts_give_the_same(
            notes in prop::collection::vec((20_000..20_080_i64, any::<u64>()), 0..60),
            at in 0..60_usize,
        ) {
            let whole = days_of(&notes);
            let mut backwards = notes.clone();
            backwards.reverse();
            prop_assert_eq!(days_of(&backwards), whole);
            let (one, other) = notes.split_at(at.min(notes.len()));
            let mut merged = days_of(other);
            merged.merge(&days_of(one));
            prop_assert_eq!(merged, whole);
            let (newest, levels) = whole.parts();
            prop_assert_eq!(EdgeDays::of_parts(newest, levels), Some(whole));
        }

        #[test]
        fn a_day_is_its_largest_window_to_a_fifth(
            sizes in prop::collection::vec(8..u64::MAX / 2, 1..9),
        ) {
            let days = days_of(&sizes.iter().map(|&bytes| (20_000, bytes)).collect::<Vec<_>>());
            let largest = sizes.iter().copied().max().unwrap_or(0);
            let about = days.largest(20_000).unwrap();
            prop_assert!(about <= largest && largest - about <= largest / 5);
        }
    }

    #[test]
    fn a_day_without_traffic_one_too_long_ago_and_one_to_come_are_none() {
        let days = days_of(&[(20_000, 5), (20_003, 0), (20_027, 9)]);
        assert_eq!(days.largest(20_000), Some(4));
        assert_eq!(days.largest(20_003), Some(0));
        assert_eq!([days.largest(20_001), days.largest(19_999), days.largest(20_028)], [None; 3]);
        let days = days_of(&[(20_028, 9), (20_000, 5)]);
        assert_eq!(days.largest(20_000), None);
    }
}
