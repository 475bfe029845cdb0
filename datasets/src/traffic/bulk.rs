//! As many connections as a target asks for, for measuring speed.

use super::{Group, Source, calls, second, tcp};
use crate::connection::{Connection, End, Exchange};
use crate::estate::{Estate, InterfaceIdx, ServiceIdx};
use crate::random::Rng;
use crate::wire::{Moment, Wire};

/// How likely a connection is one of those kept open, so that its five-tuple comes again.
const KEPT: f64 = 0.4;

/// How many connections are kept open between two replicas.
const KEPT_PORTS: u64 = 48;

/// Fills every interval up to the sink's limit.
#[derive(Clone)]
pub(crate) struct Bulk {
    edges: Vec<(Group, ServiceIdx)>,
    rng: Rng,
}

impl Bulk {
    pub(crate) fn new(estate: &Estate, seed: u64) -> Self {
        Self { edges: calls(estate), rng: Rng::new(seed, "bulk") }
    }

    fn pair(&mut self, now: &Moment) -> Option<(InterfaceIdx, InterfaceIdx)> {
        let (clients, server) = self.rng.pick(&self.edges)?;
        let client = self.rng.pick(clients.members(now.estate))?;
        Some((client, self.rng.pick(now.estate.replicas(server))?))
    }
}

impl Source for Bulk {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        while !wire.sink.is_full() {
            let Some((client, server)) = self.pair(now) else { return };
            let Some(port) = now.estate.port(server) else { return };
            let rng = &mut self.rng;
            let mut connection = tcp(rng, End::Inside(client), End::Inside(server), port);
            if rng.chance(KEPT) {
                let client_port = 40_000 + rng.below(KEPT_PORTS) as u16;
                connection = Connection { client_port, ..connection };
            }
            let start = second(rng, now);
            let secs = rng.exponential(8.0) as i64;
            let exchange = Exchange {
                start,
                secs: secs.min(now.until - 1 - start),
                sent: rng.lognormal(1_100.0, 0.9),
                received: rng.lognormal(7_000.0, 1.2),
            };
            wire.open(now, &connection, &exchange);
        }
    }
}
