//! Everything a run leaves for the next one, as one run of bytes: baseline, open windows, what
//! settling carries, what records said of interfaces, the judge's memory, and which files were taken.
//!
//! The bytes hold sections (see [`model::snapshot`], upgrade rule included): `baseline`, `windows` and
//! `carried` are Parquet, `identity`, `judge`, `run` and `undelivered` are JSON, and `events` is words
//! of eight bytes, the lowest first. Reading never panics
//! and never takes a part that is not as it was written.

mod deviations;
mod episodes;
mod held;
mod judge;
mod rhythms;
mod run;
mod siblings;
mod undelivered;
mod workloads;

use std::collections::BTreeMap;

use bytes::Bytes;
use model::baseline::{self, Baseline};
use model::fold::{FoldOptions, WindowState};
use model::identity::Remembered;
use model::settle::Carried;
use model::snapshot::{
    Sections, SnapshotError, carried_from_bytes, carried_to_bytes, remembered_from_json,
    remembered_to_json, windows_from_bytes, windows_to_bytes,
};

pub use judge::JudgeMemory;
pub use run::{Run, TakenFile};

/// What a run leaves for the next one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// How far it came, and what it read.
    pub run: Run,
    /// The evidence, with what was judged added.
    pub baseline: Baseline,
    /// The windows still open.
    pub windows: BTreeMap<i64, WindowState>,
    /// What settling carries.
    pub carried: Carried,
    /// What records said of interfaces.
    pub remembered: Remembered,
    /// What the judge keeps in mind beside the evidence.
    pub judge: JudgeMemory,
}

impl Snapshot {
    /// All of it as bytes; the same content gives the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut evidence = Vec::new();
        baseline::write(&self.baseline, &mut evidence).map_err(|error| {
            SnapshotError::Unwritable { part: "baseline", detail: error.to_string() }
        })?;
        let mut sections = Sections::default();
        sections.insert("run", run::to_json(&self.run)?);
        sections.insert("baseline", evidence);
        sections.insert("windows", windows_to_bytes(&self.windows)?);
        sections.insert("carried", carried_to_bytes(&self.carried)?);
        sections.insert("identity", remembered_to_json(&self.remembered)?);
        sections.insert("judge", judge::to_json(&self.judge)?);
        if !self.run.undelivered.is_empty() {
            sections.insert("undelivered", undelivered::to_json(&self.run.undelivered)?);
        }
        if !self.run.events.is_empty() {
            let words = self.run.events.iter().flat_map(|word| word.to_le_bytes());
            sections.insert("events", words.collect::<Vec<u8>>());
        }
        sections.to_bytes()
    }

    /// What [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, SnapshotError> {
        let sections = Sections::from_bytes(bytes)?;
        let mut run = run::from_json(&needed(&sections, "run")?)?;
        if let Some(json) = sections.part("undelivered") {
            run.undelivered = undelivered::from_json(&json)?;
        }
        if let Some(words) = sections.part("events") {
            let words = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
            run.events = words.collect();
        }
        let of_baseline = baseline::read(needed(&sections, "baseline")?);
        let mut baseline =
            of_baseline.map_err(|error| SnapshotError::damaged("baseline", error))?;
        let fold = FoldOptions::new(run.window_secs);
        let windows = windows_from_bytes(needed(&sections, "windows")?, &fold)?;
        give_back(&mut baseline, &windows);
        Ok(Self {
            baseline,
            windows,
            carried: carried_from_bytes(needed(&sections, "carried")?)?,
            remembered: remembered_from_json(&needed(&sections, "identity")?)?,
            judge: judge::from_json(&needed(&sections, "judge")?, run.interval_secs)?,
            run,
        })
    }

    /// The same as it would be read back: a run goes on from it as from its bytes.
    #[must_use]
    pub fn taken_up(mut self) -> Self {
        give_back(&mut self.baseline, &self.windows);
        self
    }
}

fn needed(sections: &Sections, part: &'static str) -> Result<Bytes, SnapshotError> {
    sections.part(part).ok_or_else(|| SnapshotError::damaged(part, "it is missing"))
}

/// No record has a time farther from the epoch than this, in seconds: sums of times stay far from
/// what an integer holds.
const TIME_MAX_SECS: i64 = 1 << 40;

/// A time that a record can have.
fn time(part: &'static str, seconds: i64) -> Result<i64, SnapshotError> {
    let is_sane = (-TIME_MAX_SECS..=TIME_MAX_SECS).contains(&seconds);
    is_sane.then_some(seconds).ok_or_else(|| SnapshotError::damaged(part, "a time that cannot be"))
}

/// The records of open windows come in again with the next run, whose ledger counts them: the
/// baseline's gives them back, so that adding up the runs counts each once.
fn give_back(baseline: &mut Baseline, windows: &BTreeMap<i64, WindowState>) {
    let again: u64 = windows.values().fold(0, |sum, state| sum.saturating_add(state.n_records()));
    let ledger = &mut baseline.learned.ledger;
    let again = again.min(ledger.open).min(ledger.records);
    ledger.open -= again;
    ledger.records -= again;
}

#[cfg(test)]
mod tests;
