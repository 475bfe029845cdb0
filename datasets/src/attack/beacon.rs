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
    pub(crate) manner: Manner,
    pub(crate) home: Host,
    rng: Rng,
}

/// How a channel calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) period_secs: f64,
    /// How far a period may be off, as a share of it.
    pub(crate) jitter: f64,
    /// The standard deviation of the logarithm of what is sent; 0 sends the same every time.
    pub(crate) sigma: f64,
}

/// The periods channels have, in minutes.
const PERIODS: [f64; 4] = [1.0, 5.0, 15.0, 60.0];

/// How far off their periods are.
const JITTERS: [f64; 4] = [0.0, 0.1, 0.3, 0.5];

impl Manner {
    /// Any of them.
    pub(crate) fn drawn(rng: &mut Rng) -> Self {
        let period_secs = 60.0 * rng.pick(&PERIODS).unwrap_or(5.0);
        let jitter = rng.pick(&JITTERS).unwrap_or(0.0);
        Self { period_secs, jitter, sigma: rng.pick(&[0.0, 0.12, 0.5]).unwrap_or(0.0) }
    }

    /// One that is far off its period every time.
    pub(crate) fn jittered(rng: &mut Rng) -> Self {
        let jitter = rng.pick(&JITTERS[2..]).unwrap_or(0.5);
        let period_secs = 60.0 * rng.pick(&PERIODS[..3]).unwrap_or(5.0);
        Self { period_secs, jitter, ..Self::drawn(rng) }
    }

    /// One that calls by the hour.
    pub(crate) fn slow(rng: &mut Rng) -> Self {
        Self { period_secs: 3_600.0, jitter: 0.1 * rng.unit(), ..Self::drawn(rng) }
    }

    /// One that calls every few minutes.
    pub(crate) fn brisk(rng: &mut Rng) -> Self {
        let period_secs = rng.between(120, 601) as f64;
        Self { period_secs, jitter: 0.3 * rng.unit(), sigma: 0.12 }
    }
}

impl Beacon {
    /// A channel that calls at most so often, for as long as it may.
    pub(crate) fn new(
        from: Foothold,
        (start, until): (i64, i64),
        (manner, n_calls): (Manner, i64),
        mut rng: Rng,
    ) -> Self {
        let home = stranger(rng.bits());
        let until = until.min(start + n_calls * manner.period_secs as i64);
        Self { from, next: start as f64, until, manner, home, rng }
    }

    /// The same, to an IPv6 address.
    pub(crate) fn over_v6(self) -> Self {
        Self { home: self.home.over_v6(), ..self }
    }
}

impl Source for Beacon {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        while (self.next as i64) < now.until.min(self.until) {
            let start = (self.next as i64).max(now.from);
            let rng = &mut self.rng;
            let Manner { period_secs, jitter, sigma } = self.manner;
            self.next += period_secs * (1.0 + jitter * (2.0 * rng.unit() - 1.0));
            let to = (End::Outside(self.home), 443);
            let Some(connection) = self.from.connection(now, rng, to, "beacon") else { return };
            let exchange = Exchange {
                start,
                secs: rng.below(2) as i64,
                sent: rng.lognormal(420.0, sigma),
                received: rng.lognormal(880.0, 2.0 * sigma),
            };
            wire.open(now, &connection, &exchange);
        }
    }
}
