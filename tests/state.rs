//! `detect --state`: the same records judged in one run and in many give the same findings and the same
//! baseline (I1), and nothing that lies in a state folder is taken for what it is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod program;

use std::fs;
use std::path::Path;

use program::logs::{Logs, assert_same_lines, last_revisions, quiet_day, small};
use program::{Run, run_in, run_well};

const WARMUP: [&str; 2] = ["--warmup", "3h"];

/// Judges in one run and in runs of so many files each, and compares all that comes of it.
fn assert_same(logs: &Logs, runs: &[&[String]]) {
    let earlier = ["learn", &logs.files[0], "--until", "2025-03-01", "--baseline", "one.parquet"];
    run_well(logs.folder.path(), &earlier);
    fs::copy(logs.path("one.parquet"), logs.path("many.parquet")).unwrap();
    let one = ["--baseline", "one.parquet", "--update-baseline"];
    logs.detect(&logs.files, &[&WARMUP[..], &one].concat());
    let once = logs.told();
    // Of the first day's findings, made up after a short warm-up, some close on the second.
    assert!(once.contains("\"state\":\"closed\""), "nothing closed: this shows too little");

    let mut told = String::new();
    let many = ["--baseline", "many.parquet", "--update-baseline", "--state", "state"];
    for (n, files) in runs.iter().enumerate() {
        let last: &[&str] = if n + 1 == runs.len() { &["--final"] } else { &[] };
        let run = logs.detect(files, &[&WARMUP[..], &many, last].concat());
        assert!(!run.stderr.contains(" late"), "{}", run.stderr);
        told.push_str(&logs.told());
    }
    assert_same_lines(&once, &last_revisions(&told));
    let (one, many) = (fs::read(logs.path("one.parquet")), fs::read(logs.path("many.parquet")));
    assert!(one.unwrap() == many.unwrap(), "the baselines differ");
}

#[test]
fn hourly_runs_tell_what_one_run_tells() {
    let logs = Logs::new(&small(2));
    let hours: Vec<_> = logs.files.chunks(12).collect();
    assert_eq!(hours.len(), 48);
    assert_same(&logs, &hours);
    assert_eq!(logs.generations("state").len(), 3, "older generations are removed");
}

#[test]
fn runs_to_a_time_each_tell_what_one_run_tells() {
    let logs = Logs::new(&small(2));
    logs.detect(&logs.files, &WARMUP);
    let once = logs.told();
    let mut told = String::new();
    let times = ["2025-03-03T06:03:20Z", "2025-03-03T18:00:00Z", "2025-03-04T12:01:00Z"];
    for time in times {
        let options = [&WARMUP[..], &["--state", "state", "--until", time]].concat();
        let run = logs.detect(&["AWSLogs".to_owned()], &options);
        assert!(!run.stderr.contains("outside"), "{}", run.stderr);
        told.push_str(&logs.told());
    }
    logs.detect(&["AWSLogs".to_owned()], &["--state", "state", "--final"]);
    told.push_str(&logs.told());
    assert_same_lines(&once, &last_revisions(&told));
}

#[test]
fn a_since_that_would_leave_a_hole_is_told() {
    let logs = Logs::new(&quiet_day());
    logs.detect(&logs.files[..24], &["--state", "state"]);
    let since = ["--state", "state", "--since", "2025-03-03T02:00:00Z"];
    let run = logs.detect(&logs.files[24..36], &since);
    assert!(run.stderr.contains("the state goes on at 2025-03-03T01:35:00Z"), "{}", run.stderr);
}

#[test]
fn runs_of_any_length_tell_what_one_run_tells() {
    let logs = Logs::new(&small(2));
    let mut runs: Vec<&[String]> = Vec::new();
    let mut rest = &logs.files[..];
    for length in [1, 7, 40, 2, 90, 5, 13, 150, 3].into_iter().cycle() {
        let (now, later) = rest.split_at(length.min(rest.len()));
        (runs, rest) = ([runs, vec![now]].concat(), later);
        if rest.is_empty() {
            break;
        }
    }
    assert_same(&logs, &runs);
}

/// Two hours of traffic, of which the first is judged into `state`.
fn begun() -> Logs {
    let mut logs = Logs::new(&small(1));
    logs.files.truncate(24);
    logs.detect(&logs.files[..12], &["--state", "state"]);
    logs
}

fn ledger(run: &Run) -> &str {
    run.stderr.lines().find(|line| line.starts_with("ledger: ")).unwrap()
}

