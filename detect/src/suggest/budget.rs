//! How many plans were made: a storm of quarantines is an outage of one's own making.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Plans made so far, by the hour of the event and by service.
///
/// A finding keeps its place over its revisions, since it counts in the hour it was first seen. Given
/// the findings in the same order, the same ones get a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanBudget {
    /// Findings with a plan, by hour since the epoch.
    hours: BTreeMap<i64, BTreeSet<String>>,
    /// Workloads that plans isolate, by service, with the hour of the event.
    isolated: BTreeMap<String, BTreeMap<String, i64>>,
}

impl PlanBudget {
    /// Whether a finding may have a plan: it has one, or its hour has room.
    pub(super) fn has_room(&self, hour: i64, finding: &str, per_hour_max: u32) -> bool {
        let Some(made) = self.hours.get(&hour) else { return per_hour_max > 0 };
        made.contains(finding) || made.len() < per_hour_max as usize
    }

    /// Counts a plan.
    pub(super) fn note_plan(&mut self, hour: i64, finding: &str) {
        self.hours.entry(hour).or_default().insert(finding.to_owned());
    }

    /// Counts an isolated workload.
    pub(super) fn note_isolated(&mut self, hour: i64, service: &str, workload: &str) {
        self.isolated.entry(service.to_owned()).or_default().insert(workload.to_owned(), hour);
    }

    /// How many workloads of a service would be isolated with this one, plans that have lapsed apart.
    pub(super) fn isolated_with(&self, service: &str, workload: &str, since_hour: i64) -> u64 {
        let others = self.isolated.get(service).into_iter().flatten();
        let standing =
            others.filter(|(other, hour)| other.as_str() != workload && **hour >= since_hour);
        standing.count() as u64 + 1
    }

    /// Forgets plans for events before a time, Unix seconds: they have lapsed.
    pub fn forget_before(&mut self, time: i64) {
        let hour = time.div_euclid(3600);
        self.hours = self.hours.split_off(&hour);
        for workloads in self.isolated.values_mut() {
            workloads.retain(|_, made| *made >= hour);
        }
        self.isolated.retain(|_, workloads| !workloads.is_empty());
    }
}
