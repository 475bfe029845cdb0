//! Decodes and folds what a poll brought, on every core.
//!
//! Each core folds into windows of its own, which are added up when one of them is to close: until
//! then no core waits for another. What one input brings is decoded by one core, which knows what it
//! brought before; objects stand alone, and go to whoever is free.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Result;
use ingest::source::stream::{Content, Delivery};
use ingest::{
    DecodeOptions, Field, FieldSet, FlowBatch, Ledger, LogFile, Messages, Reader, RecentIds,
    RejectReason, Tally,
};
use model::fold::{Aggregator, FoldOptions, WindowState};

/// What a poll came to, beside the windows.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// The newest record of each input that brought something, Unix seconds.
    pub(crate) newest: BTreeMap<Arc<str>, Option<i64>>,
    /// The windows that records fell into, by their starts, Unix seconds.
    pub(crate) windows: BTreeSet<i64>,
    /// What objects could not be read to their end, and why.
    pub(crate) unreadable: Vec<(String, String)>,
    /// Objects of which nothing came: worth another try.
    pub(crate) untouched: Vec<LogFile>,
}

/// The cores' windows.
pub(crate) struct Folders {
    cores: Vec<Core>,
    /// Of all cores: after a split an event may come again from another shard.
    recent: RecentIds,
    /// Which core decodes which input.
    of_input: BTreeMap<Arc<str>, usize>,
    fold: FoldOptions,
    decode: DecodeOptions,
}

struct Core {
    aggregator: Aggregator,
    messages: Messages,
    /// Of objects.
    tally: Tally,
}

/// Inputs whose core is remembered; more than any stream has shards that are read at a time.
const INPUTS_MAX: usize = 1 << 14;

impl Folders {
    /// One for each core of the machine.
    pub(crate) fn new(fold: &FoldOptions, decode: &DecodeOptions, recent: RecentIds) -> Self {
        let n_cores = thread::available_parallelism().map_or(1, NonZero::get);
        let core = |_| Core {
            aggregator: Aggregator::new(fold.clone()),
            messages: Messages::knowing(decode.clone(), recent.clone()),
            tally: Tally::default(),
        };
        let cores = (0..n_cores).map(core).collect();
        let (fold, decode) = (fold.clone(), decode.clone());
        Self { cores, recent, of_input: BTreeMap::new(), fold, decode }
    }

    /// Records that end later from now on cannot be, Unix seconds.
    pub(crate) fn set_not_after(&mut self, time: i64) {
        self.fold.not_after = Some(time);
        self.cores.iter_mut().for_each(|core| core.aggregator.set_not_after(time));
    }

    /// Folds all of it.
    pub(crate) fn fold(&mut self, deliveries: &[Delivery], reader: &Reader) -> Result<Share> {
        let mut bytes: Vec<Vec<&Delivery>> = vec![Vec::new(); self.cores.len()];
        let mut objects: Vec<(&Delivery, &LogFile)> = Vec::new();
        for delivery in deliveries {
            match &delivery.content {
                Content::Bytes { .. } => bytes[self.core_of(&delivery.input)].push(delivery),
                Content::Object(file) => objects.push((delivery, file)),
            }
        }
        let todo = Todo { objects, next: AtomicUsize::new(0), reader, decode: &self.decode };
        let n_busy = bytes.iter().filter(|mine| !mine.is_empty()).count() + todo.objects.len();
        let work = self.cores.iter_mut().zip(&bytes);
        if n_busy <= 1 {
            let mut all = Share::default();
            for (core, mine) in work {
                all.add(core.work(mine, &todo));
            }
            return Ok(all);
        }
        let todo = &todo;
        let shares: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> =
                work.map(|(core, mine)| scope.spawn(|| core.work(mine, todo))).collect();
            threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
        });
        let mut all = Share::default();
        for share in shares {
            all.add(share.map_err(|_| {
                anyhow::anyhow!("a folding thread ended early; this is a defect, please report it")
            })?);
        }
        Ok(all)
    }

    fn core_of(&mut self, input: &Arc<str>) -> usize {
        if self.of_input.len() > INPUTS_MAX {
            self.of_input.clear();
        }
        let next = self.of_input.len() % self.cores.len();
        *self.of_input.entry(Arc::clone(input)).or_insert(next)
    }

    /// Adds up what the cores have into `aggregator`, which may be about to close windows.
    pub(crate) fn gather(&mut self, aggregator: &mut Aggregator) {
        for core in &mut self.cores {
            // The next windows will be of a size with these, mostly.
            let expected = core.aggregator.tuples_per_window() * 9 / 8;
            let fresh = Aggregator::expecting(self.fold.clone(), expected);
            aggregator.merge(std::mem::replace(&mut core.aggregator, fresh));
        }
    }

    /// What tells events that come again from new ones, as words.
    pub(crate) fn events(&self) -> Vec<u64> {
        self.recent.to_words()
    }

    /// What the cores counted since they were gathered, and what never became a record.
    pub(crate) fn add_ledger(&self, ledger: &mut Ledger) {
        for core in &self.cores {
            ledger.merge(core.aggregator.ledger());
            let open = core.aggregator.open_windows().values();
            ledger.open += open.map(WindowState::n_records).sum::<u64>();
            ledger.merge(&core.tally.ledger);
            ledger.merge(&core.messages.tally().ledger);
        }
    }

    /// The fields the records declared.
    pub(crate) fn declared(&self) -> FieldSet {
        let tallies = self.cores.iter().flat_map(|core| [&core.tally, core.messages.tally()]);
        let declared = tallies.filter_map(|tally| tally.declared);
        declared.fold(FieldSet::default(), FieldSet::union)
    }

    /// A few rejected records of each reason.
    pub(crate) fn samples(&self) -> BTreeMap<RejectReason, Vec<String>> {
        let mut all: BTreeMap<RejectReason, Vec<String>> = BTreeMap::new();
        let tallies = self.cores.iter().flat_map(|core| [&core.tally, core.messages.tally()]);
        for (reason, samples) in tallies.flat_map(|tally| &tally.samples) {
            let known = all.entry(*reason).or_default();
            let room = Tally::SAMPLES_MAX.saturating_sub(known.len());
            known.extend(samples.iter().take(room).map(|sample| sample.text.clone()));
        }
        all
    }
}

