//! The bench itself holds: the stand-ins give back what was laid into them, through the proxy too.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::proxy::{Effect, Fault, Proxy};
use crate::stand_ins::{kinesis, moto, stage, stage_at, unique_name};

/// Interfaces, and records of each in a file.
const INTERFACES: u32 = 40;
const RECORDS_PER_FILE: u32 = 12;
/// 2025-03-03T05:00:00Z, the time of the first file.
const BEGIN_SECS: u32 = 1_740_978_000;
const FILES: u32 = 6;
const RECORDS: u32 = FILES * INTERFACES * RECORDS_PER_FILE;

/// Half an hour of text flow logs, named as AWS names them.
fn flow_logs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..FILES {
        let name = format!("111122223333_vpcflowlogs_us-east-1_fl-0a_20250303T05{:02}Z", file * 5);
        let text: String =
            std::iter::once("version account-id interface-id start end\n".to_owned())
                .chain((0..INTERFACES * RECORDS_PER_FILE).map(|n| line(file, n)))
                .collect();
        fs::write(folder.path().join(format!("{name}_ab.log")), text).unwrap();
    }
    folder
}

fn line(file: u32, record: u32) -> String {
    let start = BEGIN_SECS + file * 300 + record % 300;
    format!("2 111122223333 eni-{:02x} {start} {}\n", record % INTERFACES, start + 59)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn objects_come_back_through_a_failing_proxy() {
    let logs = flow_logs();
    let fail = Effect::Fail { status: 503 };
    let proxy = Proxy::start(&moto(), vec![Fault::each_once(fail).on_path("/flow-logs")]);
    let url = format!("s3://{}/a prefix", unique_name("flow-logs"));
    let through = |arguments: &[&str]| stage_at(&proxy.url(), &kinesis(), arguments);
    let put = through(&["s3", path(logs.path()), &url, "--layout", "hive-hour"]);
    assert_eq!(put["objects"], FILES);
    let listed = through(&["s3-list", &url]);
    assert_eq!(listed["count"], FILES);
    let key = listed["objects"][0]["key"].as_str().unwrap();
    assert!(key.starts_with("a prefix/AWSLogs/aws-account-id=111122223333/"), "{key}");
    assert!(key.contains("/year=2025/month=03/day=03/hour=05/"), "{key}");
    let copy = logs.path().join("copy");
    let bucket = url.split('/').nth(2).unwrap();
    through(&["s3-get", &format!("s3://{bucket}/{key}"), path(&copy)]);
    let original: PathBuf = logs.path().join(key.rsplit('/').next().unwrap());
    assert_eq!(fs::read(copy).unwrap(), fs::read(original).unwrap());
    // The bucket, each upload, the listing and the download failed once each.
    assert_eq!(proxy.injected(), u64::from(FILES) + 3);
    assert_eq!(proxy.requests() as u64, 2 * proxy.injected());
}

#[test]
fn a_queue_hears_of_objects_on_every_way() {
    let logs = flow_logs();
    // S3 sends a test event to what it notifies itself.
    for (via, test_events) in [("sqs", 1), ("sns", 1), ("sns-raw", 1), ("eventbridge", 0)] {
        let (bucket, queue) = (unique_name("flow-logs"), unique_name("told"));
        stage(&["s3-notify", &bucket, &queue, "--via", via]);
        stage(&["s3", path(logs.path()), &format!("s3://{bucket}")]);
        let state = stage(&["sqs-state", &queue]);
        assert_eq!(state["waiting"], FILES + test_events, "{via}");
    }
}

#[test]
fn log_events_come_back_page_by_page() {
    let logs = flow_logs();
    let group = unique_name("group");
    let put = stage(&["cwl", path(logs.path()), &group]);
    assert_eq!((&put["records"], &put["streams"]), (&Value::from(RECORDS), &INTERFACES.into()));
    let read = stage(&["cwl-read", &group]);
    assert_eq!((&read["digest"], &read["records"]), (&put["digest"], &put["records"]));
    assert_eq!(read["event_ids"], RECORDS);
    assert_ne!(read["empty_pages"], 0, "CloudWatch Logs gives empty pages, so the stand-in has to");
    let one = stage(&["cwl-read", &group, "--stream-prefix", "eni-00"]);
    assert_eq!(one["records"], RECORDS / INTERFACES);
}

#[test]
fn a_stream_holds_all_records_over_a_split_and_a_merge() {
    let logs = flow_logs();
    let proxy =
        Proxy::start(&kinesis(), vec![Fault::once(Effect::Throttle).on_target("PutRecords")]);
    for form in ["envelope", "firehose", "lines", "kpl", "mixed"] {
        let stream = unique_name("stream");
        let changes = ["--split-at", "0.3", "--merge-at", "0.6", "--redeliver", "0.2"];
        let arguments =
            ["kinesis", path(logs.path()), &stream, "--form", form, "--per-record", "20"];
        let put = stage_at(&moto(), &proxy.url(), &[&arguments[..], &changes].concat());
        let read = stage(&["kinesis-read", &stream]);
        assert_eq!(
            (&read["digest"], &read["records"]),
            (&put["digest"], &RECORDS.into()),
            "{form}"
        );
        let shards: Vec<_> = read["shards"].as_object().unwrap().values().collect();
        let with = |wanted: &dyn Fn(&Value) -> bool| {
            shards.iter().filter(|shard| wanted(shard) && shard["lines"] != 0).count()
        };
        assert_eq!(with(&|shard| shard["closed"] == true), 3, "{form}: one split, two merged");
        let children = with(&|shard| shard["parents"].as_array().unwrap().len() == 1);
        assert!((1..=2).contains(&children), "{form}: records go on after the split");
        assert_eq!(with(&|shard| shard["parents"].as_array().unwrap().len() == 2), 1, "{form}");
    }
    assert_eq!(proxy.injected(), 1);
}
