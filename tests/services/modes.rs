//! What README.md says under "Ways to run" can be typed as it stands there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::stand_ins::{kinesis, moto};

const README: &str = include_str!("../../README.md");

/// The shell commands of the section, each part of it after its heading.
fn commands() -> Vec<(String, String)> {
    let section = README.split("\n## ").find(|section| section.starts_with("Ways to run\n"));
    let parts = section.unwrap().split("\n### ");
    let blocks = |part: &str| {
        let blocks = part.split("\n```sh\n").skip(1);
        blocks.map(|block| block.split("\n```").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    parts.map(|part| (part.lines().next().unwrap().to_owned(), blocks(part).join("\n"))).collect()
}

#[test]
fn every_way_to_run_runs_as_the_readme_says() {
    let commands = commands();
    for way in ["detect s3://", "watch kinesis://", "backfill s3://", "query "] {
        let has_it = |(_, script): &(String, String)| script.contains(&format!("tidegate {way}"));
        assert!(commands.iter().any(has_it), "no section has {way}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::from("set -eu\n");
    for (heading, lines) in &commands {
        script.push_str(&format!("echo '## {heading}' >&2\n{lines}\n"));
    }
    let program = Path::new(env!("CARGO_BIN_EXE_tidegate")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let run = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("AWS_ENDPOINT_URL", moto())
        .env("AWS_ENDPOINT_URL_KINESIS", kinesis())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{}\n{out}\n{err}", run.status);
    for (file, part) in [
        ("findings.jsonl", "T1048"),
        ("watched.jsonl", "T1048"),
        ("past.jsonl", "T1048"),
        ("edges.csv", "\n"),
    ] {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains(part), "{file}: {text}\n{err}");
    }
    assert!(err.contains("going on") && err.contains("ledger: "), "{err}");
    assert!(!err.contains(" late") && !err.contains("rejected"), "{err}");
}
