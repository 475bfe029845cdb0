//! Drift: a service that sends a little more to the outside every day, until it is a lot.
//!
//! No window of a slow rise stands out against those just before it. So whole days are compared: the
//! median of the last seven with that of the seven oldest within four weeks, as a ratio. Some of a rise
//! has a reason: what the other services' traffic rose by, and what the service itself is asked more
//! than before, is taken off, and so is a step from one day to the next that was told when it came. The
//! chance of the rest follows from how much days differ (normal, with robust scales). ATT&CK T1030, T1041.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::baseline::{Baseline, Measure, ServiceEvidence, WorkloadWindow, bucket_value};

use super::history::{self, DAYS};
use super::{Context, Upload};
use crate::deviation::{Deviation, Fact};

const DAY_HOURS: i64 = 24;

/// Days compared at each end: whole weeks, so that weekends weigh the same.
const WEEK_DAYS: i64 = 7;

/// How far back a rise is followed.
const BACK_DAYS: i64 = 28;

/// A rise below this, in e-foldings, is growth.
const RISE_MIN: f64 = 0.5;

/// The cut for a rise: each service is judged once a day.
const P_MAX: f64 = 1e-3;

/// Less than this a day is not worth a person's time.
const FLOOR_BYTES_PER_DAY: f64 = 20e6;

/// A window shows the rise if it has this many times the service's mean.
const SHOWS_FROM: f64 = 2.0;

/// A step is seen in the medians of so many days before and after.
const STEP_DAYS: usize = 3;

/// Days are told apart no better than this, in e-foldings.
const SCALE_MIN: f64 = 0.05;

/// By how much a service's days rose.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rise {
    /// Beyond what has a reason, in e-foldings.
    unexplained: f64,
    /// All of it, as a factor.
    factor: f64,
    /// Bytes a day now.
    per_day: f64,
    /// Bytes a workload's window has on average now.
    per_window: f64,
    p_value: f64,
    /// The days' bytes, drawn.
    history: String,
}

/// The rises of all services as of a day, found when one is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Rises {
    day: Option<i64>,
    rises: BTreeMap<Arc<str>, Rise>,
}

impl Rises {
    fn of(&mut self, baseline: &Baseline, service: &str, day: i64) -> Option<Rise> {
        if self.day != Some(day) {
            (self.day, self.rises) = (Some(day), rises(baseline, day));
        }
        self.rises.get(service).cloned()
    }
}

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let sent = window.measure(Measure::BytesOutside);
    if sent == 0 {
        return Vec::new();
    }
    let day = context.start.div_euclid(DAY_HOURS * 3600);
    let Some(rise) = context.rises.of(context.baseline, &window.workload.service, day) else {
        return Vec::new();
    };
    if (sent as f64) < SHOWS_FROM * rise.per_window {
        return Vec::new();
    }
    deviation(window, &rise).into_iter().collect()
}

/// The rises worth telling, as of the beginning of a day.
fn rises(baseline: &Baseline, day: i64) -> BTreeMap<Arc<str>, Rise> {
    let Some(begun) = baseline.learned.from else { return BTreeMap::new() };
    // The first whole day.
    let begun = begun.div_euclid(DAY_HOURS * 3600) + 1;
    let reference = begun.max(day - BACK_DAYS);
    if day - reference < 2 * WEEK_DAYS {
        return BTreeMap::new();
    }
    let span = (reference, day);
    let all: Vec<_> = baseline
        .services
        .unordered()
        .filter_map(|(name, evidence)| {
            let sent = change(evidence, Measure::BytesOutside, span)?;
            Some((Arc::clone(name), evidence, sent))
        })
        .collect();
    let mut told = BTreeMap::new();
    for (name, evidence, sent) in &all {
        let others: Vec<f64> =
            all.iter().filter(|(other, ..)| other != name).map(|(.., sent)| sent.rise).collect();
        let asked = change(evidence, Measure::Served, span).map_or(0.0, |served| served.rise);
        if let Some(rise) = judge(sent, &others, asked, told_step(evidence, span)) {
            let history = drawn(evidence, span);
            told.insert(Arc::clone(name), Rise { history, ..rise });
        }
    }
    told
}

