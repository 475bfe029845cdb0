//! What estates differ in: sizes, rates, habits, hours. Every seed has its own.

use crate::random::Rng;
use crate::rhythm::Rhythm;

/// What one estate is like.
#[derive(Clone, Debug)]
pub(crate) struct Variety {
    /// Replicas against those the topology lists.
    pub(crate) growth: usize,
    /// How likely a service has one replica more than listed, and then another one.
    pub(crate) larger: f64,
    /// How likely an application calls one more service than the topology lists.
    pub(crate) wired: f64,
    /// How many visitors come, against the usual.
    pub(crate) visits: f64,
    /// The standard deviation of the logarithm of every rate.
    pub(crate) spread: f64,
    /// How likely there is a habit or a job that not everybody has.
    pub(crate) habit: f64,
    pub(crate) rhythm: Rhythm,
}

impl Variety {
    /// Nothing but the topology, with so many times its replicas.
    pub(crate) fn none(growth: usize) -> Self {
        Self {
            growth,
            larger: 0.0,
            wired: 0.0,
            visits: 1.0,
            spread: 0.0,
            habit: 0.0,
            rhythm: Rhythm::USUAL,
        }
    }

    /// What the estate of a seed is like.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "variety");
        Self {
            growth: 1,
            larger: 0.05 + 0.3 * rng.unit(),
            wired: 0.3 * rng.unit(),
            visits: rng.lognormal(1.0, 0.3),
            spread: 0.2 + 0.3 * rng.unit(),
            habit: 0.5,
            rhythm: Rhythm::drawn(&mut rng),
        }
    }
}
