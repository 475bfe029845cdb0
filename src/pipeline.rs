//! The one loop: files are decoded and folded on every core, windows close in order, and each closed
//! window goes to the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, anyhow};
use crossbeam_channel::{Receiver, Sender, bounded};
use detect::StoodOut;
use ingest::{DecodeOptions, FieldSet, LogFile, Place, ReadError, Reader, RejectReason, Tally};
use model::fold::{Aggregator, FoldOptions};
use model::identity::Directory;
use model::settle::Carried;

use crate::closing::{Closing, Windows, add_up};
use crate::progress::Progress;
use crate::silence::Gaps;

/// Samples of rejected records that are shown per reason.
const SAMPLES_MAX: usize = 3;

/// How input ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// All windows are closed.
    Close,
    /// What the watermark has not passed stays open, for the next run.
    Keep,
}

/// What is read, and how.
pub(crate) struct Reading<'a> {
    pub(crate) files: &'a [LogFile],
    pub(crate) reader: Reader,
    pub(crate) decode: &'a DecodeOptions,
    pub(crate) lateness_secs: i64,
    pub(crate) tail: Tail,
}

/// What came of reading.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) ledger: ingest::Ledger,
    pub(crate) declared: FieldSet,
    pub(crate) unreadable: Vec<(String, String)>,
    /// Files that could not be read and of which no record came: worth another try.
    pub(crate) untouched: BTreeSet<Place>,
    pub(crate) samples: BTreeMap<RejectReason, Vec<String>>,
    /// Where judging follows it: when flow logs were silent.
    pub(crate) gaps: Gaps,
    /// What stood out in what was only learned from.
    pub(crate) stood_out: StoodOut,
}

/// One file, folded.
struct Folded {
    file: usize,
    aggregator: Aggregator,
    tally: Tally,
    error: Option<ReadError>,
}

/// Reads all files into `aggregator` and hands over windows as they close, oldest first.
pub(crate) fn run(
    reading: &Reading<'_>,
    aggregator: &mut Aggregator,
    carried: &mut Carried,
    directory: &mut Directory,
    windows: &mut dyn Windows,
) -> Result<Outcome> {
    let n_workers = thread::available_parallelism().map_or(1, NonZero::get);
    let fold = aggregator.options().clone();
    let next = AtomicUsize::new(0);
    // Each waiting file holds open windows, so few may wait.
    let (sender, receiver) = bounded(n_workers);
    let mut drain = Drain {
        reading,
        carried,
        directory,
        windows,
        outcome: Outcome::default(),
        aggregator,
        done: vec![false; reading.files.len()],
        n_done: 0,
        progress: Progress::new(reading.files.iter().map(|file| file.bytes).sum()),
    };
    thread::scope(|scope| {
        for _ in 0..n_workers {
            let (sender, fold, next) = (sender.clone(), &fold, &next);
            scope.spawn(move || fold_files(reading, fold, next, &sender));
        }
        drop(sender);
        drain.receive(&receiver)
    })?;
    drain.finish()
}

/// One worker: takes the next file until there is none, or nobody listens any more.
fn fold_files(
    reading: &Reading<'_>,
    fold: &FoldOptions,
    next: &AtomicUsize,
    sender: &Sender<Folded>,
) {
    let mut tuples_expected = 0;
    loop {
        let file = next.fetch_add(1, Ordering::Relaxed);
        let Some(log) = reading.files.get(file) else { return };
        let mut aggregator = Aggregator::expecting(fold.clone(), tuples_expected);
        let read = reading.reader.read(log, reading.decode, &mut |batch| aggregator.push(&batch));
        // Neighbouring files are of a size, mostly.
        tuples_expected = aggregator.tuples_per_window() * 9 / 8;
        aggregator.seal();
        let folded = Folded { file, aggregator, tally: read.tally, error: read.error };
        if sender.send(folded).is_err() {
            return;
        }
    }
}

/// Where folded files come together.
struct Drain<'a, 'r> {
    reading: &'a Reading<'r>,
    aggregator: &'a mut Aggregator,
    carried: &'a mut Carried,
    directory: &'a mut Directory,
    windows: &'a mut dyn Windows,
    outcome: Outcome,
    done: Vec<bool>,
    n_done: usize,
    progress: Progress,
}

impl Drain<'_, '_> {
    fn receive(&mut self, receiver: &Receiver<Folded>) -> Result<()> {
        while let Ok(folded) = receiver.recv() {
            self.take(folded)?;
        }
        if self.n_done < self.reading.files.len() {
            return Err(anyhow!(
                "a reading thread ended early; this is a defect, please report it"
            ));
        }
        Ok(())
    }

    fn take(&mut self, folded: Folded) -> Result<()> {
        let log = &self.reading.files[folded.file];
        let records = folded.aggregator.ledger().records + folded.tally.ledger.records;
        self.progress.advance(log.bytes, records);
        self.outcome.ledger.merge(&folded.tally.ledger);
        if let Some(declared) = folded.tally.declared {
            self.outcome.declared = self.outcome.declared.union(declared);
        }
        for (reason, samples) in &folded.tally.samples {
            let known = self.outcome.samples.entry(*reason).or_default();
            let room = SAMPLES_MAX.saturating_sub(known.len());
            let named = samples
                .iter()
                .map(|s| format!("{}, record {}: {}", log.place, s.line_number, s.text));
            known.extend(named.take(room));
        }
        if let Some(error) = folded.error {
            self.outcome.unreadable.push((log.place.to_string(), error.to_string()));
            if records == 0 {
                self.outcome.untouched.insert(log.place.clone());
            }
        }
        self.aggregator.merge(folded.aggregator);
        self.done[folded.file] = true;
        while self.done.get(self.n_done) == Some(&true) {
            self.n_done += 1;
        }
        match self.watermark() {
            Some(watermark) => self.closing().until(watermark).map(drop),
            None => Ok(()),
        }
    }

    /// Files are read in the order of their times, those without a time last: the first that is not
    /// done, unless one without a time is to come, bounds what can still come.
    fn watermark(&self) -> Option<i64> {
        let open = &self.reading.files[self.n_done..];
        open.last()?.origin.time?;
        Some(open.first()?.origin.time? - self.reading.lateness_secs)
    }

    fn closing(&mut self) -> Closing<'_> {
        Closing {
            aggregator: self.aggregator,
            carried: self.carried,
            directory: self.directory,
            ledger: &mut self.outcome.ledger,
            windows: self.windows,
        }
    }

    fn finish(mut self) -> Result<Outcome> {
        match (self.reading.tail, self.newest_bound()) {
            (Tail::Close, _) => self.closing().all()?,
            (Tail::Keep, Some(watermark)) => self.closing().until(watermark)?,
            (Tail::Keep, None) => 0,
        };
        add_up(&mut self.outcome.ledger, self.aggregator);
        self.outcome.unreadable.sort();
        self.outcome.samples.values_mut().for_each(|samples| samples.sort());
        Ok(self.outcome)
    }

    /// The next run's files are at least as new as this run's newest.
    fn newest_bound(&self) -> Option<i64> {
        let newest = self.reading.files.iter().filter_map(|file| file.origin.time).max()?;
        Some(newest - self.reading.lateness_secs)
    }
}
