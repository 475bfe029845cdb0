//! `tidegate backfill`: judges a stretch of the past day by day, as it would have been judged at the
//! time: nothing later than a window bears on it.
//!
//! One day's files are read at a time, and what they leave is all that goes on to the next, so memory
//! does not grow with the range. With `--resume` it is kept after each day as `detect --state` keeps
//! it; findings that are over stay in it as undelivered until all is done.

mod estimate;

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ingest::{FILE_SECS, LogFile, Place, RECORD_SECS_MAX, TimeRange};
use jiff::Timestamp;
use model::baseline::Baseline;

use super::detect::{Beginning, Detected, Terms, judge_all};
use super::learn;
use crate::advice::Planning;
use crate::delivery::{Delivery, Known};
use crate::flags::{BackfillArgs, SourceArgs};
use crate::pipeline::{Outcome, Tail};
use crate::plan::{self, ReadPlan};
use crate::sources::{Course, Wanted};
use crate::state::State;
use crate::{Ending, clock, output};

/// How long is learned if nothing is said.
const LEARN_SECS: i64 = 14 * 86_400;

/// What the state's positions are called: what the run is of, and the time of the newest file that is
/// done.
const RUN_OF: &str = "backfill";
const DONE_UNTIL: &str = "backfill-done-until";

const DAY_SECS: i64 = 86_400;

pub(crate) fn run(args: &BackfillArgs) -> Result<Ending> {
    let range = Range::of(args)?;
    if args.dry_run {
        return estimate::report(args, &range);
    }
    let delivery = Delivery::of(&args.tell)?;
    let backfill = Backfill::begin(args, &range)?;
    let done_until = backfill.done_until;
    let interval_secs = backfill.beginning.baseline().learned.interval_secs;
    let mut new = |files| {
        let mut files = range.files(files);
        files.retain(|file| file.origin.time.unwrap_or(i64::MAX - 1) > done_until);
        files
    };
    let mut plan = ReadPlan::of_new(&args.source, interval_secs, Course::default(), &mut new)?;
    if plan.files.is_empty() && done_until == i64::MIN {
        output::note("there are no files of that time: nothing to judge");
    }
    let days = days(std::mem::take(&mut plan.files));
    let terms = Terms { budget: args.tell.budget, ..Terms::default() };
    let Finished { last, outcome } = backfill.judge(&mut plan, days, terms, delivery.planning())?;
    plan::report_ledger(&outcome);
    let ending =
        delivery.deliver(&delivery.sift(last.findings, last.newest, &mut Known::default()))?;
    Ok(if outcome.unreadable.is_empty() { ending } else { Ending::Incomplete })
}

/// What is judged, and what is learned from before, Unix seconds.
struct Range {
    since: i64,
    until: i64,
    lateness_secs: i64,
    /// 0 if a baseline is given.
    learn_secs: i64,
}

impl Range {
    fn of(args: &BackfillArgs) -> Result<Self> {
        let Wanted { since, until, lateness_secs, .. } =
            plan::wanted(&args.source, &plan::zone(&args.source)?)?;
        let (Some(since), Some(until)) = (since, until) else {
            bail!("a backfill needs --since and --until");
        };
        let learn_secs = match (&args.baseline, args.learn) {
            (Some(_), _) => 0,
            (None, given) => given.unwrap_or(LEARN_SECS),
        };
        Ok(Self { since, until, lateness_secs, learn_secs })
    }

    /// The files that can hold records to be judged: a folder brings others too.
    fn files(&self, files: Vec<LogFile>) -> Vec<LogFile> {
        self.between(self.since, self.until, files)
    }

    /// The files that can hold records which end between these times.
    fn between(&self, since: i64, until: i64, mut files: Vec<LogFile>) -> Vec<LogFile> {
        let times = TimeRange::of_records(Some(since), Some(until), self.lateness_secs);
        files.retain(|file| match file.place {
            // An event bears the start of its record.
            Place::Slice { since: from, until: to, .. } => {
                from < until && to.saturating_add(RECORD_SECS_MAX) > since
            }
            _ => times.has(&file.origin),
        });
        files
    }