/// How a measure changed from the first week of a span of days to the last.
struct Change {
    /// In e-foldings.
    rise: f64,
    /// How much single days differ, in e-foldings.
    scale: f64,
    per_day: f64,
    per_window: f64,
}

fn change(
    evidence: &ServiceEvidence,
    measure: Measure,
    (from, until): (i64, i64),
) -> Option<Change> {
    let before = days(evidence, measure, (from, from + WEEK_DAYS));
    let now = days(evidence, measure, (until - WEEK_DAYS, until));
    let level = |days: &[Day]| median(days.iter().map(|day| day.total.ln_1p()).collect());
    let (was, is) = (level(&before)?, level(&now)?);
    let off = |days: &[Day], level: f64| -> Vec<f64> {
        days.iter().map(|day| (day.total.ln_1p() - level).abs()).collect()
    };
    let spread = median([off(&before, was), off(&now, is)].concat())?;
    let windows: f64 = now.iter().map(|day| day.windows).sum();
    let total: f64 = now.iter().map(|day| day.total).sum();
    // A day seldom is as the last: a service that is not there all week has no level.
    let is_steady = before.len() >= 5 && now.len() >= 5 && was > 0.0;
    is_steady.then(|| Change {
        rise: is - was,
        scale: (1.4826 * spread).max(SCALE_MIN),
        per_day: is.exp_m1(),
        per_window: total / windows.max(1.0),
    })
}

struct Day {
    total: f64,
    windows: f64,
    /// Of these, those that were flagged.
    flagged: f64,
}

/// The largest step between days of a span that was flagged when it came, in e-foldings: that was told, and
/// is no slow rise.
fn told_step(evidence: &ServiceEvidence, (from, until): (i64, i64)) -> f64 {
    let all = days(evidence, Measure::BytesOutside, (from, until));
    let level = |days: &[Day]| median(days.iter().map(|day| day.total.ln_1p()).collect());
    let steps = all.windows(2 * STEP_DAYS).filter_map(|days| {
        let (before, after) = days.split_at(STEP_DAYS);
        let is_told = after.first().is_some_and(|day| day.flagged > 0.0);
        Some(level(after)? - level(before)?).filter(|step| is_told && *step >= RISE_MIN)
    });
    steps.fold(0.0, f64::max)
}

/// The totals of the days that had any window.
fn days(evidence: &ServiceEvidence, measure: Measure, (from, until): (i64, i64)) -> Vec<Day> {
    let Some(histogram) = evidence.measures.get(&measure) else { return Vec::new() };
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    for (hour, bucket, counter) in histogram.between(from * DAY_HOURS..until * DAY_HOURS) {
        let day = days.entry(hour.div_euclid(DAY_HOURS));
        let day = day.or_insert(Day { total: 0.0, windows: 0.0, flagged: 0.0 });
        let n = counter.total() as f64;
        day.total += n * bucket_value(bucket) as f64;
        day.windows += n;
        day.flagged += counter.flagged as f64;
    }
    days.into_values().collect()
}

fn judge(sent: &Change, others: &[f64], asked: f64, told: f64) -> Option<Rise> {
    let common = median(others.to_vec()).unwrap_or(0.0);
    let differ = median(others.iter().map(|rise| (rise - common).abs()).collect()).unwrap_or(0.0);
    let unexplained = sent.rise - common.max(asked).max(0.0) - told;
    // The median of seven has five fourths of the mean's error, and there are two of them.
    let own = sent.scale * 1.25 * (2.0 / WEEK_DAYS as f64).sqrt();
    let scale = own.hypot(1.4826 * differ);
    let p_value = normal_tail(unexplained / scale);
    let is_told =
        unexplained >= RISE_MIN && p_value <= P_MAX && sent.per_day >= FLOOR_BYTES_PER_DAY;
    is_told.then_some(Rise {
        unexplained,
        factor: sent.rise.exp(),
        per_day: sent.per_day,
        per_window: sent.per_window,
        p_value,
        history: String::new(),
    })
}

