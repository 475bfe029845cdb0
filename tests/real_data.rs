//! What the program shows on real captures, where they are: how much it finds, and what else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod program;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use program::{capture, findings, run_well};
use serde_json::Value;
use tempfile::TempDir;

/// Detects on a capture with these further arguments.
fn detect(capture: &Path, arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let (logs, inventory) = (capture.join("AWSLogs"), capture.join("network-interfaces.json"));
    let mut all =
        vec!["detect", logs.to_str().unwrap(), "--inventory", inventory.to_str().unwrap()];
    all.extend(["--findings", "f.jsonl"]);
    all.extend(arguments);
    run_well(folder.path(), &all);
    findings(&folder.path().join("f.jsonl"))
}

fn deviations<'a>(findings: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let all = findings.iter().flat_map(|finding| finding["deviations"].as_array().unwrap());
    all.filter(|deviation| deviation["kind"] == kind).collect()
}

fn summaries(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| finding["summary"].as_str().unwrap()).collect()
}

#[test]
fn a_benign_workstation_gives_at_most_one_finding() {
    let Some(capture) = capture("workstation") else { return };
    let findings = detect(&capture, &["--warmup", "8h"]);
    assert!(findings.len() <= 1, "{:#?}", summaries(&findings));
}

#[test]
fn the_beacon_of_a_workstation_is_found() {
    let Some(capture) = capture("workstation-beacon") else { return };
    let findings = detect(&capture, &["--warmup", "8h"]);
    let beacons = deviations(&findings, "beacon");
    assert!(
        beacons.iter().any(|beacon| beacon["peer_address"] == "73.54.23.243"),
        "{:#?}",
        summaries(&findings)
    );
}

#[test]
fn one_scanner_is_at_most_three_findings() {
    let Some(capture) = capture("nmap") else { return };
    let findings = detect(&capture, &[]);
    assert!((1..=3).contains(&findings.len()), "{:#?}", summaries(&findings));
    for finding in &findings {
        assert_eq!(finding["workload"]["address"], "172.16.1.11");
    }
}

/// Two knock on a port every few seconds or minutes; to report them is not false.
#[test]
fn the_beacon_in_internet_noise_is_found_with_little_else() {
    let Some(capture) = capture("cloud-vm") else { return };
    let findings = detect(&capture, &["--warmup", "24h"]);
    let beacons = deviations(&findings, "beacon");
    let is_ours = |beacon: &&&Value| beacon["peer_address"] == "73.54.23.243";
    assert!(beacons.iter().any(|beacon| is_ours(&beacon)), "{:#?}", summaries(&findings));
    assert!(findings.len() <= 2, "{:#?}", summaries(&findings));
}

#[test]
fn every_labelled_edge_of_an_intrusion_is_named_with_few_others() {
    let Some(capture) = capture("apt29-day1") else { return };
    let labels = fs::read_to_string(capture.join("labels.csv")).unwrap();
    let labelled: BTreeSet<String> = labels
        .lines()
        .skip(1)
        .map(|row| {
            let v: Vec<&str> = row.split(',').collect();
            format!("{} {}:{}", v[2], v[3], v[4])
        })
        .collect();
    let mut told = BTreeSet::new();
    for finding in detect(&capture, &[]) {
        let from = finding["workload"]["address"].as_str().unwrap().to_owned();
        for d in finding["deviations"].as_array().unwrap() {
            let to = d["peer_address"].as_str().unwrap_or("-");
            told.insert(format!("{from} {to}:{}", d["port"]));
        }
    }
    assert_eq!(labelled.len(), 11);
    assert!(labelled.is_subset(&told), "{:#?}", labelled.difference(&told));
    assert!(told.len() < labelled.len() + 10, "{told:#?}");
}

#[test]
fn strangers_at_an_exposed_device_are_at_most_one_finding() {
    for name in ["edge-008", "edge-010", "edge-011"] {
        let Some(capture) = capture(name) else { return };
        let findings = detect(&capture, &["--warmup", "8h"]);
        assert!(findings.len() <= 1, "{name}: {:#?}", summaries(&findings));
    }
}

/// The Kubernetes captures share an hour's baseline.
struct Cluster {
    folder: TempDir,
}

impl Cluster {
    fn learned() -> Option<Self> {
        let benign = capture("k8s-benign")?;
        let folder = tempfile::tempdir().unwrap();
        let (logs, inventory) = (benign.join("AWSLogs"), benign.join("network-interfaces.json"));
        let arguments = ["learn", logs.to_str().unwrap(), "--baseline", "b.parquet", "--inventory"];
        let arguments: Vec<&str> = arguments.into_iter().chain(inventory.to_str()).collect();
        run_well(folder.path(), &arguments);
        Some(Self { folder })
    }

    fn detect(&self, capture: &Path) -> Vec<Value> {
        let baseline = self.folder.path().join("b.parquet");
        detect(capture, &["--baseline", baseline.to_str().unwrap()])
    }
}

#[test]
fn what_escaped_from_a_pod_is_named_in_at_most_two_findings() {
    let (Some(cluster), Some(attack)) = (Cluster::learned(), capture("k8s-attack-pods")) else {
        return;
    };
    let findings = cluster.detect(&attack);
    assert!(findings.len() <= 2, "{:#?}", summaries(&findings));
    let named: BTreeSet<String> = findings
        .iter()
        .flat_map(|finding| finding["deviations"].as_array().unwrap())
        .map(|d| format!("{}:{}", d["peer_address"].as_str().unwrap_or("-"), d["port"]))
        .collect();
    for edge in ["144.122.71.36:9001", "144.122.71.18:6443"] {
        assert!(named.contains(edge), "{edge} of {named:?}");
    }
}

