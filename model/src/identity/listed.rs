//! When snapshots listed an interface, and when they no longer did: whether it is gone.

use std::collections::{BTreeMap, BTreeSet};

use super::estate::{Answer, SeriesKey};

/// Which snapshots there are, and which of them list an interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    /// The times of each series, Unix seconds.
    times: BTreeMap<SeriesKey, BTreeSet<i64>>,
    /// The first and the last time that a series lists an interface.
    enis: BTreeMap<String, BTreeMap<SeriesKey, (i64, i64)>>,
}

impl Listed {
    /// Notes that a snapshot lists an interface.
    pub(super) fn note(&mut self, eni: &str, series: SeriesKey, time: i64) {
        self.times.entry(series.clone()).or_default().insert(time);
        let listed = self.enis.entry(eni.to_owned()).or_default();
        let (first, last) = listed.entry(series).or_insert((time, time));
        (*first, *last) = (time.min(*first), time.max(*last));
    }

    /// When it was listed first.
    pub(super) fn since(&self, eni: &str) -> Option<i64> {
        self.enis.get(eni)?.values().map(|&(first, _)| first).min()
    }

    /// Whether a snapshot of after `time` leaves it out: one of a series that listed it, or, if none
    /// ever did, one of all interfaces of its account and VPC.
    pub(super) fn is_gone(&self, account: &str, vpc: Option<&str>, eni: &str, time: i64) -> bool {
        let has_later = |series: &SeriesKey, than: i64| {
            let newest = self.times.get(series).and_then(|times| times.last());
            newest.is_some_and(|&newest| newest > than)
        };
        if let Some(listed) = self.enis.get(eni) {
            let last = listed.values().map(|&(_, last)| last).max().unwrap_or(time);
            return listed.keys().any(|series| has_later(series, last.max(time)));
        }
        self.times.keys().any(|series| {
            let (answer, of_account, of_vpc) = series;
            *answer == Answer::Interfaces
                && of_account.as_deref().is_none_or(|of| of == account)
                && vpc.is_none_or(|vpc| of_vpc.as_deref() == Some(vpc))
                && has_later(series, time)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(vpc: &str) -> SeriesKey {
        (Answer::Interfaces, Some("1".to_owned()), Some(vpc.to_owned()))
    }

    #[test]
    fn an_interface_is_gone_once_a_later_snapshot_leaves_it_out() {
        let mut listed = Listed::default();
        for (eni, time) in [("a", 10), ("b", 10), ("b", 20)] {
            listed.note(eni, series("v"), time);
        }
        listed.note("c", series("other"), 30);
        assert!(listed.is_gone("1", None, "a", 5) && listed.is_gone("1", Some("v"), "a", 15));
        assert!(!listed.is_gone("1", None, "a", 20), "it was seen since");
        assert!(!listed.is_gone("1", None, "b", 5), "the other VPC's snapshot says nothing of it");
        assert_eq!((listed.since("b"), listed.since("x")), (Some(10), None));
    }

    #[test]
    fn one_that_no_snapshot_lists_is_gone_after_any_of_its_network() {
        let mut listed = Listed::default();
        listed.note("a", series("v"), 20);
        assert!(listed.is_gone("1", Some("v"), "x", 10) && listed.is_gone("1", None, "x", 10));
        assert!(!listed.is_gone("1", Some("v"), "x", 20));
        assert!(!listed.is_gone("1", Some("w"), "x", 10) && !listed.is_gone("2", None, "x", 10));
    }
}
