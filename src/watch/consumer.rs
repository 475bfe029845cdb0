//! What was fetched goes in, findings come out: decode, fold, close, judge, without a source, a state
//! or a sink.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Instant;

use anyhow::Result;
use detect::snapshot::{Run, Snapshot};
use detect::suggest::PlanBudget;
use detect::{Finding, Judge, JudgeOptions, State, StoodOut};
use ingest::source::stream::{Delivery, Input, Positions};
use ingest::{DecodeOptions, FieldSet, Ledger, Reader, RecentIds, RejectReason};
use model::baseline::{Baseline, RangesUse};
use model::fold::{Aggregator, FoldOptions};
use model::identity::Directory;
use model::settle::Carried;

use super::fold::{Folders, Share};
use super::inputs::{Inputs, Now};
use crate::advice::Planning;
use crate::closing::{Closing, add_up};
use crate::judging::Judging;
use crate::pipeline::Tail;
use crate::plan;
use crate::silence::Gaps;

/// How to fold and judge.
pub(crate) struct ConsumerOptions<'a> {
    pub(crate) judge: JudgeOptions,
    pub(crate) fold: FoldOptions,
    pub(crate) decode: DecodeOptions,
    pub(crate) planning: &'a Planning,
    /// The fields the first records declared.
    pub(crate) declared: FieldSet,
}

/// Windows of which it is known when their last record came: those that close first. Times in records
/// can be anything.
const CAME_AT_MAX: usize = 1 << 12;

/// A finding to be told.
pub(crate) struct News {
    pub(crate) finding: Finding,
    /// When the last record came of the window it is about; `None` if that was in an earlier run.
    pub(crate) came_at: Option<Instant>,
}

/// Everything between what was fetched and the findings.
pub(crate) struct Consumer<'a> {
    pub(crate) inputs: Inputs,
    folders: Folders,
    aggregator: Aggregator,
    carried: Carried,
    directory: Directory,
    judging: Judging<'a>,
    interval_secs: i64,
    declared: FieldSet,
    /// What settling classed.
    settled: Ledger,
    /// The findings that are open as they were told last, by id.
    told: BTreeMap<String, u64>,
    /// When the last record of each open window came, by the window's start.
    came_at: BTreeMap<i64, Instant>,
    pub(crate) n_closed: u64,
}

impl<'a> Consumer<'a> {
    /// Begins with a baseline.
    pub(crate) fn new(
        options: ConsumerOptions<'a>,
        inputs: Inputs,
        directory: Directory,
        baseline: Baseline,
    ) -> Self {
        Self::knowing(options, inputs, directory, baseline, RecentIds::new())
    }

    fn knowing(
        options: ConsumerOptions<'a>,
        inputs: Inputs,
        directory: Directory,
        mut baseline: Baseline,
        recent: RecentIds,
    ) -> Self {
        let interval_secs = options.judge.interval_secs;
        // Advice says when to look again, by the interval: from the first run's first window on.
        baseline.learned.interval_secs = Some(interval_secs);
        let judge = Judge::new(options.judge, baseline);
        Self {
            inputs,
            folders: Folders::new(&options.fold, &options.decode, recent),
            aggregator: Aggregator::new(options.fold),
            carried: Carried::default(),
            directory,
            judging: Judging::new(judge, i64::MIN, options.planning, PlanBudget::default()),
            interval_secs,
            declared: options.declared,
            settled: Ledger::default(),
            told: BTreeMap::new(),
            came_at: BTreeMap::new(),
            n_closed: 0,
        }
    }

    /// Goes on where a snapshot was taken, whose intervals have to be these.
    pub(crate) fn resume(
        options: ConsumerOptions<'a>,
        inputs: Inputs,
        mut directory: Directory,
        left: Snapshot,
    ) -> Result<Self> {
        let Snapshot { run, baseline, windows, carried, remembered, judge } = left;
        plan::check_state(&run, &options.fold, options.judge.interval_secs)?;
        let closed_until = run.closed_until.unwrap_or(i64::MIN);
        directory.remember(remembered);
        let judge_options = options.judge.clone();
        let planning = options.planning;
        let recent = RecentIds::from_words(&run.events);
        let known = Baseline::default();
        let mut consumer = Self::knowing(options, inputs, directory, known, recent);
        consumer.aggregator.restore(closed_until, windows);
        consumer.carried = carried;
        let judge = Judge::resume(judge_options, baseline, judge);
        consumer.judging = Judging::new(judge, closed_until, planning, run.plans);
        consumer.judging.follow(&consumer.directory);
        Ok(consumer)
    }

    /// Folds what a poll brought. What could not be read is in the answer.
    pub(crate) fn take(
        &mut self,
        deliveries: &[Delivery],
        inputs: &[Input],
        reader: &Reader,
        now: Now,
    ) -> Result<Share> {
        self.inputs.polled(inputs, now);
        self.folders.set_not_after(plan::not_after(now.unix_secs));
        let share = self.folders.fold(deliveries, reader)?;
        for (input, newest) in &share.newest {
            self.inputs.brought(input, *newest, now);
        }
        let closed_until = self.aggregator.closed_until();
        self.came_at.extend(share.windows.range(closed_until..).map(|&start| (start, now.instant)));
        while self.came_at.len() > CAME_AT_MAX {
            self.came_at.pop_last();
        }
        Ok(share)
    }

