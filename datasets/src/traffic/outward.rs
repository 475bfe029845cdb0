//! What the shop asks of the Internet and of AWS: partners, mirrors, logs, objects.

use super::{Source, second, tcp};
use crate::address::Network;
use crate::connection::{Connection, End, Exchange};
use crate::estate::{Estate, ServiceIdx};
use crate::random::Rng;
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
        let mut habits = demanded(estate, &mut rng);
        habits.extend(steady(estate, &mut rng));
        Self { habits, rng }
    }
}

/// The services of those names that the shop has.
fn named(estate: &Estate, names: &[&str]) -> Vec<ServiceIdx> {
    names.iter().filter_map(|name| estate.named(name)).collect()
}

fn demanded(estate: &Estate, rng: &mut Rng) -> Vec<Habit> {
    let of = |names: &[&str]| named(estate, names);
    let card_network = Network::fixed(rng, 3);
    let bank = Network::fixed(rng, 2);
    let mail_relay = Network::fixed(rng, 3);
    let customers = Network::wide(rng, 14, 0.01);
    let carriers = Network::fixed(rng, 4);
    let objects = Network::aws("S3", 0x34d8_4000, 8, 0.05);
    vec![
        Habit::demand(of(&["payments", "fraud"]), card_network, 30.0),
        Habit::demand(of(&["payments", "invoices"]), bank, 9.0),
        Habit { port: 587, ..Habit::demand(of(&["users", "mailer"]), mail_relay, 6.0) },
        Habit::demand(of(&["orders", "partners-api"]), customers, 5.0),
        Habit::demand(of(&["shipping", "returns"]), carriers, 8.0),
        Habit {
            sent_bytes: 1_500.0,
            received_bytes: 90_000.0,
            sigma: 1.0,
            ..Habit::demand(of(&["catalogue", "images", "reviews", "search"]), objects, 25.0)
        },
    ]
}

fn steady(estate: &Estate, rng: &mut Rng) -> Vec<Habit> {
    let everyone: Vec<ServiceIdx> = estate.services().collect();
    let logs = Network::aws("AMAZON", 0x345e_e000, 5, 0.01);
    let mirrors = Network::wide(rng, 9, 0.04);
    let clocks = Network::fixed(rng, 4);
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
        Habit {
            port: 123,
            protocol: UDP,
            sent_bytes: 48.0,
            received_bytes: 48.0,
            sigma: 0.0,
            secs: 0.0,
            ..Habit::steady(named(estate, &["monitoring", "bastion"]), clocks, 0.6)
        },
    ]
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
