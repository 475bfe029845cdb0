//! What a judge keeps in mind beside the evidence: where judging began, walks, series, rates of the
//! hour, and open episodes.
//!
//! Distributions of volumes are not in it: they follow from the evidence of earlier hours, which is
//! whole. Rates of meeting something new do not quite, since they look at all of a service's
//! workloads when they are first asked for, so they are kept until their hour is over.

use model::baseline::Baseline;
use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

use super::episodes::{self, WireEpisode};
use super::held::{self, WireHeld};
use super::rhythms::{self, WireRate, WireSeries, WireSource};
use super::siblings::{self, WireMember};
use super::time;
use crate::calibration::Calibration;
use crate::checks::beacon::Beacons;
use crate::checks::scan::Scans;
use crate::checks::siblings::Siblings;
use crate::episode::Episodes;
use crate::judge::{Judge, JudgeOptions};
use crate::novelty::Novelty;

const PART: &str = "judge";

/// What a judge keeps in mind beside the evidence.
#[derive(Clone, Debug)]
pub struct JudgeMemory {
    judged_from: Option<i64>,
    scans: Scans,
    beacons: Beacons,
    siblings: Siblings,
    episodes: Episodes,
    novelty: Novelty,
    calibration: Calibration,
}

impl Judge {
    /// A judge that goes on where another stopped. Of the options the warm-up is not looked at again
    /// once judging has a beginning.
    pub fn resume(options: JudgeOptions, baseline: Baseline, memory: JudgeMemory) -> Self {
        let mut judge = Self::new(options, baseline);
        let novelty = memory.novelty.of_windows(judge.options.window_secs);
        judge.judged_from = memory.judged_from;
        judge.scans = memory.scans;
        judge.beacons = memory.beacons;
        judge.siblings = memory.siblings;
        judge.episodes = memory.episodes;
        judge.novelty = novelty;
        judge.calibration = memory.calibration.with_budget(judge.options.budget);
        judge
    }

    /// What it keeps in mind beside the evidence, as it is now. Episodes that closed must have been taken.
    pub fn memory(&self) -> JudgeMemory {
        JudgeMemory {
            judged_from: self.judged_from,
            scans: self.scans.clone(),
            beacons: self.beacons.clone(),
            siblings: self.siblings.clone(),
            episodes: self.episodes.clone(),
            novelty: self.novelty.clone(),
            calibration: self.calibration.clone(),
        }
    }

    /// The evidence and the rest, at the end of a run. Episodes that closed must have been taken.
    pub fn into_parts(self) -> (Baseline, JudgeMemory) {
        let memory = JudgeMemory {
            judged_from: self.judged_from,
            scans: self.scans,
            beacons: self.beacons,
            siblings: self.siblings,
            episodes: self.episodes,
            novelty: self.novelty,
            calibration: self.calibration,
        };
        (self.baseline, memory)
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    judged_from: Option<i64>,
    #[serde(default)]
    scans: Vec<WireSource>,
    #[serde(default)]
    beacons: Vec<WireSeries>,
    #[serde(default)]
    siblings: Vec<WireMember>,
    #[serde(default)]
    episodes: Vec<WireEpisode>,
    #[serde(default)]
    rates_hour: Option<i64>,
    #[serde(default)]
    rates: Vec<WireRate>,
    #[serde(default)]
    held: WireHeld,
}

pub(super) fn to_json(memory: &JudgeMemory) -> Result<Vec<u8>, SnapshotError> {
    let (rates_hour, rates) = memory.novelty.rows();
    let wire = Wire {
        judged_from: memory.judged_from,
        scans: memory.scans.rows().map(rhythms::source_to_wire).collect(),
        beacons: memory.beacons.rows().map(rhythms::series_to_wire).collect(),
        siblings: memory.siblings.rows().map(siblings::to_wire).collect(),
        episodes: memory.episodes.open().map(episodes::to_wire).collect(),
        rates_hour,
        rates: rates.into_iter().map(rhythms::rate_to_wire).collect(),
        held: held::to_wire(&memory.calibration),
    };
    serde_json::to_vec(&wire)
        .map_err(|error| SnapshotError::Unwritable { part: PART, detail: error.to_string() })
}

pub(super) fn from_json(json: &[u8], interval_secs: i64) -> Result<JudgeMemory, SnapshotError> {
    let wire: Wire =
        serde_json::from_slice(json).map_err(|error| SnapshotError::damaged(PART, error))?;
    let scans = wire.scans.into_iter().map(rhythms::source_from_wire);
    let series = wire.beacons.into_iter().map(rhythms::series_from_wire);
    let members = wire.siblings.into_iter().map(siblings::from_wire);
    let open = wire.episodes.into_iter().map(episodes::from_wire);
    let rates = wire.rates.into_iter().map(rhythms::rate_from_wire);
    Ok(JudgeMemory {
        judged_from: wire.judged_from.map(|seconds| time(PART, seconds)).transpose()?,
        scans: Scans::restore(scans.collect::<Result<Vec<_>, _>>()?),
        beacons: Beacons::restore(interval_secs, series.collect::<Result<Vec<_>, _>>()?),
        siblings: Siblings::restore(members.collect::<Result<Vec<_>, _>>()?),
        episodes: Episodes::restore(open.collect::<Result<Vec<_>, _>>()?),
        novelty: Novelty::restore(wire.rates_hour, rates),
        calibration: held::from_wire(wire.held)?,
    })
}
