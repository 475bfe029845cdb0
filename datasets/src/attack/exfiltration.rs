//! Uploads of what was stolen.

use super::Foothold;
use crate::MINUTE_SECS;
use crate::address::{Host, stranger};
use crate::connection::{End, Exchange};
use crate::random::Rng;
use crate::traffic::{Source, second};
use crate::wire::{Moment, Wire};

/// Large uploads to one address outside, over HTTPS.
#[derive(Clone)]
pub(crate) struct Exfiltration {
    pub(crate) from: Foothold,
    label: &'static str,
    /// The first second, in Unix seconds.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    pub(crate) bytes_total: f64,
    pub(crate) drop_host: Host,
    n_uploads: usize,
    /// When each upload begins where they keep no pace, in Unix seconds, oldest first.
    at: Option<Vec<i64>>,
    rng: Rng,
}

impl Exfiltration {
    /// A gigabyte within the hour or so.
    pub(crate) fn fast(from: Foothold, start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(1_500, 4_500);
        let bytes_total = rng.lognormal(1.2e9, 0.4);
        Self::new((from, "exfiltration"), (start, secs), (bytes_total, 8 + rng.index(7)), rng)
    }

    /// Half a gigabyte or so over days, some megabytes at a time.
    pub(crate) fn slow(from: Foothold, (start, secs): (i64, i64), mut rng: Rng) -> Self {
        let n_uploads = secs / rng.between(30 * MINUTE_SECS, 45 * MINUTE_SECS);
        let bytes_total = (3.0e6 + 6.0e6 * rng.unit()) * n_uploads as f64;
        Self::new((from, "low-and-slow"), (start, secs), (bytes_total, n_uploads as usize), rng)
    }

    /// A few hundred megabytes in one night.
    pub(crate) fn insider(from: Foothold, start: i64, mut rng: Rng) -> Self {
        let secs = rng.between(1_200, 3_600);
        let bytes_total = rng.lognormal(4.0e8, 0.4);
        Self::new((from, "insider-upload"), (start, secs), (bytes_total, 6 + rng.index(8)), rng)
    }

    fn new(
        (from, label): (Foothold, &'static str),
        (start, secs): (i64, i64),
        (bytes_total, n_uploads): (f64, usize),
        mut rng: Rng,
    ) -> Self {
        let drop_host = stranger(rng.bits());
        Self { from, label, start, secs, bytes_total, drop_host, n_uploads, at: None, rng }
    }

    /// The same, whenever it suits.
    pub(crate) fn at_any_time(mut self) -> Self {
        let any = |rng: &mut Rng| self.start + rng.between(0, self.secs);
        let mut at: Vec<i64> = (0..self.n_uploads).map(|_| any(&mut self.rng)).collect();
        at.sort_unstable();
        Self { at: Some(at), ..self }
    }

    /// How many uploads have begun by a time.
    fn begun(&self, time: i64) -> usize {
        match &self.at {
            Some(at) => at.partition_point(|&begin| begin < time),
            None => super::due(self.start, self.secs, self.n_uploads, time),
        }
    }

    /// The same, to an IPv6 address.
    pub(crate) fn over_v6(self) -> Self {
        Self { drop_host: self.drop_host.over_v6(), ..self }
    }
}

impl Source for Exfiltration {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        for _ in self.begun(now.from)..self.begun(now.until) {
            let rng = &mut self.rng;
            let to = (End::Outside(self.drop_host), 443);
            let Some(connection) = self.from.connection(now, rng, to, self.label) else {
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
