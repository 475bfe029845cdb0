//! `tidegate learn`: adds evidence, judges nothing.

use std::path::Path;

use anyhow::{Context, Result};
use model::activity::Activity;
use model::baseline::{self, Baseline, Flagged, RangesUse};
use model::identity::{Directory, Party};

use crate::closing::Windows;
use crate::flags::LearnArgs;
use crate::pipeline::Outcome;
use crate::plan::{self, ReadPlan};
use crate::{Ending, output};

/// A baseline that only learns.
pub(crate) struct Learner {
    pub(crate) baseline: Baseline,
}

impl Windows for Learner {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        self.baseline.serves(party, port, protocol)
    }

    fn take(&mut self, activity: &Activity, _: &Directory) -> Result<()> {
        baseline::learn(&mut self.baseline, activity, &Flagged::default());
        Ok(())
    }
}

pub(crate) fn run(args: &LearnArgs) -> Result<Ending> {
    let known = read_if_there(&args.baseline)?;
    let interval = known.as_ref().and_then(|baseline| baseline.learned.interval_secs);
    let plan = ReadPlan::of(&args.source, interval)?;
    // What is learned now is added to what was known: evidence is the same for every order.
    let (mut learned, outcome) = learn(plan)?;
    plan::report_ledger(&outcome);
    if let Some(known) = &known {
        learned.merge(known);
    }
    save(&args.baseline, &learned)?;
    let days = learned.learned.days();
    output::note(&format!(
        "learned {} services over {days:.1} days into {}",
        learned.services.len(),
        args.baseline.display()
    ));
    Ok(if outcome.unreadable.is_empty() { Ending::Ran } else { Ending::Incomplete })
}

/// Learns everything a plan reads.
pub(crate) fn learn(mut plan: ReadPlan) -> Result<(Baseline, Outcome)> {
    let mut learner = Learner { baseline: Baseline::default() };
    let outcome = plan.read_whole(&mut learner)?;
    let mut baseline = learner.baseline;
    note_source(&mut baseline, &plan, &outcome);
    Ok((baseline, outcome))
}

/// Notes in a baseline what it was learned from.
pub(crate) fn note_source(baseline: &mut Baseline, plan: &ReadPlan, outcome: &Outcome) {
    let learned = &mut baseline.learned;
    learned.interval_secs = Some(plan.interval_secs);
    learned.fields = learned.fields.union(outcome.declared).union(plan.fields());
    let ranges = RangesUse::of(&plan.directory);
    learned.ip_ranges = RangesUse::join(learned.ip_ranges, Some(ranges));
    learned.ledger.merge(&outcome.ledger);
}

/// Reads a baseline.
pub(crate) fn read(path: &Path) -> Result<Baseline> {
    let bytes = output::read_file(path)?;
    baseline::read(bytes).with_context(|| format!("cannot read the baseline {}", path.display()))
}

fn read_if_there(path: &Path) -> Result<Option<Baseline>> {
    if path.exists() { read(path).map(Some) } else { Ok(None) }
}

/// Writes a baseline whole or not at all.
pub(crate) fn save(path: &Path, baseline: &Baseline) -> Result<()> {
    output::write_file(path, |file| {
        let mut bytes = Vec::new();
        baseline::write(baseline, &mut bytes)?;
        file.write_all(&bytes)?;
        Ok(())
    })
}
