//! What scenarios do, as the records show it.

use std::collections::{BTreeMap, BTreeSet};

use crate::attack::Manner;
use crate::life::Life;
use crate::random::Rng;
use crate::{HOUR_SECS, Options, Stage};

/// A record with traffic; addresses are the real ones.
struct Line {
    interface: String,
    src: String,
    dst: String,
    port: u16,
    bytes: u64,
    start: i64,
    has_syn: bool,
    is_egress: bool,
    is_v6: bool,
}

/// The judged days of a scenario and nothing before them.
struct Lived {
    lines: Vec<Line>,
    /// Seconds with lines without traffic, by what they say.
    silent: BTreeMap<String, BTreeSet<i64>>,
    stages: Vec<Stage>,
    /// The last inventory.
    inventory: serde_json::Value,
    start: i64,
    end: i64,
}

fn options(scenario: &str, seed: u64) -> Options {
    let days = super::super::find(scenario).unwrap().judged_days;
    Options { services: 12, days, seed, ..Options::new(scenario) }
}

fn lived(scenario: &str, seed: u64) -> Lived {
    let options = options(scenario, seed);
    let mut life = Life::new(&options).unwrap();
    let last = life.snapshots(life.end()).pop().unwrap();
    let mut lived = Lived {
        lines: Vec::new(),
        silent: BTreeMap::new(),
        stages: Vec::new(),
        inventory: serde_json::from_str(&last.json).unwrap(),
        start: options.start,
        end: options.end(),
    };
    life.live(i64::MAX, &mut |page| {
        for line in std::str::from_utf8(&page.text).unwrap().lines().skip(1) {
            let v: Vec<&str> = line.split(' ').collect();
            if v[13] == "OK" {
                lived.lines.push(parsed(&v));
            } else {
                let seconds = lived.silent.entry(v[13].to_owned()).or_default();
                seconds.insert(v[11].parse().unwrap());
            }
        }
    });
    lived.stages = life.stages();
    lived
}

/// The fields of version 5.
fn parsed(v: &[&str]) -> Line {
    Line {
        interface: v[2].to_owned(),
        src: v[19].to_owned(),
        dst: v[20].to_owned(),
        port: v[6].parse().unwrap(),
        bytes: v[9].parse().unwrap(),
        start: v[10].parse().unwrap(),
        has_syn: v[17].parse::<u8>().unwrap() & 2 != 0,
        is_egress: v[27] == "egress",
        is_v6: v[18] == "IPv6",
    }
}

impl Lived {
    /// How many records start in each hour.
    fn by_hour(&self, is_counted: impl Fn(&Line) -> bool) -> Vec<usize> {
        let mut counts = vec![0; ((self.end - self.start) / HOUR_SECS) as usize];
        for line in self.lines.iter().filter(|line| is_counted(line)) {
            counts[((line.start - self.start) / HOUR_SECS) as usize] += 1;
        }
        counts
    }
}

#[test]
fn beacons_keep_their_period_as_closely_as_their_manner_says() {
    for (scenario, seed) in [("beacon", 1), ("beacon", 2), ("beacon-jittered", 3)] {
        let lived = lived(scenario, seed);
        let mut rng = Rng::new(seed, "manner");
        let manner =
            if scenario == "beacon" { Manner::drawn(&mut rng) } else { Manner::jittered(&mut rng) };
        let stage = &lived.stages[0];
        let is_call = |line: &&Line| {
            let ends = (line.src == stage.client, Some(&line.dst) == stage.server.as_ref());
            line.is_egress && line.has_syn && ends == (true, true)
        };
        let mut calls: Vec<i64> = lived.lines.iter().filter(is_call).map(|l| l.start).collect();
        calls.sort_unstable();
        assert!(calls.len() >= 12, "{scenario} {seed}: {} calls", calls.len());
        let slack = manner.period_secs * manner.jitter + 1.0;
        let gaps = calls.windows(2).map(|pair| (pair[1] - pair[0]) as f64);
        let off = gaps.map(|gap| (gap - manner.period_secs).abs()).fold(0.0, f64::max);
        assert!(off <= slack, "{scenario} {seed}: {off} s off, {manner:?}");
        assert!(off >= slack * 0.5 - 1.0, "{scenario} {seed}: {off} s off, {manner:?}");
    }
}

#[test]
fn low_and_slow_goes_on_for_days_and_sends_little_at_a_time() {
    let lived = lived("low-and-slow", 4);
    let stage = &lived.stages[0];
    assert!(stage.last_seen - stage.first_seen > 60 * HOUR_SECS);
    let mut windows: BTreeMap<i64, u64> = BTreeMap::new();
    let is_upload = |line: &&Line| {
        line.is_egress && line.src == stage.client && Some(&line.dst) == stage.server.as_ref()
    };
    for line in lived.lines.iter().filter(is_upload) {
        *windows.entry(line.start / 300).or_default() += line.bytes;
    }
    let (largest, total) = (windows.values().max().unwrap(), windows.values().sum::<u64>());
    assert!(*largest < 20_000_000 && total > 200_000_000, "{largest} of {total}");
}

#[test]
fn a_marketing_peak_brings_five_times_the_visitors() {
    let (usual, peak) = (lived("shop", 5), lived("marketing-peak", 5));
    let is_visit = |line: &Line| line.has_syn && line.port == 443 && !line.is_egress;
    let (usual, peak) = (usual.by_hour(is_visit), peak.by_hour(is_visit));
    let most =
        usual.iter().zip(&peak).map(|(&u, &p)| p as f64 / u.max(1) as f64).fold(0.0, f64::max);
    assert!((3.0..7.0).contains(&most), "{most}");
    assert_eq!(usual[..5], peak[..5]);
}

