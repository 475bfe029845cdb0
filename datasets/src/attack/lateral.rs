//! Answered connections to a place the service never went: another host, or another port.

use super::Foothold;
use crate::catalogue::Kind;
use crate::connection::{End, Exchange};
use crate::estate::{Estate, ServiceIdx};
use crate::labels::ERRAND;
use crate::random::Rng;
use crate::traffic::Source;
use crate::wire::{Moment, Wire};

/// Sessions on a host the foothold's service has no business with.
#[derive(Clone)]
pub(crate) struct LateralMove {
    pub(crate) from: Foothold,
    label: &'static str,
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

    /// Holds those that start before the moment ends, on the first replica of a service.
    fn hold(
        &mut self,
        now: &Moment,
        wire: &mut Wire,
        (from, (service, port), label): (Foothold, (ServiceIdx, u16), &'static str),
        exchange: impl Fn(&mut Rng, i64) -> Exchange,
    ) {
        let Some(&target) = now.estate.replicas(service).first() else { return };
        while let Some(start) = self.next(now) {
            let to = (End::Inside(target), port);
            let Some(connection) = from.connection(now, &mut self.rng, to, label) else { return };
            wire.open(now, &connection, &exchange(&mut self.rng, start));
        }
    }
}

/// Which door is taken on the way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Ssh,
    /// A database's own port.
    Database,
    /// Remote desktop, remote management or file sharing, on a machine that does some work by night.
    Windows,
}

impl Door {
    /// One that an estate of services has anyway.
    pub(crate) fn drawn(rng: &mut Rng) -> Self {
        if rng.chance(0.5) { Self::Database } else { Self::Ssh }
    }
}

impl LateralMove {
    pub(crate) fn new(
        estate: &Estate,
        from: Foothold,
        (start, door): (i64, Door),
        mut rng: Rng,
    ) -> Self {
        let to = strange_target(estate, (from.service, door), &mut rng);
        let secs = rng.between(600, 2_400);
        let n = 3 + rng.index(4);
        let sessions = Sessions::drawn(start, secs, n, rng);
        Self { from, label: "lateral-move", to, sessions }
    }

    /// The same as an errand of another replica's, at another time.
    pub(crate) fn done_by(&self, from: Foothold, start: i64, mut rng: Rng) -> Self {
        let n = 1 + rng.index(3);
        let sessions = Sessions::drawn(start, 600, n, rng);
        Self { from, label: ERRAND, to: self.to, sessions }
    }

    /// Somebody who may log in everywhere looks at a store he never had to do with, over ssh.
    pub(crate) fn insider(from: Foothold, store: ServiceIdx, start: i64, mut rng: Rng) -> Self {
        let n = 1 + rng.index(3);
        let sessions = Sessions::drawn(start, 1_800, n, rng);
        Self { from, label: "insider-login", to: (store, 22), sessions }
    }
}

/// A service that the foothold's does not call, and the port. Services that may be deployed meanwhile
/// are left alone.
fn strange_target(
    estate: &Estate,
    (from, door): (ServiceIdx, Door),
    rng: &mut Rng,
) -> (ServiceIdx, u16) {
    let calls = estate.calls(from);
    let mut targets = estate.of_kind(|kind| match door {
        Door::Ssh => !kind.is_app() && kind != Kind::Bastion,
        Door::Database => kind.is_store(),
        Door::Windows => kind == Kind::Batch,
    });
    targets.retain(|target| !calls.contains(target));
    let windows = rng.pick(&[445, 3389, 5985, 5986]).unwrap_or(3389);
    match rng.pick(&targets) {
        Some(target) if door == Door::Database => (target, estate.service(target).entry.port),
        Some(target) if door == Door::Windows => (target, windows),
        Some(target) => (target, 22),
        // An estate whose every store is called from here still has machines to log in to.
        None if door != Door::Ssh => strange_target(estate, (from, Door::Ssh), rng),
        None => (from, 22),
    }
}

impl Source for LateralMove {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let edge = (self.from, self.to, self.label);
        self.sessions.hold(now, wire, edge, |rng, start| Exchange {
            start,
            secs: rng.lognormal(90.0, 0.8) as i64,
            sent: rng.lognormal(400_000.0, 0.8),
            received: rng.lognormal(3_000_000.0, 0.9),
        });
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
        let mut targets = estate.calls(from.service).to_vec();
        targets.retain(|&target| !estate.service(target).entry.kind.is_app());
        let target = rng.pick(&targets).unwrap_or(from.service);
        let port = rng.pick(&[4444, 8022, 31_337, 7070, 5555]).unwrap_or(4444);
        let n = 6 + rng.index(10);
        Self { from, to: (target, port), sessions: Sessions::drawn(start, 3_600, n, rng) }
    }
}

impl Source for NewPort {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let edge = (self.from, self.to, "new-port");
        self.sessions.hold(now, wire, edge, |rng, start| Exchange {
            start,
            secs: rng.exponential(20.0) as i64,
            sent: rng.lognormal(4_000.0, 0.8),
            received: rng.lognormal(40_000.0, 1.0),
        });
    }
}