#[test]
fn a_probe_of_a_server_by_a_known_client_is_one_finding() {
    let (Some(cluster), Some(attack)) = (Cluster::learned(), capture("k8s-reconnaissance")) else {
        return;
    };
    let findings = cluster.detect(&attack);
    assert_eq!(findings.len(), 1, "{:#?}", summaries(&findings));
    let probe = &findings[0]["deviations"][0];
    assert_eq!(probe["kind"], "flood", "{probe:#}");
    assert_eq!((&probe["peer_address"], &probe["port"]), (&"10.16.0.15".into(), &1880.into()));
}

/// Whether a pod was there in the benign hour or not.
#[test]
fn what_reaches_an_exploited_server_is_named_in_at_most_two_findings() {
    let Some(cluster) = Cluster::learned() else { return };
    for (name, server) in [("k8s-cve202013379", "10.16.0.18"), ("k8s-cve202143798", "10.16.1.51")] {
        let Some(attack) = capture(name) else { return };
        let findings = cluster.detect(&attack);
        assert!(findings.len() <= 2, "{name}: {:#?}", summaries(&findings));
        let mut deviations =
            findings.iter().flat_map(|finding| finding["deviations"].as_array().unwrap());
        assert!(
            deviations.any(|d| d["peer_address"] == server && d["port"] == 3000),
            "{name}: {:#?}",
            summaries(&findings)
        );
    }
}

/// Escapes that stay on the host show nothing in flow logs.
const SILENT: [&str; 4] =
    ["k8s-cve20195736", "k8s-cve202125741", "k8s-cve202130465", "k8s-cve202223648"];

#[test]
fn what_shows_no_new_edge_is_silent() {
    let Some(cluster) = Cluster::learned() else { return };
    for name in SILENT {
        let Some(capture) = capture(name) else { return };
        let findings = cluster.detect(&capture);
        assert!(findings.is_empty(), "{name}: {:#?}", summaries(&findings));
    }
}

/// One connection laid into a copy of a capture.
struct Laid {
    client: (&'static str, &'static str),
    server: (&'static str, Option<&'static str>),
    port: u16,
}

/// Between pods known in the benign hour: to each other, and to strangers.
const EDGES: [Laid; 4] = [
    Laid {
        client: ("10.16.0.5", "eni-e3dc13e0a1f7336e8"),
        server: ("10.16.0.4", Some("eni-7a32dcf227f27dc3b")),
        port: 22,
    },
    Laid {
        client: ("10.16.0.6", "eni-53a5968ccdff67bf4"),
        server: ("10.16.0.7", Some("eni-2e593521fc58b7a6e")),
        port: 5432,
    },
    Laid {
        client: ("10.16.0.4", "eni-7a32dcf227f27dc3b"),
        server: ("203.0.113.77", None),
        port: 4444,
    },
    Laid {
        client: ("10.16.0.6", "eni-53a5968ccdff67bf4"),
        server: ("203.0.113.77", None),
        port: 443,
    },
];

#[test]
fn a_new_edge_laid_into_a_silent_capture_is_found() {
    let Some(cluster) = Cluster::learned() else { return };
    let mut missed = Vec::new();
    for name in SILENT {
        let Some(capture) = capture(name) else { return };
        for edge in &EDGES {
            let copy = copied(&capture);
            lay_in(copy.path(), edge);
            let findings = cluster.detect(copy.path());
            let is_found = findings.iter().any(|f| names_edge(f, edge));
            let others = findings.iter().filter(|f| !names_edge(f, edge)).count();
            if !is_found || others > 0 || findings.len() > 2 {
                let edge = format!("{} > {}:{}", edge.client.0, edge.server.0, edge.port);
                missed.push(format!("{name} {edge}: {:#?}", summaries(&findings)));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

fn names_edge(finding: &Value, edge: &Laid) -> bool {
    finding["deviations"].as_array().unwrap().iter().any(|d| {
        d["port"] == edge.port
            && [edge.client.0, edge.server.0].contains(&d["peer_address"].as_str().unwrap_or("-"))
    })
}

fn copied(capture: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files(capture) {
        let target = copy.path().join(file.strip_prefix(capture).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
    copy
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Adds the records of one answered connection, at both ends' interfaces where they have one.
fn lay_in(copy: &Path, edge: &Laid) {
    let log = files(&copy.join("AWSLogs")).into_iter().min().unwrap();
    let start = 1_679_242_205;
    let mut text = String::from(
        "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags\n",
    );
    let (client, server, port) = (edge.client.0, edge.server.0, edge.port);
    for eni in [Some(edge.client.1), edge.server.1].into_iter().flatten() {
        let span = format!("{start} {} ACCEPT OK", start + 10);
        writeln!(text, "{eni} {client} {server} 47123 {port} 6 12 2400 {span} 3").unwrap();
        writeln!(text, "{eni} {server} {client} {port} 47123 6 11 5200 {span} 19").unwrap();
    }
    let name = log.file_name().unwrap().to_str().unwrap().replace(".log.gz", "laid.log");
    fs::write(log.with_file_name(name), text).unwrap();
}
