//! What rules match, when they run out, and which files are refused.

use expect_test::expect;

use super::{Hit, Sifted, Suppressions};
use crate::report::samples::{deviation, finding};
use crate::{Finding, Kind, Severity};

/// 2026-03-02 04:00 UTC.
const NOW: i64 = 1_772_424_000;

fn parse(rule: &str) -> Result<Suppressions, String> {
    let text = format!("rules:\n  - {{ reason: known, {rule} }}\n");
    Suppressions::parse("known.yaml", &text).map_err(|error| error.to_string())
}

fn apply(rule: &str, found: Finding) -> (Option<Finding>, Hit) {
    let (told, hits) = parse(rule).unwrap().apply(vec![found], NOW);
    (told.into_iter().find_map(Sifted::told), hits.into_iter().next().unwrap())
}

fn two() -> Finding {
    let mut lateral = deviation(Kind::NewPeer);
    (lateral.peer, lateral.peer_address) = ("svc:db".to_owned(), Some("10.0.0.9".to_owned()));
    lateral.port = Some(5432);
    finding(Kind::Incident, vec![deviation(Kind::Beacon), lateral])
}

#[test]
fn a_finding_all_of_which_is_known_is_not_told() {
    for rule in [
        "service: carts",
        "service: ca*",
        "workload: 10.0.1.7",
        "workload: eni-0a1",
        "peer: 203.0.113.9",
        "peer: 203.0.113.0/24",
        "peer: 203.0.0.0/16, port: 443, protocol: tcp, kind: beacon",
        "protocol: 6",
        "kind: beacon",
    ] {
        let one = finding(Kind::Beacon, vec![deviation(Kind::Beacon)]);
        let (told, hit) = apply(&format!("{rule}, forever: true"), one);
        assert_eq!(told, None, "{rule}");
        assert_eq!((hit.n, hit.n_findings), (1, 1), "{rule}");
    }
}

#[test]
fn what_differs_in_one_selector_is_told() {
    for rule in [
        "service: web",
        "workload: 10.0.1.8",
        "peer: 203.0.114.0/24",
        "peer: svc:carts",
        "peer: 203.0.113.0/24, port: 80",
        "protocol: udp",
        "kind: sweep",
        "service: carts, kind: sweep",
    ] {
        let one = finding(Kind::Beacon, vec![deviation(Kind::Beacon)]);
        let (told, hit) = apply(&format!("{rule}, forever: true"), one.clone());
        assert_eq!(told, Some(one), "{rule}");
        assert_eq!(hit.n, 0, "{rule}");
    }
}

#[test]
fn of_a_finding_partly_known_the_rest_is_told() {
    for peer in ["db", "svc:db", "svc:d*", "10.0.0.0/8"] {
        let (told, hit) = apply(&format!("id: dba, peer: \"{peer}\", forever: true"), two());
        let told = told.unwrap();
        assert_eq!((hit.n, hit.n_findings), (1, 0));
        assert_eq!((told.deviations.len(), told.n_deviations), (1, 1));
        assert_eq!(told.kind, Kind::Beacon);
        let summary = told.summary.strip_prefix("(1 of 2 hidden by dba) ").unwrap();
        let said = format!("{summary} {:?} {:?}", told.techniques, told.guardduty);
        let hidden = ["db", "10.0.0.9", "5432", "T1021"];
        assert!(hidden.iter().all(|part| !said.contains(part)), "{said}");
        assert!(told.severity <= Severity::Medium, "one tactic is left");
    }
}

#[test]
fn a_prefix_without_an_address_is_in_a_range_that_holds_all_of_it() {
    let mut one = deviation(Kind::Beacon);
    one.peer_address = None;
    let found = finding(Kind::Beacon, vec![one]);
    assert_eq!(apply("peer: 203.0.0.0/16, forever: true", found.clone()).0, None);
    assert_ne!(apply("peer: 203.0.113.0/25, forever: true", found).0, None);
}

#[test]
fn deviations_that_are_not_listed_are_not_hidden_unseen() {
    let mut found = finding(Kind::Beacon, vec![deviation(Kind::Beacon)]);
    found.n_deviations = 60;
    let (told, _) = apply("peer: 203.0.113.9, forever: true", found.clone());
    assert_eq!(told.unwrap().n_deviations, 59);
    let (told, hit) = apply("service: carts, forever: true", found);
    assert_eq!((told, hit.n), (None, 60));
}

