//! What other people's detectors made of the windows that `--features` wrote, weighed elsewhere by the
//! same rules, as JSON.
//!
//! The file is a stranger's: its runs must be among those that were judged, on the same terms.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::compare::Weighed;
use super::rivals::Method;
use super::score::Evaluation;
use super::trial::Outcome;
use crate::output;

/// The schema's name and version.
pub(super) const SCHEMA: &str = "tidegate.weighed/1";

/// Methods weighed in runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Also {
    schema: String,
    runs: Vec<Run>,
}

/// A judged run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    seed: u64,
    scenario: String,
    /// The judged records, which tell it from the same seed's run on other terms.
    records: u64,
    /// By the methods' names.
    methods: BTreeMap<String, Best>,
}

/// What [`Weighed`] holds, without the attacks' names: they stand in the order of the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Best {
    attacks: Vec<Option<f64>>,
    findings: Vec<(Option<f64>, Option<f64>)>,
}

impl Also {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = output::read_file(path)?;
        Self::of(&bytes).with_context(|| format!("cannot use {}", path.display()))
    }

    pub(super) fn of(bytes: &[u8]) -> Result<Self> {
        let also: Self = serde_json::from_slice(bytes)?;
        let schema = &also.schema;
        ensure!(schema == SCHEMA, "expected the schema {SCHEMA:?}, not {schema:?}");
        Ok(also)
    }

    /// Adds its methods to the runs that they judged.
    pub(crate) fn add_to(self, evaluation: &mut Evaluation) -> Result<()> {
        for run in self.runs {
            let (seed, scenario) = (run.seed, &run.scenario);
            let is_it = |o: &&mut Outcome| o.seed == seed && o.scenario == scenario.as_str();
            let Some(outcome) = evaluation.outcomes.iter_mut().find(is_it) else {
                bail!("scenario {scenario:?} with seed {seed} is not among what was judged");
            };
            run.add_to(outcome)?;
        }
        Ok(())
    }
}

impl Run {
    fn add_to(&self, outcome: &mut Outcome) -> Result<()> {
        let what = || format!("scenario {:?} with seed {}", self.scenario, self.seed);
        let is_same = self.records == outcome.records;
        ensure!(is_same, "{} was judged on other terms: its records are others", what());
        for (name, best) in &self.methods {
            let weighed = best.weighed(name, outcome).with_context(what)?;
            outcome.weighed.push(weighed);
        }
        Ok(())
    }
}

impl Best {
    fn weighed(&self, name: &str, outcome: &Outcome) -> Result<Weighed> {
        let read = || Method::ALL.into_iter().filter(|method| method.is_read());
        let Some(method) = read().find(|method| method.name() == name) else {
            let known: Vec<&str> = read().map(Method::name).collect();
            bail!("no method {name:?}: expected some of {}", known.join(", "));
        };
        let is_twice = outcome.weighed.iter().any(|weighed| weighed.method == method);
        ensure!(!is_twice, "{name} judges it twice");
        let (n, laid_in) = (self.attacks.len(), outcome.attacks.len());
        ensure!(n == laid_in, "{name} weighs {n} attacks where {laid_in} were laid in");
        let names = outcome.attacks.iter().map(|attack| attack.stage.name.clone());
        let none = f64::NEG_INFINITY;
        let pair = |&(explained, other): &(Option<f64>, Option<f64>)| {
            (explained.unwrap_or(none), other.unwrap_or(none))
        };
        Ok(Weighed {
            method,
            attacks: names.zip(self.attacks.iter().copied()).collect(),
            findings: self.findings.iter().map(pair).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome {
            scenario: "shop",
            seed: 7,
            judged_days: 1,
            records: 100,
            attacks: Vec::new(),
            findings: Vec::new(),
            weighed: Vec::new(),
        }
    }

    fn added(runs: &str) -> Result<Outcome> {
        let text = format!(r#"{{"schema": "{SCHEMA}", "runs": {runs}}}"#);
        let mut outcome = outcome();
        for run in Also::of(text.as_bytes())?.runs {
            run.add_to(&mut outcome)?;
        }
        Ok(outcome)
    }

    fn run(records: u64, methods: &str) -> String {
        format!(
            r#"{{"seed": 7, "scenario": "shop", "records": {records}, "methods": {{{methods}}}}}"#
        )
    }

    #[test]
    fn what_was_weighed_elsewhere_is_weighed_here() {
        let best = r#""ECOD": {"attacks": [], "findings": [[null, 2.5], [1.0, null]]}"#;
        let weighed = added(&format!("[{}]", run(100, best))).unwrap().weighed;
        let none = f64::NEG_INFINITY;
        let findings = vec![(none, 2.5), (1.0, none)];
        assert_eq!(weighed, [Weighed { method: Method::Ecod, attacks: Vec::new(), findings }]);
    }

    #[test]
    fn what_is_of_other_runs_or_methods_is_refused() {
        let best = |name: &str, attacks: &str| {
            format!(r#"{name:?}: {{"attacks": {attacks}, "findings": []}}"#)
        };
        let ecod = run(100, &best("ECOD", "[]"));
        let refused = |runs: &str| format!("{:#}", added(runs).unwrap_err());
        let once = |run: String| format!("[{run}]");
        assert!(refused(&once(run(99, ""))).contains("on other terms"));
        assert!(refused(&once(run(100, &best("tidegate", "[]")))).contains("no method"));
        assert!(refused(&once(run(100, &best("ECOD", "[1.0]")))).contains("1 attacks where 0"));
        assert!(refused(&format!("[{ecod}, {ecod}]")).contains("twice"));
        let other = Also::of(br#"{"schema": "another/1", "runs": []}"#).unwrap_err();
        assert!(other.to_string().contains(SCHEMA));
        assert!(refused("[[]]").contains("expected"));
    }
}
