//! Pools of long-lived connections to databases, caches and queues: opened once, then reported in
//! every interval they carry something, for hours.

use super::{Group, Source, calls, tcp};
use crate::HOUR_SECS;
use crate::connection::{Connection, End, Phase};
use crate::estate::{Estate, InterfaceIdx, ServiceIdx};
use crate::random::{Rng, exp};
use crate::wire::{Moment, Wire};

/// Statements a second on one connection in a quiet shop.
const STATEMENTS_PER_SEC: f64 = 0.007;

/// The pools one service keeps to another.
#[derive(Clone)]
struct Pool {
    clients: ServiceIdx,
    server: ServiceIdx,
    port: u16,
    sent_bytes: f64,
    received_bytes: f64,
    connections: Vec<Pooled>,
    /// Whether the shop was already running: at first, most connections are in mid-life.
    is_running: bool,
}

/// One connection of a pool.
#[derive(Clone)]
struct Pooled {
    client: InterfaceIdx,
    server: InterfaceIdx,
    connection: Connection,
    /// When the pool replaces it.
    until: i64,
    is_opened: bool,
}

/// All pools of the shop.
#[derive(Clone)]
pub(crate) struct Pools {
    pools: Vec<Pool>,
    rng: Rng,
}

impl Pools {
    pub(crate) fn new(estate: &Estate, seed: u64) -> Self {
        Self::along(calls(estate), estate, Rng::new(seed, "pools"))
    }

    /// Those of some calls.
    pub(crate) fn along(calls: Vec<(Group, ServiceIdx)>, estate: &Estate, mut rng: Rng) -> Self {
        let mut pools = Vec::new();
        for (clients, server) in calls {
            let kind = estate.service(server).entry.kind;
            if let Group::Service(clients) = clients
                && kind.is_pooled()
                && estate.service(clients).entry.kind.is_app()
            {
                pools.push(Pool {
                    clients,
                    server,
                    port: estate.service(server).entry.port,
                    sent_bytes: rng.lognormal(1_500.0, 0.7),
                    received_bytes: rng.lognormal(9_000.0, 1.0),
                    connections: Vec::new(),
                    is_running: false,
                });
            }
        }
        Self { pools, rng }
    }
}

impl Pool {
    /// Forgets connections whose ends are gone, and gives every client one connection.
    fn refill(&mut self, now: &Moment, rng: &mut Rng) {
        let estate = now.estate;
        self.connections.retain(|one| estate.exists(one.client) && estate.exists(one.server));
        for &client in estate.replicas(self.clients) {
            if self.connections.iter().any(|one| one.client == client) {
                continue;
            }
            let Some(server) = rng.pick(estate.replicas(self.server)) else { continue };
            let connection = tcp(rng, End::Inside(client), End::Inside(server), self.port);
            let until = now.from + rng.between(HOUR_SECS, 9 * HOUR_SECS);
            let is_opened = !self.is_running && rng.chance(0.9);
            self.connections.push(Pooled { client, server, connection, until, is_opened });
        }
        self.is_running = true;
    }

    fn carry(&mut self, now: &Moment, wire: &mut Wire, rng: &mut Rng) {
        let statements = STATEMENTS_PER_SEC * now.secs() * now.activity * now.scale;
        let busy = 1.0 - exp(-statements);
        let volume = statements.max(1.0);
        let (sent_bytes, received_bytes) = (self.sent_bytes * volume, self.received_bytes * volume);
        self.connections.retain_mut(|one| {
            let is_last = one.until < now.until;
            let phase = match (one.is_opened, is_last) {
                (false, true) => Phase::Whole,
                (false, false) => Phase::First,
                (true, true) => Phase::Last,
                (true, false) => Phase::Middle,
            };
            if phase == Phase::Middle && !rng.chance(busy) {
                return true;
            }
            one.is_opened = true;
            let volume = (rng.lognormal(sent_bytes, 0.6), rng.lognormal(received_bytes, 0.9));
            let middle = i64::midpoint(now.from, now.until);
            let span = (rng.between(now.from, middle), rng.between(middle, now.until));
            wire.carry(now, &one.connection, span, volume, phase);
            !is_last
        });
    }
}

impl Source for Pools {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        for pool in &mut self.pools {
            pool.refill(now, &mut self.rng);
            pool.carry(now, wire, &mut self.rng);
        }
    }
}
