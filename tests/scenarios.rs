//! Made-up estates end to end: benign ones are silent (I9), an intrusion is told whole and alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod program;

use std::collections::BTreeSet;

use datasets::Options;
use program::logs::small_of;
use program::{Made, kinds};
use serde_json::Value;

fn grave(findings: &[Value]) -> Vec<&Value> {
    let is_low = |f: &Value| ["info", "low"].contains(&f["severity"].as_str().unwrap());
    findings.iter().filter(|f| !is_low(f)).collect()
}

/// What nobody should be woken for: summaries are the message.
fn assert_silent(scenario: &str) {
    let findings = Made::new(&small_of(scenario, 4)).detect();
    assert!(grave(&findings).is_empty(), "{findings:#?}");
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn a_rolling_deploy_of_fifty_replicas_is_silent() {
    assert_silent("rolling-deploy");
}

#[test]
fn growing_to_twenty_times_the_size_is_silent() {
    assert_silent("scale-out");
}

#[test]
fn a_shop_where_nothing_is_wrong_is_silent() {
    assert_silent("shop");
}

#[test]
fn an_intrusion_is_told_stage_by_stage_and_nothing_else_is() {
    let made = Made::new(&Options::new("intrusion"));
    let intruded: BTreeSet<&str> = made.summary.stages.iter().map(|s| s.client.as_str()).collect();
    let findings = made.detect();
    let mut told = BTreeSet::new();
    for finding in &findings {
        let address = finding["workload"]["address"].as_str().unwrap();
        assert!(intruded.contains(address), "{finding:#}");
        told.extend(kinds(finding));
    }
    for kind in ["sweep", "port-scan", "beacon", "volume"] {
        assert!(told.contains(kind), "{kind} of {told:?}");
    }
    assert!(told.contains("new-peer") || told.contains("new-port"), "{told:?}");
}
