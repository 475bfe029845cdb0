//! Accepting findings: what is written, what is refused, and the log of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fmt::Write as _;
use std::fs;

use program::{Run, findings, run_in, run_well};
use serde_json::Value;
use tempfile::TempDir;

const T0: i64 = 1_740_960_000;

/// Flow logs in which 10.0.0.1 and 10.0.0.4 sweep, judged; the folder has `f.jsonl`.
fn judged() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from(
        "interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action\n",
    );
    for (eni, from) in [("a", "10.0.0.1"), ("c", "10.0.0.4")] {
        for host in 0..40 {
            let (start, end) = (T0 + host, T0 + host + 5);
            let ends = format!("{from} {} 10.0.1.{host} 22", 50_000 + host);
            writeln!(text, "eni-{eni} {ends} 6 2 1 60 {start} {end} ACCEPT").unwrap();
        }
    }
    fs::write(folder.path().join("flows.log"), text).unwrap();
    run_well(folder.path(), &["detect", "flows.log", "--findings", "f.jsonl"]);
    folder
}

fn accept(folder: &TempDir, id: &str, more: &[&str]) -> Run {
    let fixed = ["accept", id, "--findings", "f.jsonl", "--suppress", "known.yaml"];
    run_in(folder.path(), &[&fixed[..], more].concat())
}

fn text(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

/// The ids of the findings in the file.
fn ids(folder: &TempDir) -> Vec<String> {
    let findings = findings(&folder.path().join("f.jsonl"));
    findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
}

/// Rewrites the first finding.
fn change(folder: &TempDir, change: &dyn Fn(&mut Value)) {
    let mut all = findings(&folder.path().join("f.jsonl"));
    change(&mut all[0]);
    let lines: Vec<String> = all.iter().map(Value::to_string).collect();
    fs::write(folder.path().join("f.jsonl"), lines.join("\n")).unwrap();
}

#[test]
fn what_is_accepted_is_not_told_again() {
    let folder = judged();
    let ids = ids(&folder);
    let by = ["--reason", "the scanner, ticket 1", "--author", "kim"];
    let run = accept(&folder, &ids[0], &by);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let told = format!("{}-1 hides sweep of ", ids[0]);
    assert!(run.stdout.contains(&told), "{}", run.stdout);
    assert!(run.stdout.contains("until 2025-06-01T00:00:44Z"), "90 days: {}", run.stdout);
    assert!(!run.stdout.contains(&ids[1]), "the other is hidden by nothing: {}", run.stdout);
    let detect = ["detect", "flows.log", "--suppress", "known.yaml", "--findings", "again.jsonl"];
    run_well(folder.path(), &detect);
    let again = findings(&folder.path().join("again.jsonl"));
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["id"], ids[1].as_str());
    let twice = accept(&folder, &ids[0], &by);
    assert_eq!(twice.code, 2);
    assert!(twice.stderr.contains("already"), "{}", twice.stderr);
}

#[test]
fn who_was_told_of_what_is_accepted_is_told_that_it_is_over() {
    let folder = judged();
    let ids = ids(&folder);
    let detect = |more: &[&str]| {
        let fixed = ["detect", "flows.log", "--state", "state", "--final", "--findings", "f.jsonl"];
        run_well(folder.path(), &[&fixed[..], more].concat());
        findings(&folder.path().join("f.jsonl"))
    };
    assert_eq!(detect(&[]).len(), 2);
    accept(&folder, &ids[0], &["--reason", "the scanner", "--author", "kim"]);
    let hidden = ["--suppress", "known.yaml"];
    // A run that is kept, but whose findings cannot be written where a folder is, told nobody.
    let nowhere = ["--state", "state", "--findings", ".", "--suppress", "known.yaml"];
    let failed = run_in(folder.path(), &[&["detect", "flows.log"][..], &nowhere].concat());
    assert_eq!(failed.code, 2, "{}", failed.stderr);
    let again = detect(&hidden);
    let of = |id: &str| again.iter().find(|finding| finding["id"] == id).unwrap();
    assert_eq!(of(&ids[0])["state"], "closed");
    let summary = format!("hidden by {}-1 since it was told", ids[0]);
    assert_eq!(of(&ids[0])["summary"], summary.as_str());
    assert_eq!(of(&ids[0])["n_deviations"], 0, "what it was is not told");
    assert_eq!(of(&ids[1])["state"], "open");
    assert_eq!(detect(&hidden).len(), 1, "it is said once");
}

