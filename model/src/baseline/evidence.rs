//! The evidence: integer counters per service and edge, histograms per hour, and what it was learned
//! from.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

use ingest::{FieldSet, Ledger};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use super::bounded::{Bounded, StableKey};
use super::days::EdgeDays;
use super::edges::Edges;
use super::histogram::Histogram;
use crate::identity::{Directory, Party};

/// Edges kept per service. A service that has more meets new peers all the time anyway.
pub const EDGES_PER_SERVICE_MAX: usize = 4096;

/// Workloads remembered per service.
pub const WORKLOADS_PER_SERVICE_MAX: usize = 1024;

/// Services kept: addresses without a name count as one each.
pub const SERVICES_MAX: usize = 1 << 16;

/// How long single hours are remembered: eight weeks, in which what is monthly comes round. What a
/// service did before is no measure of what it does now, and memory must not grow for ever.
pub const HOURS_KEPT: i64 = 8 * 7 * 24;

/// Interfaces remembered.
pub const ENIS_MAX: usize = 1 << 17;

/// What a flagged window counts for, against 1 for a clean one.
pub(super) const FLAGGED_WEIGHT: f64 = 0.1;

/// A count, apart for windows that were flagged when they were judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// In windows nothing was said against.
    pub clean: u64,
    /// In windows that were part of a deviation.
    pub flagged: u64,
}

impl Counter {
    /// Adds to the right part.
    pub fn add(&mut self, n: u64, is_flagged: bool) {
        let part = if is_flagged { &mut self.flagged } else { &mut self.clean };
        *part = part.saturating_add(n);
    }

    /// Both parts.
    pub fn total(&self) -> u64 {
        self.clean.saturating_add(self.flagged)
    }

    /// Both parts, the flagged one at its weight.
    pub fn weight(&self) -> f64 {
        self.clean as f64 + FLAGGED_WEIGHT * self.flagged as f64
    }

    fn merge(&mut self, other: &Self) {
        self.clean = self.clean.saturating_add(other.clean);
        self.flagged = self.flagged.saturating_add(other.flagged);
    }
}

/// Which end of an edge a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The service is the client.
    Out,
    /// The service is the server.
    In,
}

impl Direction {
    /// A short name, as findings print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "outbound",
            Self::In => "inbound",
        }
    }
}

/// One of a service's relations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// Which end the service is.
    pub direction: Direction,
    /// The other end: see [`crate::identity::Party::peer_name`].
    pub peer: Arc<str>,
    /// The server's port.
    pub port: u16,
    /// IANA protocol number.
    pub protocol: u8,
}

impl EdgeKey {
    /// Whether the other end is a workload's service.
    pub fn is_inside(&self) -> bool {
        is_inside(&self.peer)
    }
}

/// Whether a peer's name is that of a workload's service.
pub fn is_inside(peer: &str) -> bool {
    peer.starts_with("svc:")
}

impl StableKey for EdgeKey {
    fn feed(&self, hasher: &mut XxHash64) {
        hasher.write(self.peer.as_bytes());
        hasher.write_u8(u8::from(self.direction == Direction::In));
        hasher.write_u16(self.port);
        hasher.write_u8(self.protocol);
    }

    /// Relations inside give way last, then those the service opened to the outside: strangers, of whom
    /// thousands knock at an exposed port, must not push out what it does every day.
    fn stable_hash(&self) -> u64 {
        let rank: u64 = match (self.is_inside(), self.direction) {
            (true, _) => 0,
            (false, Direction::Out) => 1,
            (false, Direction::In) => 2,
        };
        let mut hasher = XxHash64::with_seed(3);
        self.feed(&mut hasher);
        rank << 62 | hasher.finish() >> 2
    }
}

#[cfg(test)]
mod tests {
    use super::super::edges::Edges;
    use super::*;

    #[test]
    fn strangers_do_not_push_out_what_a_service_does_itself() {
        let key = |direction, peer: String, port| EdgeKey {
            direction,
            peer: peer.into(),
            port,
            protocol: 6,
        };
        let own: Vec<EdgeKey> = (0..200)
            .map(|n| key(Direction::Out, format!("svc:{n}"), 22))
            .chain((0..200).map(|n| key(Direction::Out, format!("10.0.{n}.0/24"), 443)))
            .collect();
        let mut edges = Edges::default();
        for key in &own {
            edges.slot(key);
        }
        for n in 0..2 * EDGES_PER_SERVICE_MAX {
            edges.slot(&key(Direction::In, format!("198.{}.{}.0/24", n / 256, n % 256), 22));
        }
        assert!(edges.overflowed() && edges.len() == EDGES_PER_SERVICE_MAX);
        assert!(own.iter().all(|key| edges.get(key).is_some()));
    }
}

