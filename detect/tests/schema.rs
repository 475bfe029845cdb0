//! Findings as they are written are what the schema and `docs/findings.md` say.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use std::collections::BTreeMap;

use detect::report::write_json_lines;
use detect::suggest::{AttachedEni, Context, EniDetails, PlanBudget, PlanOptions, suggest};
use detect::{Fact, Finding, FoundDeviation, FoundWorkload, Kind, SCHEMA, Severity, State};
use model::baseline::Baseline;
use serde_json::Value;

fn deviation(kind: Kind, peer: &str, address: Option<&str>, direction: &str) -> FoundDeviation {
    FoundDeviation {
        kind,
        peer: peer.to_owned(),
        peer_address: address.map(ToOwned::to_owned),
        port: address.map(|_| 443),
        protocol: address.map(|_| "tcp".to_owned()),
        direction: direction.to_owned(),
        first_seen: "2026-03-02T02:10:00Z".to_owned(),
        last_seen: "2026-03-02T04:00:00Z".to_owned(),
        observed: 220.0,
        expected: 0.0,
        p_value: 1e-6,
        evidence: BTreeMap::from([
            ("unit".to_owned(), Fact::Text("connections".to_owned())),
            ("period_secs".to_owned(), Fact::Number(60.0)),
        ]),
        samples: vec!["10.0.1.7 -> 203.0.113.9:443/tcp: 1 connections".to_owned()],
    }
}

fn finding(severity: Severity, deviations: Vec<FoundDeviation>) -> Finding {
    Finding {
        schema: SCHEMA.to_owned(),
        id: "5f1c".to_owned(),
        revision: 1,
        state: State::Open,
        kind: Kind::Incident,
        severity,
        confidence: 0.9,
        p_value: 1e-6,
        calibration: "baseline".to_owned(),
        first_seen: "2026-03-02T02:10:00Z".to_owned(),
        last_seen: "2026-03-02T04:00:00Z".to_owned(),
        service: "carts".to_owned(),
        workload: FoundWorkload {
            account: "111122223333".to_owned(),
            vpc: "vpc-0123".to_owned(),
            eni: Some("eni-0a1".to_owned()),
            address: "10.0.1.7".to_owned(),
            instance: Some("i-0abc".to_owned()),
        },
        summary: "carts called 203.0.113.9".to_owned(),
        techniques: vec!["T1071".to_owned(), "T1071.001".to_owned()],
        guardduty: None,
        n_deviations: deviations.len() as u64,
        deviations,
        suggestion: None,
    }
}

fn eni() -> EniDetails {
    let attached = AttachedEni { eni: "eni-0a1".to_owned(), ..AttachedEni::default() };
    EniDetails {
        region: Some("eu-west-1".to_owned()),
        security_groups: vec!["sg-0a".to_owned()],
        of_instance: vec![attached],
        ..EniDetails::default()
    }
}

/// Findings with every kind of suggestion.
fn findings() -> Vec<Finding> {
    let mut baseline = Baseline::default();
    (baseline.learned.from, baseline.learned.until) = (Some(0), Some(30 * 86_400));
    let context = Context {
        baseline: &baseline,
        options: &PlanOptions::DEFAULT,
        still_there: &|_| None,
        inventory_eni: &|_| Some(eni()),
        infrastructure: None,
    };
    let remote = || deviation(Kind::Beacon, "203.0.113.0/24", Some("203.0.113.9"), "outbound");
    let scan = || deviation(Kind::PortScan, "many", None, "outbound");
    let opened = || deviation(Kind::NewPort, "svc:web", Some("10.0.0.5"), "inbound");
    let mut budget = PlanBudget::default();
    let severities = [
        Severity::Critical,
        Severity::High,
        Severity::High,
        Severity::High,
        Severity::Medium,
        Severity::Low,
    ];
    let seen = [
        vec![scan(), remote()],
        vec![remote()],
        vec![opened()],
        vec![scan()],
        vec![remote()],
        vec![opened()],
    ];
    let mut all = Vec::new();
    for (n, (severity, deviations)) in severities.into_iter().zip(seen).enumerate() {
        let mut found = finding(severity, deviations);
        found.id = format!("5f1c{n}");
        if n > 0 {
            found.kind = found.deviations[0].kind;
        }
        found.suggestion = suggest(&found, &context, &mut budget);
        all.push(found);
    }
    all
}

fn schema() -> jsonschema::Validator {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/finding.schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn lines(findings: &[Finding]) -> Vec<Value> {
    let mut out = Vec::new();
    write_json_lines(findings, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn findings_are_valid_by_the_schema() {
    let findings = findings();
    let actions: Vec<Option<&str>> =
        findings.iter().map(|f| f.suggestion.as_ref().map(|s| s.action.as_str())).collect();
    assert_eq!(
        actions,
        [
            Some("isolate-workload"),
            Some("cut-remote"),
            Some("remove-rule"),
            Some("none"),
            Some("investigate"),
            None
        ]
    );
    let validator = schema();
    for line in lines(&findings) {
        let errors: Vec<String> =
            validator.iter_errors(&line).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn the_schema_refuses_what_it_does_not_know() {
    let validator = schema();
    let good = lines(&findings()).remove(0);
    for (pointer, bad) in [
        ("/severity", Value::from("urgent")),
        ("/revision", Value::from(0)),
        ("/p_value", Value::from(1.5)),
        ("/first_seen", Value::from("yesterday")),
        ("/deviations/0/direction", Value::from("sideways")),
    ] {
        let mut line = good.clone();
        *line.pointer_mut(pointer).unwrap() = bad;
        assert!(!validator.is_valid(&line), "{pointer}");
    }
    let mut line = good;
    line["new_field"] = Value::from(1);
    assert!(!validator.is_valid(&line));
}

#[test]
fn the_example_in_the_document_is_valid() {
    let document = include_str!("../../docs/findings.md");
    let (_, example) = document.split_once("```json\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    assert!(schema().is_valid(&example));
}

#[test]
fn the_document_names_every_field() {
    let document = include_str!("../../docs/findings.md");
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/finding.schema.json")).unwrap();
    let parts = ["/properties", "/$defs/deviation/properties", "/$defs/suggestion/properties"];
    for part in parts {
        for field in schema.pointer(part).unwrap().as_object().unwrap().keys() {
            assert!(document.contains(&format!("`{field}`")), "{field}");
        }
    }
}
