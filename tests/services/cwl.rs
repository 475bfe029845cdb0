//! Log groups of CloudWatch Logs: every event once, whatever happens on the way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ingest::source::SourceError;
use ingest::source::aws::{Aws, AwsOptions};
use ingest::source::cwl::{Cwl, CwlOptions, CwlUrl, GroupLook};
use ingest::source::stream::{Content, Positions, Stream};
use tempfile::TempDir;

use crate::estate::estate;
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
    let kept = estate().detect(&[&url, "--state", "state-of-group"]);
    assert!(kept.run.code == 2 && kept.run.stderr.contains("watch"), "{}", kept.run.stderr);
}
