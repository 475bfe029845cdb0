//! Flow logs in S3: the findings of files, whatever the layout and form, and right or named whatever
//! goes wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::estate::{Judged, estate};
use crate::parquet_logs;
use crate::proxy::{Effect, Fault, Proxy};
use crate::stand_ins::{kinesis, moto, stage, unique_name};

/// The estate's text logs in a new bucket; its URL.
fn bucket(layout: &str) -> String {
    let url = format!("s3://{}/logs of/the shop", unique_name("flow-logs"));
    stage(&["s3", &estate().logs(), &url, "--layout", layout]);
    url
}

fn folder(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Detects through a proxy with these faults.
fn detect_through(url: &str, faults: Vec<Fault>) -> (Judged, Proxy) {
    let proxy = Proxy::start(&moto(), faults);
    let judged = estate().judge("detect", &[url], &[("AWS_ENDPOINT_URL", &proxy.url())]);
    (judged, proxy)
}

fn assert_right(judged: &Judged) {
    assert_eq!(judged.run.code, 0, "{}", judged.run.stderr);
    assert!(judged.findings == estate().findings, "other findings\n{}", judged.run.stderr);
}

#[test]
fn every_layout_gives_the_findings_of_files() {
    for layout in ["plain", "hour", "hive", "hive-hour"] {
        let url = bucket(layout);
        assert_right(&estate().detect(&[&url]));
    }
}

#[test]
fn parquet_gives_the_findings_of_text() {
    let logs = tempfile::tempdir().unwrap();
    parquet_logs::convert(&estate().files(), logs.path());
    let url = format!("s3://{}/p", unique_name("flow-logs"));
    stage(&["s3", folder(logs.path()), &url, "--layout", "hive"]);
    assert_right(&estate().detect(&[&url]));
}

#[test]
fn only_what_can_hold_records_of_the_range_is_fetched() {
    let url = bucket("hour");
    let range = ["--since", "2025-03-04T10:00:00Z", "--until", "2025-03-04T12:00:00Z"];
    let proxy = Proxy::start(&moto(), Vec::new());
    let from_files = estate().detect_well(&[&["AWSLogs"][..], &range].concat());
    let environment = [("AWS_ENDPOINT_URL", proxy.url())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let judged = estate().judge("detect", &[&[url.as_str()][..], &range].concat(), &environment);
    assert_eq!(judged.run.code, 0, "{}", judged.run.stderr);
    assert_eq!(judged.findings, from_files.findings);
    let fetched = proxy.lines().iter().filter(|line| line.contains("log.gz")).count();
    let of_range = 2 * 12 + 1 + 4;
    assert!(fetched <= of_range + 8, "{fetched} objects fetched, {of_range} can hold records");
    let listed = proxy.requests_with("list-type=2");
    assert!(listed < 40, "{listed} listings: hours out of range are not to be listed");
}

#[test]
fn a_role_is_taken_on_first() {
    let url = bucket("plain");
    let role = "arn:aws:iam::123456789012:role/flow-log-reader";
    let proxy = Proxy::start(&moto(), Vec::new());
    let judged = estate().judge(
        "detect",
        &[&url, "--assume-role", role, "--requester-pays"],
        &[("AWS_ENDPOINT_URL", &proxy.url())],
    );
    assert_right(&judged);
    assert!(proxy.requests_with("POST /") > 0, "no role was asked for");
}

#[test]
fn every_request_may_fail_once() {
    let url = bucket("plain");
    for effect in [Effect::Fail { status: 500 }, Effect::Throttle, Effect::Drop] {
        let (judged, proxy) = detect_through(&url, vec![Fault::each_once(effect.clone())]);
        assert_right(&judged);
        assert!(proxy.injected() > 100, "{effect:?} struck {} times", proxy.injected());
    }
}

#[test]
fn some_requests_may_fail_at_random() {
    let url = bucket("plain");
    let fail = Effect::Fail { status: 503 };
    let (judged, proxy) = detect_through(&url, vec![Fault::share(0.05, 7, fail)]);
    assert_right(&judged);
    assert!(proxy.injected() > 0);
}

#[test]
fn bodies_cut_short_are_taken_up_where_they_broke_off() {
    let url = bucket("plain");
    let cut = Fault::each_once(Effect::CutBody { after_bytes: 1000 }).on_path("log.gz");
    let (judged, proxy) = detect_through(&url, vec![cut]);
    assert_right(&judged);
    // What is asked for again is cut again, every thousand bytes.
    assert!(proxy.injected() > 1000, "{} bodies were cut", proxy.injected());
}

#[test]
fn slow_bodies_and_a_clock_that_is_off_change_nothing() {
    let url = bucket("plain");
    let slow = Fault::nth(3, Effect::SlowBody { bytes_per_sec: 20_000 }).on_path("log.gz");
    let (judged, _proxy) = detect_through(&url, vec![slow]);
    assert_right(&judged);
    let (judged, proxy) =
        detect_through(&url, vec![Fault::always(Effect::SkewClock { secs: 3600 })]);
    assert_right(&judged);
    assert!(proxy.injected() > 0);
}

#[test]
#[allow(clippy::disallowed_methods, reason = "it measures how long it waits")]
fn throttling_is_waited_for() {
    let url = bucket("plain");
    let throttled = Fault::lasting(Duration::from_secs(8), Effect::Throttle);
    let (judged, proxy) = detect_through(&url, vec![throttled]);
    assert_right(&judged);
    assert!(proxy.injected() > 1, "it was asked again until the eight seconds were over");
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_used() {
    let url = bucket("plain");
    let files = estate().files();
    let name = |at: usize| files[at].file_name().unwrap().to_str().unwrap().to_owned();
    let bomb = gzip_bomb();
    let faults = vec![
        Fault::deleted_object(&name(10)),
        Fault::always(Effect::ReplaceBody(b"PAR1 and nothing else".to_vec())).on_path(&name(20)),
        Fault::always(Effect::ReplaceBody(bomb)).on_path(&name(30)),
        Fault::always(Effect::ReplaceBody(b"2 what is this\n".to_vec())).on_path(&name(40)),
    ];
    let (judged, _proxy) = detect_through(&url, faults);
    assert_eq!(judged.run.code, 3, "{}", judged.run.stderr);
    let said = |part: &str| judged.run.stderr.lines().any(|line| line.contains(part));
    for (at, why) in [(10, "gone"), (20, "Parquet"), (30, "limit")] {
        let mut lines = judged.run.stderr.lines().filter(|line| line.starts_with("could not read"));
        let line = lines.find(|line| line.contains(&name(at)));
        assert!(line.is_some_and(|line| line.contains(why)), "{why}: {}", judged.run.stderr);
    }
    assert!(said(&name(40)) && said("rejected"), "{}", judged.run.stderr);
    let ledger = judged.run.stderr.lines().find(|line| line.starts_with("ledger:")).unwrap();
    assert!(ledger.contains("rejected"), "{ledger}");
}

/// A gibibyte of zeros in a mebibyte.
fn gzip_bomb() -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn a_bucket_that_is_not_there_is_an_error_that_says_so() {
    let url = format!("s3://{}/", unique_name("nowhere"));
    let judged = estate().detect(&[&url]);
    assert_eq!(judged.run.code, 2);
    assert!(judged.run.stderr.contains("NoSuchBucket"), "{}", judged.run.stderr);
    let empty = unique_name("empty");
    stage(&["s3", folder(tempfile::tempdir().unwrap().path()), &format!("s3://{empty}")]);
    let judged = estate().detect(&[&format!("s3://{empty}/prefix")]);
    assert_eq!(judged.run.code, 2);
    assert!(judged.run.stderr.contains("no flow logs"), "{}", judged.run.stderr);
}

#[test]
fn no_secret_shows_whatever_goes_wrong() {
    let url = bucket("plain");
    let secret = "PLANTEDsecretKEY/0123456789abcdefPLANTED";
    let token = "PLANTEDsessionTOKEN0123456789";
    let faults = vec![Fault::each_once(Effect::Refuse { status: 403, code: "AccessDenied" })];
    let proxy = Proxy::start(&moto(), faults);
    let planted = [
        ("AWS_ENDPOINT_URL", proxy.url()),
        ("AWS_ENDPOINT_URL_KINESIS", kinesis()),
        ("AWS_ACCESS_KEY_ID", "AKIAPLANTEDPLANTED00".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ("AWS_SESSION_TOKEN", token.to_owned()),
        ("RUST_BACKTRACE", "full".to_owned()),
    ];
    let planted = planted.each_ref().map(|(name, value)| (*name, value.as_str()));
    let state = estate().folder().join("secret-state");
    let judged = estate().judge("detect", &[&url, "--state", folder(&state)], &planted);
    assert_eq!(judged.run.code, 2, "access is denied");
    let judged = estate().judge("detect", &[&url, "--state", folder(&state)], &planted);
    let mut shown = vec![judged.run.stdout, judged.run.stderr, judged.findings];
    for entry in fs::read_dir(&state).into_iter().flatten() {
        let bytes = fs::read(entry.unwrap().path()).unwrap_or_default();
        shown.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    for text in shown {
        assert!(!text.contains("PLANTED"), "{text}");
    }
}