#[test]
fn comments_and_rules_stay_and_ends_are_as_asked() {
    let folder = judged();
    let ids = ids(&folder);
    let before = "# ours\nrules:\n- reason: x  # y\n  service: z\n  forever: true";
    fs::write(folder.path().join("known.yaml"), before).unwrap();
    let run = accept(&folder, &ids[0], &["--reason", "r", "--until", "2025-03-31"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let run = accept(&folder, &ids[1], &["--reason", "r", "--forever"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let after = text(&folder, "known.yaml");
    assert!(after.starts_with(before), "{after}");
    assert!(
        after.contains("until: \"2025-03-31T23:59:59Z\"\n  learn: true\n")
            && after.ends_with("forever: true\n  learn: true\n")
    );
}

#[test]
fn nothing_is_written_of_what_is_refused() {
    let folder = judged();
    let ids = ids(&folder);
    for more in [
        &["--reason", " "][..],
        &["--reason", "r", "--until", "soon"],
        &["--reason", "r", "--until", "2025-03-01"],
        &["--reason", "r", "--until", "2025-03-31", "--forever"],
        &[],
    ] {
        assert_eq!(accept(&folder, &ids[0], more).code, 2, "{more:?}");
    }
    assert_eq!(accept(&folder, "tg-none", &["--reason", "r"]).code, 2);
    assert!(!folder.path().join("known.yaml").exists());
    assert!(!folder.path().join("known.yaml.audit.jsonl").exists());
}

#[test]
fn what_is_grave_needs_to_be_meant() {
    let folder = judged();
    let ids = ids(&folder);
    change(&folder, &|finding| finding["severity"] = "high".into());
    let refused = accept(&folder, &ids[0], &["--reason", "r"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--even-if-grave") && refused.stderr.contains("high"));
    // The same service's other finding would go with it.
    let (first, second) = (&ids[0], &ids[1]);
    let service = findings(&folder.path().join("f.jsonl"))[1]["service"].clone();
    change(&folder, &|finding| {
        finding["service"] = service.clone();
        finding["workload"] = serde_json::json!({
            "account": "", "vpc": "", "eni": "eni-c", "address": "10.0.0.4", "instance": null
        });
    });
    let with_it = accept(&folder, second, &["--reason", "r"]);
    assert_eq!(with_it.code, 2);
    assert!(with_it.stderr.contains(first.as_str()), "{}", with_it.stderr);
    assert!(!folder.path().join("known.yaml").exists());
    let meant = accept(&folder, second, &["--reason", "r", "--even-if-grave"]);
    assert_eq!(meant.code, 0, "{}", meant.stderr);
    assert!(
        meant.stdout.contains(&format!("also hides all of {first} (high)")),
        "{}",
        meant.stdout
    );
}

#[test]
fn text_of_a_finding_writes_no_yaml_and_steers_no_terminal() {
    let folder = judged();
    let ids = ids(&folder);
    let name = "a: *\n  - reason: x\n    kind: sweep\n    forever: true\u{1b}[31m";
    change(&folder, &|finding| finding["service"] = name.into());
    let run = accept(&folder, &ids[0], &["--reason", "r"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for shown in [&run.stdout, &run.stderr, &text(&folder, "known.yaml")] {
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
    assert_eq!(text(&folder, "known.yaml").matches("\n  - ").count(), 1);
    let detect = ["detect", "flows.log", "--suppress", "known.yaml", "--output", "json"];
    assert_eq!(run_well(folder.path(), &detect).stdout.lines().count(), 2, "it hides no other");
}

#[test]
fn the_log_tells_who_changed_what_and_of_edits_by_hand() {
    let folder = judged();
    let ids = ids(&folder);
    let audit = |expected: i32| {
        let run = run_in(folder.path(), &["audit", "known.yaml"]);
        assert_eq!(run.code, expected, "{}", run.stderr);
        format!("{}{}", run.stdout, run.stderr)
    };
    assert!(audit(2).contains("known.yaml.audit.jsonl"), "there is none yet");
    accept(&folder, &ids[0], &["--reason", "r", "--author", "kim"]);
    let entry: Value = serde_json::from_str(&text(&folder, "known.yaml.audit.jsonl")).unwrap();
    assert_eq!((&entry["author"], &entry["action"]), (&"kim".into(), &"accept".into()));
    assert_eq!(entry["rules"], serde_json::json!([format!("{}-1", ids[0])]));
    let whole = audit(0);
    assert!(whole.contains("as the last entry left it") && whole.contains("by kim"), "{whole}");
    assert!(whole.contains(entry["hash"].as_str().unwrap()));

    let edited = text(&folder, "known.yaml").replace("reason", "reason ");
    fs::write(folder.path().join("known.yaml"), edited).unwrap();
    assert!(audit(0).contains("edited by hand"));
    let run = accept(&folder, &ids[1], &["--reason", "r"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("edited by hand"), "{}", run.stderr);
    assert!(audit(0).contains("2 entries"));

    let forged = text(&folder, "known.yaml.audit.jsonl").replace("kim", "eve");
    fs::write(folder.path().join("known.yaml.audit.jsonl"), forged).unwrap();
    assert!(audit(2).contains("line 1"));
    assert_eq!(accept(&folder, &ids[1], &["--reason", "r"]).code, 2);
}

/// Eleven days of two hosts that ask a third; on the last four nights the first one runs a job on it.
fn nightly() -> String {
    let mut text = String::from(
        "interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action\n",
    );
    let mut call = |host: i64, port: u16, start: i64| {
        let (end, eni) = (start + 5, format!("eni-{host}"));
        let (client, server) = (format!("10.0.0.{host} {}", 40_000 + start % 9_000), "10.0.0.9");
        writeln!(text, "{eni} {client} {server} {port} 6 3 6 800 {start} {end} ACCEPT").unwrap();
        let answer = format!("{eni} {server} {port} {client}");
        writeln!(text, "{answer} 6 19 6 800 {start} {end} ACCEPT").unwrap();
    };
    for turn in 0..11 * 144 {
        call(1, 5432, T0 + turn * 600 + 7);
        call(2, 5432, T0 + turn * 600 + 31);
        if turn >= 7 * 144 && turn % 144 == 12 {
            call(1, 22, T0 + turn * 600 + 90);
        }
    }
    text
}

#[test]
fn what_is_accepted_is_learned_unless_it_is_only_hidden() {
    let nights = |more: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("flows.log"), nightly()).unwrap();
        let detect = ["detect", "flows.log", "--warmup", "168h", "--findings", "f.jsonl"];
        run_well(folder.path(), &detect);
        let [id] = &ids(&folder)[..] else { panic!("one finding, not {:?}", ids(&folder)) };
        // As it was told after the first night.
        change(&folder, &|finding| finding["last_seen"] = "2025-03-10T03:00:00Z".into());
        let until = ["--reason", "the job", "--until", "2025-03-11T12:00:00Z"];
        let run = accept(&folder, id, &[&until[..], more].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        run_well(folder.path(), &[&detect[..], &["--suppress", "known.yaml"]].concat());
        findings(&folder.path().join("f.jsonl"))
    };
    assert_eq!(nights(&[]), Vec::<Value>::new());
    let told = nights(&["--hide-only"]);
    assert_eq!(told.len(), 1, "the last two nights are after the rule's end");
}