/// Objects that whoever is free takes.
struct Todo<'a> {
    objects: Vec<(&'a Delivery, &'a LogFile)>,
    next: AtomicUsize,
    reader: &'a Reader,
    decode: &'a DecodeOptions,
}

impl Core {
    fn work(&mut self, mine: &[&Delivery], todo: &Todo<'_>) -> Share {
        let mut share = Share::default();
        for of_one in mine.chunk_by(|a, b| a.input == b.input) {
            self.decode(of_one, &mut share);
        }
        while let Some((delivery, file)) =
            todo.objects.get(todo.next.fetch_add(1, Ordering::Relaxed))
        {
            self.read(&delivery.input, file, todo, &mut share);
        }
        share
    }

    /// Decodes what one input brought.
    fn decode(&mut self, of_one: &[&Delivery], share: &mut Share) {
        let Self { aggregator, messages, .. } = self;
        let mut newest = None;
        let mut fold = |messages: &mut Messages| {
            while let Some(batch) = messages.take_batch() {
                newest = newest.max(share.note_ends(&batch, aggregator.options()));
                aggregator.push(&batch);
            }
        };
        for delivery in of_one {
            if let Content::Bytes { origin, bytes } = &delivery.content {
                messages.take(origin, bytes);
                fold(messages);
            }
        }
        messages.flush();
        fold(messages);
        if let Some(one) = of_one.first() {
            share.brought(&one.input, newest);
        }
    }

    fn read(&mut self, input: &Arc<str>, file: &LogFile, todo: &Todo<'_>, share: &mut Share) {
        let Self { aggregator, tally, .. } = self;
        let (mut newest, mut n_records) = (None, 0);
        let read = todo.reader.read(file, todo.decode, &mut |batch| {
            newest = newest.max(share.note_ends(&batch, aggregator.options()));
            n_records += batch.n_records();
            aggregator.push(&batch);
        });
        if let Some(error) = read.error {
            share.unreadable.push((file.place.to_string(), error.to_string()));
            if n_records == 0 && read.tally.ledger.records == 0 {
                share.untouched.push(file.clone());
            }
        }
        add_tally(tally, read.tally);
        // What an object holds is bounded by its time, as it is for files.
        share.brought(input, file.origin.time.or(newest));
    }
}

fn add_tally(known: &mut Tally, more: Tally) {
    known.ledger.merge(&more.ledger);
    if let Some(declared) = more.declared {
        known.declared = Some(known.declared.map_or(declared, |before| before.union(declared)));
    }
    for (reason, samples) in more.samples {
        let kept = known.samples.entry(reason).or_default();
        let room = Tally::SAMPLES_MAX.saturating_sub(kept.len());
        kept.extend(samples.into_iter().take(room));
    }
}

impl Share {
    fn brought(&mut self, input: &Arc<str>, newest: Option<i64>) {
        let known = self.newest.entry(Arc::clone(input)).or_default();
        *known = (*known).max(newest);
    }

    /// Notes the windows that a batch is about; its newest end, Unix seconds.
    fn note_ends(&mut self, batch: &FlowBatch, fold: &FoldOptions) -> Option<i64> {
        let window_secs = fold.window_secs;
        let not_after = fold.not_after.unwrap_or(i64::MAX);
        let mut newest = None;
        let mut near: Option<i64> = None;
        for end in batch.time(Field::End)?.iter().flatten().filter(|&end| end <= not_after) {
            newest = newest.max(Some(end));
            // Neighbouring records mostly share a window.
            let is_near = |start| (0..window_secs).contains(&end.wrapping_sub(start));
            if !near.is_some_and(is_near) {
                let start = end.saturating_sub(end.rem_euclid(window_secs));
                self.windows.insert(start);
                near = Some(start);
            }
        }
        newest
    }

    fn add(&mut self, other: Self) {
        self.windows.extend(other.windows);
        for (input, newest) in other.newest {
            self.brought(&input, newest);
        }
        self.unreadable.extend(other.unreadable);
        self.untouched.extend(other.untouched);
    }
}
