//! Evaluations of single seeds, against the commands they stand for.

use datasets::Options;
use detect::Budget;
use jiff::Timestamp;

use super::rivals::Method;
use super::trial::Found;
use super::*;
use crate::advice::Planning;
use crate::commands::detect::{self as detecting, Terms as DetectTerms};
use crate::commands::learn;
use crate::flags::SourceArgs;
use crate::plan::ReadPlan;

fn terms(names: &[&str]) -> Terms {
    let is_wanted = |s: &&datasets::Scenario| names.contains(&s.name);
    let scenarios = datasets::scenarios().iter().filter(is_wanted).collect();
    Terms {
        scenarios,
        learn_days: 1,
        warms_up: false,
        is_unlabelled: false,
        topologies: vec!["shop"],
        services: 12,
        budget: Budget::default(),
        compares: false,
        notes_features: false,
    }
}

#[test]
fn a_branch_is_judged_as_the_commands_judge_the_scenario_generated_whole() {
    for name in ["intrusion", "rolling-deploy"] {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { seed: 3, services: 12, days: 2, ..Options::new(name) };
        let summary = datasets::write(dir.path(), &options).unwrap();
        let until = Timestamp::from_second(summary.learn_until).unwrap().to_string();
        let read = |since, until| {
            let source = SourceArgs::of_generated(dir.path(), since, until).unwrap();
            ReadPlan::of(&source, None).unwrap()
        };
        let learned = read(None, Some(until.clone()));
        let (baseline, _) = learn::learn(learned).unwrap();
        let judged = read(Some(until), None);
        let (terms_of_detect, planning) = (DetectTerms::default(), Planning::default());
        let detected = detecting::detect(judged, baseline, terms_of_detect, &planning).unwrap();

        let evaluation = run(&(3..4), &terms(&[name]), None).unwrap();
        let [outcome] = evaluation.outcomes.as_slice() else { panic!("one run") };
        let stages: Vec<_> = outcome.attacks.iter().map(|attack| attack.stage.clone()).collect();
        assert_eq!(stages, summary.stages, "{name}");
        let told = |f: &::detect::Finding| {
            let action = f.suggestion.as_ref().map(|suggestion| suggestion.action.clone());
            (f.id.clone(), f.severity, f.first_seen.clone(), f.summary.clone(), action)
        };
        let found = |f: &Found| {
            (f.id.clone(), f.severity, f.first_seen.clone(), f.summary.clone(), f.action.clone())
        };
        let expected: Vec<_> = detected.findings.iter().map(told).collect();
        let findings: Vec<_> = outcome.findings.iter().map(found).collect();
        assert_eq!(findings, expected, "{name}");
        assert_eq!(findings.is_empty(), stages.is_empty(), "{name}");
    }
}

#[test]
fn the_same_seeds_give_the_same_document_whatever_thread_was_first() {
    let terms = terms(&["shop", "port-scan", "sweep"]);
    let first = run(&(5..8), &terms, None).unwrap();
    let again = run(&(5..8), &terms, None).unwrap();
    let text = |evaluation: &Evaluation| format!("{:#}", to_json(evaluation));
    assert_eq!(text(&first), text(&again));
    let document = to_json(&first);
    assert_eq!(document["schema"], "tidegate.evaluation/1");
    assert_eq!(document["seeds"], serde_json::json!([5, 6, 7]));
    assert_eq!(document["scenarios"]["shop"]["recall"], serde_json::Value::Null);
    assert_eq!(document["scenarios"]["port-scan"]["recall"], 1.0);
    assert_eq!(document["scenarios"]["port-scan"]["median_windows_to_detect"], 1.0);
    assert_eq!(document["total"]["laid_in"], 6);
    assert_eq!(document["total"]["judged_days"], 9);
}

#[test]
fn days_that_are_judged_without_telling_go_on_into_every_branch() {
    let warmed = Terms { warms_up: true, ..terms(&["intrusion", "shop"]) };
    let evaluation = run(&(3..4), &warmed, None).unwrap();
    let [shop, intrusion] = evaluation.outcomes.as_slice() else { panic!("two runs") };
    assert!(shop.findings.is_empty(), "{:?}", shop.findings);
    let found: Vec<_> = intrusion.attacks.iter().map(|a| a.detection.is_some()).collect();
    assert_eq!(found, [true; 5]);
}

/// By the logs alone a deployment brings workloads that nobody named, and a NAT gateway is one that passes
/// others' packets on.
#[test]
fn without_an_inventory_newcomers_and_gateways_are_no_news() {
    let names = ["rolling-deploy", "exfiltration"];
    let unlabelled = Terms { is_unlabelled: true, learn_days: 4, ..terms(&names) };
    let evaluation = run(&(3..4), &unlabelled, None).unwrap();
    for outcome in &evaluation.outcomes {
        let is_false = |found: &&Found| !found.is_true;
        let told: Vec<_> = outcome.findings.iter().filter(is_false).map(|f| &f.summary).collect();
        assert!(told.len() <= 1, "{}: {told:?}", outcome.scenario);
        assert!(!outcome.findings.iter().any(Found::is_false_quarantine), "{told:?}");
        assert!(outcome.attacks.iter().all(|a| a.detection.is_some()), "{}", outcome.scenario);
    }
}

#[test]
fn other_methods_find_what_they_are_made_for() {
    let compared = Terms { compares: true, ..terms(&["shop", "sweep", "lateral-move"]) };
    let evaluation = run(&(3..4), &compared, None).unwrap();
    let curves = curves(&evaluation.outcomes);
    let found = |method: Method, attack: &str| {
        let curve = curves.iter().find(|curve| curve.method == method).unwrap();
        curve.recall_by_attack(&evaluation.outcomes, 1_000.0)[attack]
    };
    let whole = |share: f64| (share - 1.0).abs() < 1e-12;
    assert!(whole(found(Method::Tidegate, "sweep")));
    assert!(whole(found(Method::Zeek, "sweep")));
    assert!(found(Method::Zeek, "lateral-move") < 0.5);
    assert!(whole(found(Method::FirstSeenAddress, "lateral-move")));
    assert!(whole(found(Method::FirstSeenService, "lateral-move")));
    assert!(found(Method::Rita, "sweep") < 0.5);
    let document = to_json(&evaluation);
    assert_eq!(document["compared"].as_object().unwrap().len(), 6);
}
