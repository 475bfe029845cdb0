//! Port scan and sweep: a workload that knocks on many doors, whatever its baseline.
//!
//! Threshold random walk (Jung, Paxson, Berger, Balakrishnan, 2004) over first contacts: one that is
//! answered with data counts against a scan, one that is not counts for it. With four in five benign
//! contacts and one in five scanning ones answered, each step is worth ln 4, so ten net probes are a
//! likelihood ratio of a million. It knows no rate: a slow scan walks as far as a fast one.
//!
//! Sources are our own workloads. Strangers scan exposed addresses all day; that is exposure, not news.
//! ATT&CK T1046, T1018.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::activity::Conversation;
use model::baseline::{
    Baseline, Counter, Direction, EdgeKey, HOURS_KEPT, Measure, ServiceEvidence, WorkloadWindow,
    bucket_value,
};
use model::identity::{Address, Outside, Party};

use super::sample;
use crate::deviation::{Deviation, Fact, Kind};
use crate::names;

/// So many more probes than answered contacts make a scan at one false finding a day.
const NET_PROBES_MIN: i64 = 10;

/// So many are worth a look at larger budgets.
const NET_PROBES_LAX: i64 = 6;

/// On so many days before it scanned, who has a habit of it.
const HABIT_DAYS_MIN: usize = 3;

/// Of what a usual scan tries, so much was tried before.
const KNOWN_DOORS_MIN: f64 = 0.8;

const DAY_SECS: i64 = 86_400;

/// Who was answered by so many hosts in so many windows each pings as a habit.
const PINGED_MIN: usize = 3;
const PINGS_OF_HABIT: u64 = 12;

/// The walk goes no higher, so that a source that stops is clear again after as many good contacts.
const NET_PROBES_MAX: i64 = 40;

/// A source that probed nothing for this long starts anew.
const IDLE_SECS: i64 = 1800;

/// First contacts remembered per source.
const CONTACTS_MAX: usize = 1 << 16;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The walks of all sources.
#[derive(Clone, Debug, Default)]
pub struct Scans {
    sources: BTreeMap<Arc<str>, Source>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) net: i64,
    pub(crate) last_probe: i64,
    pub(crate) contacts: BTreeSet<(Address, u16, u8)>,
    /// Who contacted the source in this window and the one before, ascending: an echo to them is an
    /// answer.
    pub(crate) callers: [Vec<Address>; 2],
}

/// A scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What deviates.
    pub deviation: Deviation,
    /// The workload was seen at it while learning, on several days, and goes no further now: so do
    /// scanners that somebody set up.
    pub is_usual: bool,
}

impl Scans {
    /// Walks on with one workload's window. What is told by itself has a ratio of at most `cut`.
    pub fn check(
        &mut self,
        baseline: &Baseline,
        window: &WorkloadWindow<'_>,
        start: i64,
        cut: f64,
    ) -> Option<Scan> {
        let source = self.sources.entry(Arc::clone(&window.name)).or_default();
        if start - source.last_probe > IDLE_SECS {
            source.net = 0;
            source.contacts.clear();
        }
        let service = baseline.service(&window.workload.service);
        let mut callers: Vec<Address> = window.as_server.iter().map(|c| c.client.address).collect();
        callers.sort_unstable();
        callers.dedup();
        source.callers = [callers, std::mem::take(&mut source.callers[0])];
        let mut contacts = window.as_client.clone();
        contacts.sort_by_key(|c| (c.first, c.server.address, c.port, c.protocol));
        let mut probes = Vec::new();
        let mut most = source.net;
        for conversation in contacts {
            let Some(is_probe) = source.step(service, conversation) else { continue };
            if is_probe {
                source.last_probe = start;
                probes.push(conversation);
            }
            most = most.max(source.net);
        }
        let is_scan = most >= NET_PROBES_LAX && !probes.is_empty();
        let mut found = is_scan.then(|| deviation(window, &probes, (source.net, most), cut))?;
        let Some(service) = service else {
            return Some(Scan { deviation: found, is_usual: false });
        };
        if is_habit(service, window, start, Counter::total) {
            found.evidence.insert("seen_while_learning", Fact::Text("yes".into()));
        }
        let is_refused_often = || {
            window.measure(Measure::RejectedOut) > 1
                && are_known_doors(service, &probes, found.kind)
        };
        let is_usual = is_habit(service, window, start, |counter| counter.clean)
            && (are_outside(&probes) && window.measure(Measure::Fanout) > 1 || is_refused_often());
        Some(Scan { deviation: found, is_usual })
    }

    /// Forgets sources that did nothing for long.
    pub fn forget_before(&mut self, start: i64) {
        self.sources.retain(|_, source| {
            source.last_probe + IDLE_SECS >= start || !source.callers.iter().all(Vec::is_empty)
        });
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Arc<str>, &Source)> {
        self.sources.iter()
    }

