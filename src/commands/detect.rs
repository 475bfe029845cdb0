//! `tidegate detect`: judges flow logs against a baseline, or learns as it goes.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result, bail};
use detect::report;
use detect::snapshot::{Run, Snapshot};
use detect::suggest::{PlanBudget, PlanOptions};
use detect::suppress::{Hit, Suppressions};
use detect::{Finding, Judge, JudgeOptions};
use jiff::Timestamp;
use model::baseline::Baseline;
use model::fold::Aggregator;
use model::settle::Carried;

use super::learn;
use crate::flags::{DetectArgs, OutputFormat};
use crate::judging::Judging;
use crate::pipeline::{self, Outcome, Reading, Tail};
use crate::plan::{self, ReadPlan};
use crate::state::State;
use crate::{Ending, output};

/// What judging begins with.
enum Beginning {
    /// A baseline, empty or not.
    Fresh(Box<Baseline>),
    /// What an earlier run left.
    Resumed(Box<Snapshot>),
}

/// What detecting gave.
pub(crate) struct Detected {
    /// The last revision of each finding, by first record and id, with suggestions.
    pub(crate) findings: Vec<Finding>,
    pub(crate) outcome: Outcome,
    /// End of the newest window, Unix seconds.
    pub(crate) newest: i64,
    /// What a next run can go on from: the baseline with what was judged added, and the rest.
    left: Snapshot,
}

pub(crate) fn run(args: &DetectArgs) -> Result<Ending> {
    let suppressions = read_suppressions(args)?;
    let (state, beginning) = begin(args)?;
    let mut plan = ReadPlan::of(&args.source, beginning.baseline().learned.interval_secs)?;
    if let Some(state) = &state {
        leave_out_known(state, &mut plan);
    }
    let options = PlanOptions { ttl_secs: args.plan_ttl, ..PlanOptions::DEFAULT };
    let tail = if state.is_some() && !args.r#final { Tail::Keep } else { Tail::Close };
    let files = plan.files.clone();
    let detected = judge_all(plan, beginning, tail, args.warmup, &options)?;
    plan::report_ledger(&detected.outcome);
    let (findings, hits) = suppressions.apply(detected.findings, detected.newest);
    for hit in &hits {
        note_hit(hit);
    }
    if let Some(path) = &args.findings {
        output::write_file(path, |file| Ok(report::write_json_lines(&findings, file)?))?;
    }
    print(args, &findings)?;
    // Saved last: a run that could not deliver its findings is one to do again.
    if let (true, Some(path)) = (args.update_baseline, &args.baseline) {
        learn::save(path, &detected.left.baseline)?;
    }
    let Outcome { unreadable, untouched, .. } = &detected.outcome;
    if let Some(state) = state {
        let read = files.iter().filter(|file| !untouched.contains(&file.place));
        state.save(detected.left, read)?;
    }
    Ok(match (unreadable.is_empty(), args.exit_code && !findings.is_empty()) {
        (false, _) => Ending::Incomplete,
        (true, true) => Ending::Findings,
        (true, false) => Ending::Ran,
    })
}

/// What the state holds, else the baseline given, else nothing.
fn begin(args: &DetectArgs) -> Result<(Option<State>, Beginning)> {
    let (state, left) = match &args.state {
        Some(folder) => {
            let (state, left) = State::open(folder)?;
            (Some(state), left)
        }
        None => (None, None),
    };
    let Some(left) = left else {
        let known = args.baseline.as_deref().map(learn::read).transpose()?;
        return Ok((state, Beginning::Fresh(Box::new(known.unwrap_or_default()))));
    };
    if let (Some(folder), Some(file)) = (&args.state, &args.baseline) {
        output::note(&format!(
            "the baseline in {} is used, which went on from the first run's; {} is not read",
            folder.display(),
            file.display()
        ));
    }
    Ok((state, Beginning::Resumed(Box::new(left))))
}

impl Beginning {
    fn baseline(&self) -> &Baseline {
        match self {
            Self::Fresh(baseline) => baseline,
            Self::Resumed(left) => &left.baseline,
        }
    }
}

/// Leaves out files whose records are in the state, and says what of that is worth knowing.
fn leave_out_known(state: &State, plan: &mut ReadPlan) {
    let sorted = state.sort_out(std::mem::take(&mut plan.files));
    plan.files = sorted.new;
    if state.generation() > 0 {
        output::note(&format!(
            "going on from generation {} of the state: {} new files, {} taken before",
            state.generation(),
            plan.files.len(),
            sorted.n_known
        ));
    }
    for place in &sorted.changed {
        output::note(&format!(
            "{} was taken before with another size: all of its records count again",
            place
        ));
    }
}

fn read_suppressions(args: &DetectArgs) -> Result<Suppressions> {
    let Some(path) = &args.suppress else { return Ok(Suppressions::default()) };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Suppressions::parse(&path.display().to_string(), &text)?)
}

