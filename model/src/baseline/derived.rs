//! What follows from evidence as of a time: seasonality and tails.
//!
//! Volumes are judged on the natural logarithm of one plus the count, less the usual level of that
//! hour of the week. The level is the hour's median, shrunk towards that of its hour of the day, and
//! that towards the overall median, by how little was seen of each. Above the 95 % quantile the excesses are taken as exponential (the
//! peaks-over-threshold model of SPOT, Siffer et al., KDD 2017, with shape zero), their mean shrunk
//! towards a prior, so that a short history claims little.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::buckets::bucket_value;
use super::evidence::{Counter, FLAGGED_WEIGHT};
use super::histogram::Histogram;

const HOURS_OF_WEEK: usize = 168;
const HOURS_OF_DAY: usize = 24;

/// An hour of the week needs this many observed windows to count as much as the overall level.
const SEASON_SHRINKAGE: f64 = 24.0;

/// The share of windows above the tail's threshold.
const TAIL_SHARE: f64 = 0.05;

/// The prior for the mean excess, in e-foldings, and how many observed excesses it is worth. Twice the
/// usual volume is common in any service; twenty times is not.
const EXCESS_PRIOR: f64 = 0.8;
const EXCESS_PRIOR_WEIGHT: f64 = 12.0;

/// Hours of the week are people's hours: in a time zone, daylight saving included.
#[derive(Clone, Debug)]
pub struct HourOfWeek {
    zone: TimeZone,
    known: BTreeMap<i64, usize>,
}

impl HourOfWeek {
    /// Hours of the week in a time zone.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, known: BTreeMap::new() }
    }

    /// The hour of the week, 0 to 167 from Monday midnight, of an hour since the epoch.
    pub fn of(&mut self, hour: i64) -> usize {
        let zone = &self.zone;
        *self.known.entry(hour).or_insert_with(|| {
            let Ok(time) = Timestamp::from_second(hour.saturating_mul(3600)) else { return 0 };
            let local = time.to_zoned(zone.clone());
            let day = local.weekday().to_monday_zero_offset().unsigned_abs();
            usize::from(day) * 24 + usize::from(local.hour().unsigned_abs())
        })
    }
}

/// How surprising a value is, and what would not have been.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// The probability of a value as large or larger.
    pub p_value: f64,
    /// The usual value at that hour.
    pub expected: f64,
    /// A value that one window in twenty reaches at that hour.
    pub high: f64,
}

/// A measure's distribution as of a time.
#[derive(Clone, Debug)]
pub struct TailModel {
    /// Windows observed, flagged ones at their weight.
    pub n: f64,
    /// The largest value of a clean window, whatever its hour.
    pub largest: f64,
    /// How many clean windows reached a tenth of it: with few, more is soon reached.
    pub n_large: f64,
    median: f64,
    offsets: Vec<f64>,
    threshold: f64,
    share: f64,
    excess: f64,
}

impl TailModel {
    /// The distribution of single values, whatever their hour; `None` if there are none.
    pub fn of_values(values: impl Into<Vec<u64>>) -> Option<Self> {
        // Sums of fractions depend on their order, and values come in that of a memory.
        let mut values = values.into();
        values.sort_unstable();
        let sample = |value: u64| Sample {
            hour_of_week: 0,
            level: (value as f64).ln_1p(),
            weight: 1.0,
            is_flagged: false,
        };
        let samples: Vec<Sample> = values.into_iter().map(sample).collect();
        let largest = largest(&samples);
        (!samples.is_empty()).then(|| model(samples, Vec::new(), largest))
    }

    /// Judges a value at an hour of the week.
    pub fn judge(&self, value: u64, hour_of_week: usize) -> Tail {
        let offset = self.offsets.get(hour_of_week).copied().unwrap_or(0.0);
        let residual = (value as f64).ln_1p() - offset;
        let p_value = if residual <= self.threshold {
            1.0
        } else {
            self.share * (-(residual - self.threshold) / self.excess).exp()
        };
        let back = |level: f64| (level + offset).exp_m1().max(0.0);
        Tail { p_value, expected: back(self.median), high: back(self.threshold) }
    }