    /// What tells this backfill from others in a state.
    fn name(&self, args: &BackfillArgs) -> String {
        let from = match &args.baseline {
            Some(path) => format!("baseline {}", path.display()),
            None => format!("{} s learned", self.learn_secs),
        };
        let (since, until) = (time(self.since), time(self.until));
        let budget = args.tell.budget;
        format!("{since} to {until}, {from}, {budget}, of {}", args.source.sources.join(" "))
    }
}

/// A backfill under way.
struct Backfill {
    state: Option<State>,
    beginning: Beginning,
    name: String,
    /// Files of times up to this are done, Unix seconds.
    done_until: i64,
}

/// What a backfill gave.
struct Finished {
    last: Detected,
    outcome: Outcome,
}

impl Backfill {
    /// Goes on where one was ended, or learns first.
    fn begin(args: &BackfillArgs, range: &Range) -> Result<Self> {
        let (state, left) = match &args.resume {
            Some(at) => {
                let (state, left) = State::open(at, &args.source.aws)?;
                (Some(state), left)
            }
            None => (None, None),
        };
        let name = range.name(args);
        let Some(left) = left else {
            let beginning = Beginning::Fresh(Box::new(baseline(args, range)?));
            return Ok(Self { state, beginning, name, done_until: i64::MIN });
        };
        match left.run.positions.get(RUN_OF) {
            Some(known) if *known == name => {}
            Some(known) => {
                bail!("--resume holds another backfill, {known}; this one is {name}")
            }
            None => bail!("--resume holds the state of another command; give a backfill its own"),
        }
        let done_until = left.run.positions.get(DONE_UNTIL).and_then(|text| text.parse().ok());
        let done_until = done_until.unwrap_or(i64::MIN);
        output::note(&format!("going on after {}", time(done_until)));
        Ok(Self { state, beginning: Beginning::Resumed(Box::new(left)), name, done_until })
    }

    fn judge(
        mut self,
        plan: &mut ReadPlan,
        mut days: Vec<Vec<LogFile>>,
        terms: Terms,
        planning: &Planning,
    ) -> Result<Finished> {
        let mut progress = Progress::new(&days);
        let mut outcome = Outcome::default();
        if self.state.as_ref().is_some_and(|state| state.generation() == 0) {
            // What was learned is not learned again.
            let detected = judge_all(plan, self.beginning, Tail::Keep, terms, planning)?;
            self.beginning = keep(&mut self.state, detected, &self.name, i64::MIN)?;
        }
        let last_day = days.pop().unwrap_or_default();
        for day in days {
            plan.files = day;
            let mut detected = judge_all(plan, self.beginning, Tail::Keep, terms, planning)?;
            progress.day_done(&plan.files, detected.findings.len());
            merge(&mut outcome, std::mem::take(&mut detected.outcome));
            let done = plan.files.iter().filter_map(|file| file.origin.time).max();
            self.beginning =
                keep(&mut self.state, detected, &self.name, done.unwrap_or(self.done_until))?;
        }
        plan.files = last_day;
        let mut last = judge_all(plan, self.beginning, Tail::Close, terms, planning)?;
        progress.day_done(&plan.files, last.findings.len());
        merge(&mut outcome, std::mem::take(&mut last.outcome));
        if let Some(state) = &mut self.state {
            let mut left = last.left.clone();
            left.run.positions = positions(&self.name, i64::MAX);
            state.commit(left)?;
        }
        Ok(Finished { last, outcome })
    }
}

/// Keeps how far a backfill came, if it is to be kept, and goes on from there.
fn keep(
    state: &mut Option<State>,
    detected: Detected,
    name: &str,
    done_until: i64,
) -> Result<Beginning> {
    let mut left = detected.left;
    left.run.positions = positions(name, done_until);
    if let Some(state) = state {
        state.commit(left.clone())?;
    }
    Ok(Beginning::GoingOn(Box::new(left.taken_up())))
}

