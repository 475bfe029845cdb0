//! The truth: which edges are attacks, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use crate::address::v6;
use crate::record::Family;

/// What looks like an attack and is none: to be told of, but nothing to act on.
pub(crate) const ERRAND: &str = "errand";

/// One attack of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What it is: `port-scan`, `sweep`, `lateral-move`, `beacon`, `exfiltration`, …
    pub name: String,
    /// The attacking workload's private address.
    pub client: String,
    /// The attacked address, when there is one only.
    pub server: Option<String>,
    /// The attacked port, when there is one only.
    pub port: Option<u16>,
    /// All attacked addresses, in order.
    pub servers: Vec<String>,
    /// All attacked ports, in order.
    pub ports: Vec<u16>,
    /// How often a connection was opened or tried.
    pub connections: u64,
    /// Unix seconds of its first packet.
    pub first_seen: i64,
    /// Unix seconds of its last packet.
    pub last_seen: i64,
}

impl Stage {
    /// Whether it only looks like an attack: who is told of it is told nothing false, but is not to cut
    /// it off.
    pub fn is_harmless(&self) -> bool {
        self.name == ERRAND
    }
}

/// An attacked edge; its ends by their IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) label: &'static str,
    pub(crate) family: Family,
    pub(crate) client: u32,
    pub(crate) server: u32,
    pub(crate) port: u16,
    pub(crate) protocol: u8,
}

impl Edge {
    /// An end's address as the records have it.
    fn recorded(&self, address: u32) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::from(address).into(),
            Family::V6 => v6(address).into(),
        }
    }
}

/// When an edge was used, and how often it was opened.
#[derive(Clone, Copy, Debug)]
struct Use {
    first_seen: i64,
    last_seen: i64,
    connections: u64,
}

/// All attacked edges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels(BTreeMap<Edge, Use>);

impl Labels {
    /// Takes in one reported part of an attack's connection.
    pub(crate) fn note(&mut self, edge: Edge, (first_seen, last_seen): (i64, i64), opened: u64) {
        let fresh = Use { first_seen, last_seen, connections: 0 };
        let entry = self.0.entry(edge).or_insert(fresh);
        entry.first_seen = entry.first_seen.min(first_seen);
        entry.last_seen = entry.last_seen.max(last_seen);
        entry.connections += opened;
    }

    /// The content of `labels.csv`, in order of time.
    pub(crate) fn to_csv(&self) -> String {
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort_by_key(|(edge, seen)| (seen.first_seen, **edge));
        let mut csv =
            String::from("first_seen,last_seen,client,server,port,protocol,connections,label\n");
        for (edge, Use { first_seen, last_seen, connections }) in rows {
            let Edge { label, port, protocol, .. } = edge;
            let (client, server) = (edge.recorded(edge.client), edge.recorded(edge.server));
            // Writing to a string cannot fail.
            let _ = writeln!(
                csv,
                "{first_seen},{last_seen},{client},{server},{port},{protocol},{connections},{label}"
            );
        }
        csv
    }

    /// The attacks, in order of time.
    pub(crate) fn stages(&self) -> Vec<Stage> {
        let mut groups: BTreeMap<(&str, u32), Vec<(&Edge, &Use)>> = BTreeMap::new();
        for (edge, seen) in &self.0 {
            groups.entry((edge.label, edge.client)).or_default().push((edge, seen));
        }
        let mut stages: Vec<Stage> = groups.into_values().filter_map(|all| stage(&all)).collect();
        stages.sort_by(|a, b| (a.first_seen, &a.name).cmp(&(b.first_seen, &b.name)));
        stages
    }
}

/// Several edges of one client as one attack.
fn stage(edges: &[(&Edge, &Use)]) -> Option<Stage> {
    let (first, _) = edges.first()?;
    let servers: BTreeSet<IpAddr> =
        edges.iter().map(|(edge, _)| edge.recorded(edge.server)).collect();
    let ports: BTreeSet<u16> = edges.iter().map(|(edge, _)| edge.port).collect();
    let only_server = servers.first().filter(|_| servers.len() == 1);
    Some(Stage {
        name: first.label.to_owned(),
        client: Ipv4Addr::from(first.client).to_string(),
        server: only_server.map(IpAddr::to_string),
        port: ports.first().filter(|_| ports.len() == 1).copied(),
        servers: servers.iter().map(IpAddr::to_string).collect(),
        ports: ports.into_iter().collect(),
        connections: edges.iter().map(|(_, seen)| seen.connections).sum(),
        first_seen: edges.iter().map(|(_, seen)| seen.first_seen).min()?,
        last_seen: edges.iter().map(|(_, seen)| seen.last_seen).max()?,
    })
}