    /// The smallest value at an hour whose probability is at most `p_value`.
    pub fn value_at(&self, p_value: f64, hour_of_week: usize) -> f64 {
        let offset = self.offsets.get(hour_of_week).copied().unwrap_or(0.0);
        let over = (self.share / p_value).ln().max(0.0) * self.excess;
        (self.threshold + over + offset).exp_m1().max(0.0)
    }
}

#[derive(Clone, Copy)]
struct Sample {
    hour_of_week: usize,
    level: f64,
    weight: f64,
    is_flagged: bool,
}

impl Sample {
    /// How far it reaches above a threshold. A flagged window says that there are such windows, not how
    /// high they may go: one upload of a gigabyte must not make room for the next.
    fn excess(&self, threshold: f64) -> f64 {
        let excess = self.level - threshold;
        if self.is_flagged { excess.min(EXCESS_PRIOR) } else { excess }
    }
}

/// The distribution of a measure in some hours, or `None` if nothing was seen in them.
pub fn volume_tail(
    histogram: &Histogram,
    of: Range<i64>,
    hours: &mut HourOfWeek,
) -> Option<TailModel> {
    let mut samples: Vec<Sample> = histogram
        .between(of)
        .flat_map(|(hour, bucket, counter)| {
            samples_of(hours.of(hour), (bucket_value(bucket) as f64).ln_1p(), counter)
        })
        .collect();
    let n: f64 = samples.iter().map(|sample| sample.weight).sum();
    if n < 1.0 {
        return None;
    }
    let largest = largest(&samples);
    let median = quantile(&mut samples, 0.5);
    let offsets = season(samples.as_slice(), median);
    for sample in &mut samples {
        sample.level -= offsets[sample.hour_of_week];
    }
    Some(model(samples, offsets, largest))
}

/// The largest value that nothing was said against, and how many reached a tenth of it.
fn largest(samples: &[Sample]) -> (f64, f64) {
    let clean = || samples.iter().filter(|sample| !sample.is_flagged && sample.weight > 0.0);
    let largest = clean().map(|sample| sample.level.exp_m1()).fold(0.0, f64::max);
    let large = clean().filter(|sample| 10.0 * sample.level.exp_m1() >= largest);
    (largest, large.map(|sample| sample.weight).sum())
}

/// The tail of levels from which the season has been taken.
fn model(mut samples: Vec<Sample>, offsets: Vec<f64>, (largest, n_large): (f64, f64)) -> TailModel {
    let n: f64 = samples.iter().map(|sample| sample.weight).sum();
    let threshold = quantile(&mut samples, 1.0 - TAIL_SHARE);
    let above = samples.iter().filter(|sample| sample.level > threshold);
    let (n_above, excess) = above.fold((0.0, 0.0), |(n, sum), sample| {
        (n + sample.weight, sum + sample.weight * sample.excess(threshold))
    });
    TailModel {
        n,
        largest,
        n_large,
        median: quantile(&mut samples, 0.5),
        offsets,
        threshold,
        share: (n_above + 1.0) / (n + 2.0),
        excess: (excess + EXCESS_PRIOR * EXCESS_PRIOR_WEIGHT) / (n_above + EXCESS_PRIOR_WEIGHT),
    }
}

/// The clean windows of a bucket and the flagged ones, each at their weight.
fn samples_of(hour_of_week: usize, level: f64, counter: Counter) -> impl Iterator<Item = Sample> {
    let clean = (counter.clean as f64, false);
    let flagged = (FLAGGED_WEIGHT * counter.flagged as f64, true);
    let sample = move |(weight, is_flagged)| Sample { hour_of_week, level, weight, is_flagged };
    [clean, flagged].map(sample).into_iter().filter(|sample| sample.weight > 0.0)
}

