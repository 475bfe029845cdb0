//! Log groups of CloudWatch Logs: every event once, whatever happens on the way.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use ingest::Reader;
use ingest::source::SourceError;
use ingest::source::aws::{Aws, AwsOptions};
use ingest::source::cwl::{Cwl, CwlOptions, CwlUrl, GroupLook, LogGroup};
use ingest::source::stream::{Content, Positions, Stream};
use tempfile::TempDir;

use crate::estate::estate;
use crate::program::run_with;
use crate::proxy::{Effect, Fault, Proxy};
use crate::stand_ins::{moto, stage, unique_name};

const INTERFACES: u32 = 6;
/// 2025-03-03T05:00:00Z
const BEGIN_SECS: u32 = 1_740_978_000;

/// Lines, and how often each came.
type Lines = BTreeMap<String, u32>;

fn line(minute: u32, interface: u32, what: &str) -> String {
    let start = BEGIN_SECS + minute * 60;
    format!("{what} eni-{interface:02x} {start} {}", start + 59)
}

/// A file with a record of each interface for each minute, put into a group.
fn put(group: &str, minutes: std::ops::Range<u32>, what: &str) -> Lines {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let lines: Lines = minutes
        .flat_map(|minute| (0..INTERFACES).map(move |interface| (minute, interface)))
        .map(|(minute, interface)| (line(minute, interface, what), 1))
        .collect();
    let name = "111122223333_vpcflowlogs_us-east-1_fl-0a_20250303T0500Z_ab.log";
    let text: Vec<&str> = ["account-id interface-id start end"]
        .into_iter()
        .chain(lines.keys().map(String::as_str))
        .collect();
    fs::write(folder.path().join(name), text.join("\n") + "\n").unwrap();
    put_folder(folder.path(), group);
    lines
}

fn put_folder(folder: &Path, group: &str) {
    stage(&["cwl", folder.to_str().unwrap(), group]);
}

fn aws(endpoint: &str) -> Aws {
    let endpoint_url = Some(endpoint.to_owned());
    let region = Some("us-east-1".to_owned());
    Aws::new(AwsOptions { endpoint_url, region, ..AwsOptions::default() }).unwrap()
}

fn quick() -> CwlOptions {
    CwlOptions {
        requests_per_second: 200.0,
        pause: Duration::from_millis(10),
        ..CwlOptions::default()
    }
}

fn open(endpoint: &str, url: &str, options: CwlOptions, positions: &Positions) -> Cwl {
    let url = CwlUrl::parse(url).unwrap().unwrap();
    Cwl::open(&aws(endpoint), &url, options, positions).unwrap()
}

const WAIT: Duration = Duration::from_secs(20);

/// What one poll brings, added to `lines`; says whether the stream has ended or is idle.
fn poll(cwl: &mut Cwl, lines: &mut Lines, retries: &mut BTreeMap<&'static str, u64>) -> bool {
    let polled = cwl.poll(WAIT).unwrap();
    for delivery in polled.deliveries {
        let Content::Bytes { origin, bytes } = delivery.content else { panic!("no objects here") };
        let stream = origin.name.rsplit(':').next().unwrap().to_owned();
        assert_eq!(origin.region.as_deref(), Some("us-east-1"));
        for line in String::from_utf8(bytes).unwrap().lines() {
            let interface = line.split(' ').nth(1).unwrap();
            assert_eq!(stream, format!("{interface}-all"), "each stream by itself");
            *lines.entry(line.to_owned()).or_default() += 1;
        }
    }
    for (reason, n) in polled.retries {
        *retries.entry(reason).or_default() += n;
    }
    polled.ended || polled.inputs.iter().all(|input| input.behind_ms == Some(0))
}

/// Polls to the end of a sweep.
fn sweep(cwl: &mut Cwl, lines: &mut Lines) -> BTreeMap<&'static str, u64> {
    let mut retries = BTreeMap::new();
    while !poll(cwl, lines, &mut retries) {}
    retries
}

#[test]
fn every_event_comes_once_over_empty_pages_and_late_ones() {
    let group = unique_name("/vpc/flows");
    let mut expected = put(&group, 0..40, "first");
    let url = format!("cwl://{group}");
    let mut cwl = open(&moto(), &url, quick(), &Positions::new());
    let mut lines = Lines::new();
    sweep(&mut cwl, &mut lines);
    assert_eq!(lines, expected);
    // Late by 15 minutes, and on time; the rest of the overlap is read again.
    expected.extend(put(&group, 25..45, "late"));
    sweep(&mut cwl, &mut lines);
    sweep(&mut cwl, &mut lines);
    assert_eq!(lines, expected);
}

