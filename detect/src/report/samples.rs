//! Findings made up for tests.

use std::collections::BTreeMap;

use crate::{
    Alternative, BlastRadius, Fact, Finding, FoundDeviation, FoundWorkload, Kind, LostEdge, SCHEMA,
    Severity, State, Step, Suggestion, Target,
};

pub(crate) fn deviation(kind: Kind) -> FoundDeviation {
    let evidence = [
        ("unit", Fact::Text("answered connections at regular intervals".to_owned())),
        ("period_secs", Fact::Number(5400.0)),
        ("to_this_peer_bytes", Fact::Number(12_345_678.0)),
        ("would_not_have_fired_below", Fact::Number(12.0)),
    ];
    FoundDeviation {
        kind,
        peer: "203.0.113.0/24".to_owned(),
        peer_address: Some("203.0.113.9".to_owned()),
        port: Some(443),
        protocol: Some("tcp".to_owned()),
        direction: "outbound".to_owned(),
        first_seen: "2026-03-02T02:10:00Z".to_owned(),
        last_seen: "2026-03-02T04:00:00Z".to_owned(),
        observed: 220.0,
        expected: 0.25,
        p_value: 1.3e-6,
        is_firm: true,
        evidence: evidence.map(|(name, fact)| (name.to_owned(), fact)).into(),
        samples: vec![
            "2026-03-02T02:10:00Z 10.0.1.7 -> 203.0.113.9:443/tcp: 1 connection".to_owned(),
        ],
    }
}

pub(crate) fn finding(kind: Kind, deviations: Vec<FoundDeviation>) -> Finding {
    Finding {
        schema: SCHEMA.to_owned(),
        id: "tg-5f1c".to_owned(),
        revision: 3,
        state: State::Updated,
        kind,
        severity: Severity::High,
        confidence: 0.93,
        p_value: 1.3e-6,
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
        replicas: vec!["eni-0a2".to_owned()],
        summary:
            "carts (10.0.1.7) called 203.0.113.9 on port 443/tcp every 90 min, then reached db \
                  (10.0.0.9) on port 5432/tcp for the first time"
                .to_owned(),
        techniques: vec!["T1021".to_owned(), "T1071".to_owned()],
        guardduty: Some("Backdoor:EC2/C&CActivity.B".to_owned()),
        n_deviations: deviations.len() as u64,
        merged_into: None,
        deviations,
        suggestion: None,
    }
}

/// A finding with all its parts.
pub(crate) fn whole() -> Finding {
    let mut volume = deviation(Kind::Volume);
    (volume.observed, volume.expected) = (1.23e9, 4.5e6);
    volume.evidence = BTreeMap::new();
    let mut found = finding(Kind::Incident, vec![deviation(Kind::Beacon), volume]);
    found.n_deviations = 9;
    found.suggestion = Some(suggestion());
    found
}

fn step(what: &str, command: &str) -> Vec<Step> {
    vec![Step { what: what.to_owned(), commands: vec![command.to_owned()] }]
}

fn suggestion() -> Suggestion {
    Suggestion {
        action: "cut-remote".to_owned(),
        targets: vec![Target {
            account: "111122223333".to_owned(),
            vpc: "vpc-0123".to_owned(),
            eni: "eni-0a1".to_owned(),
            address: "10.0.1.7".to_owned(),
            instance: Some("i-0abc".to_owned()),
            still_there: "unknown".to_owned(),
        }],
        steps: step("Deny the address.", "aws ec2 create-network-acl-entry"),
        undo: step("Take the rule out.", "aws ec2 delete-network-acl-entry"),
        blast_radius: BlastRadius {
            summary: "in the baseline carts never talks to what is cut".to_owned(),
            replicas: 4,
            replica_share: 0.0,
            edges: vec![LostEdge {
                peer: "svc:web".to_owned(),
                direction: "inbound".to_owned(),
                port: 8080,
                protocol: "tcp".to_owned(),
                share: 0.125,
                connections_per_day: 12_345.6,
            }],
        },
        alternatives: vec![Alternative {
            action: "isolate-workload".to_owned(),
            why: "stops whatever the workload does".to_owned(),
            steps: step("Cut.", "aws ec2 modify-network-interface-attribute"),
            undo: step("Restore.", "aws ec2 modify-network-interface-attribute"),
        }],
        expires: "2026-03-03T04:00:00Z".to_owned(),
        refusals: vec!["the last replicas stay".to_owned()],
    }
}
