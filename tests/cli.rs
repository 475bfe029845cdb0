//! The command line: exit codes, outputs and messages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod program;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use program::{Run, findings, run_in, run_well};
use serde_json::Value;
use tempfile::TempDir;

const T0: i64 = 1_740_960_000;

/// Flow logs of an hour in which 10.0.0.1 sweeps, beside ordinary traffic.
fn swept() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from(
        "interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action\n",
    );
    for minute in 0..60 {
        let (start, end) = (T0 + minute * 60, T0 + minute * 60 + 50);
        let port = 40_000 + minute;
        let mut line = |ends: &str, flags: u8, bytes: u32| {
            writeln!(text, "eni-b {ends} 6 {flags} 9 {bytes} {start} {end} ACCEPT").unwrap();
        };
        line(&format!("10.0.0.2 {port} 10.0.0.3 443"), 3, 900);
        line(&format!("10.0.0.3 443 10.0.0.2 {port}"), 19, 4000);
    }
    for host in 0..40 {
        for (eni, from) in [("a", "10.0.0.1"), ("c", "10.0.0.4")] {
            let at = T0 + 1800 + host;
            let ends = format!("{from} {} 10.0.1.{host} 22", 50_000 + host);
            writeln!(text, "eni-{eni} {ends} 6 2 1 60 {at} {} ACCEPT", at + 5).unwrap();
        }
    }
    fs::create_dir(folder.path().join("logs")).unwrap();
    fs::write(folder.path().join("logs/flows.log"), text).unwrap();
    folder
}

/// Runs in the folder with flow logs in it.
fn run(folder: &TempDir, arguments: &[&str]) -> Run {
    run_in(folder.path(), arguments)
}

#[test]
fn findings_end_with_1_only_if_asked() {
    let folder = swept();
    assert_eq!(run(&folder, &["detect", "logs"]).code, 0);
    assert_eq!(run(&folder, &["detect", "logs", "--exit-code"]).code, 1);
    let quiet = ["detect", "logs", "--exit-code", "--until", "2025-03-03T00:20:00Z"];
    assert_eq!(run(&folder, &quiet).code, 0, "no finding, no 1");
}

#[test]
fn an_error_ends_with_2_and_says_what_and_where() {
    let folder = swept();
    let missing = run(&folder, &["detect", "nowhere"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("nowhere"), "{}", missing.stderr);
    assert!(missing.stdout.is_empty());
    let no_baseline = run(&folder, &["detect", "logs", "--baseline", "none.parquet"]);
    assert_eq!(no_baseline.code, 2);
    assert!(no_baseline.stderr.contains("none.parquet"), "{}", no_baseline.stderr);
    fs::write(folder.path().join("b.parquet"), "not Parquet").unwrap();
    let damaged = run(&folder, &["detect", "logs", "--baseline", "b.parquet"]);
    assert_eq!(damaged.code, 2);
    assert!(damaged.stderr.contains("b.parquet"), "{}", damaged.stderr);
    assert_eq!(run(&folder, &["detect"]).code, 2, "a source is missing");
    assert_eq!(run(&folder, &["detect", "logs", "--timezone", "Mars/Base"]).code, 2);
    assert_eq!(run(&folder, &["detect", "logs", "--since", "yesterday"]).code, 2);
}

#[test]
fn what_cannot_be_an_answer_is_said() {
    let folder = swept();
    fs::write(folder.path().join("elsewhere.json"), r#"{"NetworkInterfaces": []}"#).unwrap();
    let unacquainted = run(&folder, &["detect", "logs", "--inventory", "elsewhere.json"]);
    let says = "lists none of the interfaces in these logs";
    assert!(unacquainted.stderr.contains(says), "{}", unacquainted.stderr);
    assert!(!run(&folder, &["detect", "logs"]).stderr.contains(says));
    let unjudged = run(&folder, &["detect", "logs", "--warmup", "900h"]);
    assert!(unjudged.stderr.contains("nothing was judged yet"), "{}", unjudged.stderr);
    assert!(!run(&folder, &["detect", "logs"]).stderr.contains("nothing was judged yet"));
    fs::write(folder.path().join("enis.csv"), "eni,name\n").unwrap();
    let no_json = run(&folder, &["detect", "logs", "--inventory", "enis.csv"]);
    assert_eq!(no_json.stderr.matches("expected value").count(), 1, "{}", no_json.stderr);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_go_on() {
    let folder = swept();
    // A gzip header, and nothing that inflates after it.
    fs::write(
        folder.path().join("logs/broken.log.gz"),
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage",
    )
    .unwrap();
    for arguments in [
        vec!["detect", "logs", "--exit-code", "--findings", "f.jsonl"],
        vec!["learn", "logs", "--baseline", "b.parquet"],
        vec!["services", "logs"],
    ] {
        let run = run(&folder, &arguments);
        assert_eq!(run.code, 3, "{arguments:?}\n{}", run.stderr);
        assert!(run.stderr.contains("broken.log.gz"), "{}", run.stderr);
        assert!(run.stderr.contains("ledger: 200 records = 200 used"), "{}", run.stderr);
    }
    assert_eq!(findings(&folder.path().join("f.jsonl")).len(), 2, "what could be read was judged");
}

#[test]
fn findings_are_json_lines_by_first_record_and_id() {
    let folder = swept();
    for output in ["text", "json"] {
        run_well(folder.path(), &["detect", "logs", "--findings", "f.jsonl", "--output", output]);
        let findings = findings(&folder.path().join("f.jsonl"));
        assert_eq!(findings.len(), 2);
        let key = |f: &Value| (f["first_seen"].to_string(), f["id"].to_string());
        assert!(findings.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])));
        for finding in &findings {
            assert_eq!(finding["schema"], "tidegate.finding/1");
            assert_eq!(finding["kind"], "sweep");
        }
    }
}

