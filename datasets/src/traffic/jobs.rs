//! Work by the clock: nightly batches, hourly cron jobs and the administrators' logins.

use super::{Source, second, tcp};
use crate::address::{Host, Network};
use crate::catalogue::Kind;
use crate::connection::{End, Exchange};
use crate::estate::{Estate, InterfaceIdx, Owner, ServiceIdx};
use crate::random::{Rng, mixed};
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
    /// The days it is done on, counted since 1970 on local clocks; every day when not given.
    days: Option<[i64; 2]>,
}

impl Job {
    /// How much of the job falls into the moment, from 0 to 1.
    fn share(&self, now: &Moment) -> f64 {
        let [from, until] = [now.from, now.until].map(|time| now.estate.variety.rhythm.local(time));
        let turn = (from - self.at_secs + self.slack_secs).div_euclid(self.period_secs);
        let starts_on = (turn * self.period_secs + self.at_secs).div_euclid(DAY_SECS);
        if self.days.is_some_and(|days| !days.contains(&starts_on)) {
            return 0.0;
        }
        let slack = mixed(turn as u64 ^ (self.at_secs as u64) << 32) % (2 * self.slack_secs) as u64;
        let start = turn * self.period_secs + self.at_secs - self.slack_secs + slack as i64;
        let overlap = until.min(start + self.lasts_secs) - from.max(start);
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
            jobs.extend(nightly(service, estate.calls(service), at_secs, &mut rng));
        }
        let exporting = estate.all_named(estate.topology.partners.exports);
        jobs.extend(exporting.first().map(|&service| hourly(service, &mut rng)));
        let mut varied = Rng::new(seed, "jobs-varied");
        for app in estate.of_kind(Kind::is_app) {
            if varied.chance(estate.variety.habit / 4.0) {
                jobs.push(hourly(app, &mut varied));
            }
        }
        for store in estate.of_kind(Kind::is_store) {
            if varied.chance(estate.variety.habit) {
                let at_secs = varied.between(0, 5 * HOUR_SECS);
                jobs.push(backup(store, at_secs, bucket(), &mut varied));
            }
        }
        Self { jobs, rng }
    }

    /// Every store is backed up every night, to a bucket and to a company outside.
    pub(crate) fn backups(estate: &Estate, mut rng: Rng) -> Self {
        let company = Network::fixed(&mut rng, 2);
        let mut jobs = Vec::new();
        for store in estate.of_kind(Kind::is_store) {
            let at_secs = rng.between(0, 5 * HOUR_SECS);
            for network in [bucket(), company.clone()] {
                jobs.push(backup(store, at_secs, network, &mut rng));
            }
        }
        Self { jobs, rng }
    }

    /// A service reads some stores and uploads what it made of them, on two days only: numbers of
    /// days since 1970.
    pub(crate) fn on_days(
        (service, stores): (ServiceIdx, &[ServiceIdx]),
        days: [i64; 2],
        mut rng: Rng,
    ) -> Self {
        let at_secs = rng.between(HOUR_SECS, 4 * HOUR_SECS);
        let mut jobs = nightly(service, stores, at_secs, &mut rng);
        for job in &mut jobs {
            job.days = Some(days);
            job.received_bytes *= 3.0;
            job.sent_bytes *= 3.0;
        }
        Self { jobs, rng }
    }
}

/// A batch reads its databases, then uploads what it made of them.
fn nightly(service: ServiceIdx, read_from: &[ServiceIdx], at_secs: i64, rng: &mut Rng) -> Vec<Job> {
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
        days: None,
    };
    let mut jobs: Vec<Job> =
        read_from.iter().map(|&called| read(Target::Service(called))).collect();
    jobs.push(Job {
        at_secs: at_secs + 20 * MINUTE_SECS,
        n_connections: 5.0,
        sent_bytes: rng.lognormal(25_000_000.0, 0.3),
        received_bytes: 20_000.0,
        ..read(Target::Network(bucket()))
    });
    jobs
}

/// A service exports to a bucket every hour.
fn hourly(service: ServiceIdx, rng: &mut Rng) -> Job {
    Job {
        service,
        target: Target::Network(bucket()),
        period_secs: HOUR_SECS,
        at_secs: rng.between(4, 50) * MINUTE_SECS,
        slack_secs: 60,
        lasts_secs: 2 * MINUTE_SECS,
        n_connections: 2.5,
        sent_bytes: 600_000.0,
        received_bytes: 3_000.0,
        days: None,
    }
}

/// A store uploads what it holds.
fn backup(store: ServiceIdx, at_secs: i64, to: Network, rng: &mut Rng) -> Job {
    Job {
        service: store,
        target: Target::Network(to),
        period_secs: DAY_SECS,
        at_secs,
        slack_secs: 5 * MINUTE_SECS,
        lasts_secs: 20 * MINUTE_SECS,
        n_connections: 6.0,
        sent_bytes: rng.lognormal(60_000_000.0, 0.6),
        received_bytes: 30_000.0,
        days: None,
    }
}

/// Where objects are kept.
fn bucket() -> Network {
    Network::aws("S3", 0x34d8_4000, 8, 0.05)
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
        Self { bastion: estate.bastion(), office, rng }
    }

    /// Visits the replicas whose turn in the daily round falls into the moment.
    fn round(&mut self, now: &Moment, wire: &mut Wire, bastion: InterfaceIdx) {
        let into_day = now.estate.variety.rhythm.local(now.from).rem_euclid(DAY_SECS);
        let day = now.from - into_day;
        for idx in now.estate.interfaces() {
            let turn = (mixed(Estate::position(idx) as u64) % ROUND_SECS as u64) as i64;
            let start = day + ROUND_AT_SECS + turn;
            let is_due = (now.from..now.until).contains(&start);
            if is_due && idx != bastion && is_administered(now.estate, idx) {
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
        let is_closed = |service| [self.bastion, now.estate.sealed].contains(&Some(service));
        let service = self.rng.pick(&services).filter(|&service| !is_closed(service));
        let Some(service) = service else { return };
        if let Some(idx) = self.rng.pick(now.estate.replicas(service)) {
            self.login(now, wire, (End::Inside(bastion), idx), start, secs * 3 / 4);
        }
    }
}

/// Whether administrators have business on an interface's host.
fn is_administered(estate: &Estate, idx: InterfaceIdx) -> bool {
    match estate.interface(idx).owner {
        Owner::Replica(service) => Some(service) != estate.sealed,
        Owner::LoadBalancer | Owner::NatGateway => false,
    }
}

impl Source for Administration {
    fn step(&mut self, now: &Moment, wire: &mut Wire) {
        let Some(service) = self.bastion else { return };
        let bastions = now.estate.replicas(service);
        // With several of them, people and the round change from one to the other every day.
        let turn = mixed(now.from.div_euclid(DAY_SECS) as u64) as usize % bastions.len().max(1);
        let Some(&bastion) = bastions.get(turn) else { return };
        self.round(now, wire, bastion);
        let is_at_work = now.estate.variety.rhythm.is_office_hour(now.from);
        let per_hour = if is_at_work { LOGINS_PER_HOUR } else { 0.0 };
        for _ in 0..self.rng.poisson(per_hour * now.secs() / 3_600.0) {
            self.visit(now, wire, bastion);
        }
    }
}