/// The bytes of each day of a span, drawn.
fn drawn(evidence: &ServiceEvidence, (from, until): (i64, i64)) -> String {
    let of_day =
        |day| days(evidence, Measure::BytesOutside, (day, day + 1)).first().map(|d| d.total);
    history::line(&(from..until).map(of_day).collect::<Vec<_>>())
}

/// An upper bound of the chance of a standard normal value of at least `z` (Chernoff, halved).
fn normal_tail(z: f64) -> f64 {
    if z <= 0.0 { 1.0 } else { 0.5 * (-z * z / 2.0).exp() }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let lower = if values.len().is_multiple_of(2) { values[middle - 1] } else { upper };
    Some(f64::midpoint(lower, upper))
}

fn deviation(window: &WorkloadWindow<'_>, rise: &Rise) -> Option<Deviation> {
    let outside = window.as_client.iter().filter(|c| c.server.workload().is_none());
    let main = outside.max_by_key(|c| (c.bytes_out, c.server.address, c.port))?;
    let evidence = BTreeMap::from([
        ("unit", Fact::Text("bytes its service sends to the outside a day".into())),
        (DAYS, Fact::Text(rise.history.clone())),
        ("rose_by_factor", Fact::Number((rise.factor * 100.0).round() / 100.0)),
        ("unexplained_factor", Fact::Number((rise.unexplained.exp() * 100.0).round() / 100.0)),
        (
            "would_not_have_fired",
            Fact::Text("if the other services had risen with it, or what it is asked for".into()),
        ),
    ]);
    let upload = Upload {
        observed: rise.per_day.round(),
        expected: (rise.per_day / rise.factor).round(),
        p_value: rise.p_value.max(1e-12),
        cut_ratio: rise.p_value / P_MAX,
        evidence,
    };
    Some(upload.by(&window.workload, main))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(rise: f64) -> Change {
        Change { rise, scale: 0.2, per_day: 1e9, per_window: 1e6 }
    }

    #[test]
    fn one_service_alone_is_told_before_it_has_grown_two_and_a_half_fold() {
        let grown = 1.05_f64.ln() * 14.0;
        assert!(judge(&steady(grown), &[0.02, -0.1, 0.0, 0.05], 0.0, 0.0).is_some());
        assert!(
            judge(&steady(0.3), &[0.02, -0.1, 0.0, 0.05], 0.0, 0.0).is_none(),
            "that is growth"
        );
    }

    #[test]
    fn what_has_a_reason_is_silent() {
        let grown = 1.05_f64.ln() * 14.0;
        assert!(judge(&steady(grown), &[0.6, 0.7, 0.68, 0.71], 0.0, 0.0).is_none(), "all rise");
        assert!(judge(&steady(grown), &[0.0, 0.1, -0.1], 0.66, 0.0).is_none(), "it is asked more");
    }

    #[test]
    fn a_step_that_was_told_is_no_slow_rise() {
        let others = [0.02, -0.1, 0.0, 0.05];
        assert!(judge(&steady(3.4), &others, 0.0, 3.3).is_none());
        let more = judge(&steady(4.4), &others, 0.0, 3.3).unwrap();
        assert!(more.unexplained < 1.2 && more.factor > 80.0, "all of it is said: {more:?}");
    }

    #[test]
    fn days_that_differ_much_say_little() {
        let noisy = Change { scale: 1.0, ..steady(0.7) };
        assert!(judge(&noisy, &[0.0, 0.1, -0.1], 0.0, 0.0).is_none());
    }
}