    /// Closes what the watermark has passed, and tells what that gave.
    pub(crate) fn close(&mut self, now: Now) -> Result<Vec<News>> {
        let Some(watermark) = self.inputs.watermark(now) else { return Ok(Vec::new()) };
        let window_secs = self.aggregator.options().window_secs;
        let passed = watermark.saturating_sub(watermark.rem_euclid(window_secs));
        if passed <= self.aggregator.closed_until() {
            return Ok(Vec::new());
        }
        self.folders.gather(&mut self.aggregator);
        let n_closed = self.closing().until(watermark)?;
        self.n_closed += n_closed as u64;
        let mut news = Vec::new();
        for (window, finding) in self.judging.news(&self.directory) {
            let came_at = self.came_at.get(&window).copied();
            news.extend(self.note_told(finding).map(|finding| News { finding, came_at }));
        }
        self.came_at = self.came_at.split_off(&self.aggregator.closed_until());
        Ok(news)
    }

    /// The end: closes what is to be closed, and tells what is open as it is now known.
    pub(crate) fn finish(&mut self, tail: Tail) -> Result<Vec<Finding>> {
        self.folders.gather(&mut self.aggregator);
        if tail == Tail::Close {
            let n_closed = self.closing().all()?;
            self.n_closed += n_closed as u64;
        }
        let all = self.judging.findings(&self.directory);
        Ok(all.into_iter().filter_map(|finding| self.note_told(finding)).collect())
    }

    fn closing(&mut self) -> Closing<'_> {
        Closing {
            aggregator: &mut self.aggregator,
            carried: &mut self.carried,
            directory: &mut self.directory,
            ledger: &mut self.settled,
            windows: &mut self.judging,
        }
    }

    /// Gives it back if it reads otherwise than it was told last.
    fn note_told(&mut self, finding: Finding) -> Option<Finding> {
        let mut hasher = DefaultHasher::new();
        // What cannot be written is told each time.
        serde_json::to_string(&finding).ok().hash(&mut hasher);
        let read = hasher.finish();
        let is_news = self.told.insert(finding.id.clone(), read) != Some(read);
        if finding.state == State::Closed {
            self.told.remove(&finding.id);
        }
        is_news.then_some(finding)
    }

    /// Everything a later run needs to go on from here, reading from `positions`.
    pub(crate) fn snapshot(&mut self, positions: Positions, undelivered: Vec<Finding>) -> Snapshot {
        self.folders.gather(&mut self.aggregator);
        let mut baseline = self.judging.judge.baseline().clone();
        let learned = &mut baseline.learned;
        learned.interval_secs = Some(self.interval_secs);
        learned.fields = learned.fields.union(self.declared).union(self.folders.declared());
        let ranges = RangesUse::of(&self.directory);
        learned.ip_ranges = RangesUse::join(learned.ip_ranges, Some(ranges));
        learned.ledger.merge(&self.ledger());
        let closed_until = self.aggregator.closed_until().max(self.judging.newest);
        let run = Run {
            window_secs: self.aggregator.options().window_secs,
            interval_secs: self.interval_secs,
            closed_until: (closed_until > i64::MIN).then_some(closed_until),
            plans: self.judging.budget().clone(),
            positions,
            undelivered,
            events: self.folders.events(),
            ..Run::default()
        };
        Snapshot {
            run,
            baseline,
            windows: self.aggregator.open_windows().clone(),
            carried: self.carried.clone(),
            remembered: self.directory.remembered(),
            judge: self.judging.judge.memory(),
        }
    }

    /// What became of every record so far.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut ledger = self.settled.clone();
        add_up(&mut ledger, &self.aggregator);
        self.folders.add_ledger(&mut ledger);
        ledger
    }

    /// The evidence with what was judged added, and what it was learned from.
    pub(crate) fn into_baseline(mut self) -> Baseline {
        self.snapshot(Positions::default(), Vec::new()).baseline
    }

    /// End of the newest window that was judged, Unix seconds.
    pub(crate) fn newest(&self) -> i64 {
        self.judging.newest
    }

    /// How many windows are open, those that only cores know left out.
    pub(crate) fn n_open(&self) -> usize {
        self.aggregator.open_windows().len()
    }

    /// When flow logs were silent.
    pub(crate) fn gaps(&self) -> Gaps {
        self.judging.gaps(&self.directory)
    }

    /// What stood out in what was only learned from.
    pub(crate) fn stood_out(&self) -> StoodOut {
        self.judging.judge.stood_out_while_learning()
    }

    /// A few rejected records of each reason.
    pub(crate) fn samples(&self) -> BTreeMap<RejectReason, Vec<String>> {
        self.folders.samples()
    }
}
