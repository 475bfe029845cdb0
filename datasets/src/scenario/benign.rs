//! What happens in any estate without anybody doing harm.

use super::Setup;
use crate::attack::Rise;
use crate::catalogue::Kind::{App, Batch, Postgres, Redis};
use crate::catalogue::{Entry, Kind, entry};
use crate::churn::Change;
use crate::estate::{Capture, ServiceIdx};
use crate::traffic::{self, Agents, Jobs, Pace, Periodic, Scanner, Uptime};
use crate::{DAY_SECS, HOUR_SECS, MINUTE_SECS};

impl Setup<'_> {
    /// A service that runs requests and is not scaled every day anyway, drawn by that name.
    fn app(&self, stream: &str) -> Option<ServiceIdx> {
        let elastic = self.estate.elastic();
        let mut apps = self.estate.of_kind(|kind| kind == App);
        apps.retain(|app| !elastic.contains(app));
        self.rng(stream).pick(&apps)
    }

    /// Up to so many other services that run requests.
    fn other_apps(&self, than: ServiceIdx, n: usize) -> Vec<ServiceIdx> {
        let mut apps = self.estate.of_kind(Kind::is_app);
        apps.retain(|&app| app != than);
        let first = self.rng("other-apps").index(apps.len());
        apps.iter().cycle().skip(first).take(n.min(apps.len())).copied().collect()
    }

    /// Lets things be so from a time on, and as they were from another.
    fn meanwhile(&mut self, (from, until): (i64, i64), change: Change, back: Change) {
        self.plan.at(from, change);
        self.plan.at(until, back);
    }
}

/// How many replicas the service of [`rolling_deploy`] has.
const FLEET: usize = 50;

pub(super) fn fleet(setup: &mut Setup) {
    let Some(fleet) = setup.app("fleet") else { return };
    while setup.estate.replicas(fleet).len() < FLEET {
        setup.estate.add_replica(fleet, setup.options.start);
    }
}

pub(super) fn rolling_deploy(setup: &mut Setup) {
    let Some(fleet) = setup.app("fleet") else { return };
    let start = setup.hour(10);
    setup.plan.deploy(fleet, FLEET, start, 100);
    // Others grow meanwhile, and get the addresses the fleet gives back.
    for (turn, service) in setup.other_apps(fleet, 3).into_iter().enumerate() {
        let at = start + (20 + 3 * turn as i64) * MINUTE_SECS;
        setup.plan.grow(service, 6, at, 10 * MINUTE_SECS);
        setup.plan.shrink(service, 6, at + 6 * HOUR_SECS, 5 * MINUTE_SECS);
    }
}

pub(super) fn blue_green(setup: &mut Setup) {
    let Some(service) = setup.app("blue-green") else { return };
    let n = setup.estate.replicas(service).len();
    let start = setup.start();
    setup.plan.grow(service, n, start, 5);
    setup.plan.shrink(service, n, start + 45 * MINUTE_SECS, 2);
}

pub(super) fn scale_out(setup: &mut Setup) {
    let Some(service) = setup.app("scale-out") else { return };
    let n = 19 * setup.estate.replicas(service).len();
    let start = setup.hour(9);
    setup.plan.grow(service, n, start, 90);
    setup.plan.shrink(service, n, start + 5 * HOUR_SECS, 60);
    for other in setup.other_apps(service, 1) {
        setup.plan.grow(other, 4, start + 8 * HOUR_SECS, 10 * MINUTE_SECS);
    }
}

pub(super) fn single(setup: &mut Setup) {
    let Some(service) = setup.app("scale-from-one") else { return };
    while setup.estate.replicas(service).len() > 1 {
        setup.estate.retire_replica(service, setup.options.start);
    }
}

pub(super) fn scale_from_one(setup: &mut Setup) {
    let Some(service) = setup.app("scale-from-one") else { return };
    let start = setup.start();
    setup.plan.grow(service, FLEET - 1, start, 20);
    setup.plan.shrink(service, FLEET - 1, start + 3 * HOUR_SECS, 20);
}