#[test]
fn a_rule_runs_out_by_the_time_of_the_records() {
    let hides = |until: &str| apply(&format!("service: carts, until: {until}"), two()).0.is_none();
    assert!(hides("2026-03-02"), "the whole day");
    assert!(hides("2026-03-02T04:00:00Z"), "to the second");
    assert!(!hides("2026-03-02T03:59:59Z"));
    assert!(!hides("2026-03-01"));
    let (_, hit) = apply("service: carts, until: 2026-03-01", two());
    assert_eq!((hit.is_expired, hit.n, hit.rule.as_str()), (true, 0, "rule 1"));
}

/// However runs are cut, the same is hidden of the same finding.
#[test]
fn what_else_is_told_does_not_run_a_rule_out() {
    let (rules, found) = (parse("service: carts, until: 2026-03-02").unwrap(), two());
    let (sifted, hits) = rules.apply(vec![found.clone()], NOW + 30 * 86_400);
    let told: Vec<Finding> = sifted.into_iter().filter_map(Sifted::told).collect();
    assert_eq!((told.len(), hits[0].n_findings, hits[0].is_expired), (0, 1, true));
    assert_eq!(rules.left(&found), None);
    let later = Finding { last_seen: "2026-03-03T00:00:00Z".to_owned(), ..found };
    assert_eq!(rules.left(&later), Some(later.clone()));
    assert_eq!(rules.apply(vec![later], NOW).0.into_iter().filter_map(Sifted::told).count(), 1);
}

/// The beacon lasts from 02:10 to 04:00 on a Monday.
#[test]
fn a_rule_with_a_schedule_hides_what_lies_within_it() {
    let is_hidden = |rule: &str| {
        let one = finding(Kind::Beacon, vec![deviation(Kind::Beacon)]);
        apply(&format!("{rule}, forever: true"), one).0.is_none()
    };
    for selector in ["kind: beacon", "service: carts"] {
        assert!(is_hidden(&format!("{selector}, schedule: 'Mon 02:00-04:00'")), "{selector}");
        assert!(!is_hidden(&format!("{selector}, schedule: 'Mon 02:00-03:59'")), "{selector}");
        let berlin = |hours| format!("{selector}, schedule: '{hours}', timezone: Europe/Berlin");
        assert!(is_hidden(&berlin("03:00-05:00")) && !is_hidden(&berlin("02:00-04:00")));
    }
    assert!(parse("kind: beacon, timezone: UTC, forever: true").unwrap_err().contains("schedule"));
    assert!(parse("schedule: Mon, forever: true").unwrap_err().contains("matches everything"));
}

/// Of what a finding does not list nothing is known but that it lies within the finding.
#[test]
fn a_schedule_hides_deviations_that_are_not_listed_if_all_of_the_finding_is_in_it() {
    let mut found = finding(Kind::Beacon, vec![deviation(Kind::Beacon)]);
    found.n_deviations = 60;
    let night = "service: carts, schedule: '02:00-04:00', forever: true";
    assert_eq!(apply(night, found.clone()).0, None);
    found.first_seen = "2026-03-02T01:00:00Z".to_owned();
    assert_eq!(apply(night, found).0.unwrap().n_deviations, 59);
}

#[test]
fn a_version_that_is_not_known_is_refused_before_its_rules() {
    let rules = "rules: [{ reason: r, service: s, forever: true }]\n";
    let read = |text: &str| Suppressions::parse("f", text).map_err(|error| error.to_string());
    assert_eq!(read(&format!("version: 1\n{rules}")), read(rules));
    for later in [format!("version: 2\n{rules}"), "version: 2\nrules: { a: 1 }\nx: y\n".into()] {
        let error = read(&later).unwrap_err();
        assert!(error.contains("version 2") && error.contains("newer tidegate"), "{error}");
    }
    assert!(read("version: one\n").unwrap_err().contains("expected"));
}

#[test]
fn an_empty_file_hides_nothing() {
    for text in ["", "# nothing\n\n", "rules: []\n", "version: 1\n"] {
        let (told, hits) = Suppressions::parse("f", text).unwrap().apply(vec![two()], NOW);
        assert_eq!((told.len(), hits.len()), (1, 0));
    }
}

