//! An estate that turns to IPv6: for some days nearly every service meets IPv6 networks for the first time,
//! and few of them are news. Most are the other addresses of networks it goes to over IPv4, which nothing
//! in a flow log says of any one of them; so as many are expected as it has of those.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::Arc;

use model::baseline::{Baseline, Direction, EdgeKey, Seen, ServiceEvidence, WorkloadWindow};

use super::{DAY_SECS, is_there};

/// A network of a family that the estate is turning to is so much less surprising, and no news at any budget
/// while it may be the other address of one that is known.
const TURNING_FACTOR: f64 = 10.0;
const TWIN_FACTOR: f64 = 1000.0;

/// It takes as many other services for the estate to be turning, and such a share of those that go out.
const OTHERS_MIN: usize = 2;
const OTHERS_SHARE: f64 = 0.1;

/// They began to use the family within this time. A service that follows later is news again.
const TURNING_SECS: i64 = 2 * DAY_SECS;

/// Services of the same window began together.
const TOGETHER_SECS: i64 = 600;

/// When each service first went out over IPv6, found when first asked for.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// Who goes out over it now, and since when, Unix seconds.
    now: BTreeMap<Arc<str>, i64>,
    known: Option<Known>,
}

#[derive(Debug, Default)]
struct Known {
    births: BTreeMap<Arc<str>, Birth>,
    /// Services that go to networks outside, whatever the family.
    n_going_out: usize,
}

/// A service's first IPv6 network.
#[derive(Clone, Copy, Debug)]
struct Birth {
    /// Unix seconds.
    at: i64,
    /// Whether it says something of the estate: a service that was there before, and that nothing is said
    /// against.
    is_witness: bool,
}

