//! RITA's beacon score (version 5): how regular a pair's connections are in time, in size, over the
//! hours of the day and in duration, each a quarter of the score. Its modifiers for prevalence, age and
//! threat lists are left out.
//!
//! Flow logs give no size for each connection, so the ones of a window count with their mean; and only
//! answered connections are looked at, for retries fake beacons.

use std::collections::BTreeMap;

use model::activity::Activity;
use model::identity::Address;

use super::{About, Alarm, Method, deviation, median, opened, quantile};

/// A pair is scored over this long.
pub(super) const DAY_SECS: i64 = 86_400;

const HOURS: usize = 24;

/// Fewer unique times are no series, more connections a strobe.
const TIMES_MIN: usize = 4;
const CONNECTIONS_MAX: usize = 86_400;

/// A score of 1 is at this share of RITA's range: what it calls high.
const USUAL_CUT: f64 = 0.8;

/// What a pair did in a day.
#[derive(Clone, Debug, Default)]
struct Pair {
    times: Vec<i64>,
    sizes: Vec<f64>,
    last_port: u16,
}

/// Clients of ours and servers outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(BTreeMap<(Address, Address), Pair>);

impl Pairs {
    pub(super) fn take(&mut self, activity: &Activity) {
        for c in opened(activity).filter(|c| c.server.workload().is_none() && c.answered > 0) {
            let pair = self.0.entry((c.client.address, c.server.address)).or_default();
            let size = c.bytes_out as f64 / (c.attempts + c.continued).max(1) as f64;
            pair.times.extend(&c.answered_at);
            pair.sizes.extend(c.answered_at.iter().map(|_| size));
            pair.last_port = c.port;
        }
    }

    /// Scores the day that ends at a time, Unix seconds, and forgets it.
    pub(super) fn end_day(&mut self, end: i64) -> Vec<Alarm> {
        let alarm = |((client, server), mut pair): ((Address, Address), Pair)| {
            let score = pair.score()?;
            let span = (*pair.times.first()?, *pair.times.last()?);
            let client = client.to_string();
            let (peer, port) = (Some(server.to_string()), Some(pair.last_port));
            let window = end.min(span.1);
            let about = About { client: &client, peer, port, span, window };
            Some(about.alarm(Method::Rita, score / USUAL_CUT))
        };
        std::mem::take(&mut self.0).into_iter().filter_map(alarm).collect()
    }
}

impl Pair {
    fn score(&mut self) -> Option<f64> {
        if self.times.len() >= CONNECTIONS_MAX {
            return None;
        }
        self.times.sort_unstable();
        let mut unique = self.times.clone();
        unique.dedup();
        if unique.len() < TIMES_MIN {
            return None;
        }
        let mut gaps: Vec<f64> = unique.windows(2).map(|two| (two[1] - two[0]) as f64).collect();
        let in_time = regularity(&mut gaps, 1.0);
        let in_size = regularity(&mut self.sizes, 0.0);
        let bars = bars(&self.times);
        Some(0.25 * (in_time + in_size + evenness(&bars) + duration(&bars, &unique)))
    }
}

/// The mean of how symmetric and how narrow numbers lie; `tiny` stands for the latter where the
/// median is below 1.
fn regularity(numbers: &mut [f64], tiny: f64) -> f64 {
    let [low, middle, high] = [0.25, 0.5, 0.75].map(|share| quantile(numbers, share));
    let range = high - low;
    let is_skewed = range >= 10.0 && middle > low && middle < high;
    let skew = if is_skewed { (high + low - 2.0 * middle) / range } else { 0.0 };
    let narrow = if middle < 1.0 {
        tiny
    } else {
        ((median(numbers) - deviation(numbers)) / middle).max(0.0)
    };
    f64::midpoint(1.0 - skew.abs(), narrow)
}

/// Connections by the hour of the day.
fn bars(times: &[i64]) -> [f64; HOURS] {
    let mut bars = [0.0; HOURS];
    for time in times {
        let hour = usize::try_from(time.rem_euclid(DAY_SECS) / 3_600).unwrap_or(0);
        bars[hour] += 1.0;
    }
    bars
}

/// How even the hours are, or how well two heights tell them all.
fn evenness(bars: &[f64; HOURS]) -> f64 {
    let mean = bars.iter().sum::<f64>() / HOURS as f64;
    let variance = bars.iter().map(|bar| (bar - mean).powi(2)).sum::<f64>() / HOURS as f64;
    let even = (1.0 - variance.sqrt() / mean).max(0.0);
    let filled: Vec<f64> = bars.iter().copied().filter(|&bar| bar > 0.0).collect();
    if filled.len() < 11 {
        return even;
    }
    let width = (0.05 * filled.iter().copied().fold(0.0, f64::max)).ceil();
    #[allow(clippy::cast_possible_truncation, reason = "a count of bars")]
    let bucket = |bar: &f64| (bar / width).floor() as i64;
    let mut heights: BTreeMap<i64, usize> = BTreeMap::new();
    for bar in &filled {
        *heights.entry(bucket(bar)).or_default() += 1;
    }
    let mut counts: Vec<usize> = heights.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let most: usize = counts.iter().take(2).sum();
    even.max((most as f64 / (filled.len() - 1).max(1) as f64).min(1.0))
}

/// How much of the day it lasts, or how long its longest run of hours is, around midnight too.
fn duration(bars: &[f64; HOURS], times: &[i64]) -> f64 {
    if bars.iter().filter(|&&bar| bar > 0.0).count() < 6 {
        return 0.0;
    }
    let (mut run, mut longest) = (0, 0);
    for bar in bars.iter().chain(bars) {
        run = if *bar > 0.0 { run + 1 } else { 0 };
        longest = longest.max(run.min(HOURS));
    }
    let span = times.last().zip(times.first()).map_or(0, |(last, first)| last - first);
    (span as f64 / DAY_SECS as f64).max(longest as f64 / 12.0).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(times: impl Iterator<Item = i64>, size: impl Fn(i64) -> f64) -> Pair {
        let times: Vec<i64> = times.collect();
        let sizes = times.iter().map(|&time| size(time)).collect();
        Pair { times, sizes, last_port: 443 }
    }

    #[test]
    fn a_perfect_beacon_scores_one() {
        let score = pair((0..288).map(|n| n * 300), |_| 420.0).score().unwrap();
        assert!((score - 1.0).abs() < 0.01, "{score}");
    }

    #[test]
    fn a_short_burst_of_any_size_scores_low() {
        let times = [0, 5, 11, 300, 2_000, 2_001, 3_000];
        let score = pair(times.into_iter(), |time| (time * time % 977) as f64).score().unwrap();
        assert!(score < 0.5, "{score}");
    }

    #[test]
    fn three_times_are_no_series() {
        assert!(pair([0, 60, 60, 120].into_iter(), |_| 1.0).score().is_none());
    }

    #[test]
    fn a_run_of_hours_goes_on_past_midnight() {
        let mut bars = [0.0; HOURS];
        for hour in [21, 22, 23, 0, 1, 2] {
            bars[hour] = 3.0;
        }
        assert!((duration(&bars, &[0, 100]) - 0.5).abs() < 1e-12);
    }
}
