//! What the outcomes add up to, per scenario and in total.

use std::collections::BTreeMap;

use super::poisson;
use super::trial::{Attack, Found, Outcome, Terms, WINDOW_SECS};

/// Outcomes of many seeds.
#[derive(Clone, Debug)]
pub(crate) struct Evaluation {
    pub(crate) terms: Terms,
    /// By scenario in the order asked for, then by seed.
    pub(crate) outcomes: Vec<Outcome>,
}

/// What the outcomes of a scenario, or of all, add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) runs: u64,
    pub(crate) records: u64,
    pub(crate) judged_days: u64,
    pub(crate) findings: u64,
    pub(crate) false_findings: u64,
    /// Findings whose plan cuts something off.
    pub(crate) quarantines: u64,
    /// Of these, the false ones.
    pub(crate) false_quarantines: u64,
    /// By the attacks' names.
    pub(crate) attacks: BTreeMap<String, Recall>,
}

/// How many of some attacks were found, and how soon.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Recall {
    pub(crate) laid_in: u64,
    /// Windows until each one that was found, ascending.
    pub(crate) windows: Vec<u64>,
    /// The same in the attack's own periods, where it calls again and again; ascending.
    pub(crate) periods: Vec<f64>,
}

impl Evaluation {
    /// Puts outcomes in order.
    pub(crate) fn of(mut outcomes: Vec<Outcome>, terms: &Terms) -> Self {
        let place = |name: &str| terms.scenarios.iter().position(|s| s.name == name);
        outcomes.sort_by_key(|outcome| (place(outcome.scenario), outcome.seed));
        Self { terms: terms.clone(), outcomes }
    }

    /// What all outcomes add up to.
    pub(crate) fn total(&self) -> Score {
        Score::of(&self.outcomes)
    }

    /// The outcomes of each scenario and what they add up to, in order.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = (&'static str, &[Outcome], Score)> {
        let same = |a: &Outcome, b: &Outcome| a.scenario == b.scenario;
        self.outcomes.chunk_by(same).filter_map(|outcomes| {
            Some((outcomes.first()?.scenario, outcomes, Score::of(outcomes)))
        })
    }

    /// Attacks that were not found, with the outcome they are of.
    pub(crate) fn missed(&self) -> impl Iterator<Item = (&Outcome, &Attack)> {
        self.outcomes
            .iter()
            .flat_map(|outcome| outcome.missed().map(move |attack| (outcome, attack)))
    }

    /// False findings, with the outcome they are of.
    pub(crate) fn false_findings(&self) -> impl Iterator<Item = (&Outcome, &Found)> {
        self.outcomes
            .iter()
            .flat_map(|outcome| outcome.false_findings().map(move |found| (outcome, found)))
    }
}

impl Outcome {
    /// Attacks that were not found.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &Attack> {
        self.attacks.iter().filter(|attack| attack.detection.is_none())
    }

    /// Findings that no attack explains, and those whose plan cuts off the wrong host.
    pub(crate) fn false_findings(&self) -> impl Iterator<Item = &Found> {
        self.findings.iter().filter(|found| !found.is_true || found.is_false_quarantine())
    }
}

impl Score {
    fn of(outcomes: &[Outcome]) -> Self {
        let mut score = Self::default();
        for outcome in outcomes {
            score.add(outcome);
        }
        for recall in score.attacks.values_mut() {
            recall.windows.sort_unstable();
            recall.periods.sort_by(f64::total_cmp);
        }
        score
    }

    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.records += outcome.records;
        self.judged_days += u64::from(outcome.judged_days);
        for found in &outcome.findings {
            self.findings += 1;
            self.false_findings += u64::from(!found.is_true);
            self.quarantines += u64::from(found.is_quarantine());
            self.false_quarantines += u64::from(found.is_false_quarantine());
        }
        for attack in &outcome.attacks {
            let recall = self.attacks.entry(attack.stage.name.clone()).or_default();
            recall.laid_in += 1;
            if let Some(detection) = &attack.detection {
                recall.windows.push(detection.windows);
                recall.periods.extend(attack.periods(detection.windows));
            }
        }
    }

    /// All attacks together.
    pub(crate) fn recall(&self) -> Recall {
        let mut all = Recall::default();
        for recall in self.attacks.values() {
            all.laid_in += recall.laid_in;
            all.windows.extend(&recall.windows);
            all.periods.extend(&recall.periods);
        }
        all.windows.sort_unstable();
        all.periods.sort_by(f64::total_cmp);
        all
    }

    /// False findings a judged day; `None` where no day was judged.
    pub(crate) fn false_per_day(&self) -> Option<f64> {
        (self.judged_days > 0).then(|| self.false_findings as f64 / self.judged_days as f64)
    }

    /// The 95 % interval of that rate.
    pub(crate) fn false_per_day_interval(&self) -> Option<(f64, f64)> {
        let (low, high) = poisson::interval(self.false_findings);
        let days = self.judged_days as f64;
        (self.judged_days > 0).then_some((low / days, high / days))
    }
}

impl Recall {
    /// The share found; `None` where nothing was laid in.
    pub(crate) fn share(&self) -> Option<f64> {
        (self.laid_in > 0).then(|| self.windows.len() as f64 / self.laid_in as f64)
    }

    /// The median of the windows until those that were found.
    pub(crate) fn median_windows(&self) -> Option<f64> {
        let windows: Vec<f64> = self.windows.iter().map(|&n| n as f64).collect();
        median(&windows)
    }

    /// The median of the periods until those that were found.
    pub(crate) fn median_periods(&self) -> Option<f64> {
        median(&self.periods)
    }
}

impl Attack {
    /// So many windows in the attack's own periods, to the end of the last window.
    fn periods(&self, windows: u64) -> Option<f64> {
        let stage = &self.stage;
        let gaps = stage.connections.checked_sub(1).filter(|&gaps| gaps > 0)?;
        let period_secs = (stage.last_seen - stage.first_seen) as f64 / gaps as f64;
        let begun = stage.first_seen - stage.first_seen.rem_euclid(WINDOW_SECS);
        let until = begun + i64::try_from(windows).ok()?.checked_mul(WINDOW_SECS)?;
        let is_series = stage.name.contains("beacon") && period_secs > 0.0;
        is_series.then(|| (until - stage.first_seen) as f64 / period_secs)
    }
}

/// The middle of ascending numbers.
fn median(sorted: &[f64]) -> Option<f64> {
    let n = sorted.len();
    Some(f64::midpoint(*sorted.get(n.checked_sub(1)? / 2)?, *sorted.get(n / 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_series_is_found_after_so_many_of_its_periods() {
        let stage = datasets::Stage {
            name: "beacon".to_owned(),
            client: "10.0.0.1".to_owned(),
            server: None,
            port: None,
            servers: Vec::new(),
            ports: Vec::new(),
            connections: 61,
            first_seen: 900,
            last_seen: 900 + 60 * 120,
        };
        let mut attack = Attack { stage, detection: None };
        assert_eq!(attack.periods(4), Some(10.0), "1200 s at 120 s each");
        attack.stage.name = "lateral-move".to_owned();
        assert_eq!(attack.periods(4), None);
    }
}
