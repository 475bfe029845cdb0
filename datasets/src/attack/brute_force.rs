//! Passwords guessed at a server that the service talks to anyway.

use super::Foothold;
use crate::connection::{End, Exchange};
use crate::estate::ServiceIdx;
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};

/// Many short connections, each answered, to one replica of a service on its own port.
#[derive(Clone)]
pub(crate) struct BruteForce {
    pub(crate) from: Foothold,
    pub(crate) to: (ServiceIdx, u16),
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    pub(crate) per_second: f64,
    rng: Rng,
}

impl BruteForce {
    pub(crate) fn new(from: Foothold, to: (ServiceIdx, u16), start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(60, 240);
        let per_second = (500.0 + 250.0 * rng.unit()) / secs as f64;
        Self { from, to, start, secs, per_second, rng }
    }
}

impl Source for BruteForce {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let overlap = now.until.min(self.start + self.secs) - now.from.max(self.start);
        let (service, port) = self.to;
        let Some(&target) = now.estate.replicas(service).first() else { return };
        for _ in 0..self.rng.poisson(self.per_second * overlap.max(0) as f64) {
            let rng = &mut self.rng;
            let to = (End::Inside(target), port);
            let start = second(rng, now).max(self.start);
            let Some(connection) = self.from.connection(now, rng, to, "brute-force") else {
                return;
            };
            let (sent, received) = (rng.lognormal(300.0, 0.1), rng.lognormal(450.0, 0.1));
            wire.open(now, &connection, &Exchange { start, secs: 0, sent, received });
        }
    }
}