    pub(crate) fn restore(rows: impl IntoIterator<Item = (Arc<str>, Source)>) -> Self {
        Self { sources: rows.into_iter().collect() }
    }
}

impl Source {
    /// Whether a contact is a probe; `None` if it says nothing, or is not the first of its kind.
    fn step(
        &mut self,
        service: Option<&ServiceEvidence>,
        conversation: &Conversation,
    ) -> Option<bool> {
        let c = conversation;
        let is_group = matches!(c.server.party, Party::Outside(Outside::Group));
        let is_icmp = matches!(c.protocol, ICMP | ICMPV6);
        let echoes = is_icmp
            && self.callers.iter().any(|them| them.binary_search(&c.server.address).is_ok());
        let is_guess = is_icmp && !c.orientation.is_reliable();
        if c.attempts == 0 || is_group || echoes || is_guess || is_learned(service, c) {
            return None;
        }
        if !self.contacts.insert((c.server.address, c.port, c.protocol)) {
            return None;
        }
        if self.contacts.len() > CONTACTS_MAX {
            self.contacts.pop_last();
        }
        let is_probe = c.is_bare();
        if is_probe && is_icmp && c.answered > 0 && pings_many(service) {
            return None;
        }
        self.net =
            if is_probe { (self.net + 1).min(NET_PROBES_MAX) } else { (self.net - 1).max(0) };
        Some(is_probe)
    }
}

/// Whether the service is known to go there.
fn is_learned(service: Option<&ServiceEvidence>, c: &Conversation) -> bool {
    let peer = Arc::clone(&c.server.peer);
    let key = EdgeKey { direction: Direction::Out, peer, port: c.port, protocol: c.protocol };
    service
        .and_then(|service| service.edges.get(&key))
        .is_some_and(|edge| edge.windows.clean > 0 && edge.established.clean > 0)
}

/// Whether the service pings others as a habit, as monitoring does: one more that answers is one more that
/// is watched, while those that do not answer are probes still.
fn pings_many(service: Option<&ServiceEvidence>) -> bool {
    let Some(service) = service else { return false };
    let is_ping =
        |key: &EdgeKey| key.direction == Direction::Out && matches!(key.protocol, ICMP | ICMPV6);
    let pinged = service
        .edges
        .unordered()
        .filter(|(key, edge)| is_ping(key) && edge.established.clean >= PINGS_OF_HABIT);
    pinged.take(PINGED_MIN).count() == PINGED_MIN
}

/// Whether the service asked, and was refused, half as much on several days before, by the windows that
/// `count` counts.
fn is_habit(
    service: &ServiceEvidence,
    window: &WorkloadWindow<'_>,
    start: i64,
    count: fn(&Counter) -> u64,
) -> bool {
    let today = start.div_euclid(DAY_SECS);
    let is_usual = |measure: Measure| {
        let half = window.measure(measure) / 2;
        let known = start.div_euclid(3600) - HOURS_KEPT..today * 24;
        let hours = service.measures.get(&measure).into_iter();
        let days: BTreeSet<i64> = hours
            .flat_map(|histogram| histogram.between(known.clone()))
            .filter(|(_, bucket, counter)| bucket_value(*bucket) >= half && count(counter) > 0)
            .map(|(hour, ..)| hour.div_euclid(24))
            .collect();
        half == 0 || days.len() >= HABIT_DAYS_MIN
    };
    is_usual(Measure::Fanout) && is_usual(Measure::RejectedOut)
}

/// Whether nearly all of what was probed is outside, where new addresses are all there is: who asks around
/// there every day, as relays of calls and crawlers do, does so again.
fn are_outside(probes: &[&Conversation]) -> bool {
    let n_outside = probes.iter().filter(|c| c.server.workload().is_none()).count();
    n_outside as f64 >= KNOWN_DOORS_MIN * probes.len() as f64
}

/// Whether nearly all of what was probed had been knocked at before, without an answer, in windows that
/// nothing was said against. Of a port scan the ports count, since a scanner's rounds take it from host
/// to host.
fn are_known_doors(service: &ServiceEvidence, probes: &[&Conversation], kind: Kind) -> bool {
    let door = |peer: &Arc<str>, port: u16, protocol: u8| {
        let peer = (kind == Kind::Sweep).then(|| Arc::clone(peer));
        (peer, port, protocol)
    };
    let known: BTreeSet<_> = (service.edges.iter())
        .filter(|(key, edge)| {
            let is_knock = edge.windows.clean > 0 && edge.established.clean == 0;
            key.direction == Direction::Out && is_knock
        })
        .map(|(key, _)| door(&key.peer, key.port, key.protocol))
        .collect();
    let tried: BTreeSet<_> =
        probes.iter().map(|c| door(&c.server.peer, c.port, c.protocol)).collect();
    let n_known = tried.intersection(&known).count();
    n_known as f64 >= KNOWN_DOORS_MIN * tried.len() as f64
}