#[test]
fn a_rule_that_hides_much_is_known() {
    let (_, mut hit) = apply("service: carts, forever: true", two());
    assert_eq!((hit.n, hit.n_findings, hit.n_grave), (2, 1, 1));
    assert!(hit.hides_much(1000), "a grave finding");
    let calm = Finding { severity: crate::Severity::Medium, ..two() };
    let (_, again) = apply("service: carts, forever: true", calm.clone());
    assert!(again.n_grave == 0 && again.hides_much(3) && !again.hides_much(4));
    assert!(!apply("service: web, forever: true", calm).1.hides_much(0), "it hides nothing");
    hit.merge(&again);
    assert_eq!((hit.n, hit.n_findings, hit.n_grave), (4, 2, 1));
}

#[test]
fn rules_that_match_everything_are_refused() {
    for rule in ["", "service: '*'", "peer: 0.0.0.0/0", "peer: ::/0", "service: '*', peer: '**'"] {
        let comma = if rule.is_empty() { "" } else { ", " };
        let error = parse(&format!("forever: true{comma}{rule}")).unwrap_err();
        assert!(error.contains("matches everything"), "{rule}: {error}");
    }
}

#[test]
fn rules_that_could_match_nothing_are_refused() {
    for rule in ["peer: 28.48.97.0/33", "peer: 10.0.0.300", "peer: 10.0.0/8", "peer: '::1/129'"] {
        assert!(parse(&format!("{rule}, forever: true")).unwrap_err().contains("`peer`"), "{rule}");
    }
    for protocol in ["tpc", "256", "''"] {
        let error = parse(&format!("protocol: {protocol}, forever: true")).unwrap_err();
        assert!(error.contains("`protocol`"), "{protocol}: {error}");
    }
    for rule in ["peer: svc:10.0.0.9", "peer: 'aws:S3'", "protocol: TCP", "protocol: 89"] {
        assert!(parse(&format!("{rule}, forever: true")).is_ok(), "{rule}");
    }
}

#[test]
fn bad_files_are_told_by_line() {
    let told = |text: &str| Suppressions::parse("known.yaml", text).unwrap_err().to_string();
    let mut errors = Vec::new();
    for rule in [
        "service: a",
        "service: a, until: soon",
        "service: a, until: 2026-03-31, forever: true",
        "workload: db-1, forever: true",
        "port: 70000, forever: true",
        "colour: red, forever: true",
    ] {
        let error = parse(rule).unwrap_err();
        errors.push(error.split("; expected").next().unwrap().to_owned());
    }
    errors.push(
        told("rules:\n  - { service: a, forever: true }\n").split("; exp").next().unwrap().into(),
    );
    let twice = "{ id: a, reason: r, service: s, forever: true }";
    errors.push(told(&format!("rules: [{twice}, {twice}]")));
    expect![[r"
        known.yaml:2: a rule needs `until` (a date or a time), or `forever: true` at line 2, column 5
        known.yaml:2: `until` is a date (2026-03-31) or a time (2026-03-31T12:00:00Z), not `soon` at line 2, column 5
        known.yaml:2: a rule has `until` or `forever: true`, not both at line 2, column 5
        known.yaml:2: `workload` is an interface (eni-…) or an address, not `db-1` at line 2, column 5
        known.yaml:2: invalid u16 at line 2, column 28
        known.yaml:2: unknown field `colour`, expected one of id, reason, service, workload, peer, port, protocol, kind, until, forever, schedule, timezone, learn, author at line 2, column 22
        known.yaml:2: missing field `reason` at line 2, column 19
        known.yaml: two rules have the id `a`; give each its own"]].assert_eq(&errors.join("\n"));
}

#[test]
fn files_over_the_caps_are_refused() {
    let long = "#".repeat(super::SUPPRESS_BYTES_MAX + 1);
    assert!(Suppressions::parse("f", &long).unwrap_err().to_string().contains("at most"));
    let rule = "  - { reason: r, service: s, forever: true }\n";
    let many = format!("rules:\n{}", rule.repeat(super::SUPPRESS_RULES_MAX + 1));
    assert!(Suppressions::parse("f", &many).unwrap_err().to_string().contains("10001 rules"));
}
