//! What the shop asks of the Internet and of AWS: partners, mirrors, logs, objects.

use super::{Source, second, tcp};
use crate::address::{Host, Network};
use crate::catalogue::Kind;
use crate::connection::{Connection, End, Exchange};
use crate::estate::{Estate, ServiceIdx};
use crate::random::{Rng, exp};
use crate::record::{TCP, UDP};
use crate::wire::{Moment, Wire};

/// What a habit's frequency follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    /// The people in the shop.
    Demand,
    /// The number of replicas, day and night.
    Replicas,
}

/// Some services going to one network outside, now and then.
#[derive(Clone)]
struct Habit {
    clients: Vec<ServiceIdx>,
    network: Network,
    port: u16,
    protocol: u8,
    timing: Timing,
    /// Connections an hour, of each service or of each replica.
    per_hour: f64,
    sent_bytes: f64,
    received_bytes: f64,
    sigma: f64,
    secs: f64,
}

/// All habits of the shop.
#[derive(Clone)]
pub(crate) struct Outward {
    habits: Vec<Habit>,
    rng: Rng,
}

impl Habit {
    /// A habit over HTTPS that follows demand.
    fn demand(clients: Vec<ServiceIdx>, network: Network, per_hour: f64) -> Self {
        Self {
            clients,
            network,
            port: 443,
            protocol: TCP,
            timing: Timing::Demand,
            per_hour,
            sent_bytes: 2_200.0,
            received_bytes: 4_800.0,
            sigma: 0.5,
            secs: 2.0,
        }
    }

    /// A habit of every replica, over HTTPS.
    fn steady(clients: Vec<ServiceIdx>, network: Network, per_hour: f64) -> Self {
        Self { timing: Timing::Replicas, ..Self::demand(clients, network, per_hour) }
    }

    fn count(&self, now: &Moment, service: ServiceIdx, rng: &mut Rng) -> u64 {
        let busy = match self.timing {
            Timing::Demand => now.activity * now.scale,
            Timing::Replicas => now.estate.replicas(service).len() as f64,
        };
        rng.poisson(self.per_hour * now.secs() / 3_600.0 * busy)
    }

    fn go(&self, now: &Moment, wire: &mut Wire, service: ServiceIdx, rng: &mut Rng) {
        let Some(client) = rng.pick(now.estate.replicas(service)) else { return };
        let server = End::Outside(self.network.host(rng));
        let connection = tcp(rng, End::Inside(client), server, self.port);
        let connection = Connection { protocol: self.protocol, ..connection };
        let exchange = Exchange {
            start: second(rng, now),
            secs: rng.exponential(self.secs) as i64,
            sent: rng.lognormal(self.sent_bytes, self.sigma),
            received: rng.lognormal(self.received_bytes, self.sigma),
        };
        wire.open(now, &connection, &exchange);
    }
}

impl Outward {
    pub(crate) fn new(estate: &Estate, seed: u64) -> Self {
        let mut rng = Rng::new(seed, "outward");
        let everyone: Vec<ServiceIdx> = estate.services().collect();
        let mut habits = demanded(estate, &mut rng);
        habits.extend(steady(everyone, &mut rng));
        habits.push(clocks(estate, &mut rng));
        let mut varied = Rng::new(seed, "habits");
        for habit in &mut habits {
            habit.per_hour = varied.lognormal(habit.per_hour, estate.variety.spread);
            habit.sent_bytes = varied.lognormal(habit.sent_bytes, estate.variety.spread);
        }
        if estate.variety.habit > 0.0 {
            let apps = estate.of_kind(Kind::is_app);
            habits.push(Reporting::new(seed).habit(apps));
        }
        Self { habits, rng }
    }

    /// What services that join later ask of the networks everyone goes to.
    pub(crate) fn of_newcomers(estate: &Estate, newcomers: &[ServiceIdx], seed: u64) -> Self {
        // The networks are drawn in this order.
        let mut rng = Rng::new(seed, "outward");
        drop(demanded(estate, &mut rng));
        let mut habits = steady(newcomers.to_vec(), &mut rng);
        habits.push(Reporting::new(seed).habit(newcomers.to_vec()));
        Self { habits, rng: Rng::new(seed, "newcomers") }
    }
}

