//! Machines that ask at fixed times: the load balancer's health checks and the metrics scraper.

use super::{Group, Pace, Source, tcp};
use crate::catalogue::Kind;
use crate::connection::{Connection, End, Exchange};
use crate::estate::{Estate, InterfaceIdx, ServiceIdx};
use crate::random::{Rng, mixed};
use crate::record::ICMP;
use crate::wire::{Moment, Wire};

/// The port of the metrics exporter every replica runs.
const METRICS_PORT: u16 = 9100;

/// Clients that visit every replica of some services again and again.
#[derive(Clone)]
pub(crate) struct Periodic {
    clients: Vec<Group>,
    servers: Vec<ServiceIdx>,
    /// The port asked; the service's own when not given.
    port: Option<u16>,
    period_secs: i64,
    sent_bytes: f64,
    received_bytes: f64,
    sigma: f64,
    /// How likely a visit begins with a ping.
    ping: f64,
    rng: Rng,
}

impl Periodic {
    /// Every node of the load balancer asks every web replica whether it is well.
    pub(crate) fn health_checks(estate: &Estate, seed: u64, pace: Pace) -> Self {
        Self {
            clients: vec![Group::Balancer],
            servers: estate.of_kind(|kind| kind == Kind::Web),
            port: None,
            period_secs: pace.health_secs,
            sent_bytes: 130.0,
            received_bytes: 190.0,
            sigma: 0.02,
            ping: 0.0,
            rng: Rng::new(seed, "health-checks"),
        }
    }

    /// Monitoring fetches everyone's metrics.
    pub(crate) fn scrapes(estate: &Estate, seed: u64, pace: Pace) -> Self {
        let monitors = estate.of_kind(|kind| kind == Kind::Monitoring);
        let mut servers: Vec<ServiceIdx> = estate.services().collect();
        servers.retain(|service| !monitors.contains(service));
        Self {
            clients: monitors.into_iter().map(Group::Service).collect(),
            servers,
            port: Some(METRICS_PORT),
            period_secs: pace.scrape_secs,
            sent_bytes: 310.0,
            received_bytes: 14_000.0,
            sigma: 0.12,
            ping: 0.01,
            rng: Rng::new(seed, "scrapes"),
        }
    }

    /// The same, of some services only and again and again after that many seconds.
    pub(crate) fn only(self, servers: Vec<ServiceIdx>, period_secs: i64) -> Self {
        Self { servers, period_secs, ..self }
    }

    fn visit(
        &mut self,
        now: &Moment,
        wire: &mut Wire,
        (client, server): (InterfaceIdx, InterfaceIdx),
    ) {
        let Some(port) = self.port.or_else(|| now.estate.port(server)) else { return };
        let pair = (Estate::position(client) as u64) << 32 | Estate::position(server) as u64;
        let phase = (mixed(pair) % self.period_secs as u64) as i64;
        let mut start = now.from + (phase - now.from).rem_euclid(self.period_secs);
        while start < now.until {
            let connection = tcp(&mut self.rng, End::Inside(client), End::Inside(server), port);
            let exchange = Exchange {
                start,
                secs: 0,
                sent: self.rng.lognormal(self.sent_bytes, self.sigma / 4.0),
                received: self.rng.lognormal(self.received_bytes, self.sigma),
            };
            wire.open(now, &connection, &exchange);
            if self.rng.chance(self.ping) {
                let ping = Connection { client_port: 0, port: 0, protocol: ICMP, ..connection };
                let echo = Exchange { start, secs: 0, sent: 56.0, received: 56.0 };
                wire.open(now, &ping, &echo);
            }
            start += self.period_secs;
        }
    }
}

impl Source for Periodic {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let estate = now.estate;
        for group in self.clients.clone() {
            for &client in group.members(estate) {
                for service in self.servers.clone() {
                    for &server in estate.replicas(service) {
                        self.visit(now, wire, (client, server));
                    }
                }
            }
        }
    }
}
