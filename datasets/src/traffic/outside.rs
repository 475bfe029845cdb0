//! What comes from the Internet: the shop's visitors, and the noise every public address hears.

use super::{Source, second, tcp};
use crate::address::{Host, stranger};
use crate::connection::{Connection, End, Exchange, Failure};
use crate::random::Rng;
use crate::record::UDP;
use crate::wire::{Moment, Wire};

/// Visits a second in a quiet shop.
const VISITS_PER_SEC: f64 = 0.08;

/// How many addresses visitors come from, over the whole time.
const VISITORS: f64 = 400_000.0;

/// What tells the numbers of another region's visitors from those of this one's.
const ELSEWHERE: u64 = 1 << 32;

/// Packets of background noise a second on each public address.
const NOISE_PER_SEC: f64 = 0.005;

/// Scanners that come back again and again.
const SCANNERS: u64 = 60;

/// Ports the Internet knocks on, the favourites more than once.
const KNOCKED: [u16; 24] = [
    23, 23, 23, 22, 22, 445, 445, 3389, 3389, 6379, 8080, 80, 443, 443, 1433, 5060, 2375,
    5900, //
    8443, 9200, 27_017, 3306, 53, 123,
];

/// People, who come to the load balancer.
#[derive(Clone)]
pub(crate) struct Visitors(Rng);

impl Visitors {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::new(seed, "visitors"))
    }

    /// Somebody: few come all the time, most come once.
    fn somebody(&mut self, now: &Moment) -> Host {
        let u = self.0.unit();
        let number = (u * u * u * u * VISITORS) as u64;
        let elsewhere = now.estate.weather.elsewhere;
        let is_new = elsewhere > 0.0 && self.0.chance(elsewhere);
        stranger(if is_new { number | ELSEWHERE } else { number })
    }
}

impl Source for Visitors {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let mean =
            VISITS_PER_SEC * now.secs() * now.activity * now.scale * now.estate.variety.visits;
        for _ in 0..self.0.poisson(mean) {
            let client = End::Outside(self.somebody(now));
            let rng = &mut self.0;
            let Some(node) = rng.pick(&now.estate.balancer) else { return };
            let port = if rng.chance(0.93) { 443 } else { 80 };
            let connection = tcp(rng, client, End::Inside(node), port);
            let exchange = Exchange {
                start: second(rng, now),
                secs: rng.exponential(12.0) as i64,
                sent: rng.lognormal(2_400.0, 0.8),
                received: rng.lognormal(28_000.0, 1.3),
            };
            wire.open(now, &connection, &exchange);
        }
    }
}

/// Scanners, backscatter and the like, on every interface with a public address.
#[derive(Clone)]
pub(crate) struct Background(Rng);

impl Background {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::new(seed, "background"))
    }

    fn knock(&mut self, now: &Moment, wire: &mut Wire, server: End, is_balancer: bool) {
        let rng = &mut self.0;
        let scanner = if rng.chance(0.4) { rng.below(SCANNERS) } else { rng.bits() >> 8 };
        let client = End::Outside(stranger(scanner ^ 0xbad << 48));
        let port = match rng.pick(&KNOCKED) {
            Some(port) if rng.chance(0.7) => port,
            _ => 1 + rng.below(65_535) as u16,
        };
        let mut connection = tcp(rng, client, server, port);
        let start = second(rng, now);
        if is_balancer && [80, 443].contains(&port) {
            let (sent, received) = (rng.lognormal(180.0, 0.6), rng.lognormal(420.0, 0.4));
            if rng.chance(0.5) {
                wire.attempt(now, &connection, start, 1, Failure::Refused);
            } else {
                wire.open(now, &connection, &Exchange { start, secs: 0, sent, received });
            }
            return;
        }
        if [53, 123, 5060].contains(&port) {
            connection = Connection { protocol: UDP, ..connection };
        }
        let at_nat_gateway = server == End::Inside(now.estate.nat_gateway);
        let failure = if at_nat_gateway { Failure::Ignored } else { Failure::Denied };
        wire.attempt(now, &connection, start, 1 + rng.below(2), failure);
    }
}

impl Source for Background {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let estate = now.estate;
        for idx in estate.interfaces() {
            if estate.interface(idx).public_address.is_none() {
                continue;
            }
            let is_balancer = estate.balancer.contains(&idx);
            for _ in 0..self.0.poisson(NOISE_PER_SEC * now.secs()) {
                self.knock(now, wire, End::Inside(idx), is_balancer);
            }
        }
    }
}
