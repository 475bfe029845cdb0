//! What accepting a finding writes, and that it reads back as what was meant.

use expect_test::expect;

use super::*;
use crate::report::samples::{deviation, finding};
use crate::{Finding, Kind};

fn terms() -> Terms {
    Terms { reason: "known".to_owned(), author: None, until: None, learns: false }
}

fn two() -> Finding {
    let mut lateral = deviation(Kind::NewPeer);
    (lateral.peer, lateral.peer_address) = ("svc:db".to_owned(), Some("10.0.0.9".to_owned()));
    lateral.port = Some(5432);
    finding(Kind::Incident, vec![deviation(Kind::Beacon), lateral])
}

/// What is told of a finding once it is accepted.
fn left(text: &str, found: &Finding) -> Option<Finding> {
    Suppressions::parse("f", text).unwrap().left(found)
}

#[test]
fn each_distinct_deviation_becomes_a_rule() {
    let mut found = two();
    found.deviations.push(deviation(Kind::Beacon));
    found.n_deviations = 3;
    let until = Some(super::until("2026-05-31").unwrap());
    let author = Some("kim".to_owned());
    let accepted = accept("f", "", &found, &Terms { author, until, ..terms() }).unwrap();
    expect![[r#"
        version: 1
        rules:
          - id: tg-5f1c-1
            reason: "known"
            author: "kim"
            service: "carts"
            kind: beacon
            peer: "203.0.113.0/24"
            port: 443
            protocol: "tcp"
            until: "2026-05-31T23:59:59Z"
          - id: tg-5f1c-2
            reason: "known"
            author: "kim"
            service: "carts"
            kind: new-peer
            peer: "svc:db"
            port: 5432
            protocol: "tcp"
            until: "2026-05-31T23:59:59Z"
    "#]]
    .assert_eq(&accepted.text);
    let told: Vec<&str> = accepted.rules.iter().map(|rule| rule.hides.as_str()).collect();
    expect![[r#"
        [
            "beacon of carts with 203.0.113.0/24, port 443/tcp",
            "new-peer of carts with svc:db, port 5432/tcp",
        ]
    "#]]
    .assert_debug_eq(&told);
    assert_eq!(left(&accepted.text, &found), None);
    let later = Finding { last_seen: "2026-06-01T00:00:00Z".to_owned(), ..found };
    assert!(left(&accepted.text, &later).is_some());
}

#[test]
fn what_is_there_stays_byte_for_byte() {
    let rule = |margin: &str| {
        format!("{margin}- reason: r # why\n{margin}  service: 'x'\n{margin}  forever: true")
    };
    for before in [
        format!("# mine\r\nversion: 1\r\nrules:\r\n{}", rule("  ").replace('\n', "\r\n")),
        format!("rules:\n{}\n# the end", rule("")),
        format!("rules:\n{}\n\n", rule("      ")),
        "rules:\n  - service: x\n    forever: true\n    reason: |\n      - a\n        - b\n".into(),
        "# nothing yet\n".into(),
        "version: 1".into(),
        "rules:\n".into(),
        "\n".into(),
    ] {
        let accepted = accept("f", &before, &two(), &terms()).unwrap();
        assert!(accepted.text.starts_with(&before), "{}", accepted.text);
        assert_eq!(left(&accepted.text, &two()), None, "{}", accepted.text);
        assert_eq!(accepted.added.left(&two()), None);
    }
}

#[test]
fn a_file_with_no_room_at_its_end_is_refused() {
    for before in [
        "rules: []\n",
        "rules: [{ reason: r, service: s, forever: true }]\n",
        "rules:\nversion: 1\n",
    ] {
        let error = accept("f", before, &two(), &terms()).unwrap_err().to_string();
        assert!(error.contains("last key"), "{before}: {error}");
    }
    assert!(matches!(accept("f", "rules: 3", &two(), &terms()), Err(AcceptError::File(_))));
    assert!(matches!(accept("f", "version: 2", &two(), &terms()), Err(AcceptError::File(_))));
}

/// Names are tags of strangers: none may write YAML, or stand for others.
#[test]
fn strange_names_hide_themselves_alone() {
    let names = [
        "*",
        "web*",
        "a: b\n  - reason: x\n    kind: sweep\n    forever: true",
        "\" # '",
        "\\*\\",
        "\u{1b}[31m\u{202e}x\u{2028}\u{85}\u{feff}\u{fffe}\u{0}",
        "yes",
        "1e3",
        "é🌊 \u{e0041}",
        "{{ x }} !!binary &a *a",
        "  two  ",
        "",
    ];
    for name in names {
        let mut found = two();
        found.service = name.to_owned();
        found.deviations[0].peer = format!("svc:{name}");
        let strange = Terms { reason: format!("r{name}"), author: Some(name.into()), ..terms() };
        let accepted = accept("f", "", &found, &strange).unwrap();
        assert!(!accepted.text.contains(|c| c != '\n' && is_harmful(c)), "{}", accepted.text);
        assert_eq!(accepted.text.lines().count(), 20, "{}", accepted.text);
        assert_eq!(left(&accepted.text, &found), None, "{}", accepted.text);
        for other in names.into_iter().filter(|other| *other != name) {
            let mut unlike = found.clone();
            unlike.service = other.to_owned();
            assert_eq!(left(&accepted.text, &unlike), Some(unlike), "{name:?} hides {other:?}");
            let mut peer = found.clone();
            peer.deviations[0].peer = format!("svc:{other}");
            let n_left = left(&accepted.text, &peer).map(|told| told.n_deviations);
            assert_eq!(n_left, Some(1), "{name:?} hides {other:?}");
        }
    }
}

#[test]
fn a_service_that_is_an_address_is_its_workload() {
    let mut found = two();
    found.service = "10.0.1.7".to_owned();
    let accepted = accept("f", "", &found, &terms()).unwrap();
    assert!(accepted.text.contains("    workload: \"eni-0a1\"\n"), "{}", accepted.text);
    assert!(!accepted.text.contains("service"));
    found.workload.eni = None;
    let accepted = accept("f", "", &found, &terms()).unwrap();
    assert!(accepted.text.contains("    workload: \"10.0.1.7\"\n"), "{}", accepted.text);
    assert_eq!(left(&accepted.text, &found), None);
}

#[test]
fn only_what_is_not_hidden_yet_is_added_and_ids_are_not_used_twice() {
    let mut found = two();
    let known = "rules:\n  - { id: tg-5f1c-1, reason: r, peer: db, forever: true }\n";
    let accepted = accept("f", known, &found, &terms()).unwrap();
    let ids: Vec<&str> = accepted.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["tg-5f1c-2"]);
    let again = accept("f", &accepted.text, &found, &terms()).unwrap_err();
    assert!(matches!(again, AcceptError::Known { .. }));
    found.id = "x: \"\n*".to_owned();
    assert_eq!(accept("f", "", &found, &terms()).unwrap().rules[0].id, "x-1");
    let past = Terms { until: Some(0), ..terms() };
    assert!(matches!(accept("f", "", &found, &past), Err(AcceptError::OverBefore { .. })));
}