#[test]
fn a_saved_position_brings_nothing_twice_wherever_reading_stopped() {
    let group = unique_name("flows");
    let mut expected = put(&group, 0..30, "first");
    let url = format!("cwl://{group}");
    let (mut lines, mut positions) = (Lines::new(), Positions::new());
    // Stopped after each poll, mostly in the middle of a sweep.
    for _ in 0..8 {
        let mut cwl = open(&moto(), &url, quick(), &positions);
        poll(&mut cwl, &mut lines, &mut BTreeMap::new());
        positions = cwl.positions();
    }
    expected.extend(put(&group, 20..50, "late"));
    let mut cwl = open(&moto(), &url, quick(), &positions);
    sweep(&mut cwl, &mut lines);
    assert_eq!(lines, expected);
}

#[test]
fn a_range_is_read_to_its_end_both_bounds_as_meant() {
    let group = unique_name("flows");
    put(&group, 0..30, "first");
    let at = |minute: u32| i64::from(BEGIN_SECS + minute * 60) * 1000;
    let options = CwlOptions { since_ms: Some(at(10)), until_ms: Some(at(20)), ..quick() };
    let mut cwl = open(&moto(), &format!("cwl://{group}"), options, &Positions::new());
    let mut lines = Lines::new();
    sweep(&mut cwl, &mut lines);
    let expected: Lines = (10..20)
        .flat_map(|minute| (0..INTERFACES).map(move |one| (line(minute, one, "first"), 1)))
        .collect();
    assert_eq!(lines, expected);
    let after = cwl.poll(WAIT).unwrap();
    assert!(after.ended && after.deliveries.is_empty() && after.inputs.is_empty());
}

#[test]
fn where_the_name_of_the_group_ends_is_found_out() {
    let group = unique_name("vpc/flows");
    put(&group, 0..3, "first");
    for url in [format!("cwl://{group}/eni-02"), format!("cwl://{group}:eni-02")] {
        let mut cwl = open(&moto(), &url, quick(), &Positions::new());
        let mut lines = Lines::new();
        sweep(&mut cwl, &mut lines);
        assert_eq!(lines.len(), 3, "{url}");
    }
    let parsed = CwlUrl::parse(&format!("cwl://{group}")).unwrap().unwrap();
    let (found, look) = GroupLook::take(&aws(&moto()), &parsed).unwrap();
    assert_eq!((found.group, look.streams.len()), (group, INTERFACES as usize));
}

#[test]
fn no_such_group_says_so() {
    let mut cwl = open(&moto(), "cwl://no/such/group", quick(), &Positions::new());
    let error = (0..9).find_map(|_| cwl.poll(WAIT).err()).unwrap();
    let SourceError::Request { operation, detail, .. } = error else { panic!("{error}") };
    assert_eq!(operation, "FilterLogEvents");
    assert!(detail.contains("ResourceNotFoundException"), "{detail}");
}

#[test]
fn a_throttled_broken_and_forgetful_service_is_asked_again() {
    let group = unique_name("flows");
    let expected = put(&group, 0..40, "first");
    let on = |fault: Fault| fault.on_target("FilterLogEvents");
    let lost_token = Effect::Refuse { status: 400, code: "InvalidParameterException" };
    let faults = vec![
        on(Fault::nth(1, Effect::Throttle)),
        on(Fault::nth(1, Effect::Fail { status: 500 })),
        // Each counts what those before it let pass: the second page, and the sweep begun anew.
        on(Fault::nth(2, lost_token)),
        on(Fault::nth(2, Effect::LoseAnswer)),
    ];
    let proxy = Proxy::start(&moto(), faults);
    let mut cwl = open(&proxy.url(), &format!("cwl://{group}"), quick(), &Positions::new());
    let mut lines = Lines::new();
    let retries = sweep(&mut cwl, &mut lines);
    assert_eq!(lines, expected);
    for reason in ["throttled", "service error", "expired token", "broken connection"] {
        assert_eq!(retries.get(reason), Some(&1), "{reason}: {retries:?}");
    }
}

