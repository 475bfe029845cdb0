//! `kill -9` at any moment of hourly runs with `--state`: whoever keeps the last revision of each finding
//! has in the end what undisturbed runs tell, and the state always loads.
//!
//! `TIDEGATE_KILLS=200 cargo test --test kills` kills more often.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use program::logs::{Logs, assert_same_lines, last_revisions, small};

const KILLS: u32 = 20;
const WARMUP: [&str; 2] = ["--warmup", "3h"];

/// A run, and whoever reads what it tells.
struct Disturbed<'a> {
    logs: &'a Logs,
    told: String,
    /// What a run takes that nobody kills.
    usual: Duration,
    n_killed: u32,
    n_told_and_killed: u32,
    seed: u64,
}

impl Disturbed<'_> {
    /// Runs until it ends or its time is over.
    #[allow(clippy::disallowed_methods, reason = "it kills by the clock")]
    fn run(&mut self, files: &[String], options: &[&str], killed_after: Option<Duration>) {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(self.logs.arguments(files, options))
            .current_dir(self.logs.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if let Some(after) = killed_after {
            sleep(after);
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let was_killed = status.signal() == Some(9);
        assert!(was_killed || status.code() == Some(0), "the state always loads: {status}");
        if killed_after.is_none() {
            self.usual = begun.elapsed();
        }
        self.n_killed += u32::from(was_killed);
        // Written whole or not at all; what is there was delivered.
        let file = self.logs.path("f.jsonl");
        if let Ok(told) = fs::read_to_string(&file) {
            self.n_told_and_killed += u32::from(was_killed);
            self.told.push_str(&told);
            fs::remove_file(file).unwrap();
        }
    }

    /// Any moment of a run, and somewhat after it.
    fn moment(&mut self) -> Duration {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.usual.mul_f64((self.seed % 1000) as f64 / 950.0)
    }
}

#[test]
fn killed_runs_tell_what_undisturbed_runs_tell() {
    let n_kills = std::env::var("TIDEGATE_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let logs = Logs::new(&small(2));
    logs.detect(&logs.files, &WARMUP);
    let once = logs.told();
    assert!(once.contains("\"state\":\"closed\""), "nothing closed: this shows too little");
    fs::remove_file(logs.path("f.jsonl")).unwrap();

    let mut disturbed = Disturbed {
        logs: &logs,
        told: String::new(),
        usual: Duration::from_millis(500),
        n_killed: 0,
        n_told_and_killed: 0,
        seed: 7,
    };
    let hours: Vec<&[String]> = logs.files.chunks(12).collect();
    let mut n_tried = 0_u32;
    for (n, files) in hours.iter().enumerate() {
        let is_last = n + 1 == hours.len();
        let last: &[&str] = if is_last { &["--final"] } else { &[] };
        let options = [&WARMUP[..], &["--state", "state"], last].concat();
        while u64::from(n_tried) * (hours.len() as u64) < u64::from(n_kills) * (n as u64 + 1) {
            let moment = disturbed.moment();
            disturbed.run(files, &options, Some(moment));
            n_tried += 1;
        }
        disturbed.run(files, &options, None);
    }
    assert!(disturbed.n_killed >= n_kills / 2, "{} killed", disturbed.n_killed);
    assert!(disturbed.n_told_and_killed < disturbed.n_killed, "killed too late to matter");
    assert_same_lines(&once, &last_revisions(&disturbed.told));
    let left = fs::read_dir(logs.path("state")).unwrap();
    let left: Vec<_> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left.len(), 7, "three generations, their marks and the lock: {left:?}");
}