/// What was seen of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeEvidence {
    /// First record, Unix seconds.
    pub first: i64,
    /// Last record, Unix seconds.
    pub last: i64,
    /// First record of a window in which it was established and nothing was said against it, Unix
    /// seconds; `i64::MAX` if there was none.
    pub settled: i64,
    /// Workload-windows in which it was active.
    pub windows: Counter,
    /// Workload-windows in which it was established: answered, not only tried.
    pub established: Counter,
    /// Connections.
    pub connections: Counter,
    /// Bytes from client to server.
    pub bytes_out: Counter,
    /// Bytes from server to client.
    pub bytes_in: Counter,
    /// Connections rejected.
    pub rejected: Counter,
    /// What it carried day by day.
    pub days: EdgeDays,
}

impl Default for EdgeEvidence {
    fn default() -> Self {
        let none = Counter::default();
        Self {
            first: i64::MAX,
            last: i64::MIN,
            settled: i64::MAX,
            windows: none,
            established: none,
            connections: none,
            bytes_out: none,
            bytes_in: none,
            rejected: none,
            days: EdgeDays::default(),
        }
    }
}

impl EdgeEvidence {
    /// Adds another part of the same edge.
    pub fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.settled = self.settled.min(other.settled);
        self.windows.merge(&other.windows);
        self.established.merge(&other.established);
        self.connections.merge(&other.connections);
        self.bytes_out.merge(&other.bytes_out);
        self.bytes_in.merge(&other.bytes_in);
        self.rejected.merge(&other.rejected);
        self.days.merge(&other.days);
    }
}

/// What is measured per workload and window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Bytes sent as a client to the outside.
    BytesOutside,
    /// Bytes sent as a client to other workloads.
    BytesInside,
    /// Distinct servers asked.
    Fanout,
    /// Connections of its own that were rejected.
    RejectedOut,
    /// Connections to it that were rejected.
    RejectedIn,
    /// Connections opened.
    Connections,
    /// Peers met for the first time by the service.
    NewPeers,
    /// Connections opened to it.
    Served,
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 8] = [
        Self::BytesOutside,
        Self::BytesInside,
        Self::Fanout,
        Self::RejectedOut,
        Self::RejectedIn,
        Self::Connections,
        Self::NewPeers,
        Self::Served,
    ];

    /// The name in the baseline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::BytesOutside => "bytes-outside",
            Self::BytesInside => "bytes-inside",
            Self::Fanout => "fan-out",
            Self::RejectedOut => "rejected-out",
            Self::RejectedIn => "rejected-in",
            Self::Connections => "connections",
            Self::NewPeers => "new-peers",
            Self::Served => "served",
        }
    }

    /// The measure of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

/// When a workload of a service was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// First window, Unix seconds.
    pub first: i64,
    /// Last window, Unix seconds.
    pub last: i64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { first: i64::MAX, last: i64::MIN }
    }
}

impl Seen {
    /// Adds a window.
    pub fn note(&mut self, time: i64) {
        self.merge(&Self { first: time, last: time });
    }

    fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl StableKey for (Arc<str>, Arc<str>) {
    fn feed(&self, hasher: &mut XxHash64) {
        hasher.write(self.0.as_bytes());
        hasher.write_u8(0);
        hasher.write(self.1.as_bytes());
    }
}

impl StableKey for Arc<str> {
    fn feed(&self, hasher: &mut XxHash64) {
        hasher.write(self.as_bytes());
    }
}

/// Everything known of one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceEvidence {
    /// Its relations.
    pub edges: Edges,
    /// What its workloads did per window.
    pub measures: BTreeMap<Measure, Histogram>,
    /// Its workloads, by interface or address.
    pub workloads: Bounded<Arc<str>, Seen, WORKLOADS_PER_SERVICE_MAX>,
    /// Workload-windows observed.
    pub windows: Counter,
}

