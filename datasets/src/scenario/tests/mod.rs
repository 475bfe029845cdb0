//! Every scenario on every topology, counted and not written.

mod effects;

use std::collections::BTreeSet;

use super::{JUDGED_DAYS_MAX, Nature, Scenario, scenarios};
use crate::files::Sink;
use crate::traffic::Pace;
use crate::world::World;
use crate::{DAY_SECS, Options, Stage};

/// Days of a scenario that are looked at: those that take weeks do the same every day.
const DAYS_MAX: u32 = 3;

/// The share of the records that may be an attack's.
const MALICIOUS_MAX: f64 = 0.003;

/// The same where it is their number that makes the attack: half a thousand connections in minutes.
const FLOOD_MAX: f64 = 0.015;

struct Counted {
    records: u64,
    malicious: u64,
    stages: Vec<Stage>,
    n_interfaces: usize,
}

/// Lives through the judged days and nothing before them.
fn judged(scenario: &'static Scenario, topology: &str, seed: u64) -> Counted {
    let options = Options {
        seed,
        topology: topology.to_owned(),
        services: 12,
        days: scenario.judged_days,
        ..Options::new(scenario.name)
    };
    let mut world = World::new(&options, scenario, Pace::SLOW, 1.0, Sink::Count(0));
    let n_days = scenario.judged_days.min(DAYS_MAX);
    while world.from < options.start + i64::from(n_days) * DAY_SECS {
        world.turn(&options, scenario);
        world.step(options.interval_secs.into()).unwrap();
    }
    Counted {
        records: world.wire.sink.n_records(),
        malicious: world.wire.n_malicious,
        stages: world.wire.labels.stages(),
        n_interfaces: world.estate.n_interfaces(),
    }
}

fn lived() -> impl Iterator<Item = &'static Scenario> {
    scenarios().iter().filter(|scenario| !scenario.is_bulk())
}

/// The labels a scenario's stages have.
fn labels(name: &str) -> BTreeSet<&str> {
    match name {
        "intrusion" => {
            BTreeSet::from(["beacon", "exfiltration", "lateral-move", "port-scan", "sweep"])
        }
        "decoy" => BTreeSet::from(["errand", "lateral-move", "sweep", "exfiltration"]),
        "insider" => BTreeSet::from(["insider-login", "insider-upload"]),
        "scan-slow" | "scan-distributed" => BTreeSet::from(["port-scan"]),
        "sweep-slow" => BTreeSet::from(["sweep"]),
        "lateral-ssh" | "lateral-database" | "lateral-windows" => BTreeSet::from(["lateral-move"]),
        "beacon-jittered" | "beacon-slow" | "beacon-ipv6" => BTreeSet::from(["beacon"]),
        "exfiltration-ipv6" => BTreeSet::from(["exfiltration"]),
        "low-and-slow-irregular" => BTreeSet::from(["low-and-slow"]),
        own => BTreeSet::from([own]),
    }
}

fn check(scenario: &'static Scenario, topology: &str, seed: u64) {
    let place = format!("{} on {topology}, seed {seed}", scenario.name);
    let counted = judged(scenario, topology, seed);
    assert!(counted.records > 50_000, "{place}: {} records", counted.records);
    if scenario.nature == Nature::Benign {
        assert!(counted.stages.is_empty() && counted.malicious == 0, "{place}");
        return;
    }
    let named: BTreeSet<&str> = counted.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(named, labels(scenario.name), "{place}");
    let share = counted.malicious as f64 / counted.records as f64;
    let most = if scenario.name == "brute-force" { FLOOD_MAX } else { MALICIOUS_MAX };
    assert!(0.0 < share && share <= most, "{place}: {:.3} %", 100.0 * share);
    let start = Options::new(scenario.name).start;
    let end = start + i64::from(scenario.judged_days) * DAY_SECS;
    for stage in &counted.stages {
        let is_inside = start <= stage.first_seen && stage.last_seen < end;
        assert!(is_inside, "{place}: {stage:?}");
    }
}

/// Each scenario with a seed of its own.
fn check_all(topology: &str) {
    for (scenario, seed) in lived().zip(100..) {
        check(scenario, topology, seed);
    }
}

#[test]
fn every_scenario_is_laid_into_the_shop() {
    check_all("shop");
}

#[test]
fn every_scenario_is_laid_into_the_online_boutique() {
    check_all("online-boutique");
}

#[test]
fn every_scenario_is_laid_into_the_sock_shop() {
    check_all("sock-shop");
}

#[test]
fn every_scenario_is_laid_into_the_train_ticket() {
    check_all("train-ticket");
}

#[test]
fn every_scenario_is_laid_into_the_social_network() {
    check_all("social-network");
}

#[test]
fn attacks_stay_rare_whatever_the_seed() {
    for seed in 1..=12 {
        for name in ["intrusion", "port-scan", "low-and-slow", "beacon"] {
            check(super::find(name).unwrap(), "shop", seed);
        }
    }
}

#[test]
fn no_two_seeds_make_the_same_estate() {
    let shop = super::find("shop").unwrap();
    let mut seen = BTreeSet::new();
    for seed in 1..=6 {
        let counted = judged(shop, "sock-shop", seed);
        assert!(seen.insert(counted.records), "seed {seed}");
        let again = judged(shop, "sock-shop", seed);
        assert_eq!((counted.records, counted.n_interfaces), (again.records, again.n_interfaces));
    }
    let estates: BTreeSet<Vec<usize>> = (1..=20)
        .map(|seed| {
            let estate = Options { seed, ..Options::new("shop") }.estate();
            estate.services().map(|service| estate.replicas(service).len()).collect()
        })
        .collect();
    assert!(estates.len() >= 18, "{} structures", estates.len());
}

#[test]
fn judged_days_are_within_what_is_planned() {
    for scenario in scenarios() {
        assert!((1..=JUDGED_DAYS_MAX).contains(&scenario.judged_days), "{}", scenario.name);
        let (_, days) = scenario.extent();
        assert!(days > scenario.judged_days || scenario.is_bulk(), "{}", scenario.name);
    }
}