/// Three services shrink, and three others grow when the addresses have rested.
pub(super) fn address_reuse(setup: &mut Setup) {
    let Some(first) = setup.app("address-reuse") else { return };
    let others = setup.other_apps(first, 5);
    let (shrinking, growing) = others.split_at(others.len() / 2);
    let start = setup.start();
    for &service in shrinking.iter().chain([&first]) {
        setup.plan.grow(service, 6, start, MINUTE_SECS);
        setup.plan.shrink(service, 6, start + HOUR_SECS, MINUTE_SECS);
    }
    for &service in growing {
        setup.plan.grow(service, 6, start + 100 * MINUTE_SECS, MINUTE_SECS);
        setup.plan.shrink(service, 6, start + 5 * HOUR_SECS, MINUTE_SECS);
    }
}

/// A service and the stores it calls are replaced replica by replica, elsewhere.
pub(super) fn new_subnet(setup: &mut Setup) {
    let service = setup.victims[0];
    let called = setup.estate.calls(service).to_vec();
    let stores = called.into_iter().filter(|&to| setup.estate.service(to).entry.kind.is_pooled());
    let moving: Vec<ServiceIdx> = stores.chain([service]).collect();
    let start = setup.start();
    for (turn, service) in moving.into_iter().enumerate() {
        let at = start + turn as i64 * 30 * MINUTE_SECS;
        let n = setup.estate.replicas(service).len();
        setup.plan.at(at, Change::Move(service));
        setup.plan.deploy(service, n, at + 1, 5 * MINUTE_SECS);
    }
}

pub(super) fn takedown(setup: &mut Setup) {
    if let Some(service) = setup.app("takedown") {
        setup.plan.at(setup.start(), Change::TakeDown(service));
    }
}

const WISHLIST: Entry = entry("wishlist", App, 3, &[]).on(8085);
const WISHLIST_DB: Entry = entry("wishlist-db", Postgres, 2, &[]);
const WISHLIST_CACHE: Entry = entry("wishlist-cache", Redis, 2, &[]);

/// A service with a store and a cache of its own, which calls two of the others and is called by two.
pub(super) fn new_service(setup: &mut Setup) {
    let start = setup.start();
    let newcomers = [WISHLIST_DB, WISHLIST_CACHE, WISHLIST].map(|entry| {
        let service = setup.estate.add_service(entry, 0, start);
        setup.plan.grow(service, entry.replicas, start, MINUTE_SECS);
        service
    });
    let [store, cache, service] = newcomers;
    let others = setup.other_apps(service, 4);
    let (called, callers) = others.split_at(others.len() / 2);
    setup.estate.add_calls(service, &[store, cache]);
    setup.estate.add_calls(service, called);
    for &caller in callers {
        setup.estate.add_calls(caller, &[service]);
    }
    let joining = traffic::joining(setup.estate, setup.options.seed, &newcomers);
    setup.sources.extend(joining);
}

pub(super) fn failover(setup: &mut Setup) {
    let start = setup.start();
    let until = start + setup.rng("failover").between(2 * HOUR_SECS, 5 * HOUR_SECS);
    setup.meanwhile((start, until), Change::Demand(2.0), Change::Demand(1.0));
    setup.meanwhile((start, until), Change::Elsewhere(0.5), Change::Elsewhere(0.0));
}

/// Up within twenty minutes, down again within two hours.
pub(super) fn marketing_peak(setup: &mut Setup) {
    let start = setup.start();
    let until = start + setup.rng("peak").between(2 * HOUR_SECS, 4 * HOUR_SECS);
    for (turn, demand) in [2.0, 3.0, 4.0, 5.0].into_iter().enumerate() {
        setup.plan.at(start + turn as i64 * 6 * MINUTE_SECS, Change::Demand(demand));
    }
    for (turn, demand) in [4.0, 3.0, 2.0, 1.5, 1.0].into_iter().enumerate() {
        setup.plan.at(until + turn as i64 * 25 * MINUTE_SECS, Change::Demand(demand));
    }
}

