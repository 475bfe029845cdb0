//! Work by the clock: nightly batches, hourly cron jobs and the administrators' logins.

use super::{Source, second, tcp};
use crate::address::{Host, Network};
use crate::catalogue::Kind;
use crate::connection::{End, Exchange};
use crate::estate::{Estate, InterfaceIdx, ServiceIdx};
use crate::random::{Rng, mixed};
use crate::rhythm::is_office_hour;
use crate::wire::{Moment, Wire};
use crate::{DAY_SECS, HOUR_SECS, MINUTE_SECS};

/// Where a job goes.
#[derive(Clone)]
enum Target {
    Service(ServiceIdx),
    Network(Network),
}

/// One thing done every day or hour.
#[derive(Clone)]
struct Job {
    service: ServiceIdx,
    target: Target,
    period_secs: i64,
    /// When it starts within the period, give or take `slack_secs`.
    at_secs: i64,
    slack_secs: i64,
    /// How long it spreads its connections.
    lasts_secs: i64,
    n_connections: f64,
    sent_bytes: f64,
    received_bytes: f64,
}

impl Job {
    /// How much of the job falls into the moment, from 0 to 1.
    fn share(&self, now: &Moment) -> f64 {
        let turn = (now.from - self.at_secs + self.slack_secs).div_euclid(self.period_secs);
        let slack = mixed(turn as u64 ^ (self.at_secs as u64) << 32) % (2 * self.slack_secs) as u64;
        let start = turn * self.period_secs + self.at_secs - self.slack_secs + slack as i64;
        let overlap = now.until.min(start + self.lasts_secs) - now.from.max(start);
        overlap.max(0) as f64 / self.lasts_secs as f64
    }
}

/// Batch services at night, and hourly exports.
#[derive(Clone)]
pub(crate) struct Jobs {
    jobs: Vec<Job>,
    rng: Rng,
}

impl Jobs {
    pub(crate) fn new(estate: &Estate, seed: u64) -> Self {
        let mut rng = Rng::new(seed, "jobs");
        let mut jobs = Vec::new();
        for service in estate.of_kind(|kind| kind == Kind::Batch) {
            let at_secs = rng.between(HOUR_SECS, 4 * HOUR_SECS);
            jobs.extend(nightly(estate, service, at_secs, &mut rng));
        }
        jobs.extend(estate.named("orders").map(|service| Job {
            service,
            target: Target::Network(Network::aws("S3", 0x34d8_4000, 8, 0.05)),
            period_secs: HOUR_SECS,
            at_secs: rng.between(4, 50) * MINUTE_SECS,
            slack_secs: 60,
            lasts_secs: 2 * MINUTE_SECS,
            n_connections: 2.5,
            sent_bytes: 600_000.0,
            received_bytes: 3_000.0,
        }));
        Self { jobs, rng }
    }
}

/// A batch reads its databases, then uploads what it made of them.
fn nightly(estate: &Estate, service: ServiceIdx, at_secs: i64, rng: &mut Rng) -> Vec<Job> {
    let read = |target| Job {
        service,
        target,
        period_secs: DAY_SECS,
        at_secs,
        slack_secs: 5 * MINUTE_SECS,
        lasts_secs: 25 * MINUTE_SECS,
        n_connections: 14.0,
        sent_bytes: 30_000.0,
        received_bytes: 9_000_000.0,
    };
    let called = estate.service(service).entry.calls.iter();
    let mut jobs: Vec<Job> = called
        .filter_map(|name| estate.named(name))
        .map(|called| read(Target::Service(called)))
        .collect();
    jobs.push(Job {
        at_secs: at_secs + 20 * MINUTE_SECS,
        n_connections: 5.0,
        sent_bytes: rng.lognormal(25_000_000.0, 0.3),
        received_bytes: 20_000.0,
        ..read(Target::Network(Network::aws("S3", 0x34d8_4000, 8, 0.05)))
    });
    jobs
}

