//! Denied spike: many more of a workload's own connections rejected than usual.
//!
//! Only what the workload itself opened counts: what strangers try on an exposed port is background.
//! ATT&CK T1046.

use std::collections::BTreeMap;

use model::activity::Conversation;
use model::baseline::{Measure, WorkloadWindow};

use super::Context;
use crate::deviation::{Deviation, Fact, Kind};

/// A handful of rejected connections is a typo, not an intruder.
const FLOOR: u64 = 20;

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let floor = context.floor(FLOOR);
    let Some(level) = context.level(window, Measure::RejectedOut, floor) else { return Vec::new() };
    let mut rejected: Vec<&Conversation> =
        window.as_client.iter().copied().filter(|c| c.rejected() > 0).collect();
    rejected.sort_by_key(|c| std::cmp::Reverse((c.rejected(), c.server.address, c.port)));
    if rejected.is_empty() {
        return Vec::new();
    }
    let evidence = BTreeMap::from([
        ("unit", Fact::Text("rejected connections it opened in one window".into())),
        ("servers", Fact::Number(rejected.len() as f64)),
    ]);
    vec![level.deviation(Kind::DeniedSpike, window, &rejected, evidence)]
}
