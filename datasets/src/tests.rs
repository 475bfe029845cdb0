//! Tests of whole datasets.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use ingest::Field;
use tempfile::TempDir;

use crate::{Format, Nature, Options, Summary, scenarios, topologies, write};

/// A small dataset in a directory of its own.
struct Dataset {
    dir: TempDir,
    summary: Summary,
}

impl Dataset {
    fn new(options: &Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let summary = write(dir.path(), options).unwrap();
        Self { dir, summary }
    }

    /// Every file below the directory, in order of its path.
    fn paths(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.dir.path().to_owned()];
        let mut paths = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { paths.push(path) }
            }
        }
        paths.sort();
        paths
    }

    /// The text of every flow-log file.
    fn logs(&self) -> Vec<(PathBuf, String)> {
        let is_log = |path: &PathBuf| path.extension().is_some_and(|end| end == "gz");
        self.paths().into_iter().filter(is_log).map(|p| (p.clone(), inflated(&p))).collect()
    }

    /// All records with traffic, as maps from field to value.
    fn records(&self) -> Vec<BTreeMap<Field, String>> {
        let mut records = Vec::new();
        for (_, text) in self.logs() {
            let mut lines = text.lines();
            let fields: Vec<Field> =
                lines.next().unwrap().split(' ').map(|n| Field::from_name(n).unwrap()).collect();
            let parse = |line: &str| {
                fields.iter().copied().zip(line.split(' ').map(str::to_owned)).collect()
            };
            let is_traffic = |record: &BTreeMap<Field, String>| record[&Field::LogStatus] == "OK";
            records.extend(lines.map(parse).filter(is_traffic));
        }
        records
    }

    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for path in self.paths() {
            path.strip_prefix(self.dir.path()).unwrap().hash(&mut hasher);
            fs::read(&path).unwrap().hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn inflated(path: &Path) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// One day of a scenario.
fn day(scenario: &str) -> Options {
    Options { days: 1, services: 12, ..Options::new(scenario) }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let options = day("intrusion");
    let first = Dataset::new(&options).hash();
    assert_eq!(first, Dataset::new(&options).hash());
    assert_ne!(first, Dataset::new(&Options { seed: 2, ..options }).hash());
}

#[test]
fn every_topology_is_written_with_the_names_of_its_services() {
    for topology in topologies() {
        let options = Options { topology: topology.name.to_owned(), ..day("new-service") };
        let dataset = Dataset::new(&options);
        // That of the start is named without a time, and sorts behind the others.
        let is_inventory = |path: &&PathBuf| path.extension().is_some_and(|end| end == "json");
        let paths = dataset.paths();
        let last = paths.iter().filter(is_inventory).nth_back(1);
        let text = fs::read_to_string(last.unwrap()).unwrap();
        assert!(text.contains("wishlist-db"), "{}", topology.name);
        if !topology.is_sized() {
            for entry in topology.services {
                assert!(text.contains(entry.name), "{} of {}", entry.name, topology.name);
            }
        }
    }
}

#[test]
fn every_line_has_a_value_for_every_name_of_the_header() {
    for (format, n_fields) in [(Format::V2, 14), (Format::V5, 29)] {
        let dataset = Dataset::new(&Options { format, ..day("shop") });
        let mut n_records = 0;
        for (path, text) in dataset.logs() {
            for line in text.lines() {
                assert_eq!(line.split(' ').count(), n_fields, "{} {line}", path.display());
                assert!(line.split(' ').all(|value| !value.is_empty()), "{line}");
            }
            n_records += text.lines().count() as u64 - 1;
        }
        assert_eq!(n_records, dataset.summary.records);
    }
}

#[test]
fn a_file_holds_the_records_that_end_in_its_five_minutes() {
    for interval_secs in [60, 600] {
        let dataset = Dataset::new(&Options { interval_secs, ..day("intrusion") });
        let logs = dataset.logs();
        assert_eq!(logs.len(), 288);
        for (slot, (path, text)) in logs.into_iter().enumerate() {
            let from = 1_740_960_000 + slot as i64 * 300;
            assert!(path.to_str().unwrap().contains(&crate::files::stamp(from)));
            for line in text.lines().skip(1) {
                let mut values = line.split(' ').skip(10).map(|value| value.parse().unwrap());
                let (start, end): (i64, i64) = (values.next().unwrap(), values.next().unwrap());
                assert!(start <= end && end - start < interval_secs.into(), "{line}");
                assert!((from..from + 300).contains(&end), "{line}");
            }
        }
    }
}

#[test]
fn every_labelled_edge_occurs_in_the_records() {
    for scenario in scenarios().iter().filter(|scenario| scenario.nature == Nature::Attack) {
        let dataset = Dataset::new(&Options { interval_secs: 600, ..day(scenario.name) });
        let mut edges = HashSet::new();
        for (_, text) in dataset.logs() {
            for line in text.lines() {
                // srcaddr, dstaddr, dstport and protocol of version 5.
                let values: Vec<&str> = line.split(' ').collect();
                edges.insert([3, 4, 6, 7].map(|column| values[column].to_owned()));
            }
        }
        let labels = fs::read_to_string(dataset.dir.path().join("labels.csv")).unwrap();
        for row in labels.lines().skip(1) {
            let values: Vec<&str> = row.split(',').collect();
            let edge = [values[2], values[3], values[4], values[5]].map(str::to_owned);
            assert!(edges.contains(&edge), "{}: {row}", scenario.name);
        }
        assert!(labels.lines().count() > 1, "{}", scenario.name);
    }
}

#[test]
fn an_answered_internal_conversation_gives_four_records() {
    let dataset = Dataset::new(&day("shop"));
    let mut seen: BTreeMap<[String; 3], BTreeSet<[String; 2]>> = BTreeMap::new();
    for record in dataset.records() {
        let value = |field| record[&field].clone();
        let [src, dst] = [Field::SrcAddr, Field::DstAddr].map(value);
        if value(Field::Protocol) != "6"
            || ![&src, &dst].iter().all(|a| a.starts_with("10.20."))
            || value(Field::PktSrcAddr) != src
            || value(Field::PktDstAddr) != dst
        {
            continue;
        }
        let mut ends = [src + ":" + &value(Field::SrcPort), dst + ":" + &value(Field::DstPort)];
        ends.sort();
        let [low, high] = ends;
        let vantage = [Field::InterfaceId, Field::FlowDirection].map(value);
        seen.entry([low, high, value(Field::Start)]).or_default().insert(vantage);
    }
    let four = seen.values().filter(|vantages| vantages.len() == 4).count();
    assert!(seen.len() > 5_000);
    // The rest is lost on the way.
    assert!(four as f64 > 0.99 * seen.len() as f64, "{four} of {}", seen.len());
}

#[test]
fn nat_gateways_show_the_real_endpoints_as_packet_addresses() {
    let dataset = Dataset::new(&day("exfiltration"));
    let stage = &dataset.summary.stages[0];
    let server = stage.server.clone().unwrap();
    let (mut inner, mut outer) = (0, 0);
    for record in dataset.records().iter().filter(|r| r[&Field::PktDstAddr] == server) {
        let is_translated = record[&Field::DstAddr] != server;
        inner += u32::from(is_translated && record[&Field::SrcAddr] == stage.client);
        outer += u32::from(!is_translated && record[&Field::SrcAddr] != stage.client);
    }
    assert!(inner > 0 && inner == outer, "{inner} {outer}");
}

#[test]
fn traffic_is_as_heavy_as_asked_for() {
    for (scenario, services, records) in [("shop", 12, 400_000), ("intrusion", 30, 900_000)] {
        let options =
            Options { records: Some(records), services, days: 2, ..Options::new(scenario) };
        let written = Dataset::new(&options).summary.records as f64;
        assert!((written / records as f64 - 1.0).abs() < 0.15, "{scenario} {written}");
    }
}

#[test]
fn bench_writes_exactly_as_many_records_in_forty_files() {
    let options = Options { records: Some(300_000), ..Options::new("bench") };
    let summary = Dataset::new(&options).summary;
    assert_eq!((summary.records, summary.files), (300_000, 40));
}

#[test]
fn a_rolling_deploy_replaces_every_replica_and_passes_addresses_on() {
    let dataset = Dataset::new(&day("rolling-deploy"));
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut replicas: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in dataset.paths().iter().filter(|path| path.extension().unwrap() == "json") {
        let text = fs::read_to_string(path).unwrap();
        let inventory: serde_json::Value = serde_json::from_str(&text).unwrap();
        for interface in inventory["NetworkInterfaces"].as_array().unwrap() {
            let Some(service) = interface["TagSet"][1]["Value"].as_str() else { continue };
            let text = |key: &str| interface[key].as_str().unwrap().to_owned();
            owners.entry(text("PrivateIpAddress")).or_default().insert(service.to_owned());
            let ids = replicas.entry(service.to_owned()).or_default();
            ids.insert(text("NetworkInterfaceId"));
        }
    }
    let fleet = replicas.values().map(BTreeSet::len).max().unwrap();
    assert!(fleet >= 100, "{fleet}");
    assert!(owners.values().filter(|services| services.len() > 1).count() >= 3);
}

#[test]
fn the_first_records_never_change() {
    let dataset = Dataset::new(&day("shop"));
    let (path, text) = dataset.logs().swap_remove(0);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let shown: Vec<&str> = text.lines().skip(1).take(4).collect();
    // Whatever the platform: see `random`.
    expect_test::expect![[r"
        111122223333_vpcflowlogs_eu-central-1_fl-0ba316da6ebffd3d9_20250303T0000Z_6c775864.log.gz
        5 111122223333 eni-0d943cd5125fa618a 33.55.219.180 10.20.1.5 44842 443 6 76 6795 1740960050 1740960056 ACCEPT OK vpc-0b7d3c5e9f1a24680 subnet-0c93b7f15d20e8a46 - 3 IPv4 33.55.219.180 10.20.1.5 eu-central-1 euc1-az3 - - - - ingress -
        5 111122223333 eni-0d943cd5125fa618a 10.20.1.5 33.55.219.180 443 44842 6 146 205344 1740960050 1740960056 ACCEPT OK vpc-0b7d3c5e9f1a24680 subnet-0c93b7f15d20e8a46 - 19 IPv4 10.20.1.5 33.55.219.180 eu-central-1 euc1-az3 - - - - egress 8
        5 111122223333 eni-0afa62a94feb501df 10.20.16.6 10.20.32.8 53948 8080 6 6 1517 1740960046 1740960054 ACCEPT OK vpc-0b7d3c5e9f1a24680 subnet-0e5f8a17b3c64d290 i-092c64bb6e9505780 3 IPv4 10.20.16.6 10.20.32.8 eu-central-1 euc1-az2 - - - - egress 1
        5 111122223333 eni-0afa62a94feb501df 10.20.32.8 10.20.16.6 8080 53948 6 9 7638 1740960046 1740960054 ACCEPT OK vpc-0b7d3c5e9f1a24680 subnet-0e5f8a17b3c64d290 i-092c64bb6e9505780 19 IPv4 10.20.32.8 10.20.16.6 eu-central-1 euc1-az2 - - - - ingress -"]].assert_eq(&(name + "\n" + &shown.join("\n")));
}

#[test]
fn every_interface_that_reports_is_in_an_inventory() {
    let dataset = Dataset::new(&day("scale-out"));
    let is_inventory = |path: &&PathBuf| path.extension().is_some_and(|end| end == "json");
    let inventories: String = dataset
        .paths()
        .iter()
        .filter(is_inventory)
        .map(|p| fs::read_to_string(p).unwrap())
        .collect();
    let mut ids = BTreeSet::new();
    for (_, text) in dataset.logs() {
        ids.extend(text.lines().skip(1).filter_map(|l| l.split(' ').nth(2).map(str::to_owned)));
    }
    assert!(ids.len() > 50);
    assert!(ids.iter().all(|id| inventories.contains(id)));
}

#[test]
fn the_intruder_stays_on_one_replica_on_the_last_day() {
    for seed in 1..=20 {
        let options = Options { seed, ..day("intrusion") };
        let summary = Dataset::new(&options).summary;
        let clients: BTreeSet<&str> = summary.stages.iter().map(|s| s.client.as_str()).collect();
        assert_eq!((clients.len(), summary.stages.len()), (1, 5), "seed {seed}");
        let inside = |time: i64| (summary.learn_until..options.end()).contains(&time);
        assert!(summary.stages.iter().all(|s| inside(s.first_seen) && inside(s.last_seen)));
    }
}

#[test]
fn options_out_of_range_are_refused_with_what_is_expected() {
    let refused = |options: &Options| write(Path::new("/nonexistent"), options).unwrap_err();
    let message = refused(&Options { services: 7, ..Options::new("shop") }).to_string();
    expect_test::expect!["option services is out of range: expected a number from 12 to 60"]
        .assert_eq(&message);
    let elsewhere = Options { topology: "mall".to_owned(), ..Options::new("shop") };
    let message = refused(&elsewhere).to_string();
    assert!(
        message.starts_with("unknown topology \"mall\": expected one of shop, online-boutique")
    );
    let message = refused(&Options::new("shpo")).to_string();
    assert!(message.starts_with("unknown scenario \"shpo\": expected one of shop, intrusion"));
}