impl Source for Jobs {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let rng = &mut self.rng;
        for job in &self.jobs {
            for _ in 0..rng.poisson(job.n_connections * job.share(now)) {
                let Some(client) = rng.pick(now.estate.replicas(job.service)) else { continue };
                let (server, port) = match &job.target {
                    Target::Network(network) => (End::Outside(network.host(rng)), 443),
                    &Target::Service(service) => {
                        let Some(idx) = rng.pick(now.estate.replicas(service)) else { continue };
                        (End::Inside(idx), now.estate.port(idx).unwrap_or(443))
                    }
                };
                let connection = tcp(rng, End::Inside(client), server, port);
                let exchange = Exchange {
                    start: second(rng, now),
                    secs: rng.exponential(25.0) as i64,
                    sent: rng.lognormal(job.sent_bytes, 0.5),
                    received: rng.lognormal(job.received_bytes, 0.5),
                };
                wire.open(now, &connection, &exchange);
            }
        }
    }
}

/// When the configuration management starts its daily round.
const ROUND_AT_SECS: i64 = 6 * HOUR_SECS + 30 * MINUTE_SECS;

/// How long the round takes.
const ROUND_SECS: i64 = 20 * MINUTE_SECS;

/// Logins by administrators in office hours, an hour.
const LOGINS_PER_HOUR: f64 = 0.8;

/// The bastion: a daily round over all replicas, and people who log in from the office.
#[derive(Clone)]
pub(crate) struct Administration {
    bastion: Option<ServiceIdx>,
    office: Network,
    rng: Rng,
}

impl Administration {
    pub(crate) fn new(estate: &Estate, seed: u64) -> Self {
        let mut rng = Rng::new(seed, "administration");
        let office = Network::fixed(&mut rng, 2);
        Self { bastion: estate.named("bastion"), office, rng }
    }

    /// Visits the replicas whose turn in the daily round falls into the moment.
    fn round(&mut self, now: &Moment, wire: &mut Wire, bastion: InterfaceIdx) {
        let day = now.from - now.from.rem_euclid(DAY_SECS);
        for idx in now.estate.interfaces() {
            let turn = (mixed(Estate::position(idx) as u64) % ROUND_SECS as u64) as i64;
            let start = day + ROUND_AT_SECS + turn;
            let is_due = (now.from..now.until).contains(&start);
            if is_due && idx != bastion && now.estate.port(idx).is_some() {
                let secs = 3 + self.rng.between(0, 9);
                self.login(now, wire, (End::Inside(bastion), idx), start, secs);
            }
        }
    }

    fn login(
        &mut self,
        now: &Moment,
        wire: &mut Wire,
        (client, server): (End, InterfaceIdx),
        start: i64,
        secs: i64,
    ) {
        let rng = &mut self.rng;
        let connection = tcp(rng, client, End::Inside(server), 22);
        let keys = rng.lognormal(60.0 * secs as f64, 0.5);
        let exchange = Exchange {
            start,
            secs,
            sent: 5_000.0 + keys,
            received: 6_000.0 + 4.0 * rng.lognormal(keys, 0.8),
        };
        wire.open(now, &connection, &exchange);
    }

    /// Somebody logs in to the bastion and from there to one replica.
    fn visit(&mut self, now: &Moment, wire: &mut Wire, bastion: InterfaceIdx) {
        let start = second(&mut self.rng, now);
        let secs = self.rng.lognormal(500.0, 0.8) as i64;
        let person: Host = self.office.host(&mut self.rng);
        self.login(now, wire, (End::Outside(person), bastion), start, secs);
        let services: Vec<ServiceIdx> = now.estate.services().collect();
        let service = self.rng.pick(&services).filter(|&service| Some(service) != self.bastion);
        let Some(service) = service else { return };
        if let Some(idx) = self.rng.pick(now.estate.replicas(service)) {
            self.login(now, wire, (End::Inside(bastion), idx), start, secs * 3 / 4);
        }
    }
}

impl Source for Administration {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let Some(service) = self.bastion else { return };
        let Some(&bastion) = now.estate.replicas(service).first() else { return };
        self.round(now, wire, bastion);
        let per_hour = if is_office_hour(now.from) { LOGINS_PER_HOUR } else { 0.0 };
        for _ in 0..self.rng.poisson(per_hour * now.secs() / 3_600.0) {
            self.visit(now, wire, bastion);
        }
    }
}
