//! Intrusions: what somebody does who has got into one replica.
//!
//! Each is a source of traffic of its own, with its own stream of random numbers, so that laying one
//! in leaves the ordinary traffic as it was. Their connections carry a label.

mod beacon;
mod brute_force;
mod denied;
mod exfiltration;
mod lateral;
mod port_scan;
mod slow_boil;
mod sweep;

use crate::connection::{Connection, End, Exchange, Failure};
use crate::estate::{InterfaceIdx, ServiceIdx};
use crate::random::Rng;
use crate::record::TCP;
use crate::wire::{Moment, Wire};

pub(crate) use beacon::{Beacon, Manner};
pub(crate) use brute_force::BruteForce;
pub(crate) use denied::DeniedSpike;
pub(crate) use exfiltration::Exfiltration;
pub(crate) use lateral::{Door, LateralMove, NewPort};
pub(crate) use port_scan::PortScan;
pub(crate) use slow_boil::Rise;
pub(crate) use sweep::Sweep;

/// Ports that every replica's security group lets the whole VPC reach, besides its service's own.
const OPEN_PORTS: [u16; 2] = [22, 9100];

/// The replica an intruder sits on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foothold {
    pub(crate) service: ServiceIdx,
    /// Which of its replicas, the oldest first: the oldest is not deployed while it is used.
    pub(crate) nth: usize,
}

impl Foothold {
    /// The oldest replica of a service.
    pub(crate) fn of(service: ServiceIdx) -> Self {
        Self { service, nth: 0 }
    }

    fn replica(self, now: &Moment) -> Option<InterfaceIdx> {
        now.estate.replicas(self.service).get(self.nth).copied()
    }

    /// A labelled connection from it.
    fn connection(
        self,
        now: &Moment,
        rng: &mut Rng,
        (server, port): (End, u16),
        label: &'static str,
    ) -> Option<Connection> {
        let client = End::Inside(self.replica(now)?);
        let client_port = rng.ephemeral_port();
        Some(Connection { client, server, client_port, port, protocol: TCP, label: Some(label) })
    }
}

/// Sends one probe, and reports what comes of it: nobody there, a closed door, or a short answer.
fn probe(now: &Moment, wire: &mut Wire, rng: &mut Rng, connection: &Connection, start: i64) {
    let End::Inside(server) = connection.server else {
        wire.attempt(now, connection, start, 1 + rng.below(2), Failure::Lost);
        return;
    };
    let port = connection.port;
    if now.estate.port(server) == Some(port) || OPEN_PORTS.contains(&port) {
        let exchange = Exchange { start, secs: 0, sent: 0.0, received: 0.0 };
        wire.open(now, connection, &exchange);
    } else {
        wire.attempt(now, connection, start, 1 + rng.below(2), Failure::Denied);
    }
}

/// How far something even has come at a time: the index of its next step.
fn due(start: i64, secs: i64, n_steps: usize, time: i64) -> usize {
    let passed = (time - start).clamp(0, secs.max(1));
    (passed as u128 * n_steps as u128 / secs.max(1) as u128) as usize
}
