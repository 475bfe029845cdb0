//! Many ports of a few hosts: at once, over hours, or shared between several who scan.

use super::{Foothold, due, probe};
use crate::connection::End;
use crate::estate::{InterfaceIdx, ServiceIdx};
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};
use crate::{HOUR_SECS, MINUTE_SECS};

/// Ports everybody tries, first.
const POPULAR: [u16; 20] = [
    80, 23, 443, 21, 22, 25, 3389, 110, 445, 139, 143, 53, 135, 3306, 8080, 1723, 111, 995, 5432,
    6379,
];

/// A vertical scan of several hosts side by side.
#[derive(Clone)]
pub(crate) struct PortScan {
    pub(crate) from: Foothold,
    /// The scan that everybody works on who takes part.
    spared: Vec<ServiceIdx>,
    /// Which of how many takes part: every so many-th probe is its own.
    part: (usize, usize),
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    pub(crate) n_hosts: usize,
    pub(crate) n_ports: usize,
    probes: Option<Vec<(InterfaceIdx, u16)>>,
    rng: Rng,
}

impl PortScan {
    /// In seconds, or a few minutes.
    pub(crate) fn fast(from: Foothold, start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(20, 300);
        let (n_hosts, n_ports) = (1 + rng.index(3), 35 + rng.index(25));
        Self::new(from, (start, secs), (n_hosts, n_ports), rng)
    }

    /// One host only, in a minute or so.
    pub(crate) fn brief(from: Foothold, start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(20, 120);
        let n_ports = 30 + rng.index(15);
        Self::new(from, (start, secs), (1, n_ports), rng)
    }

    /// One probe every few minutes, for hours.
    pub(crate) fn slow(from: Foothold, start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(7 * HOUR_SECS, 10 * HOUR_SECS);
        let n_probes = secs / rng.between(2 * MINUTE_SECS, 6 * MINUTE_SECS);
        let n_hosts = 1 + rng.index(3);
        Self::new(from, (start, secs), (n_hosts, n_probes as usize / n_hosts), rng)
    }

    /// A scan that several share, each from its own place at the same time.
    pub(crate) fn shared(from: &[Foothold], start: i64, mut rng: Rng) -> Vec<Self> {
        let secs = rng.between(10 * MINUTE_SECS, 40 * MINUTE_SECS);
        let size = (2 + rng.index(2), 45 + rng.index(30));
        let spared: Vec<ServiceIdx> = from.iter().map(|foothold| foothold.service).collect();
        let one = |(turn, &foothold): (usize, &Foothold)| Self {
            spared: spared.clone(),
            part: (turn, from.len()),
            ..Self::new(foothold, (start, secs), size, rng.clone())
        };
        from.iter().enumerate().map(one).collect()
    }

    fn new(
        from: Foothold,
        (start, secs): (i64, i64),
        (n_hosts, n_ports): (usize, usize),
        rng: Rng,
    ) -> Self {
        let (spared, part) = (vec![from.service], (0, 1));
        Self { from, spared, part, start, secs, n_hosts, n_ports, probes: None, rng }
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
        let is_spared =
            |idx| self.spared.iter().any(|&service| now.estate.replicas(service).contains(&idx));
        let mut hosts: Vec<InterfaceIdx> = now.estate.interfaces().collect();
        hosts.retain(|&idx| now.estate.port(idx).is_some() && !is_spared(idx));
        let mut probes = Vec::new();
        for _ in 0..self.n_hosts.min(hosts.len()) {
            let host = hosts.swap_remove(rng.index(hosts.len()));
            probes.extend(ports.iter().map(|&port| (host, port)));
        }
        // Hosts are scanned side by side and ports out of order, as scanners do.
        for last in (1..probes.len()).rev() {
            probes.swap(last, rng.index(last + 1));
        }
        let (turn, parts) = self.part;
        probes.into_iter().skip(turn).step_by(parts).collect()
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
