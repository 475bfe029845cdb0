//! Those who look whether all is well: an uptime monitor outside, a vulnerability scanner inside, and
//! agents on every host that report to their vendor.

use super::{Source, second, tcp};
use crate::address::{Host, Network};
use crate::connection::{End, Exchange, Failure};
use crate::estate::{Estate, InterfaceIdx, ServiceIdx};
use crate::random::{Rng, mixed};
use crate::wire::{Moment, Wire};
use crate::{DAY_SECS, HOUR_SECS, MINUTE_SECS};

/// A company outside that asks the load balancer every minute, in turn from a few places.
#[derive(Clone)]
pub(crate) struct Uptime {
    network: Network,
    /// The second of the minute it asks in.
    phase_secs: i64,
    /// When it begins, in Unix seconds.
    since: i64,
    rng: Rng,
}

impl Uptime {
    pub(crate) fn new(mut rng: Rng, since: i64) -> Self {
        let network = Network::fixed(&mut rng, 4);
        Self { network, phase_secs: rng.between(0, MINUTE_SECS), since, rng }
    }
}

impl Source for Uptime {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let mut start = now.from + (self.phase_secs - now.from).rem_euclid(MINUTE_SECS);
        while start < now.until {
            if start < self.since {
                start += MINUTE_SECS;
                continue;
            }
            let rng = &mut self.rng;
            let Some(node) = rng.pick(&now.estate.balancer) else { return };
            let client = End::Outside(self.network.host(rng));
            let connection = tcp(rng, client, End::Inside(node), 443);
            let (sent, received) = (rng.lognormal(480.0, 0.02), rng.lognormal(5_200.0, 0.02));
            wire.open(now, &connection, &Exchange { start, secs: 0, sent, received });
            start += MINUTE_SECS;
        }
    }
}

/// What runs on every replica and reports to its vendor by the clock, each to one of a few addresses.
#[derive(Clone)]
pub(crate) struct Agents {
    vendor: Vec<Host>,
    period_secs: i64,
    sent: f64,
    rng: Rng,
}

impl Agents {
    pub(crate) fn new(mut rng: Rng) -> Self {
        let period_secs = rng.pick(&[60, 120, 300, 600]).unwrap_or(300);
        let n = 1 + rng.index(3);
        let vendor = (0..n).map(|_| Network::fixed(&mut rng, 1).host(&mut rng)).collect();
        Self { vendor, period_secs, sent: 1_500.0 + 3_000.0 * rng.unit(), rng }
    }
}

impl Source for Agents {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        for at in now.estate.interfaces().filter(|&at| now.estate.port(at).is_some()) {
            let own = mixed(Estate::position(at) as u64 ^ 0xa9e7);
            let address = self.vendor[own as usize % self.vendor.len()];
            let phase = (own % self.period_secs as u64) as i64;
            let mut start = now.from + (phase - now.from).rem_euclid(self.period_secs);
            while start < now.until {
                let rng = &mut self.rng;
                let connection = tcp(rng, End::Inside(at), End::Outside(address), 443);
                let (sent, received) = (rng.lognormal(self.sent, 0.1), rng.lognormal(900.0, 0.05));
                wire.open(now, &connection, &Exchange { start, secs: 0, sent, received });
                start += self.period_secs;
            }
        }
    }
}

/// The ports a vulnerability scanner looks at, besides a service's own.
const SCANNED: [u16; 40] = [
    21, 22, 23, 25, 53, 80, 110, 111, 135, 139, 143, 389, 443, 445, 465, 587, 993, 995, 1433, 1521,
    2049, 2375, 3000, 3306, 3389, 5000, 5432, 5601, 5672, 5900, 5985, 6379, 7001, 8000, 8080, 8443,
    9000, 9200, 11_211, 27_017,
];

/// How long a round over everything takes.
const ROUND_SECS: i64 = 2 * HOUR_SECS;

/// A service that is allowed to scan every replica, and does so every night.
#[derive(Clone)]
pub(crate) struct Scanner {
    service: ServiceIdx,
    /// When a round starts, in seconds of the local day.
    at_secs: i64,
    rng: Rng,
}

impl Scanner {
    pub(crate) fn new(service: ServiceIdx, mut rng: Rng) -> Self {
        Self { service, at_secs: rng.between(0, 4 * HOUR_SECS), rng }
    }

    /// Looks at every port of one replica.
    fn look(&mut self, now: &Moment, wire: &mut Wire, from: InterfaceIdx, at: InterfaceIdx) {
        let own = now.estate.port(at);
        for port in SCANNED.into_iter().chain(own) {
            let rng = &mut self.rng;
            let connection = tcp(rng, End::Inside(from), End::Inside(at), port);
            let start = second(rng, now);
            if own == Some(port) || port == 22 {
                let (sent, received) = (rng.lognormal(900.0, 0.3), rng.lognormal(2_500.0, 0.5));
                wire.open(now, &connection, &Exchange { start, secs: 0, sent, received });
            } else {
                wire.attempt(now, &connection, start, 1 + rng.below(2), Failure::Denied);
            }
        }
    }
}

impl Source for Scanner {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let Some(&from) = now.estate.replicas(self.service).first() else { return };
        let into_day = now.estate.variety.rhythm.local(now.from).rem_euclid(DAY_SECS);
        let day = now.from - into_day;
        for at in now.estate.interfaces() {
            let turn = mixed(Estate::position(at) as u64 ^ 0x5ca9) % ROUND_SECS as u64;
            let start = day + self.at_secs + turn as i64;
            let is_replica = now.estate.port(at).is_some() && at != from;
            if is_replica && (now.from..now.until).contains(&start) {
                self.look(now, wire, from, at);
            }
        }
    }
}
