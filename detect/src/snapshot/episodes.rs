//! Open episodes as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

use super::deviations::{self, WireDeviation};
use super::time;
use super::workloads::{self, WireWorkload};
use crate::episode::{DEVIATIONS_MAX, Episode, Parts};
use crate::finding::State;

const PART: &str = "judge";

#[derive(Serialize, Deserialize)]
pub(super) struct WireEpisode {
    id: String,
    revision: u32,
    state: State,
    workload: WireWorkload,
    replicas: Vec<String>,
    deviations: Vec<(WireDeviation, u64)>,
    n_dropped: u64,
    last_window: i64,
    /// What other replicas did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<(String, WireDeviation, u64)>,
}

pub(super) fn to_wire(episode: &Episode) -> WireEpisode {
    let windows = |key| episode.windows.get(key).copied().unwrap_or(0);
    let deviations = episode.deviations.iter();
    WireEpisode {
        id: episode.id.clone(),
        revision: episode.revision,
        state: episode.state,
        workload: workloads::to_wire(&episode.workload),
        replicas: episode.replicas.iter().map(ToString::to_string).collect(),
        deviations: deviations
            .map(|(key, deviation)| {
                (deviations::to_wire(deviation, &episode.workload), windows(key))
            })
            .collect(),
        n_dropped: episode.n_dropped,
        last_window: episode.last_window,
        parts: episode
            .parts
            .iter()
            .map(|((of, _), (deviation, windows))| {
                (of.to_string(), deviations::to_wire(deviation, &episode.workload), *windows)
            })
            .collect(),
    }
}

pub(super) fn from_wire(wire: WireEpisode) -> Result<Episode, SnapshotError> {
    if wire.deviations.len() > DEVIATIONS_MAX || wire.parts.len() > DEVIATIONS_MAX {
        return Err(SnapshotError::damaged(PART, "an episode with more deviations than one keeps"));
    }
    let workload = Arc::new(workloads::from_wire(wire.workload)?);
    let read = |deviation| deviations::from_wire(deviation, &workload);
    let (mut windows, mut known) = (BTreeMap::new(), BTreeMap::new());
    for (deviation, n_windows) in wire.deviations {
        let deviation = read(deviation)?;
        windows.insert(deviation.key(), n_windows);
        known.insert(deviation.key(), deviation);
    }
    let mut parts = Parts::new();
    for (of, deviation, n_windows) in wire.parts {
        let deviation = read(deviation)?;
        parts.insert((of.into(), deviation.key()), (deviation, n_windows));
    }
    Ok(Episode {
        id: wire.id,
        revision: wire.revision,
        state: wire.state,
        workload,
        replicas: wire.replicas.into_iter().map(Arc::from).collect(),
        deviations: known,
        windows,
        parts,
        n_dropped: wire.n_dropped,
        last_window: time(PART, wire.last_window)?,
        merged_into: None,
    })
}
