//! Which timers are nobody's news: those that were there for days, or that several services have.

use std::sync::Arc;

use model::activity::Endpoint;
use model::baseline::{Baseline, EdgeEvidence, EdgeKey, ServiceEvidence, WorkloadWindow};

use super::{DAY_SECS, EVENTS_MIN, SeriesKey};
use crate::novelty;

/// A timer is usual once it has gone on unsuspected for this long, which is longer than it takes to find
/// one,
const USUAL_AFTER_SECS: i64 = 3 * DAY_SECS;

/// and so many of the beats since its first one were seen of the service.
const USUAL_SHARE: f64 = 0.4;

/// So is one of so many other services, a day after: then the new one has the same agent.
const USUAL_OF_SERVICES: usize = 3;

/// What the baseline has of a series' edge.
pub(super) fn known<'a>(
    baseline: &'a Baseline,
    window: &WorkloadWindow<'_>,
    key: &SeriesKey,
    other: &Endpoint,
) -> Option<&'a EdgeEvidence> {
    baseline.service(&window.workload.service)?.edges.get(&edge_of(key, other))
}

pub(super) fn edge_of(key: &SeriesKey, other: &Endpoint) -> EdgeKey {
    let peer = Arc::clone(&other.peer);
    EdgeKey { direction: key.direction, peer, port: key.port, protocol: key.protocol }
}

/// Whether other services used an edge as often for a day without being told of it.
pub(super) fn is_common(
    baseline: &Baseline,
    window: &WorkloadWindow<'_>,
    key: &EdgeKey,
    beat_secs: f64,
    start: i64,
) -> bool {
    let others = baseline.services.unordered().filter(|(name, service)| {
        **name != window.workload.service
            && is_used(service, key, beat_secs, (start - DAY_SECS, start))
    });
    others.take(USUAL_OF_SERVICES).count() == USUAL_OF_SERVICES
}

/// Whether the baseline had an edge before a series on it began to be watched.
pub(super) fn was_learned(edge: &EdgeEvidence, since: i64) -> bool {
    edge.windows.clean >= EVENTS_MIN as u64 && edge.first < since
}

/// Whether an edge, or the networks beside it together, was used about as often since some time before,
/// without being told: agents report to their vendors by the clock, and vendors move their names about among
/// their addresses. What is told stays so, for told windows do not count.
pub(super) fn is_usual(
    service: &ServiceEvidence,
    key: &EdgeKey,
    beat_secs: f64,
    start: i64,
) -> bool {
    is_used(service, key, beat_secs, (start - USUAL_AFTER_SECS, start))
}

/// The same since before a time, up to another.
fn is_used(
    service: &ServiceEvidence,
    key: &EdgeKey,
    beat_secs: f64,
    (before, start): (i64, i64),
) -> bool {
    let is_often = |settled: i64, clean: u64| {
        let beats = start.saturating_sub(settled) as f64 / beat_secs;
        settled <= before && clean as f64 >= USUAL_SHARE * beats
    };
    if service.edges.get(key).is_some_and(|edge| is_often(edge.settled, edge.established.clean)) {
        return true;
    }
    let Some(place) = novelty::vendor_place(key) else { return false };
    let beside = service.edges.unordered().filter(|(other, _)| place.has(other));
    let (settled, clean) = beside.fold((i64::MAX, 0), |(settled, clean), (_, edge)| {
        (edge.settled.min(settled), edge.established.clean + clean)
    });
    is_often(settled, clean)
}
