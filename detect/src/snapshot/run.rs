//! How far a run came and what it read, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

use super::time;
use crate::Finding;
use crate::suggest::PlanBudget;

const PART: &str = "run";

/// A file whose records are in the state: given again, it adds nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TakenFile {
    /// Its name, as the state tells files apart.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// An object's entity tag: what changes when its content does.
    pub etag: Option<String>,
    /// The time its name tells, Unix seconds.
    pub time: Option<i64>,
    /// The generation it was taken in.
    pub generation: u64,
}

/// How far a run came, and what it read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Length of a window, seconds.
    pub window_secs: i64,
    /// The logs' aggregation interval, seconds.
    pub interval_secs: i64,
    /// Every window that starts before this is closed, Unix seconds; `None` if none is.
    pub closed_until: Option<i64>,
    /// Plans made for findings that are closed.
    pub plans: PlanBudget,
    /// Files whose records are in the state.
    pub files: Vec<TakenFile>,
    /// Where streams go on, by input; what the values mean is the stream's.
    pub positions: BTreeMap<String, String>,
    /// Findings this run told, until it is known that they reached somebody. Beside the JSON of the
    /// rest: see `undelivered.rs`.
    pub undelivered: Vec<Finding>,
    /// The ids of findings that were told and are not over: what hides them later has to say so.
    pub told: BTreeSet<String>,
    /// The ids of findings that this run withdrew, until it is known that somebody heard of it.
    pub withdrawn: BTreeSet<String>,
    /// What tells events that come again from new ones: `ingest::RecentIds` as words. Beside the JSON too.
    pub events: Vec<u64>,
    /// Tells a run's bytes from those of another that made the same of the same records, where
    /// nothing but the bytes says who wrote them.
    pub writer: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    window_secs: i64,
    interval_secs: i64,
    closed_until: Option<i64>,
    #[serde(default)]
    plans: PlanBudget,
    #[serde(default)]
    files: Vec<WireFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    positions: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    told: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    withdrawn: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    writer: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireFile {
    name: String,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    generation: u64,
}

pub(super) fn to_json(run: &Run) -> Result<Vec<u8>, SnapshotError> {
    let file = |file: &TakenFile| WireFile {
        name: file.name.clone(),
        bytes: file.bytes,
        etag: file.etag.clone(),
        time: file.time,
        generation: file.generation,
    };
    let wire = Wire {
        window_secs: run.window_secs,
        interval_secs: run.interval_secs,
        closed_until: run.closed_until,
        plans: run.plans.clone(),
        files: run.files.iter().map(file).collect(),
        positions: run.positions.clone(),
        told: run.told.clone(),
        withdrawn: run.withdrawn.clone(),
        writer: run.writer.clone(),
    };
    serde_json::to_vec(&wire)
        .map_err(|error| SnapshotError::Unwritable { part: PART, detail: error.to_string() })
}

pub(super) fn from_json(json: &[u8]) -> Result<Run, SnapshotError> {
    let wire: Wire =
        serde_json::from_slice(json).map_err(|error| SnapshotError::damaged(PART, error))?;
    // Hours are cut into windows, and everything counts in them.
    if wire.window_secs <= 0 || 3600 % wire.window_secs != 0 || wire.interval_secs <= 0 {
        return Err(SnapshotError::damaged(PART, "windows or intervals of no length"));
    }
    let file = |file: WireFile| TakenFile {
        name: file.name,
        bytes: file.bytes,
        etag: file.etag,
        time: file.time,
        generation: file.generation,
    };
    Ok(Run {
        window_secs: wire.window_secs,
        interval_secs: wire.interval_secs,
        closed_until: wire.closed_until.map(|seconds| time(PART, seconds)).transpose()?,
        plans: wire.plans,
        files: wire.files.into_iter().map(file).collect(),
        positions: wire.positions,
        told: wire.told,
        withdrawn: wire.withdrawn,
        undelivered: Vec::new(),
        events: Vec::new(),
        writer: wire.writer,
    })
}
