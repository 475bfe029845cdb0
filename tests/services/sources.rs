//! `tidegate sources check` at the services: what it finds, and which permissions it misses.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::proxy::{Effect, Fault, Proxy};
use crate::stand_ins::{moto, stage, unique_name};

const NAME: &str = "111122223333_vpcflowlogs_us-east-1_fl-0a_20250303T0500Z_ab.log";

fn flow_logs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let line = |n: u32| format!("111122223333 eni-{n} 1740978000 1740978059\n");
    let lines = (0..9).map(line).collect::<Vec<_>>().concat();
    fs::write(folder.path().join(NAME), format!("account-id interface-id start end\n{lines}"))
        .unwrap();
    folder
}

/// Exit code and standard output.
fn check(endpoint: &str, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["sources", "check", "--region", "us-east-1", "--endpoint-url", endpoint])
        .args(arguments)
        .output()
        .unwrap();
    let shown =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), shown)
}

#[track_caller]
fn assert_shows(checked: &(i32, String), code: i32, expected: &[&str]) {
    assert_eq!(checked.0, code, "{}", checked.1);
    for text in expected {
        assert!(checked.1.contains(text), "{text}: {}", checked.1);
    }
}

#[test]
fn a_bucket_is_told_by_its_keys_and_records() {
    let (logs, bucket) = (flow_logs(), unique_name("flow-logs"));
    let url = format!("s3://{bucket}");
    stage(&["s3", logs.path().to_str().unwrap(), &url, "--layout", "hive-hour"]);
    let expected =
        ["hive by hour, text", "111122223333", "fl-0a", "interface-id=eni-0", "60 s", "days ago"];
    assert_shows(&check(&moto(), &[&url]), 0, &expected);
    let deny = || Effect::Refuse { status: 403, code: "AccessDenied" };
    let no_objects = Proxy::start(&moto(), vec![Fault::always(deny()).on_path(".log")]);
    let missing = ["fl-0a", "missing      s3:GetObject", "tidegate sources policy"];
    assert_shows(&check(&no_objects.url(), &[&url]), 3, &missing);
    let nothing = Proxy::start(&moto(), vec![Fault::always(deny())]);
    assert_shows(&check(&nothing.url(), &[&url]), 3, &["missing      s3:ListBucket"]);
}

#[test]
fn a_log_group_is_read_in_the_format_its_flow_log_has() {
    let (logs, group) = (flow_logs(), unique_name("flows"));
    stage(&["cwl", logs.path().to_str().unwrap(), &group]);
    let url = format!("cwl://{group}");
    let described = logs.path().join("flow-logs.json");
    let answer = format!(
        r#"{{"FlowLogs":[{{"FlowLogId":"fl-0a","LogGroupName":"{group}","LogFormat":"${{account-id}} ${{interface-id}} ${{start}} ${{end}}"}}]}}"#
    );
    fs::write(&described, answer).unwrap();
    let with_format = [url.as_str(), "--flow-logs", described.to_str().unwrap()];
    let expected = ["streams      9", "fl-0a", "interface-id=eni-0", "9 records, 0 rejected"];
    assert_shows(&check(&moto(), &with_format), 0, &expected);
    assert_shows(&check(&moto(), &[&url]), 3, &["the default one", "is --log-format the format"]);
    let deny = Effect::Refuse { status: 400, code: "AccessDeniedException" };
    let denied = Proxy::start(&moto(), vec![Fault::always(deny).on_target("FilterLogEvents")]);
    let missing = ["missing      logs:FilterLogEvents", "streams      9"];
    assert_shows(&check(&denied.url(), &with_format), 3, &missing);
}

#[test]
fn a_queue_is_looked_into_and_left_as_it_is() {
    let (logs, bucket, queue) = (flow_logs(), unique_name("flow-logs"), unique_name("told"));
    stage(&["s3-notify", &bucket, &queue]);
    stage(&["s3", logs.path().to_str().unwrap(), &format!("s3://{bucket}"), "--layout", "plain"]);
    let url = format!("sqs://{queue}");
    let expected =
        ["about 2 waiting", "no dead-letter queue", "plain by day", "interface-id=eni-0"];
    assert_shows(&check(&moto(), &[&url]), 0, &expected);
    assert_shows(&check(&moto(), &[&url]), 0, &["about 2 waiting"]);
    assert_shows(&check(&moto(), &["sqs://no-such-queue"]), 3, &["trouble", "GetQueueUrl"]);
}

#[test]
fn without_credentials_nothing_is_asked_again() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let endpoint = ["--region", "us-east-1", "--endpoint-url", &moto()];
    let output = command.args(["sources", "check", "cwl://flows"]).args(endpoint).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_shows(&(output.status.code().unwrap(), shown), 3, &["trouble", "credential"]);
}