#[test]
fn a_flow_log_that_is_off_says_nothing_for_hours() {
    let lived = lived("flow-log-gap", 6);
    let silent = lived.by_hour(|_| true).iter().filter(|&&n| n == 0).count();
    assert!((1..=5).contains(&silent), "{silent}");
    let told = &lived.silent["NODATA"];
    let gap = told.iter().zip(told.iter().skip(1)).map(|(a, b)| b - a).max();
    assert!(gap.unwrap_or_default() >= 2 * HOUR_SECS, "{gap:?}");
}

#[test]
fn skipped_data_is_told_at_interfaces_that_say_nothing_else() {
    let [skipped, usual] = ["skipped-data", "shop"].map(|scenario| lived(scenario, 7));
    let told = |lived: &Lived| lived.silent.get("SKIPDATA").map_or(0, BTreeSet::len);
    assert!(told(&skipped) > 50 && told(&usual) < 20, "{} {}", told(&skipped), told(&usual));
    assert!(skipped.lines.len() < usual.lines.len());
}

#[test]
fn ipv6_comes_with_addresses_that_the_inventory_lists() {
    let lived = lived("ipv6", 8);
    let interfaces = lived.inventory["NetworkInterfaces"].as_array().unwrap();
    let listed: BTreeMap<&str, &str> = interfaces
        .iter()
        .filter_map(|one| {
            let address = one["Ipv6Addresses"][0]["Ipv6Address"].as_str()?;
            Some((one["NetworkInterfaceId"].as_str()?, address))
        })
        .collect();
    let addresses: BTreeSet<&str> = listed.values().copied().collect();
    assert!(listed.len() > 20 && addresses.len() == listed.len());
    let mut n_v6 = 0;
    for line in lived.lines.iter().filter(|line| line.is_v6) {
        n_v6 += 1;
        assert!(line.src.contains(':') && line.dst.contains(':'));
        let own = if line.is_egress { &line.src } else { &line.dst };
        // What is gone by the end of the day is not in the last inventory.
        if let Some(&address) = listed.get(line.interface.as_str()) {
            assert_eq!(own, address);
        }
    }
    assert!(n_v6 > 5_000 && n_v6 < lived.lines.len() / 2, "{n_v6} of {}", lived.lines.len());
}

#[test]
fn intruders_over_ipv6_come_on_the_day_the_estate_turns_to_it() {
    for (scenario, name) in [("beacon-ipv6", "beacon"), ("exfiltration-ipv6", "exfiltration")] {
        let lived = lived(scenario, 8);
        let [stage] = &lived.stages[..] else { panic!("{scenario}: {:?}", lived.stages) };
        let server = stage.server.as_deref().unwrap();
        assert!(stage.name == name && server.contains(':') && stage.client.contains('.'));
        let theirs: Vec<&Line> = lived.lines.iter().filter(|line| line.dst == server).collect();
        assert!(theirs.len() > 5 && theirs.iter().all(|line| line.is_v6 && line.is_egress));
        let own_before = |line: &&Line| line.is_v6 && line.start < stage.first_seen;
        assert!(lived.lines.iter().filter(own_before).count() > 100);
    }
}

#[test]
fn an_errand_is_what_the_intruder_does_next_on_another_replica() {
    let lived = lived("decoy", 10);
    let of = |name: &str| lived.stages.iter().find(|stage| stage.name == name).unwrap();
    let (errand, moved) = (of("errand"), of("lateral-move"));
    assert!(errand.client != moved.client && errand.last_seen < moved.first_seen);
    assert_eq!((&errand.servers, &errand.ports), (&moved.servers, &moved.ports));
    let harmless: Vec<&Stage> = lived.stages.iter().filter(|s| s.is_harmless()).collect();
    assert_eq!(harmless, [errand], "what follows is the intruder's");
    assert!([of("sweep"), of("exfiltration")].iter().all(|stage| stage.client == moved.client));
}

#[test]
fn a_migration_ends_in_other_subnets_and_a_takedown_with_nobody() {
    let moved = lived("new-subnet", 9);
    let in_new = |line: &&Line| line.src.starts_with("10.21.") || line.dst.starts_with("10.21.");
    assert!(moved.lines.iter().filter(in_new).count() > 1_000);
    let text = moved.inventory.to_string();
    assert!(text.contains("\"10.21."));

    let [gone, usual] = ["takedown", "shop"].map(|scenario| {
        let lived = lived(scenario, 9);
        let interfaces = lived.inventory["NetworkInterfaces"].as_array().unwrap();
        let service =
            |one: &serde_json::Value| one["TagSet"][1]["Value"].as_str().map(str::to_owned);
        interfaces.iter().filter_map(service).collect::<BTreeSet<String>>()
    });
    assert_eq!(usual.len(), gone.len() + 1);
}

#[test]
fn the_batch_of_the_month_runs_on_two_days_only() {
    let options = Options { days: 4, ..options("monthly-batch", 10) };
    let mut with = Life::new(&options).unwrap();
    let mut without = Life::new(&Options { scenario: "shop".to_owned(), ..options }).unwrap();
    let mut records = [&mut with, &mut without].map(|life| {
        (1..=4)
            .map(|day| {
                let before = life.records();
                life.live(options_start() + day * crate::DAY_SECS, &mut |_| {});
                life.records() - before
            })
            .collect::<Vec<u64>>()
    });
    let [with, without] = &mut records;
    let more: Vec<bool> = with.iter().zip(without).map(|(with, without)| with > without).collect();
    assert_eq!(more, [false, true, false, true]);
}

fn options_start() -> i64 {
    Options::new("shop").start
}
