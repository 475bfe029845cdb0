//! `kill -9` at any moment of `watch` and `backfill`, then the same command again: the last revisions are
//! those of a run nobody disturbed, and the state always loads.
//!
//! `TIDEGATE_KILLS=200 ./test services kills` kills each of them so often; `TIDEGATE_SEED` draws other moments.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::equivalence::{SHARDS, stream};
use crate::estate::{estate, findings_file};
use crate::program::logs::assert_same_lines;
use crate::running::{Ended, Running};
use crate::stand_ins::{stage, unique_name};

const KILLS: u32 = 8;
/// So often a run is killed before it may end; then one begins from nothing.
const KILLS_PER_RUN: u32 = 8;

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Moments drawn from a seed.
struct Moments {
    seed: u64,
    within: Duration,
}

impl Moments {
    fn within(within: Duration) -> Self {
        Self { seed: u64::from(number("TIDEGATE_SEED", 7)), within }
    }

    fn next(&mut self) -> Duration {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.within.mul_f64((self.seed % 1000) as f64 / 1000.0)
    }
}

/// Kills runs that `start` starts until enough were killed, and has each end in peace at last.
fn kill(
    mut moments: Moments,
    start: &mut dyn FnMut(&str, &str) -> Running,
    end: &dyn Fn(Running) -> Ended,
) {
    let n_kills = number("TIDEGATE_KILLS", KILLS);
    let (mut n_killed, mut n_runs) = (0, 0);
    while n_killed < n_kills {
        let (state, findings) = (unique_name("state"), findings_file());
        let (mut n_of_run, mut n_ended) = (0, 0);
        while n_of_run < KILLS_PER_RUN && n_ended == 0 {
            let ended = start(&state, &findings).kill_after(moments.next());
            let was_killed = ended.status.signal().is_some();
            n_of_run += u32::from(was_killed);
            n_ended += u32::from(!was_killed);
        }
        let ended = end(start(&state, &findings));
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        assert_same_lines(&estate().findings, &ended.findings);
        n_killed += n_of_run;
        n_runs += 1;
        assert!(n_runs < 10 + n_kills, "runs end before they are killed");
    }
}

#[allow(clippy::disallowed_methods, reason = "it measures")]
fn timed(run: impl FnOnce() -> Ended) -> Duration {
    let begun = Instant::now();
    let ended = run();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert_same_lines(&estate().findings, &ended.findings);
    begun.elapsed()
}

const SAVING: [&str; 3] = ["--final", "--save-every", "0s"];

#[test]
fn a_watch_of_kinesis() {
    let mut start = |state: &str, findings: &str| {
        stream().watch(findings, &[&["--state", state][..], &SAVING].concat())
    };
    let end = |mut watch: Running| {
        watch.wait_until_read(SHARDS);
        watch.stop()
    };
    let usual = timed(|| end(start(&unique_name("state"), &findings_file())));
    // The end of it is waiting for nothing more to come.
    kill(Moments::within(usual / 3), &mut start, &end);
}

#[test]
fn a_watch_of_recorded_logs() {
    let url = format!("replay:{}", estate().logs());
    let mut start = |state: &str, findings: &str| {
        Running::watch(&url, findings, &[&["--state", state][..], &SAVING].concat())
    };
    let usual = timed(|| start(&unique_name("state"), &findings_file()).wait());
    kill(Moments::within(usual / 2), &mut start, &Running::wait);
}

#[test]
fn a_backfill_from_s3_with_its_state_there() {
    let bucket = unique_name("flow-logs");
    let url = format!("s3://{bucket}/logs");
    stage(&["s3", &estate().logs(), &url, "--layout", "hour"]);
    let range = ["--since", "2025-03-03", "--until", "2025-03-05", "--learn", "0s"];
    let mut start = |state: &str, findings: &str| {
        let state = format!("s3://{bucket}/{state}");
        let options = ["--resume", &state];
        Running::start(&[&["backfill", &url], &range[..], &options].concat(), findings)
    };
    let usual = timed(|| start(&unique_name("state"), &findings_file()).wait());
    kill(Moments::within(usual), &mut start, &Running::wait);
}
