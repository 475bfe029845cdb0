//! Whose credentials sign a request: those of a profile given by name go before the environment's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use program::{Run, run_with};
use tempfile::TempDir;

/// A folder with a profile `other` in its files, and the environment that leads there.
fn profiles() -> (TempDir, [(&'static str, String); 5]) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("config"), "[profile other]\n").unwrap();
    let keys = "[other]\naws_access_key_id = OFPROFILE\naws_secret_access_key = x\n";
    fs::write(at("credentials"), keys).unwrap();
    let environment = [
        ("AWS_ACCESS_KEY_ID", "OFENVIRONMENT".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "x".to_owned()),
        ("AWS_CONFIG_FILE", at("config")),
        ("AWS_SHARED_CREDENTIALS_FILE", at("credentials")),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    (folder, environment)
}

/// Detects in a bucket behind this URL; nothing is to be found there.
fn detect(url: &str, arguments: &[&str]) -> Run {
    let (folder, environment) = profiles();
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let fixed = ["detect", "s3://bucket/logs", "--region", "eu-west-1", "--endpoint-url", url];
    let run = run_with(folder.path(), &[&fixed[..], arguments].concat(), &environment);
    assert_eq!(run.code, 2, "{}", run.stderr);
    run
}

/// Answers the first request with a refusal, and says by which key it was signed.
fn signed_by(arguments: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = String::new();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            if line.is_empty() {
                break;
            }
            head.push_str(&line);
            head.push('\n');
        }
        let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(refusal.as_bytes()).unwrap();
        head
    });
    detect(&url, arguments);
    let head = answering.join().unwrap();
    let (_, credential) = head.split_once("Credential=").unwrap_or_else(|| panic!("{head}"));
    credential.split('/').next().unwrap().to_owned()
}

#[test]
fn a_profile_given_by_name_goes_before_the_environment() {
    assert_eq!(signed_by(&[]), "OFENVIRONMENT");
    assert_eq!(signed_by(&["--profile", "other"]), "OFPROFILE");
}

#[test]
fn a_profile_that_is_not_there_is_an_error_and_asks_nobody_else() {
    // Nobody listens there, and nobody is asked.
    let run = detect("http://127.0.0.1:9", &["--profile", "othr"]);
    assert!(run.stderr.contains("profile `othr`: it is neither in"), "{}", run.stderr);
}
