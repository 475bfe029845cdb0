//! Which files a source stands for, and reading them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use ingest::{DecodeOptions, FieldSet, LogFile, find_all_files, find_files, read_file};
use tempfile::TempDir;

const RECORD: &str = "2 210987654321 eni-0a 10.20.0.5 10.20.1.9 49712 5432 6 12 3480 1700000000 1700000058 ACCEPT OK\n";
const PLAIN: &str = "AWSLogs/210987654321/vpcflowlogs/eu-west-3/2024/02";
const HIVE: &str = "AWSLogs/aws-account-id=109876543210/aws-service=vpcflowlogs/aws-region=eu-west-3/year=2024/month=02/day=28/hour=07";

fn put(root: &Path, name: &str, content: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn flow_log(account: &str, stamp: &str) -> String {
    format!("{account}_vpcflowlogs_eu-west-3_fl-0a1b_{stamp}_9f8e.log")
}

/// Two S3 trees, with the things that lie beside them.
fn estate() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let later = format!("{PLAIN}/29/{}", flow_log("210987654321", "20240229T0010Z"));
    let earlier = format!("{PLAIN}/29/23/{}", flow_log("210987654321", "20240229T0005Z"));
    let hive = format!("{HIVE}/{}", flow_log("109876543210", "20240228T0700Z"));
    for name in [&later, &earlier, &hive] {
        put(root.path(), name, RECORD);
    }
    put(root.path(), "exported", RECORD);
    put(root.path(), "more.txt", RECORD);
    put(root.path(), "firehose.json", &format!("{{\"message\":\"{}\"}}", RECORD.trim_end()));
    put(root.path(), "network-interfaces.json", "{\"NetworkInterfaces\":[]}");
    put(
        root.path(),
        "labels.csv",
        "first_seen,last_seen,client,server,port,protocol\n1700000000,1700000058,a,b,1,6\n",
    );
    put(root.path(), "README.txt", "these are flow logs\n");
    put(root.path(), "notes.md", "notes\n");
    put(root.path(), ".hidden.log", RECORD);
    put(root.path(), "_SUCCESS", "");
    root
}

fn names(root: &Path, files: &[LogFile]) -> Vec<String> {
    let relative = |file: &LogFile| {
        file.place.path().unwrap().strip_prefix(root).unwrap().display().to_string()
    };
    files.iter().map(relative).collect()
}

#[test]
fn a_folder_gives_its_flow_logs_in_the_order_of_their_times() {
    let root = estate();
    let files = find_files(root.path().to_str().unwrap()).unwrap();
    let later = format!("{PLAIN}/29/{}", flow_log("210987654321", "20240229T0010Z"));
    let earlier = format!("{PLAIN}/29/23/{}", flow_log("210987654321", "20240229T0005Z"));
    let hive = format!("{HIVE}/{}", flow_log("109876543210", "20240228T0700Z"));
    let want = [&hive, &earlier, &later, "exported", "firehose.json", "more.txt"];
    assert_eq!(names(root.path(), &files), want);
    assert_eq!(files[0].origin.account.as_deref(), Some("109876543210"));
    assert_eq!(files[0].bytes, RECORD.len() as u64);
}

#[test]
fn a_named_or_matched_file_is_always_taken() {
    let root = estate();
    let glob = format!("{}/*.md", root.path().display());
    assert_eq!(names(root.path(), &find_files(&glob).unwrap()), ["notes.md"]);
    let deep = format!("{}/**/*_20240229T*.log", root.path().display());
    assert_eq!(find_files(&deep).unwrap().len(), 2);
}

#[test]
fn a_file_found_twice_is_read_once() {
    let root = estate();
    let folder = root.path().to_str().unwrap();
    let twice = find_all_files(&[folder, folder, &format!("{folder}/more.txt")]).unwrap();
    assert_eq!(twice.len(), 6);
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_come_to_an_end() {
    let root = estate();
    std::os::unix::fs::symlink(root.path(), root.path().join("AWSLogs/again")).unwrap();
    std::os::unix::fs::symlink("nowhere", root.path().join("dangling.log")).unwrap();
    std::os::unix::fs::symlink("more.txt", root.path().join("also.txt")).unwrap();
    let files = find_files(root.path().to_str().unwrap()).unwrap();
    assert_eq!(files.len(), 7);
    let dangling = files.iter().find(|file| file.place.name().ends_with("dangling.log")).unwrap();
    let options = DecodeOptions::of_columns(FieldSet::all());
    let outcome = read_file(dangling, &options, &mut |_| {});
    assert!(outcome.error.unwrap().to_string().contains("dangling.log: "));
}

#[test]
fn nothing_found_is_an_error_that_says_what_was_looked_for() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "notes.md", "notes\n");
    let folder = root.path().to_str().unwrap();
    let message = |source: &str| find_files(source).unwrap_err().to_string();
    assert!(message(folder).contains("no flow logs in this folder; looked for .log, .gz"));
    assert!(message(&format!("{folder}/*.log")).contains("no file matches"));
    assert!(message("/no/such/file.log").contains("no such file or folder"));
    assert!(message("s3://bucket/prefix").contains("a URL where files are due"));
    assert!(message("logs/[").contains("`logs/[`"));
}

#[test]
fn a_file_is_read_whole() {
    let root = estate();
    let files = find_files(root.path().to_str().unwrap()).unwrap();
    let mut n_records = 0;
    for file in &files {
        let options = DecodeOptions::of_columns(FieldSet::all());
        let outcome = read_file(file, &options, &mut |batch| n_records += batch.n_records());
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
    }
    assert_eq!(n_records, files.len());
}

#[test]
fn a_file_that_went_away_is_named() {
    let root = estate();
    let files = find_files(root.path().to_str().unwrap()).unwrap();
    fs::remove_file(files[3].place.path().unwrap()).unwrap();
    let options = DecodeOptions::of_columns(FieldSet::all());
    let outcome = read_file(&files[3], &options, &mut |_| {});
    assert!(outcome.error.unwrap().to_string().contains("exported: "));
}
