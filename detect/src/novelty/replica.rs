//! Whom a newcomer that nobody gave a role may stand in for: deployments and scaling bring such ones every
//! day where no inventory is at hand, or an old one.

use std::collections::BTreeSet;

use model::baseline::{Baseline, Direction, EdgeKey, ServiceEvidence, WorkloadWindow};

use super::{class, is_of_another, is_there};

/// A newcomer that did fewer things than this may still become anybody.
const THINGS_MIN: usize = 3;

/// Who does so much of what it does is what it may be one more of.
const ALIKE_SHARE: f64 = 0.75;

/// Whether a service that opened this edge does nearly all that the newcomer does, or it did too little yet
/// to tell.
pub(crate) fn may_be_a_replica(
    baseline: &Baseline,
    window: &WorkloadWindow<'_>,
    key: &EdgeKey,
    start: i64,
) -> bool {
    let name = &window.workload.service;
    let things = things(baseline, window, start);
    if things.len() < THINGS_MIN {
        return true;
    }
    let is_alike = |service: &ServiceEvidence| {
        let shared = things.iter().filter(|thing| does(service, thing)).count();
        does(service, key) && shared as f64 >= ALIKE_SHARE * things.len() as f64
    };
    let mut others = baseline.services.unordered().filter(|(other, _)| *other != name);
    others.any(|(_, service)| is_alike(service))
}

/// What a newcomer did so far: who it asked and what for, and what it was asked for.
fn things(baseline: &Baseline, window: &WorkloadWindow<'_>, start: i64) -> BTreeSet<EdgeKey> {
    let now = window.edges().filter(|(_, all)| all.iter().any(|c| c.is_established()));
    let mut things: BTreeSet<EdgeKey> = now.map(|(key, _)| key.clone()).collect();
    let service = baseline.service(&window.workload.service);
    if let Some(service) = service.filter(|it| !is_of_another(it, window, start)) {
        let before = service.edges.unordered().filter(|(_, edge)| is_there(edge));
        things.extend(before.map(|(key, _)| key.clone()));
    }
    things.retain(|key| class(key).is_some() || key.direction == Direction::In);
    things
}

/// Whether a service does a thing; outside the port counts, whatever the address.
fn does(service: &ServiceEvidence, thing: &EdgeKey) -> bool {
    if thing.is_inside() {
        return service.edges.get(thing).is_some_and(is_there);
    }
    service.edges.port(thing.direction, thing.port, thing.protocol).outside_tried
}
