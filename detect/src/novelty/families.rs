//! An estate that turns to IPv6: for some days the first IPv6 network of nearly every service is new, and
//! no news.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

use model::baseline::{Baseline, Direction, EdgeKey, WorkloadWindow};

use super::{DAY_SECS, is_there};

/// A network of a family that the estate is turning to is so much less surprising.
pub(super) const TURNING_FACTOR: f64 = 10.0;

/// It takes as many other services for the estate to be turning.
const OTHERS_MIN: usize = 2;

/// They began to use the family within this time. A service that follows later is news again.
const TURNING_SECS: i64 = 2 * DAY_SECS;

/// Services of the same window began together.
const TOGETHER_SECS: i64 = 600;

/// When each service first went out over IPv6, found when first asked for.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// Who goes out over it now, and since when, Unix seconds.
    now: BTreeMap<Arc<str>, i64>,
    births: Option<BTreeMap<Arc<str>, i64>>,
}

impl Families {
    /// With the windows that are judged.
    pub(super) fn of(windows: &[WorkloadWindow<'_>]) -> Self {
        let mut now = BTreeMap::new();
        for window in windows {
            let outside = window.as_client.iter().filter(|c| !c.server.address.is_v4());
            let talks = outside.filter(|c| c.server.workload().is_none() && c.is_established());
            if let Some(first) = talks.map(|c| c.first).min() {
                note(&mut now, &window.workload.service, first);
            }
        }
        Self { now, births: None }
    }

    /// Whether an edge is of a family that is as new to the service as to others of the estate.
    pub(super) fn are_turning(
        &mut self,
        baseline: &Baseline,
        service: &str,
        key: &EdgeKey,
        time: i64,
    ) -> bool {
        if !is_over_v6(key) {
            return false;
        }
        let now = &self.now;
        let births = self.births.get_or_insert_with(|| births(baseline, now.clone()));
        let is_young = births.get(service).is_none_or(|&birth| time - birth < DAY_SECS);
        let lately = time - TURNING_SECS..time + TOGETHER_SECS;
        let others = births.iter().filter(|(name, _)| ***name != *service);
        is_young && others.filter(|(_, birth)| lately.contains(birth)).count() >= OTHERS_MIN
    }
}

fn births(baseline: &Baseline, now: BTreeMap<Arc<str>, i64>) -> BTreeMap<Arc<str>, i64> {
    let mut births = now;
    for (name, evidence) in baseline.services.unordered() {
        let edges = evidence.edges.unordered();
        let over_v6 = edges.filter(|(key, edge)| is_over_v6(key) && is_there(edge));
        if let Some(first) = over_v6.map(|(_, edge)| edge.settled).min() {
            note(&mut births, name, first);
        }
    }
    births
}

fn note(births: &mut BTreeMap<Arc<str>, i64>, service: &Arc<str>, time: i64) {
    let birth = births.entry(Arc::clone(service)).or_insert(time);
    *birth = time.min(*birth);
}

/// Whether it goes to an IPv6 network outside.
fn is_over_v6(key: &EdgeKey) -> bool {
    let network = key.peer.split_once('/');
    key.direction == Direction::Out
        && network.is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100 * DAY_SECS;

    fn to(peer: &str) -> EdgeKey {
        EdgeKey { direction: Direction::Out, peer: peer.into(), port: 443, protocol: 6 }
    }

    fn estate(births: &[(&str, i64)]) -> Baseline {
        let mut baseline = Baseline::default();
        for &(name, at) in births {
            let service = baseline.services.slot(&name.into()).unwrap();
            for peer in ["198.51.100.0/24", "svc:db", "aws:S3"] {
                service.edges.slot(&to(peer)).unwrap().settled = 0;
            }
            let edge = service.edges.slot(&to("2001:db8::/48")).unwrap();
            (edge.settled, edge.established.clean) = (at, 1);
        }
        baseline
    }

    fn are_turning(births: &[(&str, i64)], peer: &str) -> bool {
        let baseline = estate(births);
        Families::default().are_turning(&baseline, "web", &to(peer), NOW)
    }

    #[test]
    fn two_others_of_late_make_an_estate_that_turns() {
        let others = [("api", NOW - 3600), ("mail", NOW)];
        assert!(are_turning(&others, "2001:db8:7::/48"));
        assert!(!are_turning(&others[..1], "2001:db8:7::/48"), "one is one host's doing");
        assert!(!are_turning(&others, "198.51.100.0/24"), "it was always there");
        let long_ago = [("api", 0), ("mail", 0), ("late", NOW - 3600)];
        assert!(!are_turning(&long_ago, "2001:db8:7::/48"), "who comes late is asked why");
        let itself = [("api", NOW), ("mail", NOW), ("web", NOW - 2 * DAY_SECS)];
        assert!(!are_turning(&itself, "2001:db8:7::/48"), "it turned before");
    }
}
