//! Requests between services: short connections whose number follows the people outside.

use super::{Group, Source, calls, second, tcp};
use crate::catalogue::{Entry, Kind};
use crate::connection::{End, Exchange, Failure};
use crate::estate::{Estate, ServiceIdx};
use crate::random::{Rng, exp};
use crate::wire::{Moment, Wire};

/// Connections a second of the busiest edge in a quiet shop.
const PER_SEC: f64 = 0.035;

/// How likely a request finds nobody: a replica that is starting or overloaded.
const FAILURE: f64 = 0.003;

/// One service calling another.
#[derive(Clone, Debug)]
struct Edge {
    clients: Group,
    server: ServiceIdx,
    port: u16,
    per_sec: f64,
    sent_bytes: f64,
    received_bytes: f64,
    sigma: f64,
    secs: f64,
    /// A slow drift of the logarithm of its rate.
    mood: f64,
}

/// All edges of that kind.
#[derive(Clone)]
pub(crate) struct Requests {
    edges: Vec<Edge>,
    rng: Rng,
}

impl Requests {
    pub(crate) fn new(estate: &Estate, seed: u64) -> Self {
        Self::along(calls(estate), estate, Rng::new(seed, "requests"))
    }

    /// Those of some calls.
    pub(crate) fn along(calls: Vec<(Group, ServiceIdx)>, estate: &Estate, mut rng: Rng) -> Self {
        let kind = |service| estate.service(service).entry.kind;
        let short = calls.into_iter().filter(|&(clients, server)| {
            let by_night = matches!(clients, Group::Service(c) if kind(c) == Kind::Batch);
            !by_night && !kind(server).is_pooled()
        });
        let mut edges: Vec<Edge> =
            short.map(|(c, s)| Edge::drawn((c, s), estate.service(s).entry, &mut rng)).collect();
        let mut varied = rng.clone();
        for edge in &mut edges {
            edge.per_sec = varied.lognormal(edge.per_sec, estate.variety.spread);
        }
        Self { edges, rng }
    }
}

impl Edge {
    fn drawn((clients, server): (Group, ServiceIdx), called: Entry, rng: &mut Rng) -> Self {
        let share = if called.kind == Kind::Web { 1.0 } else { rng.lognormal(0.5, 0.5).min(1.2) };
        Self {
            clients,
            server,
            port: called.port,
            per_sec: PER_SEC * share,
            sent_bytes: rng.lognormal(900.0, 0.5),
            received_bytes: rng.lognormal(6_000.0, 0.9),
            sigma: 0.7 + 0.6 * rng.unit(),
            secs: rng.lognormal(2.0, 1.0),
            mood: 0.0,
        }
    }

    /// How many connections an interval brings.
    fn count(&mut self, now: &Moment, rng: &mut Rng) -> u64 {
        self.mood = 0.95 * self.mood + 0.08 * rng.normal();
        rng.poisson(self.per_sec * now.secs() * now.activity * now.scale * exp(self.mood))
    }

    fn request(&self, now: &Moment, wire: &mut Wire, rng: &mut Rng) {
        let Some(client) = rng.pick(self.clients.members(now.estate)) else { return };
        let Some(server) = rng.pick(now.estate.replicas(self.server)) else { return };
        let connection = tcp(rng, End::Inside(client), End::Inside(server), self.port);
        let start = second(rng, now);
        if rng.chance(FAILURE) {
            let failure = if rng.chance(0.7) { Failure::Refused } else { Failure::Lost };
            wire.attempt(now, &connection, start, 1 + rng.below(3), failure);
            return;
        }
        let exchange = Exchange {
            start,
            secs: rng.exponential(self.secs) as i64,
            sent: rng.lognormal(self.sent_bytes, self.sigma),
            received: rng.lognormal(self.received_bytes, self.sigma),
        };
        wire.open(now, &connection, &exchange);
    }
}

impl Source for Requests {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        for edge in &mut self.edges {
            for _ in 0..edge.count(now, &mut self.rng) {
                edge.request(now, wire, &mut self.rng);
            }
        }
    }
}
