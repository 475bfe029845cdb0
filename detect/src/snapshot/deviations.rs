//! Deviations and their keys as JSON. Numbers are stored as the bits of the float: what was judged
//! once has to print the same digits for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::baseline::Direction;
use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

use super::workloads::{self, WireWorkload, address};
use crate::deviation::{Deviation, DeviationKey, FACTS, Fact, Kind};

const PART: &str = "judge";

#[derive(Serialize, Deserialize)]
pub(super) struct WireKey {
    kind: Kind,
    peer: String,
    peer_address: Option<String>,
    port: Option<u16>,
    protocol: Option<u8>,
    direction: WireDirection,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum WireDirection {
    Out,
    In,
}

impl From<Direction> for WireDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Out => Self::Out,
            Direction::In => Self::In,
        }
    }
}

impl From<WireDirection> for Direction {
    fn from(wire: WireDirection) -> Self {
        match wire {
            WireDirection::Out => Self::Out,
            WireDirection::In => Self::In,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireDeviation {
    key: WireKey,
    /// Absent where it is the episode's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<WireWorkload>,
    first: i64,
    last: i64,
    observed: u64,
    expected: u64,
    p_value: u64,
    #[serde(default = "at_the_cut")]
    cut_ratio: u64,
    facts: BTreeMap<String, WireFact>,
    samples: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireFact {
    Bits(u64),
    Text(String),
}

/// What states written before the ratio was kept stand for.
fn at_the_cut() -> u64 {
    1.0_f64.to_bits()
}

fn key_to_wire(key: &DeviationKey) -> WireKey {
    WireKey {
        kind: key.kind,
        peer: key.peer.to_string(),
        peer_address: key.peer_address.map(|address| address.to_string()),
        port: key.port,
        protocol: key.protocol,
        direction: key.direction.into(),
    }
}

pub(super) fn to_wire(
    deviation: &Deviation,
    of_episode: &Arc<model::identity::Workload>,
) -> WireDeviation {
    let is_other = deviation.workload != *of_episode;
    WireDeviation {
        key: key_to_wire(&deviation.key()),
        workload: is_other.then(|| workloads::to_wire(&deviation.workload)),
        first: deviation.first,
        last: deviation.last,
        observed: deviation.observed.to_bits(),
        expected: deviation.expected.to_bits(),
        p_value: deviation.p_value.to_bits(),
        cut_ratio: deviation.cut_ratio.to_bits(),
        facts: deviation.evidence.iter().map(|(&name, f)| (name.to_owned(), fact(f))).collect(),
        samples: deviation.samples.clone(),
    }
}

fn fact(fact: &Fact) -> WireFact {
    match fact {
        Fact::Number(number) => WireFact::Bits(number.to_bits()),
        Fact::Text(text) => WireFact::Text(text.clone()),
    }
}

pub(super) fn from_wire(
    wire: WireDeviation,
    of_episode: &Arc<model::identity::Workload>,
) -> Result<Deviation, SnapshotError> {
    let WireKey { kind, peer, peer_address, port, protocol, direction } = wire.key;
    let workload = match wire.workload {
        Some(other) => Arc::new(workloads::from_wire(other)?),
        None => Arc::clone(of_episode),
    };
    Ok(Deviation {
        kind,
        workload,
        peer: peer.into(),
        peer_address: peer_address.as_deref().map(address).transpose()?,
        port,
        protocol,
        direction: direction.into(),
        first: wire.first,
        last: wire.last,
        observed: f64::from_bits(wire.observed),
        expected: f64::from_bits(wire.expected),
        p_value: f64::from_bits(wire.p_value),
        cut_ratio: f64::from_bits(wire.cut_ratio),
        evidence: wire.facts.into_iter().map(named_fact).collect::<Result<_, _>>()?,
        samples: wire.samples,
    })
}

fn named_fact((name, wire): (String, WireFact)) -> Result<(&'static str, Fact), SnapshotError> {
    let known = FACTS.iter().find(|known| **known == name);
    let known =
        known.ok_or_else(|| SnapshotError::damaged(PART, format!("no fact is named `{name}`")))?;
    let fact = match wire {
        WireFact::Bits(bits) => Fact::Number(f64::from_bits(bits)),
        WireFact::Text(text) => Fact::Text(text),
    };
    Ok((known, fact))
}
