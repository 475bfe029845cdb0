//! Which files can hold the records of a time, by the times in their names.

use crate::batch::Origin;

/// Times of files that are wanted, Unix seconds; a file without a time always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first time wanted.
    pub since: Option<i64>,
    /// The first time not wanted any more.
    pub until: Option<i64>,
}

/// A file holds the records that end within this time after the one in its name, seconds; older files may
/// hold some that were published late.
pub const FILE_SECS: i64 = 300;
/// No record is longer, seconds, with a wide margin to the ten minutes AWS aggregates at most: what is left
/// out by it is lost.
pub const RECORD_SECS_MAX: i64 = 3600;
const DAY_SECS: i64 = 86_400;

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

    /// Whether a file from there is wanted.
    pub fn has(&self, origin: &Origin) -> bool {
        let Some(time) = origin.time else { return true };
        // What was put together lies in the folder of its day.
        let span_secs = if origin.has_own_time() { 0 } else { DAY_SECS };
        self.overlaps(time, time.saturating_add(span_secs))
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
        let name = "210987654321_vpcflowlogs_us-east-1_fl-0a_20240229T0000Z_1f.log.gz".to_owned();
        let has = |time| range.has(&Origin { name: name.clone(), time, ..Origin::default() });
        assert!(has(Some(DAY - 300)) && !has(Some(DAY - 301)));
        assert!(has(Some(DAY + 1799)) && !has(Some(DAY + 1800)));
        assert!(has(None), "a name without a time says nothing");
    }

    #[test]
    fn a_folders_time_says_when_its_records_begin() {
        let day = "AWSLogs/210987654321/vpcflowlogs/us-east-1/2024/02/29";
        let noon = TimeRange::of_records(Some(DAY + 43_200), None, 1200);
        assert!(noon.has(&Origin::from_key(&format!("{day}/part-0.parquet"))));
        assert!(!noon.has(&Origin::from_key(&format!(
            "{day}/210987654321_vpcflowlogs_us-east-1_fl-0a_20240229T0000Z_1f.log.gz"
        ))));
        let next_day = TimeRange::of_records(Some(DAY + 2 * DAY_SECS), None, 1200);
        assert!(!next_day.has(&Origin::from_key(&format!("{day}/part-0.parquet"))));
    }
}