#[test]
fn json_on_standard_output_is_all_there_is() {
    let folder = swept();
    let run = run_well(folder.path(), &["detect", "logs", "--output", "json"]);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(run.stderr.contains("ledger:"));
}

#[test]
fn top_prints_as_many_and_says_how_many_more() {
    let folder = swept();
    let arguments = ["detect", "logs", "--top", "1", "--findings", "f.jsonl"];
    let run = run_well(folder.path(), &arguments);
    assert_eq!(run.stdout.matches("tg-").collect::<Vec<_>>().len(), 1, "{}", run.stdout);
    assert!(run.stdout.contains("1 more"), "{}", run.stdout);
    assert_eq!(findings(&folder.path().join("f.jsonl")).len(), 2, "the file has them all");
}

#[test]
fn no_colour_reaches_a_pipe() {
    let folder = swept();
    let run = run_well(folder.path(), &["detect", "logs"]);
    assert!(run.stdout.contains("10.0.0.1"));
    assert!(!run.stdout.contains('\u{1b}') && !run.stderr.contains('\u{1b}'));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let folder = swept();
    let once = |name: &str| {
        let path = folder.path().join(name);
        run_well(folder.path(), &["detect", "logs", "--findings", path.to_str().unwrap()]);
        fs::read(path).unwrap()
    };
    assert_eq!(once("a.jsonl"), once("b.jsonl"));
}

#[test]
fn baselines_of_two_halves_merge_to_that_of_the_whole() {
    let folder = swept();
    let half = "2025-03-03T00:30:00Z";
    let learn = |file: &str, range: &[&str]| {
        let mut arguments = vec!["learn", "logs", "--baseline", file];
        arguments.extend(range);
        run_well(folder.path(), &arguments);
    };
    learn("early.parquet", &["--until", half]);
    learn("late.parquet", &["--since", half]);
    learn("twice.parquet", &["--until", half]);
    learn("twice.parquet", &["--since", half]);
    let merge = ["baseline", "merge", "late.parquet", "early.parquet", "--out", "both.parquet"];
    run_well(folder.path(), &merge);
    let read = |file: &str| fs::read(folder.path().join(file)).unwrap();
    assert_eq!(read("both.parquet"), read("twice.parquet"));
}

