//! One check's judgement: what deviates, how surprising it is, and the evidence.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::baseline::Direction;
use model::identity::{Address, Workload};
use serde::{Deserialize, Serialize};

/// What kind of deviation it is; the names are those of the findings' JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A service reached a peer that its role never reached.
    NewPeer,
    /// A service used, or opened, a port that its role never did.
    NewPort,
    /// Much more sent to the outside than usual.
    Volume,
    /// Many more connections rejected than usual.
    DeniedSpike,
    /// Many more peers asked than usual.
    FanOut,
    /// Many more connections to one server's port than usual.
    Flood,
    /// Many ports of one host tried.
    PortScan,
    /// Many hosts tried.
    Sweep,
    /// Connections at regular intervals.
    Beacon,
    /// Several kinds joined into a chain.
    Incident,
}

impl Kind {
    /// The name in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::NewPeer => "new-peer",
            Self::NewPort => "new-port",
            Self::Volume => "volume",
            Self::DeniedSpike => "denied-spike",
            Self::FanOut => "fan-out",
            Self::Flood => "flood",
            Self::PortScan => "port-scan",
            Self::Sweep => "sweep",
            Self::Beacon => "beacon",
            Self::Incident => "incident",
        }
    }
}

/// The evidence that AWS lost records where a deviation was seen.
pub(crate) const RECORDS_LOST: &str = "records_lost";

/// The evidence that it was siblings a deviation was judged by, and how many.
pub(crate) const SIBLINGS: &str = "siblings";

/// The evidence that everything counts that went to a peer, and for how long it has.
pub(crate) const FIRST_MET: &str = "first_met_ago_secs";

/// One piece of evidence: a number or a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    /// A number; the fact's name says the unit.
    Number(f64),
    /// A word or a sentence.
    Text(String),
}

/// The names of all facts, in order: a judgement that is read back gets its names from here.
pub(crate) const FACTS: &[&str] = &[
    "aggregation_interval_secs",
    "answered",
    "asked_more_by_factor",
    "bytes_in",
    "bytes_out",
    "clients_in_the_estate",
    "clients_that_opened_it",
    "compared_with",
    "connections_since_first_seen",
    "first_met_ago_secs",
    "from_this_peer_bytes",
    "gaps_between_the_last_calls",
    "history_of_28_days",
    "history_of_48_hours_and_now",
    "inside",
    "jitter_ratio",
    "most_connections_of_a_window_before",
    "most_tried",
    "net_probes",
    "new_things_in_28_days_and_now",
    "observations",
    "one_destination_in_twenty_gets_bytes",
    "one_window_in_twenty_reaches_bytes",
    "peer_is_inside",
    "period_secs",
    "ports",
    "rejected",
    "rose_by_factor",
    "seen_while_learning",
    "sent_in_these_windows_bytes",
    "servers",
    "siblings",
    "siblings_edges",
    "siblings_edges_of_one_alone",
    "targets",
    "this_edge_in_28_days_and_now",
    "to_this_peer_bytes",
    "unexplained_factor",
    "unit",
    "variation",
    "windows_observed",
    "windows_with_something_new",
    "workload_is_new",
    "would_not_have_fired",
    "would_not_have_fired_below",
    "would_not_have_fired_below_bytes",
];

/// One check's judgement of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Deviation {
    /// What kind it is.
    pub kind: Kind,
    /// Whose behaviour deviates: the one that acts, if it is ours, else the one acted upon.
    pub workload: Arc<Workload>,
    /// The other end as the baseline names it: `svc:payments`, `203.0.113.0/24`; `many` for scans.
    pub peer: Arc<str>,
    /// The other end's address, where it is one.
    pub peer_address: Option<Address>,
    /// The server's port, where it is one.
    pub port: Option<u16>,
    /// IANA protocol number, where it is one.
    pub protocol: Option<u8>,
    /// Whether the workload is client or server.
    pub direction: Direction,
    /// First record of it, Unix seconds.
    pub first: i64,
    /// Last record of it, Unix seconds.
    pub last: i64,
    /// The number that was seen.
    pub observed: f64,
    /// The number that was expected.
    pub expected: f64,
    /// The probability of such a thing in normal traffic.
    pub p_value: f64,
    /// The p-value over the cut its check would have by itself: at most one is told at one false finding
    /// a day, as long as nothing better is known.
    pub cut_ratio: f64,
    /// What the judgement rests on, by name, units last in the names.
    pub evidence: BTreeMap<&'static str, Fact>,
    /// A few conversations as sentences.
    pub samples: Vec<String>,
}

/// What of a deviation is the same when it goes on in the next window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviationKey {
    /// What kind it is.
    pub kind: Kind,
    /// The other end.
    pub peer: Arc<str>,
    /// The other end's address; scans have many.
    pub peer_address: Option<Address>,
    /// The server's port.
    pub port: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Whether the workload is client or server.
    pub direction: Direction,
}

impl Deviation {
    /// What stays the same when it goes on.
    pub fn key(&self) -> DeviationKey {
        DeviationKey {
            kind: self.kind,
            peer: Arc::clone(&self.peer),
            peer_address: self.peer_address,
            port: self.port,
            protocol: self.protocol,
            direction: self.direction,
        }
    }
}
