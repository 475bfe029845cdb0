//! Many ports of a few hosts.

use super::{Foothold, due, probe};
use crate::connection::End;
use crate::estate::InterfaceIdx;
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};

/// Ports everybody tries, first.
const POPULAR: [u16; 20] = [
    80, 23, 443, 21, 22, 25, 3389, 110, 445, 139, 143, 53, 135, 3306, 8080, 1723, 111, 995, 5432,
    6379,
];

/// A vertical scan, host by host in one go.
#[derive(Clone)]
pub(crate) struct PortScan {
    pub(crate) from: Foothold,
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    pub(crate) n_hosts: usize,
    pub(crate) n_ports: usize,
    probes: Option<Vec<(InterfaceIdx, u16)>>,
    rng: Rng,
}

impl PortScan {
    pub(crate) fn new(from: Foothold, start: i64, rng: Rng) -> Self {
        let mut rng = rng;
        let secs = rng.between(90, 600);
        let n_hosts = 2 + rng.index(3);
        let n_ports = 200 + rng.index(500);
        Self { from, start, secs, n_hosts, n_ports, probes: None, rng }
    }

    /// Every port of every host, in the order they are tried.
    fn plan(&mut self, now: &Moment) -> Vec<(InterfaceIdx, u16)> {
        let rng = &mut self.rng;
        let mut ports = POPULAR.to_vec();
        while ports.len() < self.n_ports {
            ports.push(1 + rng.below(10_000) as u16);
        }
        ports.sort_unstable();
        ports.dedup();
        let own = now.estate.replicas(self.from.service);
        let mut hosts: Vec<InterfaceIdx> = now.estate.interfaces().collect();
        hosts.retain(|idx| now.estate.port(*idx).is_some() && !own.contains(idx));
        let mut probes = Vec::new();
        for _ in 0..self.n_hosts.min(hosts.len()) {
            let host = hosts.swap_remove(rng.index(hosts.len()));
            probes.extend(ports.iter().map(|&port| (host, port)));
        }
        // Hosts are scanned side by side and ports out of order, as scanners do.
        for last in (1..probes.len()).rev() {
            probes.swap(last, rng.index(last + 1));
        }
        probes
    }
}

impl Source for PortScan {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        if now.until <= self.start || now.from >= self.start + self.secs {
            return;
        }
        let probes = match self.probes.take() {
            Some(probes) => probes,
            None => self.plan(now),
        };
        let first = due(self.start, self.secs, probes.len(), now.from);
        let last = due(self.start, self.secs, probes.len(), now.until);
        for &(host, port) in &probes[first..last] {
            let start = second(&mut self.rng, now).max(self.start);
            let to = (End::Inside(host), port);
            let rng = &mut self.rng;
            if let Some(connection) = self.from.connection(now, rng, to, "port-scan") {
                probe(now, wire, rng, &connection, start);
            }
        }
        self.probes = Some(probes);
    }
}
