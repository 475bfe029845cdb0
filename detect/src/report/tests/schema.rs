//! Findings as they are written are what the schema and `docs/findings.md` say.

use model::baseline::Baseline;
use serde_json::Value;

use crate::report::{samples, write_json_lines};
use crate::suggest::{AttachedEni, Context, EniDetails, PlanBudget, PlanOptions, suggest};
use crate::{Finding, FoundDeviation, Kind, Severity};

fn deviation(kind: Kind, peer: &str, address: Option<&str>, direction: &str) -> FoundDeviation {
    FoundDeviation {
        peer: peer.to_owned(),
        peer_address: address.map(ToOwned::to_owned),
        port: address.map(|_| 443),
        protocol: address.map(|_| "tcp".to_owned()),
        direction: direction.to_owned(),
        ..samples::deviation(kind)
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
        let kind = if n > 0 { deviations[0].kind } else { Kind::Incident };
        let mut found = samples::finding(kind, deviations);
        (found.id, found.severity) = (format!("tg-{n}"), severity);
        if n > 0 {
            (found.techniques, found.guardduty) = (vec!["T1071.001".to_owned()], None);
        }
        found.suggestion = suggest(&found, &context, &mut budget);
        all.push(found);
    }
    all
}

fn schema() -> jsonschema::Validator {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/finding.schema.json")).unwrap();
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
    let document = include_str!("../../../../docs/findings.md");
    let (_, example) = document.split_once("```json\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    assert!(schema().is_valid(&example));
}

#[test]
fn the_document_names_every_field() {
    let document = include_str!("../../../../docs/findings.md");
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/finding.schema.json")).unwrap();
    let parts = ["/properties", "/$defs/deviation/properties", "/$defs/suggestion/properties"];
    for part in parts {
        for field in schema.pointer(part).unwrap().as_object().unwrap().keys() {
            assert!(document.contains(&format!("`{field}`")), "{field}");
        }
    }
}
