//! `tidegate detect`: judges flow logs against a baseline, or learns as it goes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use detect::snapshot::{Run, Snapshot};
use detect::{Budget, Finding, Judge, JudgeOptions};
use ingest::LogFile;
use jiff::Timestamp;
use model::baseline::{Baseline, HOURS_KEPT, RangesUse};
use model::fold::Aggregator;
use model::settle::Carried;

use super::learn;
use crate::advice::Planning;
use crate::delivery::{Delivery, Known};
use crate::flags::DetectArgs;
use crate::judging::Judging;
use crate::pipeline::{self, Outcome, Reading, Tail};
use crate::plan::{self, ReadPlan};
use crate::sources::Course;
use crate::state::{State, with_undelivered};
use crate::{Ending, clock, output};

/// Without anything new for this long after the lateness, something is to be looked at.
const SILENT_SECS: i64 = 3600;

/// What judging begins with.
pub(super) enum Beginning {
    /// A baseline, empty or not.
    Fresh(Box<Baseline>),
    /// What an earlier run left.
    Resumed(Box<Snapshot>),
    /// What this run left of the files before, with the directory that knows them.
    GoingOn(Box<Snapshot>),
}

/// What detecting gave.
pub(crate) struct Detected {
    /// The last revision of each finding, by first record and id, with suggestions.
    pub(crate) findings: Vec<Finding>,
    pub(crate) outcome: Outcome,
    /// From when windows were judged and not only learned, Unix seconds; `None` without any.
    judged_from: Option<i64>,
    /// End of the newest window, Unix seconds.
    pub(crate) newest: i64,
    /// What a next run can go on from: the baseline with what was judged added, and the rest.
    pub(super) left: Snapshot,
}

pub(crate) fn run(args: &DetectArgs) -> Result<Ending> {
    if let (Some(group), Some(_)) = (log_group(args), &args.state) {
        // Events come in late under times that were read: only a watch finds them.
        bail!("`{group}`: with --state, a log group is for `tidegate watch {group} --state …`");
    }
    let delivery = Delivery::of(&args.tell)?;
    let (mut state, beginning) = begin(args)?;
    let mut plan = plan(args, &mut state, beginning.baseline().learned.interval_secs)?;
    note_since(&plan, &beginning);
    note_nothing_new(&plan, &beginning);
    let tail = if state.is_some() && !args.r#final { Tail::Keep } else { Tail::Close };
    let terms = Terms { warmup_secs: args.learned.warmup, budget: args.tell.budget };
    let detected = judge_all(&mut plan, beginning, tail, terms, delivery.planning())?;
    plan.note_acquaintance();
    plan::report_ledger(&detected.outcome);
    let Detected { findings, outcome, judged_from, newest, mut left } = detected;
    note_only_learned(judged_from, newest);
    let mut known = Known { open: std::mem::take(&mut left.run.told), ..Known::default() };
    let told = delivery.sift(findings, newest, &mut known);
    (left.run.told, left.run.withdrawn) = (known.open, known.withdrawn);
    let baseline = args.learned.baseline.as_ref().filter(|_| args.learned.update_baseline);
    let baseline = baseline.map(|path| (path, left.baseline.clone()));
    // Kept first: what is told but not kept would be told again otherwise, as something new.
    if let Some(state) = &mut state {
        state.take(plan.files.iter().filter(|file| !outcome.untouched.contains(&file.place)));
        state.commit(left)?;
    }
    let ending = delivery.deliver(&told)?;
    if let Some(state) = &mut state {
        state.delivered()?;
    }
    if let Some((path, baseline)) = &baseline {
        learn::save(path, baseline)?;
    }
    Ok(if outcome.unreadable.is_empty() { ending } else { Ending::Incomplete })
}

fn log_group(args: &DetectArgs) -> Option<&String> {
    args.source.sources.iter().find(|source| source.starts_with("cwl://"))
}

/// What the state holds, else the baseline given, else nothing.
fn begin(args: &DetectArgs) -> Result<(Option<State>, Beginning)> {
    let (state, left) = match &args.state {
        Some(at) => {
            let (state, left) = State::open(at, &args.source.aws)?;
            (Some(state), left)
        }
        None => (None, None),
    };
    let Some(left) = left else {
        let known = args.learned.baseline.as_deref().map(learn::read).transpose()?;
        return Ok((state, Beginning::Fresh(Box::new(known.unwrap_or_default()))));
    };
    if let (Some(at), Some(file)) = (&args.state, &args.learned.baseline) {
        output::note(&format!(
            "the baseline in {at} is used, which went on from the first run's; {} is not read",
            file.display()
        ));
    }
    Ok((state, Beginning::Resumed(Box::new(left))))
}