impl Families {
    /// With the windows that are judged.
    pub(super) fn of(windows: &[WorkloadWindow<'_>]) -> Self {
        let mut now = BTreeMap::new();
        for window in windows {
            let over_v6 = window.edges().filter(|(key, conversations)| {
                let may_be = conversations.first().is_some_and(|c| !c.server.address.is_v4());
                may_be && is_over_v6(key)
            });
            let talks = over_v6.flat_map(|(_, conversations)| conversations);
            let sure = talks.filter(|c| c.is_established() && c.orientation.is_reliable());
            if let Some(first) = sure.map(|c| c.first).min() {
                let birth = now.entry(Arc::clone(&window.workload.service)).or_insert(first);
                *birth = first.min(*birth);
            }
        }
        Self { now, known: None }
    }

    /// By how much less surprising an edge is for being of a family that the estate turns to.
    pub(super) fn how_expected(
        &mut self,
        baseline: &Baseline,
        service: &str,
        key: &EdgeKey,
        time: i64,
    ) -> f64 {
        if !self.are_turning(baseline, service, key, time) {
            return 1.0;
        }
        let has_twins_left = baseline.service(service).is_some_and(has_fewer_over_v6);
        if has_twins_left { TWIN_FACTOR } else { TURNING_FACTOR }
    }

    /// Whether an edge is of a family that is as new to the service as to others of the estate.
    fn are_turning(
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
        let known = self.known.get_or_insert_with(|| Known::of(baseline, now));
        let began = known.births.get(service).map(|birth| birth.at);
        let is_young = began.is_none_or(|at| time.saturating_sub(at) < DAY_SECS);
        let lately = time - TURNING_SECS..time + TOGETHER_SECS;
        let others = known.births.iter().filter(|(name, _)| ***name != *service);
        let witnesses = others.filter(|(_, birth)| birth.is_witness && lately.contains(&birth.at));
        let n_witnesses = witnesses.count();
        let share = OTHERS_SHARE * known.n_going_out as f64;
        is_young && n_witnesses >= OTHERS_MIN && n_witnesses as f64 >= share
    }
}

impl Known {
    fn of(baseline: &Baseline, now: &BTreeMap<Arc<str>, i64>) -> Self {
        let mut known = Self::default();
        for (name, evidence) in baseline.services.unordered() {
            let networks = || {
                let edges = evidence.edges.unordered();
                edges.filter(|(key, edge)| is_to_network(key) && is_there(edge))
            };
            known.n_going_out += usize::from(networks().next().is_some());
            let over_v6 = || networks().filter(|(key, _)| is_over_v6(key)).map(|(_, edge)| edge);
            let first = over_v6().map(|edge| edge.first).min();
            let is_clean = first.is_none() || over_v6().any(|edge| edge.settled < i64::MAX);
            let Some(at) = first.or_else(|| now.get(name).copied()) else { continue };
            let was_there = |seen: Seen| at.saturating_sub(seen.first) >= DAY_SECS;
            let is_witness = is_clean && evidence.seen().is_some_and(was_there);
            known.births.insert(Arc::clone(name), Birth { at, is_witness });
        }
        known
    }
}

/// Whether a service was in fewer networks over IPv6 than over IPv4.
fn has_fewer_over_v6(service: &ServiceEvidence) -> bool {
    let edges =
        service.edges.unordered().filter(|(key, edge)| is_to_network(key) && is_there(edge));
    let (v6, v4): (BTreeSet<_>, BTreeSet<_>) =
        edges.map(|(key, _)| &*key.peer).partition(|network| network.contains(':'));
    v6.len() < v4.len()
}

fn is_to_network(key: &EdgeKey) -> bool {
    key.direction == Direction::Out && key.peer.contains('/') && !key.is_inside()
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

    /// Services known for a month, with when each first went out over IPv6, and whether that was flagged.
    fn estate(births: &[(&str, i64, bool)]) -> Baseline {
        let mut baseline = Baseline::default();
        for &(name, at, is_flagged) in births {
            let service = baseline.services.slot(&name.into()).unwrap();
            service.workloads.slot(&"eni-1".into()).unwrap().note(NOW - 30 * DAY_SECS);
            for (peer, first) in [("198.51.100.0/24", 0), ("svc:db", 0), ("2001:db8::/48", at)] {
                let edge = service.edges.slot(&to(peer)).unwrap();
                edge.established.add(1, is_flagged);
                (edge.first, edge.settled) = (first, if is_flagged { i64::MAX } else { first });
            }
        }
        baseline
    }

    fn are_turning(births: &[(&str, i64, bool)], peer: &str) -> bool {
        let baseline = estate(births);
        Families::default().are_turning(&baseline, "web", &to(peer), NOW)
    }

    #[test]
    fn two_others_of_late_make_an_estate_that_turns() {
        let others = [("api", NOW - 3600, false), ("mail", NOW, false)];
        assert!(are_turning(&others, "2001:db8:7::/48"));
        assert!(!are_turning(&others[..1], "2001:db8:7::/48"), "one is one host's doing");
        assert!(!are_turning(&others, "198.51.100.0/24"), "it was always there");
        let long_ago = [("api", 0, false), ("mail", 0, false), ("late", NOW - 3600, false)];
        assert!(!are_turning(&long_ago, "2001:db8:7::/48"), "who comes late is asked why");
        let itself = [others[0], others[1], ("web", NOW - 2 * DAY_SECS, false)];
        assert!(!are_turning(&itself, "2001:db8:7::/48"), "it turned before");
        let told = [("api", NOW - 3600, true), ("mail", NOW, true)];
        assert!(!are_turning(&told, "2001:db8:7::/48"), "what was told is no witness");
        let large: Vec<String> = (0..30).map(|n| format!("old-{n}")).collect();
        let large = large.iter().map(|name| (name.as_str(), 0, false));
        let large: Vec<_> = large.chain(others).collect();
        assert!(!are_turning(&large, "2001:db8:7::/48"), "in a large estate two are few");
    }

    #[test]
    fn as_many_networks_are_expected_as_there_are_over_ipv4() {
        let mut baseline =
            estate(&[("api", NOW, false), ("mail", NOW, false), ("web", NOW, false)]);
        let expected = |baseline: &Baseline| {
            Families::default().how_expected(baseline, "web", &to("2001:db8:7::/48"), NOW)
        };
        assert!(expected(&baseline) < TWIN_FACTOR, "the one it has over IPv4 may have come");
        let web = baseline.services.slot(&"web".into()).unwrap();
        web.edges.slot(&to("203.0.113.0/24")).unwrap().established.add(1, false);
        assert!(expected(&baseline) >= TWIN_FACTOR, "this may be the other's");
    }

    #[test]
    fn newcomers_are_no_witnesses() {
        let mut baseline = estate(&[("api", NOW, false), ("mail", NOW, false)]);
        for name in ["api", "mail"] {
            let service = baseline.services.slot(&name.into()).unwrap();
            *service.workloads.slot(&"eni-1".into()).unwrap() = Seen { first: NOW, last: NOW };
        }
        let mut families = Families::default();
        assert!(!families.are_turning(&baseline, "web", &to("2001:db8:7::/48"), NOW));
    }
}
