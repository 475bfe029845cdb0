//! One port of one address after the other.

use super::{Foothold, due, probe};
use crate::connection::End;
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};
use crate::{HOUR_SECS, MINUTE_SECS};

/// A horizontal sweep of the intruder's own network.
#[derive(Clone)]
pub(crate) struct Sweep {
    pub(crate) from: Foothold,
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    /// How many addresses it tries, from the network's first on.
    n_hosts: usize,
    port: u16,
    rng: Rng,
}

impl Sweep {
    /// A hundred addresses, in seconds or a few minutes.
    pub(crate) fn fast(from: Foothold, start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(15, 420);
        Self::new(from, (start, secs), 90 + rng.index(31), rng)
    }

    /// One address every few minutes, for hours.
    pub(crate) fn slow(from: Foothold, start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(7 * HOUR_SECS, 10 * HOUR_SECS);
        let n_hosts = secs / rng.between(3 * MINUTE_SECS, 6 * MINUTE_SECS);
        Self::new(from, (start, secs), n_hosts as usize, rng)
    }

    fn new(from: Foothold, (start, secs): (i64, i64), n_hosts: usize, mut rng: Rng) -> Self {
        let port = rng.pick(&[22, 445, 3389, 5985, 6379]).unwrap_or(22);
        Self { from, start, secs, n_hosts: n_hosts.min(254), port, rng }
    }
}

impl Source for Sweep {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        if now.until <= self.start || now.from >= self.start + self.secs {
            return;
        }
        let Some(replica) = self.from.replica(now) else { return };
        let own = now.estate.interface(replica).address;
        let first = due(self.start, self.secs, self.n_hosts, now.from);
        let last = due(self.start, self.secs, self.n_hosts, now.until);
        for turn in first..last {
            let address = (own & !0xff) + 1 + turn as u32;
            if address == own {
                continue;
            }
            let server = now.estate.at(address).map_or(End::Vacant(address), End::Inside);
            let start = second(&mut self.rng, now).max(self.start);
            let to = (server, self.port);
            let rng = &mut self.rng;
            if let Some(connection) = self.from.connection(now, rng, to, "sweep") {
                probe(now, wire, rng, &connection, start);
            }
        }
    }
}
