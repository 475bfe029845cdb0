//! A few ports of every address of a /24.

use super::{Foothold, due, probe};
use crate::connection::End;
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};

/// A horizontal sweep of the intruder's own network.
#[derive(Clone)]
pub(crate) struct Sweep {
    pub(crate) from: Foothold,
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    pub(crate) ports: Vec<u16>,
    rng: Rng,
}

impl Sweep {
    pub(crate) fn new(from: Foothold, start: i64, rng: Rng) -> Self {
        let mut rng = rng;
        let secs = rng.between(40, 420);
        Self { from, start, secs, ports: vec![22, 445, 6379], rng }
    }
}

impl Source for Sweep {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        if now.until <= self.start || now.from >= self.start + self.secs {
            return;
        }
        let Some(replica) = self.from.replica(now) else { return };
        let own = now.estate.interface(replica).address;
        let n_probes = 254 * self.ports.len();
        let first = due(self.start, self.secs, n_probes, now.from);
        let last = due(self.start, self.secs, n_probes, now.until);
        for turn in first..last {
            let address = (own & !0xff) + 1 + (turn % 254) as u32;
            if address == own {
                continue;
            }
            let server = now.estate.at(address).map_or(End::Vacant(address), End::Inside);
            let start = second(&mut self.rng, now).max(self.start);
            let to = (server, self.ports[turn / 254]);
            let rng = &mut self.rng;
            if let Some(connection) = self.from.connection(now, rng, to, "sweep") {
                probe(now, wire, rng, &connection, start);
            }
        }
    }
}