#[test]
fn inspect_says_what_a_baseline_knows_and_what_it_cannot_judge() {
    let folder = swept();
    run_well(folder.path(), &["learn", "logs", "--baseline", "b.parquet"]);
    fs::write(
        folder.path().join("enis.json"),
        r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-silent", "PrivateIpAddress": "10.0.0.99"}]}"#,
    )
    .unwrap();
    let inspect = ["baseline", "inspect", "b.parquet", "--inventory", "enis.json"];
    let shown = run_well(folder.path(), &inspect).stdout;
    for expected in [
        "aggregation interval 60 s",
        "200 records = 200 used",
        "1 of 168",
        "ip-ranges     not used",
        "eni-silent",
        "cannot judge yet",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let service = ["baseline", "inspect", "b.parquet", "--service", "10.0.0.2"];
    assert!(run_well(folder.path(), &service).stdout.contains("svc:10.0.0.3"));
}

#[test]
fn explain_finds_by_the_beginning_of_an_id() {
    let folder = swept();
    run_well(folder.path(), &["detect", "logs", "--findings", "f.jsonl"]);
    let findings = findings(&folder.path().join("f.jsonl"));
    let id = findings[0]["id"].as_str().unwrap();
    let told = run_well(folder.path(), &["explain", &id[..12], "--findings", "f.jsonl"]);
    assert!(told.stdout.contains(id), "{}", told.stdout);
    let unknown = run(&folder, &["explain", "tg-none", "--findings", "f.jsonl"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("tg-none") && unknown.stderr.contains("f.jsonl"));
    let both = run(&folder, &["explain", "tg-", "--findings", "f.jsonl"]);
    assert_eq!(both.code, 2, "an ambiguous beginning is an error");
}

#[test]
fn generate_lists_without_a_folder_and_mixes_no_estates() {
    let folder = tempfile::tempdir().unwrap();
    let listed = run_well(folder.path(), &["generate", "--scenario", "list"]);
    assert!(listed.stdout.contains("low-and-slow-irregular"), "{}", listed.stdout);
    fs::create_dir_all(folder.path().join("made/AWSLogs")).unwrap();
    for (more, expected) in [(&[][..], "--out"), (&["--out", "made"][..], "already")] {
        let arguments = [&["generate", "--scenario", "shop"][..], more].concat();
        let refused = run(&folder, &arguments);
        assert_eq!(refused.code, 2, "{arguments:?}");
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
}

#[test]
fn every_command_helps_with_an_example() {
    let commands: [&[&str]; 13] = [
        &["demo"],
        &["generate"],
        &["learn"],
        &["detect"],
        &["baseline", "merge"],
        &["baseline", "inspect"],
        &["services"],
        &["sources", "check"],
        &["sources", "policy"],
        &["explain"],
        &["accept"],
        &["audit"],
        &["completions"],
    ];
    for command in commands {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let help = run_well(Path::new("."), &arguments).stdout;
        assert!(help.contains("Example"), "{command:?}");
        assert!(help.contains(&format!("tidegate {}", command.join(" "))), "{command:?}");
    }
}

#[test]
fn logs_of_another_interval_than_the_baselines_are_refused() {
    let folder = swept();
    run_well(folder.path(), &["learn", "logs", "--baseline", "b.parquet"]);
    let other = run(&folder, &["detect", "logs", "--baseline", "b.parquet", "--interval", "600"]);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("60-second logs"), "{}", other.stderr);
}

/// With the ranges a service of AWS has another name, so that what is known may look new.
#[test]
fn a_baseline_learned_without_ip_ranges_says_so_to_who_has_them() {
    let folder = swept();
    run_well(folder.path(), &["learn", "logs", "--baseline", "b.parquet"]);
    let ranges = r#"{"syncToken": "1", "prefixes":
        [{"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "service": "S3"}]}"#;
    fs::write(folder.path().join("ranges.json"), ranges).unwrap();
    let detect = ["detect", "logs", "--baseline", "b.parquet"];
    let with = run_well(folder.path(), &[&detect[..], &["--ip-ranges", "ranges.json"]].concat());
    assert!(with.stderr.contains("learned without --ip-ranges"), "{}", with.stderr);
    let without = run_well(folder.path(), &detect);
    assert!(!without.stderr.contains("learned without --ip-ranges"), "{}", without.stderr);
    let strangers = "own services are strangers outside";
    assert!(without.stderr.contains(strangers) && !with.stderr.contains(strangers));
}

#[test]
fn services_tells_who_is_who_and_why() {
    let folder = swept();
    let shown = run_well(folder.path(), &["services", "logs"]).stdout;
    assert!(
        shown.contains("10.0.0.2: 1 workloads") && shown.contains("nothing names it"),
        "{shown}"
    );
}

#[test]
fn hostile_text_steers_no_terminal() {
    let folder = swept();
    fs::write(folder.path().join("logs/evil.log"), "interface-id srcaddr\neni-\u{1b}[31m x\n")
        .unwrap();
    let run = run(&folder, &["detect", "logs"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}') && !run.stdout.contains('\u{1b}'));
}

#[test]
fn a_source_is_looked_at_before_it_is_used() {
    let folder = swept();
    let checked = run(&folder, &["sources", "check", "logs"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    for expected in
        ["files        1 of", "60 s, by the records", "newest record", "200 records, 0 rejected"]
    {
        assert!(checked.stdout.contains(expected), "{expected}: {}", checked.stdout);
    }
    assert_eq!(checked.stdout.matches("\n  record ").count(), 3, "{}", checked.stdout);
    fs::write(folder.path().join("other.log"), "no such thing\n\u{1b}[31m x\n").unwrap();
    let other = run(&folder, &["sources", "check", "other.log"]);
    assert_eq!(other.code, 3, "{}", other.stdout);
    assert!(other.stdout.contains("trouble") && !other.stdout.contains('\u{1b}'));
    assert_eq!(run(&folder, &["sources", "check", "ftp://x"]).code, 2);
}

#[test]
fn a_policy_is_json_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let state = ["--state", "s3://state/tidegate"];
    let arguments = [&["sources", "policy", "s3://logs/AWSLogs/"], &state[..]].concat();
    let policy: Value = serde_json::from_str(&run_well(folder.path(), &arguments).stdout).unwrap();
    assert_eq!(policy["Version"], "2012-10-17");
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 4);
    assert_eq!(run(&folder, &["sources", "policy", "./logs"]).code, 2);
}
