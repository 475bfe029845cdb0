//! Calls home: small, regular, to one address outside.

use super::Foothold;
use crate::address::{Host, stranger};
use crate::connection::{End, Exchange};
use crate::random::Rng;
use crate::traffic::Source;
use crate::wire::{Moment, Wire};

/// A command-and-control channel over HTTPS.
#[derive(Clone)]
pub(crate) struct Beacon {
    pub(crate) from: Foothold,
    /// The next call, in Unix seconds.
    pub(crate) next: f64,
    /// When the calls end.
    pub(crate) until: i64,
    pub(crate) period_secs: f64,
    /// How far a period may be off, as a share of it.
    pub(crate) jitter: f64,
    pub(crate) home: Host,
    rng: Rng,
}

impl Beacon {
    pub(crate) fn new(from: Foothold, start: i64, until: i64, rng: Rng) -> Self {
        let mut rng = rng;
        let period_secs = rng.between(60, 601) as f64;
        let jitter = 0.3 * rng.unit();
        let home = stranger(rng.bits());
        Self { from, next: start as f64, until, period_secs, jitter, home, rng }
    }
}

impl Source for Beacon {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        while (self.next as i64) < now.until.min(self.until) {
            let start = (self.next as i64).max(now.from);
            let rng = &mut self.rng;
            self.next += self.period_secs * (1.0 + self.jitter * (2.0 * rng.unit() - 1.0));
            let to = (End::Outside(self.home), 443);
            let Some(connection) = self.from.connection(now, rng, to, "beacon") else { return };
            let exchange = Exchange {
                start,
                secs: rng.below(2) as i64,
                sent: rng.lognormal(420.0, 0.12),
                received: rng.lognormal(880.0, 0.25),
            };
            wire.open(now, &connection, &exchange);
        }
    }
}
