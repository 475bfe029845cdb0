//! `watch` told to stop by a signal: it saves, ends with 0 within ten seconds, and the next one goes on
//! as if nothing had been. And how it ends otherwise.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::logs::{Logs, assert_same_lines, small};
use program::run_in;

const ENDS_WITHIN: Duration = Duration::from_secs(10);

fn arguments<'a>(logs: &'a Logs, options: &[&'a str]) -> Vec<&'a str> {
    let inventories = logs.inventories.iter().map(String::as_str);
    let fixed = ["--inventory-time", "2025-03-03", "--findings", "f.jsonl", "--warmup", "3h"];
    let quick = ["--idle", "0s", "--save-every", "1s", "--top", "0", "--listen", "127.0.0.1:0"];
    let all = ["watch", "replay:AWSLogs"].into_iter().chain(inventories).chain(fixed);
    all.chain(quick).chain(options.iter().copied()).collect()
}

/// Records a run counted, by its last line.
fn n_records(stderr: &str) -> u64 {
    let (_, ledger) = stderr.rsplit_once("ledger: ").unwrap_or_else(|| panic!("{stderr}"));
    ledger.split(' ').next().unwrap().parse().unwrap()
}

/// Runs until `after` its port is open, sends the signal, and says how many records it had counted;
/// `None` if it had ended before.
#[allow(clippy::disallowed_methods, reason = "it stops by the clock")]
fn stopped(logs: &Logs, signal: &str, after: Duration) -> Option<u64> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(arguments(logs, &["--state", "state"]))
        .current_dir(logs.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("listening") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    sleep(after);
    let was_running = child.try_wait().unwrap().is_none();
    let asked = Instant::now();
    if was_running {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
    stderr.read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{signal} after {after:?}: {status}\n{said}");
    assert!(asked.elapsed() < ENDS_WITHIN, "took {:?}", asked.elapsed());
    // Nothing to save is said too.
    (was_running && said.contains("ledger: ")).then(|| n_records(&said))
}

#[test]
#[allow(clippy::disallowed_methods, reason = "it stops by the clock")]
fn a_watch_that_is_told_to_stop_saves_and_the_next_one_goes_on() {
    let logs = Logs::new(&small(2));
    let begun = Instant::now();
    let whole = run_in(logs.folder.path(), &arguments(&logs, &["--state", "whole", "--final"]));
    let usual = begun.elapsed();
    assert_eq!(whole.code, 0, "{}", whole.stderr);
    let once = logs.told();
    assert!(once.contains("\"state\":\"closed\""), "nothing closed: this shows too little");
    std::fs::remove_file(logs.path("f.jsonl")).unwrap();

    let mut n_midway = 0;
    for n in 0..6_u32 {
        let signal = if n % 2 == 0 { "-TERM" } else { "-INT" };
        let counted = stopped(&logs, signal, usual.mul_f64(0.05 + 0.03 * f64::from(n)));
        n_midway += u32::from(counted.is_some_and(|n| n < n_records(&whole.stderr)));
    }
    assert!(n_midway >= 2, "stopped midway {n_midway} times: this shows too little");
    let last = run_in(logs.folder.path(), &arguments(&logs, &["--state", "state", "--final"]));
    assert_eq!(last.code, 0, "{}", last.stderr);
    assert!(last.stderr.contains("going on from generation"), "{}", last.stderr);
    assert_same_lines(&once, &logs.told());
}

#[test]
fn findings_end_with_1_only_if_asked_and_a_state_keeps_to_its_interval() {
    let logs = Logs::new(&small(1));
    let run = |options: &[&str]| run_in(logs.folder.path(), &arguments(&logs, options));
    assert_eq!(run(&["--exit-code", "--state", "state"]).code, 1);
    let again = run(&["--state", "state"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let other = run(&["--state", "state", "--interval", "600"]);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("the state is of 60-second logs"), "{}", other.stderr);
    assert!(!other.stderr.contains("panicked"), "{}", other.stderr);
}
