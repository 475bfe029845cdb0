//! `tidegate learn`: adds evidence, judges nothing.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use detect::suppress::Suppressions;
use detect::{Budget, Judge, JudgeOptions};
use jiff::Timestamp;
use model::activity::Activity;
use model::baseline::{self, Baseline, RangesUse};
use model::identity::{Directory, Party};

use crate::closing::Windows;
use crate::flags::LearnArgs;
use crate::pipeline::Outcome;
use crate::plan::{self, ReadPlan};
use crate::{Ending, clock, output};

/// A judge that only learns: it tells nothing, but knows what stood out.
struct Learner {
    judge: Judge,
}

impl Learner {
    fn of(plan: &ReadPlan) -> Self {
        let options = JudgeOptions {
            zone: plan.zone.clone(),
            window_secs: plan.fold.window_secs,
            interval_secs: plan.interval_secs,
            // Longer than any logs.
            warmup_secs: i64::MAX / 2,
            budget: Budget::default(),
            blind: BTreeSet::new(),
            accepted: Suppressions::default(),
        };
        Self { judge: Judge::new(options, Baseline::default()) }
    }
}

impl Windows for Learner {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        self.judge.baseline().serves(party, port, protocol)
    }

    fn take(&mut self, activity: &Activity, _: &Directory) -> Result<()> {
        self.judge.judge(activity);
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
    let mut learner = Learner::of(&plan);
    let mut outcome = plan.read_whole(&mut learner)?;
    plan.note_acquaintance();
    outcome.stood_out = learner.judge.stood_out_while_learning();
    let mut baseline = learner.judge.into_baseline();
    note_source(&mut baseline, &plan, &outcome);
    Ok((baseline, outcome))
}

/// Notes in a baseline what it was learned from.
pub(crate) fn note_source(baseline: &mut Baseline, plan: &ReadPlan, outcome: &Outcome) {
    let learned = &mut baseline.learned;
    // The interval of nothing says nothing.
    if outcome.ledger.records > 0 {
        learned.interval_secs = Some(plan.interval_secs);
    }
    learned.fields = learned.fields.union(outcome.declared).union(plan.fields());
    let ranges = RangesUse::of(&plan.directory);
    learned.ip_ranges = RangesUse::join(learned.ip_ranges, Some(ranges));
    learned.ledger.merge(&outcome.ledger);
}

/// Reads a baseline.
pub(crate) fn read(path: &Path) -> Result<Baseline> {
    let bytes = output::read_file(path)?;
    let baseline = baseline::read(bytes)
        .with_context(|| format!("cannot read the baseline {}", path.display()))?;
    let latest = plan::not_after(clock::unix_secs());
    if let Some(until) = baseline.learned.until.filter(|&until| until > latest) {
        // All else in it is forgotten beside that.
        bail!(
            "the baseline {} was learned from records of times to come, up to {}: learn it anew, or \
             set this machine's clock",
            path.display(),
            Timestamp::from_second(until)
                .map_or_else(|_| until.to_string(), |time| time.to_string())
        );
    }
    Ok(baseline)
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