#[test]
fn slices_hold_each_event_once_and_are_found_by_any_name() {
    let group = unique_name("vpc/flows");
    put(&group, 0..40, "first");
    let on = |fault: Fault| fault.on_target("FilterLogEvents");
    let faults = vec![on(Fault::nth(2, Effect::Throttle)), on(Fault::nth(5, Effect::LoseAnswer))];
    let proxy = Proxy::start(&moto(), faults);
    let secs = |minute: u32| i64::from(BEGIN_SECS + minute * 60);
    let all = |minutes: std::ops::Range<u32>, interfaces: std::ops::Range<u32>| -> Vec<String> {
        let of_minute = |minute| interfaces.clone().map(move |one| line(minute, one, "first"));
        minutes.flat_map(of_minute).collect()
    };
    // A record that starts eleven minutes before may end in the range.
    for (url, since, expected) in [
        (format!("cwl://{group}"), None, all(0..35, 0..INTERFACES)),
        (format!("cwl://{group}/eni-02"), Some(secs(26)), all(15..35, 2..3)),
    ] {
        let url = CwlUrl::parse(&url).unwrap().unwrap();
        let group = LogGroup::find(&aws(&proxy.url()), &url, since, secs(35), quick()).unwrap();
        let files = group.files().to_vec();
        assert!(files.len() > 1 && files.is_sorted_by_key(|file| file.origin.time), "{files:?}");
        let reader = Reader::default().with_groups(&[group].into());
        let mut lines = Vec::new();
        for file in &files {
            let mut text = String::new();
            reader.open(file).unwrap().read_to_string(&mut text).unwrap();
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.sort();
        let mut expected = expected;
        expected.sort();
        assert_eq!(lines, expected, "{url}");
    }
}

#[test]
fn a_baseline_is_learned_from_a_group_and_asked_in_sql() {
    let group = unique_name("group");
    let put = stage(&["cwl", &estate().logs(), &group]);
    let (url, format) = (format!("cwl://{group}"), put["format"].as_str().unwrap());
    let form = ["--log-format", format, "--cwl-requests", "200"];
    let range = ["--since", "2025-03-03T04:00:00Z", "--until", "2025-03-03T08:00:00Z"];
    let learned = |source: &str, form: &[&str]| {
        let baseline = unique_name("baseline");
        let learn = ["learn", source, "--baseline", &baseline];
        let run = estate().run(&[&learn[..], form, &range].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
        let inspect = ["baseline", "inspect", &baseline];
        let inspected = run_with(estate().folder(), &inspect, &[]).stdout;
        // What was read and lies outside the range depends on how it is cut.
        let told = inspected.lines().filter(|line| !line.starts_with("ledger"));
        told.map(str::to_owned).collect::<Vec<_>>()
    };
    let from_files = learned("AWSLogs", &[]);
    assert!(from_files.len() > 3, "{from_files:?}");
    assert_eq!(learned(&url, &form), from_files);
    let counted = |source: &str, form: &[&str]| {
        let sql = "select count(*) from flows where \"end\" >= '2025-03-03T05:00:00Z'";
        let query = ["query", sql, source, "--output", "csv"];
        estate().run(&[&query[..], form, &range].concat()).stdout
    };
    assert_eq!(counted(&url, &form), counted("AWSLogs", &[]));
}

#[test]
fn a_refusal_names_the_permission() {
    let group = unique_name("flows");
    let denied = Effect::Refuse { status: 400, code: "AccessDeniedException" };
    let proxy = Proxy::start(&moto(), vec![Fault::always(denied)]);
    let mut cwl = open(&proxy.url(), &format!("cwl://{group}"), quick(), &Positions::new());
    assert_eq!(cwl.poll(WAIT).unwrap_err().denied(), Some("FilterLogEvents"));
}

#[test]
fn detect_over_a_stretch_of_a_group_tells_what_files_tell() {
    let group = unique_name("group");
    let put = stage(&["cwl", &estate().logs(), &group]);
    let described = serde_json::json!({"FlowLogs": [{
        "FlowLogId": "fl-1", "LogGroupName": group, "LogFormat": put["format"],
        "MaxAggregationInterval": 60,
    }]});
    let saved = estate().folder().join(format!("{group}.flow-logs"));
    fs::write(&saved, described.to_string()).unwrap();
    let url = format!("cwl://{group}");
    let range = ["--since", "2025-03-04T04:00:00Z", "--until", "2025-03-04T10:00:00Z"];
    let files = estate().detect_well(&[&["AWSLogs"][..], &range].concat());
    assert!(files.findings.lines().count() > 0, "nothing to compare");
    let told = ["--flow-logs", saved.to_str().unwrap()];
    let judged = estate().detect_well(&[&[url.as_str()][..], &range, &told].concat());
    assert!(judged.findings == files.findings, "other findings\n{}", judged.run.stderr);
    let format = ["--log-format", put["format"].as_str().unwrap()];
    let judged = estate().detect_well(&[&[url.as_str()][..], &range, &format].concat());
    assert!(judged.findings == files.findings, "other findings\n{}", judged.run.stderr);
    let past = [&range[..], &format, &["--learn", "0s", "--cwl-requests", "200"]].concat();
    let dry = estate().run(&[&["backfill", url.as_str(), "--dry-run"][..], &past].concat());
    for part in ["25 to judge", "records   about", "25 FilterLogEvents"] {
        assert!(dry.stdout.contains(part), "{part}: {}{}", dry.stdout, dry.stderr);
    }
    let judged = estate().judge("backfill", &[&[url.as_str()][..], &past].concat(), &[]);
    assert!(judged.findings == files.findings, "other findings\n{}", judged.run.stderr);
    let kept = estate().detect(&[&url, "--state", "state-of-group"]);
    assert!(kept.run.code == 2 && kept.run.stderr.contains("watch"), "{}", kept.run.stderr);
}
