//! One door tried again and again.

use super::Foothold;
use crate::connection::{End, Failure};
use crate::estate::ServiceIdx;
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};

/// Attempts on one port of one service that its security group drops.
#[derive(Clone)]
pub(crate) struct DeniedSpike {
    pub(crate) from: Foothold,
    pub(crate) to: (ServiceIdx, u16),
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    pub(crate) per_minute: f64,
    rng: Rng,
}

impl DeniedSpike {
    pub(crate) fn new(from: Foothold, to: ServiceIdx, start: i64, rng: Rng) -> Self {
        let mut rng = rng;
        let secs = rng.between(300, 900);
        let per_minute = (130.0 + 90.0 * rng.unit()) * 60.0 / secs as f64;
        let port = rng.pick(&[445, 3389, 5985, 2375]).unwrap_or(445);
        Self { from, to: (to, port), start, secs, per_minute, rng }
    }
}

impl Source for DeniedSpike {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let overlap = now.until.min(self.start + self.secs) - now.from.max(self.start);
        let mean = self.per_minute * overlap.max(0) as f64 / 60.0;
        let (service, port) = self.to;
        for _ in 0..self.rng.poisson(mean) {
            let rng = &mut self.rng;
            let Some(target) = rng.pick(now.estate.replicas(service)) else { return };
            let to = (End::Inside(target), port);
            let start = second(rng, now).max(self.start);
            if let Some(connection) = self.from.connection(now, rng, to, "denied-spike") {
                wire.attempt(now, &connection, start, 1 + rng.below(3), Failure::Denied);
            }
        }
    }
}
