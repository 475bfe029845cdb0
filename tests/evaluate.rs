//! `tidegate evaluate` as it is typed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fs;

use program::{run_in, run_well};
use serde_json::Value;

#[test]
fn two_scenarios_of_one_seed_are_measured_compared_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "evaluate",
        "--scenarios",
        "shop,sweep",
        "--seeds",
        "3",
        "--learn-days",
        "1",
        "--compare",
        "--output",
        "json",
        "--write",
        "made.md",
    ];
    let out = run_well(folder.path(), &arguments).stdout;
    let measured: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(measured["schema"], "tidegate.evaluation/1");
    assert_eq!(measured["budget_per_day"], 1.0);
    let names: Vec<&String> = measured["scenarios"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["shop", "sweep"]);
    for part in [&measured["total"], &measured["scenarios"]["shop"]] {
        for name in [
            "recall",
            "false_findings_per_day",
            "median_windows_to_detect",
            "quarantine_recommended",
        ] {
            assert!(part.get(name).is_some(), "{name} of {part}");
        }
    }
    let document = fs::read_to_string(folder.path().join("made.md")).unwrap();
    assert!(
        document.contains("tidegate evaluate --scenarios shop,sweep --seeds 3..4 --budget 1/day")
    );
    assert!(document.contains("](made.svg)"));
    assert!(fs::read_to_string(folder.path().join("made.svg")).unwrap().starts_with("<svg"));
}

/// What a detector elsewhere would write, of the first window of each run.
fn weighed(features: &str) -> Value {
    let mut lines = features.lines().map(|line| line.split(',').collect::<Vec<&str>>());
    let names = lines.next().unwrap();
    let at = |name: &str| names.iter().position(|&known| known == name).unwrap();
    let mut judged: Vec<Vec<&str>> = lines.filter(|cells| cells[at("part")] == "judge").collect();
    judged.dedup_by_key(|cells| cells[at("scenario")]);
    let run = |cells: &Vec<&str>| {
        let number = |name: &str| cells[at(name)].parse::<u64>().unwrap();
        let attacks = vec![2.0; usize::try_from(number("attacks")).unwrap()];
        let best = serde_json::json!({"attacks": attacks, "findings": [[null, 1.0]]});
        serde_json::json!({
            "seed": number("seed"),
            "scenario": cells[at("scenario")],
            "records": number("records"),
            "methods": {"HBOS": best},
        })
    };
    let runs: Vec<Value> = judged.iter().map(run).collect();
    serde_json::json!({"schema": "tidegate.weighed/1", "runs": runs})
}

#[test]
fn what_a_detector_elsewhere_makes_of_the_windows_goes_into_the_same_table() {
    let folder = tempfile::tempdir().unwrap();
    let judged = |scenarios: &'static str, more: &[&'static str]| {
        let asked = ["evaluate", "--seeds", "3", "--learn-days", "1", "--scenarios", scenarios];
        [&asked[..], more].concat()
    };
    run_well(folder.path(), &judged("sweep", &["--features", "windows.csv"]));
    let features = fs::read_to_string(folder.path().join("windows.csv")).unwrap();
    fs::write(folder.path().join("made.json"), weighed(&features).to_string()).unwrap();
    let also = ["--compare", "--also", "made.json", "--write", "made.md"];
    let printed = run_well(folder.path(), &judged("shop,sweep", &also)).stdout;
    assert!(printed.contains("HBOS, 1 of 2 runs"), "{printed}");
    let document = fs::read_to_string(folder.path().join("made.md")).unwrap();
    // Its one attack is above every cut that a false finding is at.
    assert!(document.contains("| HBOS, 1 of 2 runs | 1.000 | 1.000 |"), "{document}");
    assert!(document.contains("--compare --also made.json") && document.contains("PyOD's"));
    assert!(fs::read_to_string(folder.path().join("made.svg")).unwrap().contains(">HBOS<"));

    let run = run_in(folder.path(), &judged("shop", &["--compare", "--also", "made.json"]));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("\"sweep\" with seed 3 is not among"), "{}", run.stderr);
    let run = run_in(folder.path(), &judged("sweep", &["--also", "made.json"]));
    assert!(run.code == 2 && run.stderr.contains("--compare"), "{}", run.stderr);
}

#[test]
fn names_that_are_not_known_are_refused_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_in(folder.path(), &["evaluate", "--scenarios", "shpo"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("no scenario \"shpo\"") && run.stderr.contains("rolling-deploy"));
    let run = run_in(folder.path(), &["evaluate", "--topologies", "nowhere"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("sock-shop"), "{}", run.stderr);
}

/// What a run of scenarios without attacks tells per judged day, at a budget.
fn false_a_day(scenarios: &str, budget: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--seeds", "5..7", "--learn-days", "4", "--warm-up", "--output", "json"];
    let asked = ["evaluate", "--scenarios", scenarios, "--budget", budget];
    let out = run_well(folder.path(), &[&asked[..], &options[..]].concat()).stdout;
    let measured: Value = serde_json::from_str(&out).unwrap();
    measured["total"]["false_findings_per_day"].as_f64().unwrap()
}

/// Invariant I6: what is told of harmless days stays within the budget, and a large one is not left
/// unused. `docs/evaluation.md` has it over many seeds.
#[test]
fn harmless_days_stay_within_the_budget_and_a_large_one_is_spent() {
    let harmless = "shop,new-subnet,rolling-deploy";
    let (small, large) = (false_a_day(harmless, "0.1/day"), false_a_day(harmless, "10/day"));
    assert!(small <= 0.1, "{small}");
    assert!(large > 0.0 && large <= 10.0, "{large}");
}
