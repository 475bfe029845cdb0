//! What became of the records that a query read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ingest::{Field, FlowBatch, Ledger, ReadOutcome, RejectReason};

use crate::output;
use crate::pipeline::Outcome;
use crate::plan;

/// Samples of rejected records that are shown per reason.
const SAMPLES_MAX: usize = 3;

/// What was read, by everything a query reads at once.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<Read>);

#[derive(Debug, Default)]
struct Read {
    /// Files of the sources, if the query asked for records.
    n_files: Option<usize>,
    /// By file: a query that names the table twice reads a file twice, and it counts once.
    files: BTreeMap<usize, FileRead>,
    /// What the fold of `activity` said.
    activity: Option<Folded>,
}

/// What came of one file.
#[derive(Debug, Default)]
pub(super) struct FileRead {
    name: String,
    ledger: Ledger,
    samples: BTreeMap<RejectReason, Vec<String>>,
    error: Option<String>,
    is_whole: bool,
}

/// What a record that was read is; the query gets all of these.
#[derive(Clone, Copy)]
enum Class {
    Used,
    Nodata,
    Skipdata,
}

#[derive(Debug)]
enum Folded {
    Whole,
    Unreadable,
    Left,
}

impl FileRead {
    /// A file of which nothing is read yet.
    pub(super) fn new(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    /// Counts a batch, of which the query gets the records that are wanted.
    pub(super) fn count(&mut self, batch: &FlowBatch, is_wanted: impl Fn(usize) -> bool) {
        let status = batch.text(Field::LogStatus);
        let meaning = |text: Option<&str>| match text {
            Some("NODATA") => Class::Nodata,
            Some("SKIPDATA") => Class::Skipdata,
            _ => Class::Used,
        };
        let texts = status.iter().flat_map(|column| column.values().iter());
        let classes: Vec<Class> = texts.map(meaning).collect();
        for row in 0..batch.n_records() {
            let code = status.and_then(|column| column.code(row));
            let class = code.and_then(|code| classes.get(code)).unwrap_or(&Class::Used);
            let ledger = &mut self.ledger;
            ledger.records += 1;
            match class {
                _ if !is_wanted(row) => ledger.outside_range += 1,
                Class::Used => ledger.used += 1,
                Class::Nodata => ledger.nodata += 1,
                Class::Skipdata => ledger.skipdata += 1,
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, outcome: ReadOutcome, is_whole: bool) {
        self.ledger.merge(&outcome.tally.ledger);
        for (reason, samples) in &outcome.tally.samples {
            let told = |s: &ingest::RejectSample| {
                format!("{}, record {}: {}", self.name, s.line_number, s.text)
            };
            self.samples.insert(*reason, samples.iter().map(told).collect());
        }
        self.error = outcome.error.map(|error| format!("{:#}", anyhow::Error::from(error)));
        self.is_whole = is_whole;
    }
}

impl Readings {
    fn lock(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records are asked for, of so many files.
    pub(super) fn ask(&self, n_files: usize) {
        self.lock().n_files = Some(n_files);
    }

    /// A file was read.
    pub(super) fn add(&self, number: usize, read: FileRead) {
        let mut all = self.lock();
        if !all.files.get(&number).is_some_and(|known| known.is_whole) {
            all.files.insert(number, read);
        }
    }

    /// The fold ended, or nobody waits for its windows any more.
    pub(super) fn folded(&self, outcome: Option<&Outcome>) {
        let Some(outcome) = outcome else {
            self.lock().activity.get_or_insert(Folded::Left);
            return;
        };
        let is_whole = outcome.unreadable.is_empty();
        let before =
            self.lock().activity.replace(if is_whole { Folded::Whole } else { Folded::Unreadable });
        if matches!(before, None | Some(Folded::Left)) {
            plan::report_ledger(outcome);
        }
    }

    /// Whether everything that was to be read could be read.
    pub(super) fn is_whole(&self) -> bool {
        let read = self.lock();
        read.files.values().all(|file| file.error.is_none())
            && !matches!(read.activity, Some(Folded::Unreadable))
    }

    /// Says what was read.
    pub(super) fn report(&self) {
        let read = self.lock();
        if let Some(n_files) = read.n_files {
            read.report_flows(n_files);
        }
        if matches!(read.activity, Some(Folded::Left)) {
            output::note("activity: not read to the end, the query had enough");
        }
    }
}

impl Read {
    fn report_flows(&self, n_files: usize) {
        let mut ledger = Ledger::default();
        let mut n_shown: BTreeMap<RejectReason, usize> = BTreeMap::new();
        for file in self.files.values() {
            ledger.merge(&file.ledger);
            for (reason, samples) in &file.samples {
                let shown = n_shown.entry(*reason).or_default();
                for sample in samples.iter().take(SAMPLES_MAX.saturating_sub(*shown)) {
                    output::note(&format!("rejected ({}): {sample}", reason.name()));
                    *shown += 1;
                }
            }
            if let Some(error) = &file.error {
                output::note(&format!("could not read {}: {error}", file.name));
            }
        }
        let n_whole = self.files.values().filter(|file| file.is_whole).count();
        output::note(&format!("flows: {} of {n_files} files read", self.files.len()));
        if n_whole < self.files.len() {
            let n_left = self.files.len() - n_whole;
            output::note(&format!("{n_left} of them not to the end, the query had enough"));
        }
        output::note(&format!("ledger: {ledger}"));
    }
}