/// Says what a suppression hid: what is hidden must not be forgotten.
fn note_hit(hit: &Hit) {
    let expired = if hit.is_expired { ", expired: hides nothing" } else { "" };
    output::note(&format!(
        "suppression {}: hid {} deviations, {} whole findings{expired} ({})",
        hit.rule, hit.n, hit.n_findings, hit.reason
    ));
}

fn print(args: &DetectArgs, findings: &[Finding]) -> Result<()> {
    let mut stdout = output::stdout();
    match args.output {
        OutputFormat::Json => report::write_json_lines(findings, &mut stdout)?,
        OutputFormat::Text => {
            report::write_text(findings, &output::text_options(args.top), &mut stdout)?;
        }
    }
    stdout.flush()?;
    Ok(())
}

/// Judges everything a plan reads, from a baseline to the end.
pub(crate) fn detect(
    plan: ReadPlan,
    baseline: Baseline,
    warmup_secs: i64,
    plans: &PlanOptions,
) -> Result<Detected> {
    judge_all(plan, Beginning::Fresh(Box::new(baseline)), Tail::Close, warmup_secs, plans)
}

fn judge_all(
    mut plan: ReadPlan,
    beginning: Beginning,
    tail: Tail,
    warmup_secs: i64,
    plans: &PlanOptions,
) -> Result<Detected> {
    let options = JudgeOptions {
        zone: plan.zone.clone(),
        window_secs: plan.fold.window_secs,
        interval_secs: plan.interval_secs,
        warmup_secs,
        blind: BTreeSet::new(),
    };
    let mut aggregator = Aggregator::new(plan.fold.clone());
    let (judge, newest, budget, mut carried) = match beginning {
        Beginning::Fresh(baseline) => {
            note_lookahead(&baseline, &plan);
            (Judge::new(options, *baseline), i64::MIN, PlanBudget::default(), Carried::default())
        }
        Beginning::Resumed(left) => resume(*left, options, &mut plan, &mut aggregator)?,
    };
    note_endless(&plan, tail);
    let mut judging = Judging::new(judge, newest, plans, budget);
    let reading = Reading {
        files: &plan.files,
        reader: plan.reach.reader(&plan.files),
        decode: &plan.decode,
        lateness_secs: plan.lateness_secs,
        tail,
    };
    let outcome =
        pipeline::run(&reading, &mut aggregator, &mut carried, &mut plan.directory, &mut judging)?;
    let findings = judging.findings(&plan.directory);
    let newest = judging.newest;
    let (judge, budget) = judging.into_parts();
    let (mut baseline, judge) = judge.into_parts();
    learn::note_source(&mut baseline, &plan, &outcome);
    let closed_until = aggregator.closed_until().max(newest);
    let run = Run {
        window_secs: plan.fold.window_secs,
        interval_secs: plan.interval_secs,
        closed_until: (closed_until > i64::MIN).then_some(closed_until),
        plans: budget,
        files: Vec::new(),
    };
    let left = Snapshot {
        run,
        baseline,
        windows: aggregator.close_all().into_iter().collect(),
        carried,
        remembered: plan.directory.remembered(),
        judge,
    };
    Ok(Detected { findings, outcome, newest, left })
}

/// Puts everything back where the last run had it.
fn resume(
    left: Snapshot,
    options: JudgeOptions,
    plan: &mut ReadPlan,
    aggregator: &mut Aggregator,
) -> Result<(Judge, i64, PlanBudget, Carried)> {
    let Snapshot { run, baseline, windows, carried, remembered, judge } = left;
    if (run.window_secs, run.interval_secs) != (plan.fold.window_secs, plan.interval_secs) {
        bail!(
            "the state is of {}-second logs and these are {}-second logs: give each kind a --state \
             of its own, or --interval if the first records misled",
            run.interval_secs,
            plan.interval_secs
        );
    }
    let closed_until = run.closed_until.unwrap_or(i64::MIN);
    aggregator.restore(closed_until, windows);
    plan.directory.remember(remembered);
    Ok((Judge::resume(options, baseline, judge), closed_until, run.plans, carried))
}

/// Where no name tells a time nothing says what is still to come.
fn note_endless(plan: &ReadPlan, tail: Tail) {
    let is_timeless = plan.files.iter().all(|file| file.origin.time.is_none());
    if tail == Tail::Keep && is_timeless && !plan.files.is_empty() {
        output::note(
            "no file's name tells its time, so every window stays open for more to come; --final \
             closes them",
        );
    }
}

/// Judging the past by what came later is allowed, but has to be known.
fn note_lookahead(baseline: &Baseline, plan: &ReadPlan) {
    let oldest = plan.files.iter().filter_map(|file| file.origin.time).min().max(plan.fold.since);
    if let (Some(until), Some(oldest)) = (baseline.learned.until, oldest)
        && oldest + 3600 < until
    {
        let until =
            Timestamp::from_second(until).map_or_else(|_| until.to_string(), |t| t.to_string());
        output::note(&format!(
            "these logs begin before the baseline ends ({until}): they are judged by what came later"
        ));
    }
}
