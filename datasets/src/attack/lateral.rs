//! Answered connections to a place the service never went: another host, or another port.

use super::Foothold;
use crate::catalogue::Kind;
use crate::connection::{End, Exchange};
use crate::estate::{Estate, ServiceIdx};
use crate::random::Rng;
use crate::traffic::Source;
use crate::wire::{Moment, Wire};

/// Sessions on a host the foothold's service has no business with.
#[derive(Clone)]
pub(crate) struct LateralMove {
    pub(crate) from: Foothold,
    /// The service moved to, and the port.
    pub(crate) to: (ServiceIdx, u16),
    sessions: Sessions,
}

/// Times of sessions still to come, earliest last.
#[derive(Clone)]
struct Sessions {
    times: Vec<i64>,
    rng: Rng,
}

impl Sessions {
    fn drawn(start: i64, secs: i64, n: usize, mut rng: Rng) -> Self {
        let mut times: Vec<i64> =
            (1..n).map(|_| rng.between(start, start + secs)).chain([start]).collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        Self { times, rng }
    }

    /// The next session that starts before the moment ends.
    fn next(&mut self, now: &Moment) -> Option<i64> {
        let is_due = self.times.last().is_some_and(|&time| time < now.until);
        self.times.pop_if(|_| is_due).map(|time| time.max(now.from))
    }
}

impl LateralMove {
    pub(crate) fn new(estate: &Estate, from: Foothold, start: i64, rng: Rng) -> Self {
        let mut rng = rng;
        let to = strange_target(estate, from.service, &mut rng);
        let secs = rng.between(600, 2_400);
        let n = 3 + rng.index(4);
        Self { from, to, sessions: Sessions::drawn(start, secs, n, rng) }
    }
}

/// A service that the foothold's does not call, by its own port if it is a database, else by ssh.
/// Services that may be deployed meanwhile are left alone.
fn strange_target(estate: &Estate, from: ServiceIdx, rng: &mut Rng) -> (ServiceIdx, u16) {
    let calls = estate.service(from).entry.calls;
    let mut targets = estate.of_kind(|kind| !kind.is_app() && kind != Kind::Bastion);
    targets.retain(|&target| !calls.contains(&estate.service(target).entry.name));
    let target = rng.pick(&targets).unwrap_or(from);
    let kind = estate.service(target).entry.kind;
    let port = if kind.is_store() && rng.chance(0.6) { kind.port() } else { 22 };
    (target, port)
}

impl Source for LateralMove {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let (service, port) = self.to;
        let Some(&target) = now.estate.replicas(service).first() else { return };
        while let Some(start) = self.sessions.next(now) {
            let rng = &mut self.sessions.rng;
            let to = (End::Inside(target), port);
            let Some(connection) = self.from.connection(now, rng, to, "lateral-move") else {
                return;
            };
            let exchange = Exchange {
                start,
                secs: rng.lognormal(90.0, 0.8) as i64,
                sent: rng.lognormal(400_000.0, 0.8),
                received: rng.lognormal(3_000_000.0, 0.9),
            };
            wire.open(now, &connection, &exchange);
        }
    }
}

/// A backdoor on a host the service does talk to, but on another port.
#[derive(Clone)]
pub(crate) struct NewPort {
    pub(crate) from: Foothold,
    pub(crate) to: (ServiceIdx, u16),
    sessions: Sessions,
}

impl NewPort {
    pub(crate) fn new(estate: &Estate, from: Foothold, start: i64, rng: Rng) -> Self {
        let mut rng = rng;
        let called = estate.service(from.service).entry.calls.iter();
        let mut targets: Vec<ServiceIdx> = called.filter_map(|name| estate.named(name)).collect();
        targets.retain(|&target| !estate.service(target).entry.kind.is_app());
        let target = rng.pick(&targets).unwrap_or(from.service);
        let port = rng.pick(&[4444, 8022, 31_337, 7070, 5555]).unwrap_or(4444);
        let n = 6 + rng.index(10);
        Self { from, to: (target, port), sessions: Sessions::drawn(start, 3_600, n, rng) }
    }
}

impl Source for NewPort {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let (service, port) = self.to;
        let Some(&target) = now.estate.replicas(service).first() else { return };
        while let Some(start) = self.sessions.next(now) {
            let rng = &mut self.sessions.rng;
            let to = (End::Inside(target), port);
            let Some(connection) = self.from.connection(now, rng, to, "new-port") else { return };
            let exchange = Exchange {
                start,
                secs: rng.exponential(20.0) as i64,
                sent: rng.lognormal(4_000.0, 0.8),
                received: rng.lognormal(40_000.0, 1.0),
            };
            wire.open(now, &connection, &exchange);
        }
    }
}