/// How far each hour of the week lies from the median: what its hour of the day tells, corrected by
/// what the hour of the week itself does, each by how much was seen of it.
fn season(samples: &[Sample], median: f64) -> Vec<f64> {
    let by_day = offsets(samples, &[median; HOURS_OF_DAY], |sample| sample.hour_of_week % 24);
    let usual: Vec<f64> = (0..HOURS_OF_WEEK).map(|hour| median + by_day[hour % 24]).collect();
    let by_week = offsets(samples, &usual, |sample| sample.hour_of_week);
    (0..HOURS_OF_WEEK).map(|hour| by_day[hour % 24] + by_week[hour]).collect()
}

/// How far the median of each group lies from what is usual for it, shrunk by how little was seen of it.
fn offsets(samples: &[Sample], usual: &[f64], group: impl Fn(&Sample) -> usize) -> Vec<f64> {
    let mut groups: Vec<Vec<Sample>> = usual.iter().map(|_| Vec::new()).collect();
    for sample in samples {
        if let Some(members) = groups.get_mut(group(sample)) {
            members.push(Sample { ..*sample });
        }
    }
    let offset = |(mut members, usual): (Vec<Sample>, &f64)| {
        let n: f64 = members.iter().map(|sample| sample.weight).sum();
        if n == 0.0 {
            return 0.0;
        }
        (quantile(&mut members, 0.5) - usual) * n / (n + SEASON_SHRINKAGE)
    };
    groups.into_iter().zip(usual).map(offset).collect()
}

/// The weighted quantile; sorts the samples.
fn quantile(samples: &mut [Sample], share: f64) -> f64 {
    samples.sort_by(|a, b| a.level.total_cmp(&b.level));
    let total: f64 = samples.iter().map(|sample| sample.weight).sum();
    let mut below = 0.0;
    for sample in samples.iter() {
        below += sample.weight;
        if below >= share * total {
            return sample.level;
        }
    }
    samples.last().map_or(0.0, |sample| sample.level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::bucket_of;

    fn hours() -> HourOfWeek {
        HourOfWeek::new(TimeZone::UTC)
    }

    fn histogram(values: impl Iterator<Item = (i64, u64)>) -> Histogram {
        let mut histogram = Histogram::default();
        for (hour, value) in values {
            histogram.add(hour, bucket_of(value), Counter { clean: 1, flagged: 0 });
        }
        histogram
    }

    #[test]
    fn the_epoch_was_a_thursday() {
        assert_eq!(hours().of(0), 3 * 24);
        assert_eq!(hours().of(-1), 3 * 24 - 1);
    }

    #[test]
    fn a_usual_value_is_no_surprise_and_a_thousandfold_one_is() {
        let steady =
            histogram((0_i64..500).map(|i| (i / 12, 1000 + (i.unsigned_abs() * 37) % 500)));
        let model = volume_tail(&steady, 0..1000, &mut hours()).unwrap();
        assert!(model.judge(1200, 5).p_value > 0.01);
        assert!(model.judge(1_000_000, 5).p_value < 1e-4);
    }

    #[test]
    fn nothing_later_than_the_as_of_hour_is_used() {
        let later = histogram((0..500).map(|i| (i / 12, if i < 240 { 10 } else { 1_000_000 })));
        let before = histogram((0..240).map(|i| (i / 12, 10)));
        let (a, b) =
            (volume_tail(&later, 0..20, &mut hours()), volume_tail(&before, 0..99, &mut hours()));
        assert_eq!(a.unwrap().judge(500, 3), b.unwrap().judge(500, 3));
    }

    #[test]
    fn the_nightly_backup_is_usual_at_its_hour_only() {
        let nightly = (0..24 * 28).flat_map(|hour| {
            let value = if hour % 24 == 2 {
                5_000_000_000
            } else {
                1_000_000 + i64::unsigned_abs(hour) % 7
            };
            (0..12).map(move |_| (hour, value))
        });
        let model = volume_tail(&histogram(nightly), 0..10_000, &mut hours()).unwrap();
        let mut hours = hours();
        let (at_two, at_noon) = (hours.of(24 * 28 + 2), hours.of(24 * 28 + 12));
        let backup = 5_000_000_000;
        assert!(model.judge(backup, at_two).p_value > 100.0 * model.judge(backup, at_noon).p_value);
    }
}
