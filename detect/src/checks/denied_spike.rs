//! Denied spike: many more of a workload's own connections rejected than usual.
//!
//! Only what the workload itself opened counts: what strangers try on an exposed port is background.
//! ATT&CK T1046.

use std::collections::BTreeMap;

use model::baseline::{Direction, Measure, WorkloadWindow};

use super::history::HOURS;
use super::{Context, sample};
use crate::deviation::{Deviation, Fact, Kind};

/// A handful of rejected connections is a typo, not an intruder.
const FLOOR: u64 = 20;

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let floor = context.floor(FLOOR);
    let Some(level) = context.level(window, Measure::RejectedOut, floor) else { return Vec::new() };
    let mut rejected: Vec<_> = window.as_client.iter().filter(|c| c.rejected() > 0).collect();
    rejected.sort_by_key(|c| std::cmp::Reverse((c.rejected(), c.server.address, c.port)));
    let Some(main) = rejected.first() else { return Vec::new() };
    let evidence = BTreeMap::from([
        ("unit", Fact::Text("rejected connections it opened in one window".into())),
        ("servers", Fact::Number(rejected.len() as f64)),
        (HOURS, level.history),
        ("windows_observed", Fact::Number(level.windows_known.round())),
        ("would_not_have_fired_below", Fact::Number(level.needed.round())),
    ]);
    let single = rejected.len() == 1;
    vec![Deviation {
        kind: Kind::DeniedSpike,
        workload: window.workload.clone(),
        peer: if single { main.server.peer.clone() } else { "many".into() },
        peer_address: single.then_some(main.server.address),
        port: single.then_some(main.port),
        protocol: single.then_some(main.protocol),
        direction: Direction::Out,
        first: rejected.iter().map(|c| c.first).min().unwrap_or(0),
        last: rejected.iter().map(|c| c.last).max().unwrap_or(0),
        observed: level.observed as f64,
        expected: level.tail.expected.round(),
        p_value: level.tail.p_value,
        cut_ratio: level.cut_ratio,
        evidence,
        samples: rejected.iter().take(3).map(|c| sample(c)).collect(),
    }]
}
