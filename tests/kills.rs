//! `kill -9` at any moment of hourly runs with `--state`: whoever keeps the last revision of each finding
//! has in the end what undisturbed runs tell, and the state always loads.
//!
//! Some runs are killed when their state is written, more at random moments: `TIDEGATE_KILLS=200 cargo test
//! --test kills` kills so many.

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

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    After(Duration),
    /// When its generation is there, and nothing may have been told yet.
    AtCommit,
}

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
    fn run(&mut self, files: &[String], options: &[&str], killed: Option<Moment>) {
        let begun = Instant::now();
        let before = self.logs.generations("state");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(self.logs.arguments(files, options))
            .current_dir(self.logs.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        match killed {
            Some(Moment::After(after)) => {
                sleep(after);
                child.kill().unwrap();
            }
            Some(Moment::AtCommit) => {
                while self.logs.generations("state").last() == before.last()
                    && child.try_wait().unwrap().is_none()
                {}
                child.kill().unwrap();
            }
            None => {}
        }
        let status = child.wait().unwrap();
        let was_killed = status.signal() == Some(9);
        assert!(was_killed || status.code() == Some(0), "the state always loads: {status}");
        if killed.is_none() {
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
    fn moment(&mut self) -> Moment {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        Moment::After(self.usual.mul_f64((self.seed % 1000) as f64 / 950.0))
    }
}

#[test]
fn killed_runs_tell_what_undisturbed_runs_tell() {
    let n_kills = std::env::var("TIDEGATE_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let logs = Logs::new(&small(2));
    logs.detect(&logs.files, &WARMUP);
    let once = logs.told();
    assert!(once.contains("\"state\":\"closed\""), "nothing closed: this shows too little");
    fs::create_dir(logs.path("state")).unwrap();
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
        // What closes does so on the second day, and is told by one run only.
        if n >= hours.len() / 2 {
            disturbed.run(files, &options, Some(Moment::AtCommit));
        }
        disturbed.run(files, &options, None);
    }
    assert!(disturbed.n_killed >= n_kills / 2, "{} killed", disturbed.n_killed);
    assert!(disturbed.n_told_and_killed < disturbed.n_killed, "killed too late to matter");
    assert_same_lines(&once, &last_revisions(&disturbed.told));
    let left = fs::read_dir(logs.path("state")).unwrap();
    let left: Vec<_> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(logs.generations("state").len(), 3, "{left:?}");
    let is_known = |name: &String| name == "lock" || name.starts_with("generation-");
    assert!(left.len() <= 7 && left.iter().all(is_known), "nothing unfinished is left: {left:?}");
}
