//! Uploads of what was stolen.

use super::Foothold;
use crate::address::{Host, stranger};
use crate::connection::{End, Exchange};
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};

/// Large uploads to one address outside, over HTTPS.
#[derive(Clone)]
pub(crate) struct Exfiltration {
    pub(crate) from: Foothold,
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    pub(crate) bytes_total: f64,
    pub(crate) drop_host: Host,
    n_uploads: usize,
    rng: Rng,
}

impl Exfiltration {
    pub(crate) fn new(from: Foothold, start: i64, rng: Rng) -> Self {
        let mut rng = rng;
        let secs = rng.between(1_500, 4_500);
        let bytes_total = rng.lognormal(1.2e9, 0.4);
        let n_uploads = 15 + rng.index(50);
        Self { from, start, secs, bytes_total, drop_host: stranger(rng.bits()), n_uploads, rng }
    }
}

impl Source for Exfiltration {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let turn = |time| super::due(self.start, self.secs, self.n_uploads, time);
        for _ in turn(now.from)..turn(now.until) {
            let rng = &mut self.rng;
            let to = (End::Outside(self.drop_host), 443);
            let Some(connection) = self.from.connection(now, rng, to, "exfiltration") else {
                return;
            };
            let mean = self.bytes_total / self.n_uploads as f64;
            let sent = mean * (0.5 + rng.unit());
            let exchange = Exchange {
                start: second(rng, now).max(self.start),
                secs: 5 + rng.exponential(40.0) as i64,
                sent,
                received: sent / 2_000.0,
            };
            wire.open(now, &connection, &exchange);
        }
    }
}