/// How much the walk up to so many net probes lowers the odds of chance.
fn odds(net: i64) -> f64 {
    0.25_f64.powi(i32::try_from(net).unwrap_or(i32::MAX))
}

/// So many net probes are told by themselves, in whole numbers; never more than there were.
fn told_from(most: i64, cut: f64) -> f64 {
    let net = NET_PROBES_MIN as f64 + cut.ln() / 0.25_f64.ln();
    net.ceil().max(NET_PROBES_LAX as f64).min(most as f64)
}

/// `net` is where the walk stands at the end of the window, `most` where it stood highest.
fn deviation(
    window: &WorkloadWindow<'_>,
    probes: &[&Conversation],
    (net, most): (i64, i64),
    cut: f64,
) -> Deviation {
    let mut per_target: BTreeMap<Address, u64> = BTreeMap::new();
    let mut per_port: BTreeMap<(u16, u8), u64> = BTreeMap::new();
    for c in probes {
        *per_target.entry(c.server.address).or_default() += 1;
        *per_port.entry((c.port, c.protocol)).or_default() += 1;
    }
    let top_target = per_target.iter().max_by_key(|&(address, n)| (n, address));
    let top_port = per_port.iter().max_by_key(|&(port, n)| (n, port));
    let is_most = |n: u64| 2 * n >= probes.len() as u64;
    // More ports than hosts is a port scan, more hosts than ports a sweep.
    let kind = if per_port.len() > per_target.len() { Kind::PortScan } else { Kind::Sweep };
    let target = top_target
        .filter(|&(_, &n)| kind == Kind::PortScan && is_most(n))
        .map(|(&address, _)| address);
    let port = top_port.filter(|&(_, &n)| kind == Kind::Sweep && is_most(n)).map(|(&port, _)| port);
    let peer = target
        .and_then(|target| probes.iter().find(|c| c.server.address == target))
        .map_or_else(|| "many".into(), |c| Arc::clone(&c.server.peer));
    let mut facts = evidence(probes, &per_target, &per_port, net);
    let enough = told_from(most, cut);
    let quiet = format!(
        "if fewer than {enough} more first contacts had failed than succeeded since it began"
    );
    facts.insert("would_not_have_fired", Fact::Text(quiet));
    Deviation {
        kind,
        workload: window.workload.clone(),
        peer,
        peer_address: target,
        port: port.map(|(port, _)| port),
        protocol: port.map(|(_, protocol)| protocol),
        direction: Direction::Out,
        first: probes.iter().map(|c| c.first).min().unwrap_or(0),
        last: probes.iter().map(|c| c.last).max().unwrap_or(0),
        observed: probes.len() as f64,
        expected: 0.0,
        p_value: odds(net).max(1e-12),
        cut_ratio: odds(most - NET_PROBES_MIN),
        evidence: facts,
        samples: probes.iter().take(5).map(|c| sample(c)).collect(),
    }
}

fn evidence(
    probes: &[&Conversation],
    per_target: &BTreeMap<Address, u64>,
    per_port: &BTreeMap<(u16, u8), u64>,
    net: i64,
) -> BTreeMap<&'static str, Fact> {
    let count = |of: fn(&Conversation) -> bool| probes.iter().filter(|c| of(c)).count() as f64;
    let mut ports: Vec<_> = per_port.iter().collect();
    ports.sort_by_key(|&(port, n)| (std::cmp::Reverse(n), port));
    let named: Vec<String> = ports
        .iter()
        .take(10)
        .map(|&(&(port, protocol), n)| format!("{port}/{} x{n}", names::protocol(protocol)))
        .collect();
    BTreeMap::from([
        ("unit", Fact::Text("first contacts that got no data".into())),
        ("targets", Fact::Number(per_target.len() as f64)),
        ("ports", Fact::Number(per_port.len() as f64)),
        ("rejected", Fact::Number(count(|c| c.rejected() > 0))),
        ("inside", Fact::Number(count(|c| c.server.workload().is_some()))),
        ("net_probes", Fact::Number(net as f64)),
        ("most_tried", Fact::Text(named.join(", "))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_have_been_quiet_goes_with_the_budget() {
        let told = [(40, 1.0), (40, 0.1), (40, 100.0), (8, 1.0)].map(|(n, cut)| told_from(n, cut));
        assert_eq!(
            told.map(|n| n.to_string()),
            ["10", "12", "7", "8"],
            "in an incident less will do"
        );
    }
}
