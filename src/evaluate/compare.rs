//! Methods weighed against each other: for every cut of a method's scores, what share of the attacks it
//! finds and how many false findings a day it costs.
//!
//! What counts is the same for all: an alarm finds an attack when it names it, and the alarms of one
//! workload in one run are one finding, false if no attack explains any of them.

use std::collections::BTreeMap;

use datasets::Stage;

use super::rivals::{Alarm, Method};
use super::trial::{Outcome, WINDOW_SECS};

/// Cuts a curve is made of, at most.
pub(super) const CUTS_MAX: usize = 300;

/// Rates of false findings a day that methods are compared at.
pub(crate) const RATES: [f64; 5] = [0.1, 0.3, 1.0, 3.0, 10.0];

/// One method's alarms of one run, as far as any cut could tell them apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weighed {
    pub(crate) method: Method,
    /// Each attack's name, and the best score that names it.
    pub(super) attacks: Vec<(String, Option<f64>)>,
    /// Each finding's best score that an attack explains, and its best one that none does.
    pub(super) findings: Vec<(f64, f64)>,
}

/// What a method reaches at one cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// False findings a judged day.
    pub(crate) false_per_day: f64,
    /// The share of the attacks found.
    pub(crate) recall: f64,
    /// The cut: scores from this on count.
    pub(crate) cut: f64,
}

/// A method at every cut, the strictest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    pub(crate) method: Method,
    /// Runs that it judged.
    pub(crate) runs: u64,
    pub(crate) points: Vec<Point>,
}

/// Weighs alarms with the key of the finding each would be part of.
pub(super) fn weigh(method: Method, alarms: &[(&str, &Alarm)], stages: &[Stage]) -> Weighed {
    let best = |stage: &Stage| {
        let names = alarms.iter().filter(|(_, a)| a.trace.names(stage, WINDOW_SECS));
        names.map(|(_, alarm)| alarm.trace.score).max_by(f64::total_cmp)
    };
    let mut findings: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (key, alarm) in alarms {
        let finding = findings.entry(key).or_insert((f64::NEG_INFINITY, f64::NEG_INFINITY));
        let is_true = stages.iter().any(|stage| alarm.trace.belongs(stage, WINDOW_SECS));
        let side = if is_true { &mut finding.0 } else { &mut finding.1 };
        *side = side.max(alarm.trace.score);
    }
    let attacks = stages.iter().filter(|stage| !stage.is_harmless());
    Weighed {
        method,
        attacks: attacks.map(|stage| (stage.name.clone(), best(stage))).collect(),
        findings: findings.into_values().collect(),
    }
}

/// The curve of every method that was weighed.
pub(crate) fn curves(outcomes: &[Outcome]) -> Vec<Curve> {
    let curve = |&method: &Method| {
        let weighed = of(outcomes, method);
        if weighed.is_empty() {
            return None;
        }
        let days = judged_days(outcomes, method);
        let points = cuts(&weighed).into_iter().map(|cut| point(days, &weighed, cut));
        Some(Curve { method, runs: weighed.len() as u64, points: points.collect() })
    };
    Method::ALL.iter().filter_map(curve).collect()
}

fn of(outcomes: &[Outcome], method: Method) -> Vec<&Weighed> {
    outcomes.iter().flat_map(|o| &o.weighed).filter(|w| w.method == method).collect()
}

/// Days of the runs that a method judged.
fn judged_days(outcomes: &[Outcome], method: Method) -> f64 {
    let judged = outcomes.iter().filter(|o| o.weighed.iter().any(|w| w.method == method));
    judged.map(|outcome| f64::from(outcome.judged_days)).sum()
}

/// Scores that tell something apart, the highest first; of many, some in even steps.
fn cuts(weighed: &[&Weighed]) -> Vec<f64> {
    let of_attacks = weighed.iter().flat_map(|w| w.attacks.iter().filter_map(|(_, score)| *score));
    let of_findings = weighed.iter().flat_map(|w| w.findings.iter().flat_map(|&(a, b)| [a, b]));
    let mut cuts: Vec<f64> = of_attacks.chain(of_findings).filter(|s| s.is_finite()).collect();
    cuts.sort_by(|a, b| b.total_cmp(a));
    cuts.dedup();
    let step = cuts.len().div_ceil(CUTS_MAX).max(1);
    let last = cuts.last().copied();
    let mut some: Vec<f64> = cuts.into_iter().step_by(step).collect();
    some.extend(last.filter(|last| some.last() != Some(last)));
    some
}