#[test]
fn files_given_again_add_nothing() {
    let logs = begun();
    let before = fs::read(&logs.generations("state")[0]).unwrap();
    let again = logs.detect(&logs.files[..12], &["--state", "state"]);
    assert!(again.stderr.contains("0 new files, 12 taken before"), "{}", again.stderr);
    assert!(ledger(&again).contains("records = 0 used + "), "{}", again.stderr);
    let generations = logs.generations("state");
    assert_eq!(generations.len(), 2);
    assert_eq!(fs::read(&generations[1]).unwrap(), before, "a state nothing was added to");

    // The whole folder again, copied elsewhere: S3 keys tell that these are the same objects.
    fs::create_dir(logs.path("copy")).unwrap();
    fs::rename(logs.path("AWSLogs"), logs.path("copy/AWSLogs")).unwrap();
    let copies: Vec<String> = logs.files.iter().map(|file| format!("copy/{file}")).collect();
    let both = logs.detect(&copies, &["--state", "state"]);
    assert!(both.stderr.contains("12 new files, 12 taken before"), "{}", both.stderr);
}

#[test]
fn files_of_closed_windows_are_late_and_counted() {
    let logs = Logs::new(&small(1));
    logs.detect(&logs.files[12..24], &["--state", "state"]);
    let late = logs.detect(&logs.files[..1], &["--state", "state"]);
    let ledger = ledger(&late);
    assert!(ledger.contains(" late"), "{ledger}");
    assert_eq!(ledger.split(" + ").count(), 3, "late and still open alone: {ledger}");
}

#[test]
fn the_state_goes_before_the_baseline_and_says_so() {
    let logs = begun();
    let run = logs.detect(&logs.files, &["--state", "state", "--baseline", "not-there.parquet"]);
    assert!(run.stderr.contains("not-there.parquet is not read"), "{}", run.stderr);
}

#[test]
fn what_records_taught_is_kept_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let logs = begun();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&logs.generations("state")[0]), 0o600);
    assert_eq!(mode(&logs.path("state")), 0o700);
}

/// Runs on a state of which the newest generation has been changed.
fn run_on_changed(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let logs = begun();
    let newest = &logs.generations("state")[0];
    let mut bytes = fs::read(newest).unwrap();
    change(&mut bytes);
    fs::write(newest, bytes).unwrap();
    let run = run_in(logs.folder.path(), &logs.arguments(&logs.files, &["--state", "state"]));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(logs.generations("state").len(), 1, "nothing is written over it");
    run.stderr
}

#[test]
fn a_damaged_state_is_an_error_that_names_the_file() {
    let stderr = run_on_changed(|bytes| {
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
    });
    assert!(stderr.contains("state/generation-000001.tidegate"), "{stderr}");
    assert!(stderr.contains("is not as it was written"), "{stderr}");
    let stderr = run_on_changed(|bytes| bytes.truncate(bytes.len() / 2));
    assert!(stderr.contains("the file ends within"), "{stderr}");
    let stderr = run_on_changed(|bytes| *bytes = b"something else".to_vec());
    assert!(stderr.contains("does not begin as a state file does"), "{stderr}");
}

#[test]
fn a_state_of_a_later_program_is_an_error_that_says_so() {
    let stderr = run_on_changed(|bytes| {
        let text = String::from_utf8_lossy(bytes).find("\"format_version\":1").unwrap();
        bytes[text + 17] = b'9';
    });
    assert!(stderr.contains("format version is 9; this program reads up to 1"), "{stderr}");
}

#[test]
fn two_runs_do_not_share_a_state() {
    let logs = begun();
    let lock = fs::File::open(logs.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let run = run_in(logs.folder.path(), &logs.arguments(&logs.files, &["--state", "state"]));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("another run is using the state"), "{}", run.stderr);
}

/// What lies in a state folder, but for the lock.
fn kept(logs: &Logs, state: &str) -> Vec<String> {
    let entries = fs::read_dir(logs.path(state)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "lock").collect();
    names.sort();
    names
}

#[test]
fn findings_nobody_got_are_told_again() {
    let logs = Logs::new(&small(2));
    let (now, later) = logs.files.split_at(logs.files.len() - 12);
    let options = [&WARMUP[..], &["--state", "state"]].concat();
    // The run is kept, but its findings cannot be written where a folder is.
    fs::create_dir(logs.path("f.jsonl")).unwrap();
    let run = run_in(logs.folder.path(), &logs.arguments(now, &options));
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert_eq!(kept(&logs, "state"), ["generation-000001.tidegate"], "kept, not delivered");

    // Those that closed in it are known to nobody but the state.
    fs::remove_dir(logs.path("f.jsonl")).unwrap();
    let again = logs.detect(now, &options);
    assert!(again.stderr.contains(" 0 new files"), "{}", again.stderr);
    let told = logs.told();
    assert!(told.contains("\"state\":\"closed\""), "nothing closed: this shows too little");
    assert!(kept(&logs, "state").contains(&"generation-000002.delivered".to_owned()));
    logs.detect(later, &options);
    let told = format!("{told}{}", logs.told());

    let undisturbed = [&WARMUP[..], &["--state", "undisturbed"]].concat();
    logs.detect(now, &undisturbed);
    let once = logs.told();
    logs.detect(later, &undisturbed);
    let once = format!("{once}{}", logs.told());
    assert_same_lines(&last_revisions(&once), &last_revisions(&told));
}
