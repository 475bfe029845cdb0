//! What held-back time told, as JSON.

use std::sync::Arc;

use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

use super::time;
use crate::calibration::{BlockRow, Calibration, Class};

const PART: &str = "judge";

#[derive(Default, Serialize, Deserialize)]
pub(super) struct WireHeld {
    since: Vec<(WireClass, i64)>,
    /// Block, class, service, the bits of the least ratio.
    blocks: Vec<(i64, WireClass, String, u64)>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireClass {
    Novelty,
    Level,
    Siblings,
}

impl From<Class> for WireClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Novelty => Self::Novelty,
            Class::Level => Self::Level,
            Class::Siblings => Self::Siblings,
        }
    }
}

impl From<WireClass> for Class {
    fn from(wire: WireClass) -> Self {
        match wire {
            WireClass::Novelty => Self::Novelty,
            WireClass::Level => Self::Level,
            WireClass::Siblings => Self::Siblings,
        }
    }
}

pub(super) fn to_wire(calibration: &Calibration) -> WireHeld {
    let (since, blocks) = calibration.rows();
    let row = |(block, class, service, ratio): BlockRow| {
        (block, class.into(), service.to_string(), ratio.to_bits())
    };
    WireHeld {
        since: since.into_iter().map(|(class, time)| (class.into(), time)).collect(),
        blocks: blocks.into_iter().map(row).collect(),
    }
}

pub(super) fn from_wire(wire: WireHeld) -> Result<Calibration, SnapshotError> {
    let since = wire.since.into_iter().map(|(class, at)| Ok((class.into(), time(PART, at)?)));
    let row = |(block, class, service, bits): (i64, WireClass, String, u64)| {
        let ratio = f64::from_bits(bits);
        let is_ratio = ratio >= 0.0 && ratio.is_finite();
        let ratio = is_ratio.then_some(ratio);
        let ratio = ratio.ok_or_else(|| SnapshotError::damaged(PART, "a ratio that cannot be"))?;
        Ok((time(PART, block)?, class.into(), Arc::from(service), ratio))
    };
    let rows =
        wire.blocks.into_iter().map(row).collect::<Result<Vec<BlockRow>, SnapshotError>>()?;
    Ok(Calibration::restore(since.collect::<Result<Vec<_>, SnapshotError>>()?, rows))
}