impl ServiceEvidence {
    fn merge(&mut self, other: &Self) {
        self.edges.merge(&other.edges);
        self.workloads.merge(&other.workloads, Seen::merge);
        self.windows.merge(&other.windows);
        for (&measure, histogram) in &other.measures {
            self.measures.entry(measure).or_default().merge(histogram);
        }
    }

    /// When any of its workloads was first and last seen.
    pub fn seen(&self) -> Option<Seen> {
        self.workloads.unordered().map(|(_, seen)| *seen).reduce(|mut a, b| {
            a.merge(&b);
            a
        })
    }
}

/// Whether AWS's published ranges named the addresses of AWS's services: with them a peer is
/// `aws:S3 eu-west-1`, without them `aws:S3` or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RangesUse {
    /// They were given.
    Used,
    /// They were not given.
    Unused,
    /// Part of it was learned with them and part without.
    Mixed,
}

impl RangesUse {
    /// What a directory does.
    pub fn of(directory: &Directory) -> Self {
        if directory.has_ip_ranges() { Self::Used } else { Self::Unused }
    }

    /// What two parts are together; a part that does not know leaves it to the other.
    pub fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if one != other => Some(Self::Mixed),
            _ => one.or(other),
        }
    }
}

/// What a baseline was learned from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// First window, Unix seconds.
    pub from: Option<i64>,
    /// End of the last window, Unix seconds.
    pub until: Option<i64>,
    /// Aggregation interval of the logs, seconds.
    pub interval_secs: Option<i64>,
    /// Fields the logs declared.
    pub fields: FieldSet,
    /// Whether AWS's ranges were used; `None` where nothing says.
    pub ip_ranges: Option<RangesUse>,
    /// Interfaces with records, by account and id.
    pub enis: Bounded<(Arc<str>, Arc<str>), (), ENIS_MAX>,
    /// Which windows of each hour since the epoch were observed, a bit each.
    pub hours: BTreeMap<i64, u64>,
    /// What became of the records.
    pub ledger: Ledger,
}

impl Learned {
    fn merge(&mut self, other: &Self) {
        self.from = [self.from, other.from].into_iter().flatten().min();
        self.until = self.until.max(other.until);
        self.interval_secs = self.interval_secs.max(other.interval_secs);
        self.fields = self.fields.union(other.fields);
        self.ip_ranges = RangesUse::join(self.ip_ranges, other.ip_ranges);
        self.enis.merge(&other.enis, |(), ()| ());
        for (&hour, windows) in &other.hours {
            *self.hours.entry(hour).or_default() |= windows;
        }
        self.ledger.merge(&other.ledger);
    }

    /// The hour since the epoch that the newest window is of.
    pub(super) fn newest_hour(&self) -> Option<i64> {
        self.until.map(|until| until.saturating_sub(1).div_euclid(3600))
    }

    /// Days between the first and the last window.
    pub fn days(&self) -> f64 {
        match (self.from, self.until) {
            (Some(from), Some(until)) => (until - from) as f64 / 86_400.0,
            _ => 0.0,
        }
    }
}

/// All profiles and where they come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// What it was learned from.
    pub learned: Learned,
    /// What is known per service.
    pub services: Bounded<Arc<str>, ServiceEvidence, SERVICES_MAX>,
}

impl Baseline {
    /// Adds another baseline's evidence: exact, whatever the order.
    pub fn merge(&mut self, other: &Self) {
        self.learned.merge(&other.learned);
        self.services.merge(&other.services, ServiceEvidence::merge);
        self.forget();
    }

    /// Forgets what is older than the newest hour by more than [`HOURS_KEPT`]. Whatever the order in
    /// which it was learned, the same is left.
    pub(super) fn forget(&mut self) {
        let Some(newest) = self.learned.newest_hour() else { return };
        for service in self.services.values_mut() {
            service.measures.retain(|_, histogram| {
                histogram.forget_before(newest - HOURS_KEPT);
                !histogram.is_empty()
            });
        }
    }

    /// What is known of a service.
    pub fn service(&self, service: &str) -> Option<&ServiceEvidence> {
        self.services.get(service)
    }

    /// Whether a party is known to serve a port, from either end's evidence.
    pub fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        let Party::Workload(workload) = party else { return false };
        self.service(&workload.service)
            .is_some_and(|service| service.edges.port(Direction::In, port, protocol).established)
    }
}