fn positions(name: &str, done_until: i64) -> BTreeMap<String, String> {
    [(RUN_OF, name.to_owned()), (DONE_UNTIL, done_until.to_string())]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// What is normal, from before the range.
fn baseline(args: &BackfillArgs, range: &Range) -> Result<Baseline> {
    let Some(path) = &args.baseline else { return learned(args, range) };
    let baseline = learn::read(path)?;
    let window_secs = 600;
    if let Some(until) = baseline.learned.until.filter(|&until| until > range.since + window_secs) {
        bail!(
            "{} was learned until {}, after --since: a backfill judges by what was known at the time. \
             Give one learned before, or --learn; or judge by hindsight with detect --baseline",
            path.display(),
            time(until)
        );
    }
    Ok(baseline)
}

fn learned(args: &BackfillArgs, range: &Range) -> Result<Baseline> {
    if range.learn_secs == 0 {
        return Ok(Baseline::default());
    }
    let since = range.since.saturating_sub(range.learn_secs);
    let source = SourceArgs {
        since: Some(time(since)),
        until: Some(time(range.since)),
        ..args.source.clone()
    };
    output::note(&format!("learning from {} to {}", time(since), time(range.since)));
    let mut earlier = |files| range.between(since, range.since, files);
    let plan = ReadPlan::of_new(&source, None, Course::default(), &mut earlier)?;
    let is_empty = plan.files.is_empty();
    let (baseline, outcome) = learn::learn(plan).context("learning from what came before")?;
    plan::report_ledger(&outcome);
    if is_empty {
        output::note("there are no files of that time: everything is new at first");
        // The interval of nothing says nothing.
        return Ok(Baseline::default());
    }
    Ok(baseline)
}

/// Files by the day of their times, oldest first. One without a time could belong to any of them, so
/// that they are not told apart.
fn days(files: Vec<LogFile>) -> Vec<Vec<LogFile>> {
    if files.iter().any(|file| file.origin.time.is_none()) {
        output::note("some files' names tell no time: all days are judged at once");
        return vec![files];
    }
    let mut days: BTreeMap<i64, Vec<LogFile>> = BTreeMap::new();
    for file in files {
        let day = file.origin.time.unwrap_or(0).div_euclid(DAY_SECS);
        days.entry(day).or_default().push(file);
    }
    days.into_values().collect()
}

/// Adds up what came of reading. Records of windows left open come again with the next day.
fn merge(sum: &mut Outcome, mut day: Outcome) {
    let again = day.ledger.open.min(day.ledger.records);
    if sum.ledger.open > 0 {
        sum.ledger.records -= sum.ledger.open.min(sum.ledger.records);
        sum.ledger.open = 0;
    }
    day.ledger.open = again;
    sum.ledger.merge(&day.ledger);
    sum.declared = sum.declared.union(day.declared);
    sum.unreadable.append(&mut day.unreadable);
    sum.untouched.append(&mut day.untouched);
    sum.gaps.merge(day.gaps);
    for (reason, samples) in day.samples {
        sum.samples.entry(reason).or_insert(samples);
    }
}

/// Says after each day how long the rest takes.
struct Progress {
    begun: Instant,
    n_days: usize,
    n_done: usize,
    bytes: u64,
    bytes_done: u64,
}

impl Progress {
    fn new(days: &[Vec<LogFile>]) -> Self {
        let bytes = days.iter().flatten().map(weight).sum();
        Self { begun: clock::now(), n_days: days.len(), n_done: 0, bytes, bytes_done: 0 }
    }

    fn day_done(&mut self, files: &[LogFile], n_findings: usize) {
        let Some(newest) = files.iter().filter_map(|file| file.origin.time).max() else { return };
        self.n_done += 1;
        self.bytes_done += files.iter().map(weight).sum::<u64>();
        let per_byte = self.begun.elapsed().as_secs_f64() / self.bytes_done.max(1) as f64;
        let left_secs = per_byte * self.bytes.saturating_sub(self.bytes_done) as f64;
        output::note(&format!(
            "judged up to {}: day {} of {}, {n_findings} findings so far, about {left_secs:.0} s left",
            time(newest + FILE_SECS),
            self.n_done,
            self.n_days
        ));
    }
}

/// How long a file takes, beside others of its kind. Nobody knows the size of a log group's slices.
fn weight(file: &LogFile) -> u64 {
    file.bytes.max(1)
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| "the beginning".to_owned(), |t| t.to_string())
}