/// Visitors, and what every service reports about them.
pub(super) fn slow_growth(setup: &mut Setup) {
    let start = setup.options.learn_until();
    let mut demand = 1.0;
    for day in 0..i64::from(super::JUDGED_DAYS_MAX) {
        demand *= 1.05;
        setup.plan.at(start + day * DAY_SECS, Change::Demand(demand));
    }
    for service in setup.estate.of_kind(Kind::is_app) {
        let rng = setup.rng(setup.estate.service(service).entry.name);
        setup.add(Rise::earned(service, start, setup.options.seed, rng));
    }
}

pub(super) fn backups(setup: &mut Setup) {
    let backups = Jobs::backups(setup.estate, setup.rng("backups"));
    setup.add(backups);
}

/// On the night after the first one, and on the first judged one.
pub(super) fn monthly_batch(setup: &mut Setup) {
    let batches = setup.estate.of_kind(|kind| kind == Batch);
    let stores = setup.estate.of_kind(Kind::is_store);
    let Some(service) = setup.rng("monthly-batch").pick(&batches) else { return };
    let local = |time: i64| setup.estate.variety.rhythm.local(time).div_euclid(DAY_SECS);
    let noon = DAY_SECS / 2;
    let first = if setup.options.days > 2 { DAY_SECS } else { 0 };
    let days = [setup.options.start + first, setup.options.learn_until()];
    let days = days.map(|day| local(day + noon));
    let batch = Jobs::on_days((service, &stores), days, setup.rng("monthly-batch"));
    setup.add(batch);
}

pub(super) fn vulnerability_scanner(setup: &mut Setup) {
    let scanner = entry("vulnerability-scanner", Batch, 1, &[]);
    let service = setup.estate.add_service(scanner, scanner.replicas, setup.options.start);
    setup.add(Scanner::new(service, setup.rng("scanner")));
}

/// A service that joins later has them too.
pub(super) fn agents(setup: &mut Setup) {
    setup.add(Agents::new(setup.rng("agents")));
}

pub(super) fn uptime_monitor(setup: &mut Setup) {
    setup.add(Uptime::new(setup.rng("uptime"), 0));
}

pub(super) fn new_uptime_monitor(setup: &mut Setup) {
    setup.add(Uptime::new(setup.rng("new-uptime"), setup.start()));
}

pub(super) fn health_checks(setup: &mut Setup) {
    let seed = setup.options.seed ^ 1;
    let webs = setup.estate.of_kind(|kind| kind == Kind::Web);
    let often_secs = Pace::USUAL.health_secs / 2;
    let checks = Periodic::health_checks(setup.estate, seed, Pace::USUAL);
    setup.add(checks.only(webs, often_secs));
}

pub(super) fn balancer_nodes(setup: &mut Setup) {
    let start = setup.start();
    for node in 0..setup.estate.balancer.len() {
        setup.plan.at(start + node as i64 * 20 * MINUTE_SECS, Change::ReplaceNode(node));
    }
}

pub(super) fn skipped_data(setup: &mut Setup) {
    let start = setup.start();
    let until = start + setup.rng("skipped").between(HOUR_SECS, 4 * HOUR_SECS);
    let (skipping, on) = (Capture::Skipping(5), Capture::On);
    setup.meanwhile((start, until), Change::Capture(skipping), Change::Capture(on));
}

pub(super) fn flow_log_gap(setup: &mut Setup) {
    let start = setup.start();
    let until = start + setup.rng("gap").between(2 * HOUR_SECS, 5 * HOUR_SECS);
    setup.meanwhile((start, until), Change::Capture(Capture::Off), Change::Capture(Capture::On));
}

pub(super) fn ipv6(setup: &mut Setup) {
    setup.plan.at(setup.start(), Change::V6(0.5));
}

pub(super) fn daylight_saving(setup: &mut Setup) {
    setup.plan.at(setup.options.learn_until() + HOUR_SECS, Change::Clocks(HOUR_SECS));
}
