//! What the reports look like, and that strangers' text in them is harmless.

mod schema;

use expect_test::{expect, expect_file};
use proptest::prelude::*;

use super::escape::{SHOWN_CHARS_MAX, escape};
use super::samples::{deviation, finding, whole};
use super::{Color, TextOptions, number, write_explain, write_json, write_json_lines, write_text};
use crate::{Finding, Kind, Severity};

fn text(findings: &[Finding], options: TextOptions) -> String {
    let mut out = Vec::new();
    write_text(findings, &options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn explained(found: &Finding, color: Color) -> String {
    let mut out = Vec::new();
    write_explain(found, &mut out, color).unwrap();
    String::from_utf8(out).unwrap()
}

fn low() -> Finding {
    let mut low = finding(Kind::NewPeer, vec![deviation(Kind::NewPeer)]);
    (low.id, low.severity, low.first_seen) =
        ("tg-0001".to_owned(), Severity::Low, "2026-03-01T23:00:00Z".to_owned());
    low
}

#[test]
fn the_list_reads_like_this() {
    let list = text(&[low(), whole(), low()], TextOptions { top: 2, ..TextOptions::default() });
    expect_file!["tests/list.txt"].assert_eq(&list);
}

#[test]
fn the_explanation_reads_like_this() {
    expect_file!["tests/explain.txt"].assert_eq(&explained(&whole(), Color::Plain));
}

#[test]
fn nothing_found_is_said() {
    assert_eq!(text(&[], TextOptions::default()), "No findings.\n");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [40, 60, 80] {
        let list = text(&[whole()], TextOptions { width, ..TextOptions::default() });
        for line in list.lines().filter(|line| !line.contains("tidegate explain")) {
            assert!(line.chars().count() <= width, "{line}");
        }
    }
}

#[test]
fn colours_come_only_when_wanted() {
    let color = Color::Ansi;
    assert!(text(&[whole()], TextOptions { color, ..TextOptions::default() }).contains("\u{1b}["));
    assert!(explained(&whole(), color).contains("\u{1b}["));
    assert!(!text(&[whole()], TextOptions::default()).contains('\u{1b}'));
    assert!(!explained(&whole(), Color::Plain).contains('\u{1b}'));
}

/// A finding of which every text is hostile.
fn hostile(text: &str) -> Finding {
    let mut found = whole();
    let all = [
        &mut found.id,
        &mut found.summary,
        &mut found.service,
        &mut found.calibration,
        &mut found.first_seen,
        &mut found.workload.account,
        &mut found.workload.vpc,
        &mut found.workload.address,
        &mut found.techniques[0],
    ];
    for part in all {
        text.clone_into(part);
    }
    let seen = &mut found.deviations[0];
    for part in [&mut seen.peer, &mut seen.samples[0], &mut seen.first_seen] {
        text.clone_into(part);
    }
    found.workload.eni = Some(text.to_owned());
    found.workload.instance = Some(text.to_owned());
    found.guardduty = Some(text.to_owned());
    found.deviations[0].protocol = Some(text.to_owned());
    found.deviations[0].peer_address = Some(text.to_owned());
    found.deviations[0].evidence.insert(text.to_owned(), crate::Fact::Text(text.to_owned()));
    if let Some(suggestion) = &mut found.suggestion {
        text.clone_into(&mut suggestion.action);
        text.clone_into(&mut suggestion.expires);
        text.clone_into(&mut suggestion.steps[0].what);
        text.clone_into(&mut suggestion.steps[0].commands[0]);
        text.clone_into(&mut suggestion.blast_radius.summary);
        text.clone_into(&mut suggestion.blast_radius.edges[0].peer);
        text.clone_into(&mut suggestion.alternatives[0].why);
        text.clone_into(&mut suggestion.targets[0].eni);
        suggestion.refusals = vec![text.to_owned()];
    }
    found
}

fn assert_harmless(shown: &str) {
    for c in shown.chars().filter(|&c| c != '\n') {
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}');
        assert!(!c.is_control() && !turns, "{c:?} in {shown:?}");
    }
}

#[test]
fn strangers_text_steers_no_terminal() {
    for evil in
        ["\u{1b}]0;owned\u{7}", "a\nCRITICAL  forged", "\u{202e}txt.exe", "\u{9b}2J", "\r", "\0"]
    {
        assert_harmless(&text(&[hostile(evil)], TextOptions::default()));
        assert_harmless(&explained(&hostile(evil), Color::Plain));
        let lines = text(&[hostile(evil)], TextOptions::default());
        assert!(!lines.contains("\nCRITICAL  forged"));
    }
}

#[test]
fn long_text_is_cut() {
    let shown = escape(&"é".repeat(10_000));
    assert_eq!(shown.chars().count(), SHOWN_CHARS_MAX + 1);
    assert!(shown.ends_with('…'));
}

proptest! {
    #[test]
    fn any_text_is_shown_harmlessly(evil in any::<String>()) {
        assert_harmless(&escape(&evil));
        assert_harmless(&explained(&hostile(&evil), Color::Plain));
    }

    #[test]
    fn any_number_is_shown(value in any::<f64>()) {
        let _ = (number::count(value), number::bytes(value), number::duration(value));
        let _ = number::probability(value);
    }
}

#[test]
fn numbers_read_like_this() {
    let counts = [0.0, 0.000_12, 0.25, 4.5, 12.345, 99.99, 1234.0, 12_345.6, 1e18, f64::NAN]
        .map(number::count);
    expect!["0 1.2e-4 0.25 4.5 12.3 100 1234 12 346 1.00e18 ?"].assert_eq(&counts.join(" "));
    let bytes = [0.0, 999.0, 999.9, 12_345.0, 12_345_678.0, 999_950_000.0, 4e18].map(number::bytes);
    expect!["0 B, 999 B, 1.0 kB, 12.3 kB, 12.3 MB, 1.0 GB, 4000 PB"].assert_eq(&bytes.join(", "));
    let times = [0.0, 45.0, 90.0, 5400.0, 14_400.0, 100_000.0, 1e7].map(number::duration);
    expect!["0 s, 45 s, 1 min 30 s, 1 h 30 min, 4 h, 1 d 3 h, 115 d"].assert_eq(&times.join(", "));
    let rare = [0.5, 0.02, 1.3e-4, 1.3e-7, 1.3e-10, 0.0].map(number::probability);
    expect![[r"
        not rare in normal traffic
        normal traffic does this once in 50 times
        normal traffic does this once in 7700 times
        normal traffic does this once in 7.7 million times
        normal traffic does this less than once in a thousand million times
        normal traffic does this less than once in a thousand million times"]]
    .assert_eq(&rare.join("\n"));
}

#[test]
fn json_lines_are_in_the_order_of_time_whatever_came_first() {
    let lines = |findings: &[Finding]| {
        let mut out = Vec::new();
        write_json_lines(findings, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let one = lines(&[whole(), low()]);
    assert_eq!(one, lines(&[low(), whole()]));
    let read: Vec<Finding> = one.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, [low(), whole()]);
}

#[test]
fn the_json_page_has_the_worst_and_counts_the_rest() {
    let mut out = Vec::new();
    write_json(&[low(), whole()], 1, &mut out).unwrap();
    let page: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(page["more"], 1);
    assert_eq!(page["findings"][0]["id"], "tg-5f1c");
}
