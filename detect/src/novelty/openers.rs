//! What makes something new less of news: that others do it, that it is near what is known.

use std::collections::HashMap;

use model::baseline::{Baseline, Direction, EdgeKey, ServiceEvidence, WorkloadWindow};

use super::Novel;
use super::families::Families;

/// What every other service goes to is so much less surprising than what nobody does.
const COMMON_FACTOR: f64 = 20.0;

/// A network beside one that the service goes to is so much less surprising than one far off.
const NEIGHBOUR_FACTOR: f64 = 10.0;

/// Something that a service did for the first time.
pub(crate) struct FirstMet<'a> {
    pub(crate) service: &'a str,
    pub(crate) novel: Novel,
    pub(crate) key: &'a EdgeKey,
    /// When, Unix seconds.
    pub(crate) time: i64,
    /// Whether it is a network beside one that was known.
    pub(crate) is_near: bool,
}

/// How much less surprising something new is for what others do, and what the service does nearby.
pub(crate) fn how_common(openers: &mut Openers, baseline: &Baseline, met: &FirstMet<'_>) -> f64 {
    let &FirstMet { novel, key, .. } = met;
    if novel == Novel::OutsidePort {
        // That others go out by a port says nothing for a service that never did.
        return 1.0;
    }
    let (n_openers, n_clients) = openers.of(baseline, key);
    let by_others = 1.0 + COMMON_FACTOR * n_openers as f64 / n_clients.max(1) as f64;
    by_others * how_expected(openers, baseline, met)
}

/// By how much likelier it is than the service's own rate says: near what it knows, and where the estate
/// turns to another family.
pub(crate) fn how_expected(openers: &mut Openers, baseline: &Baseline, met: &FirstMet<'_>) -> f64 {
    let &FirstMet { service, novel, key, time, is_near } = met;
    if novel != Novel::OutsideNetwork {
        return if is_near { NEIGHBOUR_FACTOR } else { 1.0 };
    }
    let by_family = openers.families.how_expected(baseline, service, key, time);
    if is_near { by_family.max(NEIGHBOUR_FACTOR) } else { by_family }
}

/// How many services opened what, found once per window: within it the evidence stands still.
#[derive(Debug, Default)]
pub struct Openers {
    clients: Option<u64>,
    by_edge: HashMap<EdgeKey, u64>,
    /// Of ports that anything may use, whatever the address.
    by_port: HashMap<(u16, u8), u64>,
    families: Families,
}

impl Openers {
    /// With the windows that are judged.
    pub(crate) fn of_windows(windows: &[WorkloadWindow<'_>]) -> Self {
        Self { families: Families::of(windows), ..Self::default() }
    }

    /// Of the services that ever opened a connection, how many opened this one.
    pub(crate) fn of(&mut self, baseline: &Baseline, key: &EdgeKey) -> (u64, u64) {
        let count = |is: &dyn Fn(&ServiceEvidence) -> bool| {
            baseline.services.unordered().filter(|(_, evidence)| is(evidence)).count() as u64
        };
        let is_client = |evidence: &ServiceEvidence| {
            evidence.edges.unordered().any(|(edge, _)| edge.direction == Direction::Out)
        };
        let clients = *self.clients.get_or_insert_with(|| count(&is_client));
        let openers = if key.is_inside() || !COMMON_OUTSIDE_PORTS.contains(&key.port) {
            let opened = |evidence: &ServiceEvidence| {
                evidence.edges.get(key).is_some_and(|edge| edge.connections.total() > 0)
            };
            *self.by_edge.entry(key.clone()).or_insert_with(|| count(&opened))
        } else {
            let opened = |evidence: &ServiceEvidence| {
                evidence.edges.port(Direction::Out, key.port, key.protocol).outside_tried
            };
            *self.by_port.entry((key.port, key.protocol)).or_insert_with(|| count(&opened))
        };
        (openers, clients)
    }
}

/// Ports that anything may use towards the outside.
const COMMON_OUTSIDE_PORTS: &[u16] = &[53, 80, 123, 443, 853];
