//! Which files can hold the records of a time, by the times in their names.

/// Times of files that are wanted, Unix seconds; a file without a time always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first time wanted.
    pub since: Option<i64>,
    /// The first time not wanted any more.
    pub until: Option<i64>,
}

/// A file holds the records that end in the five minutes after its time; older files may hold some
/// that were published late.
const FILE_SECS: i64 = 300;

impl TimeRange {
    /// The files that can hold records which end in `[since, until)`, if none is published later
    /// than `lateness_secs`.
    #[must_use]
    pub fn of_records(since: Option<i64>, until: Option<i64>, lateness_secs: i64) -> Self {
        Self {
            since: since.map(|since| since - FILE_SECS),
            until: until.map(|until| until.saturating_add(lateness_secs)),
        }
    }

    /// Whether a file of this time is wanted.
    pub fn has(&self, time: Option<i64>) -> bool {
        let Some(time) = time else { return true };
        self.overlaps(time, time)
    }

    /// Whether any time between these is wanted.
    pub(crate) fn overlaps(&self, first: i64, last: i64) -> bool {
        self.since.is_none_or(|since| last >= since) && self.until.is_none_or(|until| first < until)
    }

    /// Whether every time between these is wanted.
    #[cfg(feature = "s3")]
    pub(crate) fn is_whole(&self, first: i64, last: i64) -> bool {
        self.since.is_none_or(|since| first >= since) && self.until.is_none_or(|until| last < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 1_709_164_800;

    #[test]
    fn records_of_a_range_may_lie_in_files_beside_it() {
        let range = TimeRange::of_records(Some(DAY), Some(DAY + 600), 1200);
        assert!(range.has(Some(DAY - 300)) && !range.has(Some(DAY - 301)));
        assert!(range.has(Some(DAY + 1799)) && !range.has(Some(DAY + 1800)));
        assert!(range.has(None), "a name without a time says nothing");
    }
}