/// What every application of an estate sends to a company that measures for it.
#[derive(Clone)]
pub(crate) struct Reporting {
    network: Network,
    /// Connections an hour of each replica.
    per_hour: f64,
    sent_bytes: f64,
}

impl Reporting {
    /// That of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "reporting");
        Self {
            network: Network::fixed(&mut rng, 3),
            per_hour: rng.lognormal(2.5, 0.2),
            sent_bytes: rng.lognormal(2_500_000.0, 0.3),
        }
    }

    /// One of the addresses it goes to.
    pub(crate) fn host(&self, rng: &mut Rng) -> Host {
        self.network.host(rng)
    }

    /// What one replica sends in an hour.
    pub(crate) fn bytes_per_hour(&self) -> f64 {
        // The mean of a log-normal is its median times exp(σ² / 2).
        self.per_hour * self.sent_bytes * exp(REPORTING_SIGMA * REPORTING_SIGMA / 2.0)
    }

    fn habit(self, clients: Vec<ServiceIdx>) -> Habit {
        Habit {
            sent_bytes: self.sent_bytes,
            received_bytes: 9_000.0,
            sigma: REPORTING_SIGMA,
            secs: 6.0,
            ..Habit::steady(clients, self.network, self.per_hour)
        }
    }
}

/// The standard deviation of the logarithm of a report's size.
const REPORTING_SIGMA: f64 = 0.4;

fn demanded(estate: &Estate, rng: &mut Rng) -> Vec<Habit> {
    let of = |names: &[&str]| estate.all_named(names);
    let partners = &estate.topology.partners;
    let card_network = Network::fixed(rng, 3);
    let bank = Network::fixed(rng, 2);
    let mail_relay = Network::fixed(rng, 3);
    let customers = Network::wide(rng, 14, 0.01);
    let carriers = Network::fixed(rng, 4);
    let objects = Network::aws("S3", 0x34d8_4000, 8, 0.05);
    vec![
        Habit::demand(of(partners.card_network), card_network, 30.0),
        Habit::demand(of(partners.bank), bank, 9.0),
        Habit { port: 587, ..Habit::demand(of(partners.mail_relay), mail_relay, 6.0) },
        Habit::demand(of(partners.customers), customers, 5.0),
        Habit::demand(of(partners.carriers), carriers, 8.0),
        Habit {
            sent_bytes: 1_500.0,
            received_bytes: 90_000.0,
            sigma: 1.0,
            ..Habit::demand(of(partners.objects), objects, 25.0)
        },
    ]
}

fn steady(everyone: Vec<ServiceIdx>, rng: &mut Rng) -> Vec<Habit> {
    let logs = Network::aws("AMAZON", 0x345e_e000, 5, 0.01);
    let mirrors = Network::wide(rng, 9, 0.04);
    vec![
        Habit {
            sent_bytes: 45_000.0,
            received_bytes: 1_800.0,
            sigma: 0.8,
            secs: 8.0,
            ..Habit::steady(everyone.clone(), logs, 4.0)
        },
        Habit {
            sent_bytes: 4_000.0,
            received_bytes: 1_400_000.0,
            sigma: 1.4,
            secs: 5.0,
            ..Habit::steady(everyone, mirrors, 0.25)
        },
    ]
}

fn clocks(estate: &Estate, rng: &mut Rng) -> Habit {
    let network = Network::fixed(rng, 4);
    Habit {
        port: 123,
        protocol: UDP,
        sent_bytes: 48.0,
        received_bytes: 48.0,
        sigma: 0.0,
        secs: 0.0,
        ..Habit::steady(estate.all_named(estate.topology.partners.clocks), network, 0.6)
    }
}

impl Source for Outward {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        for habit in &self.habits {
            for &service in &habit.clients {
                for _ in 0..habit.count(now, service, &mut self.rng) {
                    habit.go(now, wire, service, &mut self.rng);
                }
            }
        }
    }
}
