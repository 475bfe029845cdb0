//! Adding one closed window to the evidence. Learning never judges.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::buckets::bucket_of;
use super::evidence::{Baseline, Counter, EdgeKey, Measure};
use super::window::{WorkloadWindow, workload_windows};
use crate::activity::{Activity, Conversation};

const DAY_SECS: i64 = 86_400;

/// What was flagged when a window was judged: workloads, and single edges of theirs.
#[derive(Clone, Debug, Default)]
pub struct Flagged {
    /// Workloads whose window as a whole is suspect, by their keys.
    pub workloads: BTreeSet<Arc<str>>,
    /// Workloads that scan: what they merely knocked at is suspect too.
    pub scanners: BTreeSet<Arc<str>>,
    /// Edges of a workload that are suspect.
    pub edges: BTreeMap<Arc<str>, BTreeSet<EdgeKey>>,
}

/// Adds a window's evidence, flagged parts to their own counters.
pub fn learn(baseline: &mut Baseline, activity: &Activity, flagged: &Flagged) {
    learn_windows(baseline, activity, &workload_windows(activity), flagged);
}

/// The same, with the activity's [`workload_windows`] at hand.
pub fn learn_windows(
    baseline: &mut Baseline,
    activity: &Activity,
    windows: &[WorkloadWindow<'_>],
    flagged: &Flagged,
) {
    let newest = baseline.learned.newest_hour();
    note_coverage(baseline, activity);
    for window in windows {
        learn_workload(baseline, activity, window, flagged);
    }
    let is_older = newest.is_some_and(|newest| activity.start.div_euclid(3600) < newest);
    if is_older || newest != baseline.learned.newest_hour() {
        baseline.forget();
    }
}

fn note_coverage(baseline: &mut Baseline, activity: &Activity) {
    let learned = &mut baseline.learned;
    learned.from = Some(learned.from.map_or(activity.start, |from| from.min(activity.start)));
    learned.until = learned.until.max(Some(activity.end()));
    let slot = activity.start.rem_euclid(3600) / activity.window_secs.max(1);
    let bit = 1_u64.checked_shl(u32::try_from(slot).unwrap_or(u32::MAX)).unwrap_or(0);
    *learned.hours.entry(activity.start.div_euclid(3600)).or_default() |= bit;
    for eni in activity.enis.iter().filter(|eni| eni.records.total() > 0) {
        learned.enis.slot(&(Arc::clone(&eni.account), Arc::clone(&eni.eni)));
    }
}

fn learn_workload(
    baseline: &mut Baseline,
    activity: &Activity,
    window: &WorkloadWindow<'_>,
    flagged: &Flagged,
) {
    let name = &window.name;
    let Some(service) = baseline.services.slot(&window.workload.service) else { return };
    let is_flagged = flagged.workloads.contains(name);
    service.windows.add(1, is_flagged);
    if let Some(seen) = service.workloads.slot(name) {
        seen.note(activity.start);
    }
    let hour = activity.start.div_euclid(3600);
    for measure in Measure::ALL.into_iter().filter(|&measure| measure != Measure::NewPeers) {
        let bucket = bucket_of(window.measure(measure));
        let mut counter = Counter::default();
        counter.add(1, is_flagged);
        service.measures.entry(measure).or_default().add(hour, bucket, counter);
    }
    let is_scanner = flagged.scanners.contains(name);
    let flagged_edges = flagged.edges.get(name);
    for (key, conversations) in window.edges() {
        if !conversations.iter().any(|c| c.orientation.is_reliable()) {
            continue;
        }
        let is_knock = is_scanner && conversations.iter().all(|c| c.is_bare());
        let flag = is_knock || flagged_edges.is_some_and(|edges| edges.contains(key));
        let day = activity.start.div_euclid(DAY_SECS);
        service.edges.grow(key, |edge| learn_edge(edge, day, conversations, flag));
    }
}

fn learn_edge(
    edge: &mut super::EdgeEvidence,
    day: i64,
    conversations: &[&Conversation],
    is_flagged: bool,
) {
    let sum = |of: fn(&Conversation) -> u64| conversations.iter().map(|c| of(c)).sum::<u64>();
    for conversation in conversations {
        edge.first = edge.first.min(conversation.first);
        edge.last = edge.last.max(conversation.last);
    }
    edge.windows.add(1, is_flagged);
    let established = conversations.iter().any(|c| c.is_established());
    edge.established.add(u64::from(established), is_flagged);
    if established && !is_flagged {
        let first = conversations.iter().map(|c| c.first).min();
        edge.settled = edge.settled.min(first.unwrap_or(i64::MAX));
    }
    edge.connections.add(sum(|c| c.attempts), is_flagged);
    let (out, back) = (sum(|c| c.bytes_out), sum(|c| c.bytes_in));
    edge.bytes_out.add(out, is_flagged);
    edge.bytes_in.add(back, is_flagged);
    edge.days.note(day, out.saturating_add(back));
    edge.rejected.add(sum(Conversation::rejected), is_flagged);
}