fn point(days: f64, weighed: &[&Weighed], cut: f64) -> Point {
    let attacks = || weighed.iter().flat_map(|w| &w.attacks);
    let found = attacks().filter(|(_, score)| score.is_some_and(|score| score >= cut)).count();
    let findings = weighed.iter().flat_map(|w| &w.findings);
    let n_false = findings.filter(|&&(of_attack, other)| other >= cut && of_attack < cut).count();
    Point {
        false_per_day: n_false as f64 / days.max(1.0),
        recall: found as f64 / attacks().count().max(1) as f64,
        cut,
    }
}

impl Curve {
    /// The best recall at no more than so many false findings a day.
    pub(crate) fn recall_at(&self, false_per_day: f64) -> f64 {
        let within = self.points.iter().filter(|point| point.false_per_day <= false_per_day);
        within.map(|point| point.recall).fold(0.0, f64::max)
    }

    /// The fewest false findings a day at which it finds at least that share.
    pub(crate) fn false_at(&self, recall: f64) -> Option<f64> {
        let found = self.points.iter().filter(|point| point.recall >= recall);
        found.map(|point| point.false_per_day).min_by(f64::total_cmp)
    }

    /// The cut with the best recall at no more than so many false findings a day, the strictest of them.
    fn cut_at(&self, false_per_day: f64) -> Option<f64> {
        let best = self.recall_at(false_per_day);
        let within = |p: &&Point| p.false_per_day <= false_per_day && p.recall >= best;
        self.points.iter().find(within).map(|point| point.cut)
    }

    /// The share of each attack found where no more than so many false findings come a day.
    pub(crate) fn recall_by_attack(
        &self,
        outcomes: &[Outcome],
        false_per_day: f64,
    ) -> BTreeMap<String, f64> {
        let cut = self.cut_at(false_per_day).unwrap_or(f64::INFINITY);
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for (name, score) in of(outcomes, self.method).iter().flat_map(|w| &w.attacks) {
            let (laid_in, found) = counts.entry(name.clone()).or_default();
            *laid_in += 1;
            *found += u64::from(score.is_some_and(|score| score >= cut));
        }
        counts.into_iter().map(|(name, (n, found))| (name, found as f64 / n as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of a day: an attack each, of which one is found at a score of 3, and three findings.
    fn outcomes() -> Vec<Outcome> {
        let weighed = |best: Option<f64>, findings: &[(f64, f64)]| Weighed {
            method: Method::Zeek,
            attacks: vec![("sweep".to_owned(), best)],
            findings: findings.to_vec(),
        };
        let none = f64::NEG_INFINITY;
        [weighed(Some(3.0), &[(3.0, 5.0), (none, 2.0)]), weighed(None, &[(none, 1.0)])]
            .map(|weighed| Outcome {
                scenario: "sweep",
                seed: 1,
                judged_days: 1,
                records: 0,
                attacks: Vec::new(),
                findings: Vec::new(),
                weighed: vec![weighed],
            })
            .to_vec()
    }

    #[test]
    fn days_that_a_method_did_not_judge_are_not_counted() {
        let mut outcomes = outcomes();
        outcomes[1].weighed.clear();
        let curves = curves(&outcomes);
        let [curve] = curves.as_slice() else { panic!("one method") };
        assert_eq!(curve.runs, 1);
        let highest = curve.points.iter().map(|p| p.false_per_day).fold(0.0, f64::max);
        assert!((highest - 1.0).abs() < 1e-12, "one day, not two: {highest}");
    }

    #[test]
    fn a_curve_trades_recall_for_false_findings() {
        let curves = curves(&outcomes());
        let [curve] = curves.as_slice() else { panic!("one method") };
        let points: Vec<_> =
            curve.points.iter().map(|p| (p.cut, p.recall, p.false_per_day)).collect();
        // At 5 the first finding is only what no attack explains; from 3 on the attack explains it.
        let expected = [(5.0, 0.0, 0.5), (3.0, 0.5, 0.0), (2.0, 0.5, 0.5), (1.0, 0.5, 1.0)];
        assert_eq!(points, expected);
        assert!((curve.recall_at(0.1) - 0.5).abs() < 1e-12);
        assert_eq!(curve.false_at(0.5), Some(0.0));
        assert_eq!(curve.false_at(0.9), None);
        assert!((curve.recall_by_attack(&outcomes(), 0.1)["sweep"] - 0.5).abs() < 1e-12);
    }
}
