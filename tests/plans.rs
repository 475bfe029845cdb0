//! Plans, from the files a user has to the findings: what the inventory says reaches them, and what is
//! hidden takes none of their places.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fmt::Write as _;
use std::fs;

use program::{findings, run_well};
use serde_json::Value;
use tempfile::TempDir;

const T0: i64 = 1_740_960_000;

const HEADER: &str = "interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action\n";

/// Four days of ordinary traffic, learned, and an hour in which five workloads sweep a network
/// and send much out.
fn swept() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut usual, mut sweeps) = (HEADER.to_owned(), HEADER.to_owned());
    for n in 0..4 * 144 {
        let (start, port) = (T0 - 4 * 86_400 + n * 600, 40_000 + n);
        for host in 1..=5 {
            let (from, to) = (format!("10.0.0.{host}"), format!("10.0.0.{}", host + 100));
            let end = start + 50;
            let line =
                format!("eni-{host} {from} {port} {to} 443 6 3 9 900 {start} {end} ACCEPT\n");
            usual.push_str(&line);
            let answer = format!("{to} 443 {from} {port} 6 19 9 4000 {start} {end} ACCEPT");
            writeln!(usual, "eni-{host} {answer}").unwrap();
        }
    }
    for host in 1..=5 {
        let mut line = |at: i64, ends: String, sums: &str| {
            writeln!(sweeps, "eni-{host} {ends} 6 {sums} {at} {} ACCEPT", at + 5).unwrap();
        };
        for n in 0..60 {
            let ends = format!("10.0.0.{host} {} 10.0.1.{n} 22", 50_000 + n);
            line(T0 + 600 * host + n, ends, "2 1 60");
        }
        // What makes it worth a plan: much of something goes out.
        for n in 0..3 {
            let (at, port) = (T0 + 600 * host + 300 * n + 100, 52_000 + n);
            line(at, format!("10.0.0.{host} {port} 9.9.9.9 443"), "3 9000 900000000");
            line(at, format!("9.9.9.9 443 10.0.0.{host} {port}"), "19 90 40000");
        }
    }
    fs::write(folder.path().join("usual.log"), usual).unwrap();
    fs::write(folder.path().join("sweeps.log"), sweeps).unwrap();
    run_well(folder.path(), &["learn", "usual.log", "--baseline", "b.parquet"]);
    folder
}

/// What is found, with the plans, of these further arguments.
fn found(folder: &TempDir, more: &[&str]) -> Vec<Value> {
    let fixed = ["detect", "sweeps.log", "--baseline", "b.parquet", "--findings", "f.jsonl"];
    run_well(folder.path(), &[&fixed[..], more].concat());
    findings(&folder.path().join("f.jsonl"))
}

/// The interfaces whose workloads are to be isolated.
fn isolated(found: &[Value]) -> Vec<&str> {
    let planned = found.iter().filter(|f| f["suggestion"]["action"] == "isolate-workload");
    planned.map(|finding| finding["workload"]["eni"].as_str().unwrap()).collect()
}

#[test]
fn what_is_hidden_takes_no_plan_from_others() {
    let folder = swept();
    let all = found(&folder, &[]);
    assert_eq!(isolated(&all), ["eni-1", "eni-2", "eni-3"], "three plans an hour");
    let rules = "rules: [{ reason: known, workload: eni-2, until: 2025-03-03 },
        { reason: some of it is known, workload: eni-3, kind: sweep, forever: true }]";
    fs::write(folder.path().join("known.yaml"), rules).unwrap();
    let rest = found(&folder, &["--suppress", "known.yaml"]);
    assert_eq!(rest.len(), all.len() - 1);
    assert_eq!(isolated(&rest), ["eni-1", "eni-3", "eni-4"]);
    let partly = rest.iter().find(|finding| finding["workload"]["eni"] == "eni-3").unwrap();
    assert!(partly["suggestion"].is_object(), "it is planned for what is left: {partly}");
}

/// The plan has to stop the task: its interface's groups are not the user's to change.
#[test]
fn a_task_in_the_inventory_reaches_the_plan() {
    let folder = swept();
    let enis = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1",
        "PrivateIpAddress": "10.0.0.1", "OwnerId": "111122223333", "Groups": [{"GroupId": "sg-1"}]}]}"#;
    let tasks = r#"{"tasks": [{"group": "service:web",
        "taskArn": "arn:aws:ecs:eu-west-1:111122223333:task/shop/0123abc",
        "clusterArn": "arn:aws:ecs:eu-west-1:111122223333:cluster/shop",
        "attachments": [{"type": "ElasticNetworkInterface",
            "details": [{"name": "networkInterfaceId", "value": "eni-1"}]}]}]}"#;
    fs::write(folder.path().join("enis.json"), enis).unwrap();
    fs::write(folder.path().join("tasks.json"), tasks).unwrap();
    let inventories = ["--inventory", "enis.json", "--inventory", "tasks.json"];
    // What it was learned by is named as what is judged.
    let learn = ["learn", "usual.log", "--baseline", "b.parquet"];
    fs::remove_file(folder.path().join("b.parquet")).unwrap();
    run_well(folder.path(), &[&learn[..], &inventories].concat());
    let all = found(&folder, &inventories);
    let of_task = all.iter().find(|finding| finding["workload"]["eni"] == "eni-1").unwrap();
    let plan = of_task["suggestion"].to_string();
    assert!(plan.contains("ecs stop-task"), "{plan}");
}