impl Beginning {
    pub(super) fn baseline(&self) -> &Baseline {
        match self {
            Self::Fresh(baseline) => baseline,
            Self::Resumed(left) | Self::GoingOn(left) => &left.baseline,
        }
    }
}

/// Finds what the state does not hold yet.
fn plan(
    args: &DetectArgs,
    state: &mut Option<State>,
    interval_secs: Option<i64>,
) -> Result<ReadPlan> {
    let Some(state) = state else { return ReadPlan::of(&args.source, interval_secs) };
    // What comes later than the lateness adds nothing, but has to be counted.
    let listed_from = state.listed_from(args.relist.max(args.source.lateness));
    let course = Course { listed_from, is_continued: !args.r#final };
    let mut new = |files| leave_out_known(state, files);
    let plan = ReadPlan::of_new(&args.source, interval_secs, course, &mut new)?;
    if let Some(time) = listed_from {
        state.forget_before(time);
        output::note(&format!(
            "S3 is listed from {} on, --relist before the newest file of the flow log that lags \
             most: files named earlier that come only now are not found",
            at(time)
        ));
    }
    Ok(plan)
}

/// Leaves out files whose records are in the state, and says what of that is worth knowing.
fn leave_out_known(state: &State, files: Vec<LogFile>) -> Vec<LogFile> {
    let sorted = state.sort_out(files);
    if state.generation() > 0 {
        output::note(&format!(
            "going on from generation {} of the state: {} new files, {} taken before",
            state.generation(),
            sorted.new.len(),
            sorted.n_known
        ));
    }
    for place in &sorted.changed {
        output::note(&format!(
            "{place} was taken before with other content: all of its records count again"
        ));
    }
    sorted.new
}

/// On what terms it is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// Only learned from for so long, counted from the first record, seconds.
    pub(crate) warmup_secs: i64,
    /// False findings accepted.
    pub(crate) budget: Budget,
}

/// Judges everything a plan reads, from a baseline to the end.
pub(crate) fn detect(
    mut plan: ReadPlan,
    baseline: Baseline,
    terms: Terms,
    planning: &Planning,
) -> Result<Detected> {
    judge_all(&mut plan, Beginning::Fresh(Box::new(baseline)), Tail::Close, terms, planning)
}

/// Judges the files of a plan.
pub(super) fn judge_all(
    plan: &mut ReadPlan,
    beginning: Beginning,
    tail: Tail,
    terms: Terms,
    planning: &Planning,
) -> Result<Detected> {
    let mut aggregator = Aggregator::new(plan.fold.clone());
    let Begun { judge, mut run, mut carried } =
        take_up(beginning, terms, planning, plan, &mut aggregator)?;
    note_other_ranges(judge.baseline(), plan);
    note_endless(plan, tail);
    let newest = run.closed_until.unwrap_or(i64::MIN);
    let mut judging = Judging::new(judge, newest, planning, std::mem::take(&mut run.plans));
    judging.follow(&plan.directory);
    let reading = Reading {
        files: &plan.files,
        reader: plan.reach.reader(&plan.files),
        decode: &plan.decode,
        lateness_secs: plan.lateness_secs,
        tail,
    };
    let mut outcome =
        pipeline::run(&reading, &mut aggregator, &mut carried, &mut plan.directory, &mut judging)?;
    outcome.gaps = judging.gaps(&plan.directory);
    outcome.stood_out = judging.judge.stood_out_while_learning();
    let judged_from = judging.judge.judged_from();
    let told = judging.findings(&plan.directory);
    let findings = with_undelivered(told, std::mem::take(&mut run.undelivered));
    let newest = judging.newest;
    let (judge, plans) = judging.into_parts();
    let (mut baseline, judge) = judge.into_parts();
    learn::note_source(&mut baseline, plan, &outcome);
    let closed_until = aggregator.closed_until().max(newest);
    let run = Run {
        window_secs: plan.fold.window_secs,
        interval_secs: plan.interval_secs,
        closed_until: (closed_until > i64::MIN).then_some(closed_until),
        plans,
        undelivered: findings.clone(),
        ..run
    };
    let left = Snapshot {
        run,
        baseline,
        windows: aggregator.close_all().into_iter().collect::<BTreeMap<_, _>>(),
        carried,
        remembered: plan.directory.remembered(),
        judge,
    };
    Ok(Detected { findings, outcome, judged_from, newest, left })
}

/// What a run works with.
struct Begun {
    judge: Judge,
    run: Run,
    carried: Carried,
}

