//! How often each value occurred, hour by hour, in little memory: this is most of a baseline.

use std::ops::Range;

use super::buckets::Bucket;
use super::evidence::Counter;

/// Counts by hour since the epoch and bucket, in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(Vec<Count>);

/// 16 bytes; a map's entry would take four times as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    hour: i32,
    bucket: Bucket,
    clean: u32,
    flagged: u32,
}

impl Count {
    fn key(&self) -> (i32, Bucket) {
        (self.hour, self.bucket)
    }

    fn add(&mut self, other: &Self) {
        self.clean = self.clean.saturating_add(other.clean);
        self.flagged = self.flagged.saturating_add(other.flagged);
    }

    fn counted(&self) -> (i64, Bucket, Counter) {
        let counter = Counter { clean: self.clean.into(), flagged: self.flagged.into() };
        (self.hour.into(), self.bucket, counter)
    }
}

impl Histogram {
    /// Adds to the count of a bucket in an hour.
    pub fn add(&mut self, hour: i64, bucket: Bucket, counter: Counter) {
        let few = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let (clean, flagged) = (few(counter.clean), few(counter.flagged));
        let count = Count { hour: narrow(hour), bucket, clean, flagged };
        // Mostly it is about the newest hour, which stands at the end.
        let newest =
            self.0.iter().rposition(|known| known.hour < count.hour).map_or(0, |at| at + 1);
        match self.0[newest..].binary_search_by_key(&count.key(), Count::key) {
            Ok(at) => self.0[newest + at].add(&count),
            Err(at) => self.0.insert(newest + at, count),
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All counts in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, Bucket, Counter)> {
        self.0.iter().map(Count::counted)
    }

    /// The counts of some hours, in order.
    pub fn between(&self, hours: Range<i64>) -> impl Iterator<Item = (i64, Bucket, Counter)> {
        let at = |hour: i64| self.0.partition_point(|count| i64::from(count.hour) < hour);
        let (from, until) = (at(hours.start), at(hours.end));
        self.0.get(from..until).unwrap_or_default().iter().map(Count::counted)
    }

    /// Adds all of another.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        self.0.extend_from_slice(&other.0);
        self.0.sort_by_key(Count::key);
        self.0.dedup_by(|later, kept| {
            let is_same = later.key() == kept.key();
            if is_same {
                kept.add(later);
            }
            is_same
        });
    }

    /// Forgets the hours before one.
    pub(super) fn forget_before(&mut self, hour: i64) {
        let n_old = self.0.partition_point(|count| i64::from(count.hour) < hour);
        self.0.drain(..n_old);
    }
}

/// Hours beyond the year 240,000 are one.
fn narrow(hour: i64) -> i32 {
    i32::try_from(hour).unwrap_or(if hour < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Entry = (i64, Bucket, u64, bool);

    fn learned(entries: &[Entry]) -> Histogram {
        let mut histogram = Histogram::default();
        for &(hour, bucket, n, is_flagged) in entries {
            let mut counter = Counter::default();
            counter.add(n, is_flagged);
            histogram.add(hour, bucket, counter);
        }
        histogram
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec((-5..20_i64, 0..6_u16, 1..9_u64, any::<bool>()), 0..60)
    }

    proptest! {
        #[test]
        fn it_counts_what_a_map_counts(entries in entries(), from in -6..21_i64, until in -6..21_i64) {
            let mut map = std::collections::BTreeMap::<_, Counter>::new();
            for &(hour, bucket, n, is_flagged) in &entries {
                map.entry((hour, bucket)).or_default().add(n, is_flagged);
            }
            let all = map.iter().map(|(&(hour, bucket), &counter)| (hour, bucket, counter));
            prop_assert!(learned(&entries).iter().eq(all.clone()));
            let within = all.filter(|(hour, ..)| (from..until).contains(hour));
            prop_assert!(learned(&entries).between(from..until).eq(within));
        }

        #[test]
        fn merging_and_forgetting_come_to_the_same_in_any_order(
            one in entries(), other in entries(), oldest in -6..21_i64,
        ) {
            let mut whole = learned(&[one.clone(), other.clone()].concat());
            whole.forget_before(oldest);
            let (mut merged, mut early) = (learned(&other), learned(&one));
            early.forget_before(oldest - 1);
            merged.merge(&early);
            merged.forget_before(oldest);
            prop_assert_eq!(merged, whole);
        }
    }

    #[test]
    fn hours_that_no_clock_shows_are_kept_apart_from_real_ones() {
        let histogram =
            learned(&[(i64::MAX, 1, 1, false), (i64::MIN, 1, 1, false), (7, 1, 1, true)]);
        let hours: Vec<i64> = histogram.iter().map(|(hour, ..)| hour).collect();
        assert_eq!(hours, [i64::from(i32::MIN), 7, i64::from(i32::MAX)]);
    }
}