/// Puts everything where the last run had it.
fn take_up(
    beginning: Beginning,
    terms: Terms,
    planning: &Planning,
    plan: &mut ReadPlan,
    aggregator: &mut Aggregator,
) -> Result<Begun> {
    let options = JudgeOptions {
        zone: plan.zone.clone(),
        window_secs: plan.fold.window_secs,
        interval_secs: plan.interval_secs,
        warmup_secs: terms.warmup_secs,
        budget: terms.budget,
        blind: BTreeSet::new(),
        accepted: planning.suppressions.clone(),
    };
    let left = match beginning {
        Beginning::Fresh(mut baseline) => {
            note_lookahead(&baseline, plan);
            // A later run would find it there: what is told must not depend on which run tells it.
            baseline.learned.interval_secs = Some(plan.interval_secs);
            let judge = Judge::new(options, *baseline);
            return Ok(Begun { judge, run: Run::default(), carried: Carried::default() });
        }
        Beginning::Resumed(mut left) => {
            plan.directory.remember(std::mem::take(&mut left.remembered));
            left
        }
        Beginning::GoingOn(left) => left,
    };
    let Snapshot { run, baseline, windows, carried, judge, .. } = *left;
    plan::check_state(&run, &plan.fold, plan.interval_secs)?;
    aggregator.restore(run.closed_until.unwrap_or(i64::MIN), windows);
    Ok(Begun { judge: Judge::resume(options, baseline, judge), run, carried })
}

/// A flow log that was turned off looks like one that has nothing to say.
fn note_nothing_new(plan: &ReadPlan, beginning: &Beginning) {
    let Beginning::Resumed(left) = beginning else { return };
    let Some(closed_until) = left.run.closed_until.filter(|_| plan.files.is_empty()) else {
        return;
    };
    let silent_secs = clock::unix_secs().saturating_sub(closed_until);
    if silent_secs >= plan.lateness_secs + SILENT_SECS {
        output::note(&format!(
            "nothing new came since {}, {} h ago by this machine's clock: if the sources are the ones you \
             mean, see whether the flow logs are still on (T1562.008)",
            at(closed_until),
            silent_secs / 3600
        ));
    }
}

/// What an earlier run judged stays so, and what it left open lacks what is left out now.
fn note_since(plan: &ReadPlan, beginning: &Beginning) {
    let Beginning::Resumed(left) = beginning else { return };
    let (since, open_from) = (plan.fold.since, left.run.closed_until);
    if let Some((since, open_from)) = since.zip(open_from).filter(|(since, from)| since > from) {
        output::note(&format!(
            "the state goes on at {}, and records that end before --since ({}) are left out of it: without \
             --since nothing is left out or judged twice",
            at(open_from),
            at(since)
        ));
    }
}

/// No findings of what was not judged are no answer.
fn note_only_learned(judged_from: Option<i64>, newest: i64) {
    if let Some(from) = judged_from.filter(|&from| newest <= from) {
        output::note(&format!(
            "nothing was judged yet: --warmup lasts until {}, and the newest record is from before {}",
            at(from),
            at(newest)
        ));
    }
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

/// AWS's services have other names in a baseline that was learned with the other choice.
fn note_other_ranges(baseline: &Baseline, plan: &ReadPlan) {
    let used = RangesUse::of(&plan.directory);
    let Some(learned) = baseline.learned.ip_ranges.filter(|&learned| learned != used) else {
        return;
    };
    let learned = match learned {
        RangesUse::Used => "with --ip-ranges and these logs are judged without",
        RangesUse::Unused => "without --ip-ranges and these logs are judged with it",
        RangesUse::Mixed => "partly with --ip-ranges and partly without",
    };
    output::note(&format!(
        "the baseline was learned {learned}: AWS's services have other names in it, so that known \
         ones may look new"
    ));
}

/// Judging the past by what came later is allowed, but has to be known.
fn note_lookahead(baseline: &Baseline, plan: &ReadPlan) {
    let oldest = plan.files.iter().filter_map(|file| file.origin.time).min().max(plan.fold.since);
    if let (Some(until), Some(oldest)) = (baseline.learned.until, oldest)
        && oldest + 3600 < until
    {
        output::note(&format!(
            "these logs begin before the baseline ends ({}): they are judged by what came later",
            at(until)
        ));
        if oldest < until - HOURS_KEPT * 3600 {
            output::note(
                "volumes and counts of so long ago are forgotten by the baseline and not judged: learn one \
                 that ends where these logs begin (`backfill` does)",
            );
        }
    }
}

fn at(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}
