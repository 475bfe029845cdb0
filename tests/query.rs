//! `tidegate query`: counts that are known, files that are not opened, outputs, functions and errors.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use program::logs::quiet_day;
use program::{Run, run_in, run_well};
use serde_json::Value;
use tempfile::TempDir;

/// 2025-03-03T00:00:00Z.
const T0: i64 = 1_740_960_000;
const FILE_SECS: i64 = 300;
const FILES_PER_REGION: i64 = 12;

/// An hour of two regions, a file per five minutes, each with an accepted and a rejected record.
fn bucket() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (region, net) in [("eu-west-3", 1), ("us-east-1", 2)] {
        let day = format!("AWSLogs/111122223333/vpcflowlogs/{region}/2025/03/03");
        fs::create_dir_all(folder.path().join(&day)).unwrap();
        for number in 0..FILES_PER_REGION {
            let from = T0 + number * FILE_SECS;
            let stamp = jiff::Timestamp::from_second(from).unwrap().strftime("%Y%m%dT%H%MZ");
            let mut text = String::from(
                "account-id region interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
            );
            let own = format!("111122223333 {region} eni-{net}");
            let times = format!("{} {}", from + 60, from + 119);
            let (a, b) = (format!("10.{net}.0.5"), format!("10.{net}.1.9"));
            writeln!(
                text,
                "{own} {a} {b} {} 443 6 4 {} {times} ACCEPT OK",
                40_000 + number,
                100 + number
            )
            .unwrap();
            writeln!(text, "{own} 203.0.113.77 {a} 50000 22 6 1 60 {times} REJECT OK").unwrap();
            let name = format!("111122223333_vpcflowlogs_{region}_fl-0a_{stamp}_{number:08x}.log");
            fs::write(folder.path().join(&day).join(name), text).unwrap();
        }
    }
    folder
}

fn ask(folder: &Path, sql: &str, more: &[&str]) -> Run {
    let mut arguments = vec!["query", sql, "AWSLogs", "--output", "json"];
    arguments.extend(more);
    run_in(folder, &arguments)
}

fn rows(run: &Run) -> Vec<Value> {
    assert_eq!(run.code, 0, "{}", run.stderr);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The only row of an answer.
fn row(folder: &Path, sql: &str) -> Value {
    let rows = rows(&ask(folder, sql, &[]));
    assert_eq!(rows.len(), 1, "{sql}");
    rows[0].clone()
}

#[test]
fn known_counts_are_found() {
    let folder = bucket();
    let all = row(
        folder.path(),
        "select count(*) as n, sum(bytes) as bytes, count(distinct srcaddr) as sources, \
         min(start) as first, max(end) as last from flows",
    );
    assert_eq!(all["n"], 48);
    assert_eq!(all["bytes"], 2 * (12 * 100 + 66) + 24 * 60);
    assert_eq!(all["sources"], 3);
    assert_eq!(all["first"], "2025-03-03T00:01:00Z");
    assert_eq!(all["last"], "2025-03-03T00:56:59Z");
    let run = ask(
        folder.path(),
        "select region, action, dstport, count(*) as n from flows group by 1, 2, 3 order by 1, 2",
        &[],
    );
    let found: Vec<String> = rows(&run).iter().map(Value::to_string).collect();
    assert_eq!(
        found,
        [
            ("eu-west-3", "ACCEPT", 443),
            ("eu-west-3", "REJECT", 22),
            ("us-east-1", "ACCEPT", 443),
            ("us-east-1", "REJECT", 22)
        ]
        .map(|(region, action, port)| {
            format!(
                "{{\"action\":\"{action}\",\"dstport\":{port},\"n\":12,\"region\":\"{region}\"}}"
            )
        })
    );
    assert!(run.stderr.contains("ledger: 48 records = 48 used"), "{}", run.stderr);
}

#[test]
fn a_made_up_day_has_as_many_records_as_were_made() {
    let folder = tempfile::tempdir().unwrap();
    let summary = datasets::write(folder.path(), &quiet_day()).unwrap();
    let counted = row(
        folder.path(),
        "select count(*) as n, count(distinct file) as files, count(bytes) as traffic, \
         count(*) filter (where log_status <> 'OK') as silent from flows",
    );
    assert_eq!(counted["n"], summary.records);
    assert_eq!(counted["files"], summary.files);
    assert_eq!(
        counted["traffic"].as_u64().unwrap() + counted["silent"].as_u64().unwrap(),
        summary.records
    );
}

/// How many files a query opened, as it says.
fn n_read(run: &Run) -> u64 {
    let line = run.stderr.lines().find(|line| line.starts_with("flows: ")).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn files_outside_are_not_opened() {
    let folder = bucket();
    // Whoever opens one of these fails: eight files are damaged, early ones and late ones.
    let day = folder.path().join("AWSLogs/111122223333/vpcflowlogs/eu-west-3/2025/03/03");
    let mut files: Vec<_> = fs::read_dir(&day).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files[..4].iter().chain(&files[8..]) {
        fs::write(file, b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage").unwrap();
    }
    assert_eq!(ask(folder.path(), "select count(*) from flows", &[]).code, 3);
    // Asked by every column that a name tells something of, and each way of comparing.
    for (condition, n_files, n_rows) in [
        ("region = 'us-east-1'", 12, 24),
        ("file_region in ('us-east-1', 'ap-south-1')", 12, 24),
        ("region = 'ap-south-1'", 0, 0),
        ("file_account = '999999999999'", 0, 0),
        ("end between '2025-03-03T00:26:00Z' and '2025-03-03T00:32:00Z'", 4, 8),
        ("end >= '2025-03-03T00:26:00' and end < '2025-03-03T00:32:00'", 4, 8),
        (
            "timestamp '2025-03-03T00:26:00Z' <= end and start < '2025-03-03T00:31:30Z' and file_time < '2025-03-03T00:40:00Z'",
            6,
            8,
        ),
        ("file_time = '2025-03-03T00:30:00Z'", 2, 4),
        ("file_time = '2025-03-03T00:30:00Z' and region = 'eu-west-3'", 1, 2),
        (
            "(file_time = '2025-03-03T00:30:00Z' or file_time = '2025-03-03T00:35:00Z') and bytes > 0",
            4,
            8,
        ),
    ] {
        let sql = format!("select count(*) as n from flows where {condition}");
        let run = ask(folder.path(), &sql, &["--lateness", "0s"]);
        let n = rows(&run)[0]["n"].as_u64().unwrap();
        assert_eq!((n_read(&run), n), (n_files, n_rows), "{condition}\n{}", run.stderr);
    }
    // The flags leave out files as the conditions do.
    let flags =
        ["--lateness", "0s", "--since", "2025-03-03T00:26:00Z", "--until", "2025-03-03T00:31:00Z"];
    let run = ask(folder.path(), "select count(*) as n from flows", &flags);
    assert_eq!(rows(&run)[0]["n"], 4);
    assert_eq!(n_read(&run), 4);
    assert!(run.stderr.contains("8 records = 4 used + 4 outside the time range"), "{}", run.stderr);
}

#[test]
fn leaving_files_out_changes_no_answer() {
    let folder = bucket();
    for condition in [
        "end >= '2025-03-03T00:26:59Z'",
        "end < '2025-03-03T00:26:59Z'",
        "start = '2025-03-03T00:31:00Z'",
        "start <= '2025-03-03T00:31:00Z' and region <> 'eu-west-3'",
        "not (end < '2025-03-03T00:30:00Z')",
        "end < '2025-03-03T00:10:00Z' or bytes = 110",
        "region = 'eu-west-3' or dstport = 22",
    ] {
        let of = |condition: &str| {
            let sql = format!(
                "select count(*) as n, sum(bytes) as b, count(distinct file) as f from flows where {condition}"
            );
            row(folder.path(), &sql)
        };
        // No name of a file tells anything of what `coalesce` gives.
        let hidden = condition
            .replace("end ", "coalesce(end, start) ")
            .replace("start ", "coalesce(start, start) ")
            .replace("region", "coalesce(region, '')");
        assert_eq!(of(condition), of(&hidden), "{condition}");
    }
}

#[test]
fn outputs_hold_the_same_rows() {
    let folder = bucket();
    let sql = "select srcaddr, dstport, bytes, \"end\" from flows where region = 'eu-west-3' \
               and action = 'ACCEPT' order by end limit 2";
    let with = |more: &[&str]| {
        let mut arguments = vec!["query", sql, "AWSLogs"];
        arguments.extend(more);
        run_well(folder.path(), &arguments).stdout
    };
    assert_eq!(
        with(&["--output", "csv"]),
        "srcaddr,dstport,bytes,end\n10.1.0.5,443,100,2025-03-03T00:01:59Z\n10.1.0.5,443,101,2025-03-03T00:06:59Z\n"
    );
    assert_eq!(
        with(&[]),
        "srcaddr   dstport  bytes  end\n\
         --------  -------  -----  --------------------\n\
         10.1.0.5      443    100  2025-03-03T00:01:59Z\n\
         10.1.0.5      443    101  2025-03-03T00:06:59Z\n"
    );
    let json = with(&["--output", "json"]);
    assert_eq!(
        json.lines().next().unwrap(),
        r#"{"srcaddr":"10.1.0.5","dstport":443,"bytes":100,"end":"2025-03-03T00:01:59Z"}"#
    );
    assert_eq!(with(&["--output", "json", "--out", "rows.jsonl"]), "");
    assert_eq!(fs::read_to_string(folder.path().join("rows.jsonl")).unwrap(), json);
    with(&["--output", "parquet", "--out", "rows.parquet"]);
    let file = fs::File::open(folder.path().join("rows.parquet")).unwrap();
    let reader =
        datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
    let n: usize = reader.unwrap().build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(n, 2);
    let refused = run_in(folder.path(), &["query", sql, "AWSLogs", "--output", "parquet"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--out"), "{}", refused.stderr);
}

#[test]
fn max_rows_cuts_and_says_so() {
    let folder = bucket();
    let run = ask(folder.path(), "select bytes from flows", &["--max-rows", "5"]);
    assert_eq!(rows(&run).len(), 5);
    assert!(run.stderr.contains("only the first 5 rows"), "{}", run.stderr);
    let run = ask(folder.path(), "select bytes from flows", &["--max-rows", "48"]);
    assert_eq!(rows(&run).len(), 48);
    assert!(!run.stderr.contains("only the first"), "{}", run.stderr);
    let limited = ask(folder.path(), "select bytes from flows limit 3", &[]);
    assert_eq!(rows(&limited).len(), 3);
}

#[test]
fn hostile_text_is_harmless_in_every_output() {
    let folder = tempfile::tempdir().unwrap();
    let header = "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status instance-tag\n";
    let line = |tag: &str| {
        format!("eni-1 10.0.0.1 10.0.0.2 40000 443 6 1 60 {T0} {} ACCEPT OK {tag}\n", T0 + 9)
    };
    let tags = ["=cmd|'/C", "+1", "-1", "@SUM(A1)", "a,\"b\"", "\u{1b}[31mred", "x\u{202e}y"];
    let text: String = tags.iter().map(|tag| line(tag)).collect();
    fs::create_dir(folder.path().join("AWSLogs")).unwrap();
    fs::write(folder.path().join("AWSLogs/f.log"), format!("{header}{text}")).unwrap();
    let sql = "select instance_tag, -1 as number from flows";
    let with = |output: &str| {
        run_well(folder.path(), &["query", sql, "AWSLogs", "--output", output]).stdout
    };
    for output in ["table", "csv", "json"] {
        let text = with(output);
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{output}: {text:?}");
    }
    let csv = with("csv");
    for escaped in ["'=cmd|'/C,-1", "'+1,-1", "'-1,-1", "'@SUM(A1),-1", "\"a,\"\"b\"\"\",-1"] {
        assert!(csv.lines().any(|line| line == escaped), "{escaped}\n{csv}");
    }
    let json: Vec<Value> =
        with("json").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json[5]["instance_tag"], tags[5], "JSON loses nothing");
}

#[test]
fn functions_work_on_columns() {
    let folder = bucket();
    let n = row(
        folder.path(),
        "select count(*) filter (where cidr_contains('10.0.0.0/8', srcaddr)) as inside, \
         count(*) filter (where cidr_contains('10.2.0.0/16', srcaddr)) as us, \
         count(distinct prefix24(srcaddr)) as nets, \
         count(*) filter (where service_of(srcaddr) = srcaddr) as unnamed from flows",
    );
    assert_eq!((&n["inside"], &n["us"], &n["nets"]), (&24.into(), &12.into(), &3.into()));
    assert_eq!(n["unnamed"], 48, "nothing names anybody");
    let labels = "rules:\n  - match: { cidr: 10.1.0.0/16 }\n    service: shop\nnetworks:\n  - { cidr: 203.0.113.0/24, name: partner }\n";
    fs::write(folder.path().join("labels.yaml"), labels).unwrap();
    let run = ask(
        folder.path(),
        "select service_of(srcaddr, end) as s, count(*) as n from flows group by 1 order by 1",
        &["--labels", "labels.yaml"],
    );
    let found: Vec<_> = rows(&run)
        .iter()
        .map(|row| (row["s"].as_str().unwrap().to_owned(), row["n"].clone()))
        .collect();
    let expected = [("10.2.0.5", 12), ("partner", 24), ("shop", 12)];
    assert_eq!(found, expected.map(|(name, n)| (name.to_owned(), n.into())));
}

#[test]
fn an_inventory_names_services() {
    let folder = tempfile::tempdir().unwrap();
    datasets::write(folder.path(), &quiet_day()).unwrap();
    let sql = "select service_of(server_address) as given, service_of(server_address, window_start) \
               as then, server, count(*) as n from activity where server_inside \
               and server not like 'i-%' group by 1, 2, 3";
    let run = ask(folder.path(), sql, &["--inventory", "network-interfaces.json"]);
    let rows = rows(&run);
    assert!(rows.len() >= 10, "{}", run.stdout);
    for row in rows {
        assert_eq!(row["given"], row["server"], "{row}");
        assert_eq!(row["then"], row["server"], "{row}");
    }
}

#[test]
fn activity_baseline_and_findings_are_tables() {
    let folder = bucket();
    let activity = "select client, server, port, sum(attempts) as attempts, sum(bytes_out) as bytes, \
                    min(verdict) as verdict from activity group by 1, 2, 3 order by 1, 2";
    let run = ask(folder.path(), activity, &[]);
    let found = rows(&run);
    assert_eq!(found.len(), 4, "{}", run.stdout);
    assert_eq!(found[0]["client"], "10.1.0.5");
    assert_eq!(found[0]["bytes"], 12 * 100 + 66);
    assert_eq!(found[0]["verdict"], "accept");
    assert_eq!(found[2]["verdict"], "reject");
    assert_eq!(found[2]["attempts"], 12);
    assert!(run.stderr.contains("ledger: 48 records = 48 used"), "{}", run.stderr);
    run_well(folder.path(), &["learn", "AWSLogs", "--baseline", "b.parquet"]);
    let edges = "select peer, port, connections from baseline where service = '10.1.0.5' \
                 and direction = 'outbound'";
    let run =
        run_well(folder.path(), &["query", edges, "--baseline", "b.parquet", "--output", "csv"]);
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
    assert!(run.stdout.contains("svc:10.1.1.9,443,12"), "{}", run.stdout);
    run_well(folder.path(), &["detect", "AWSLogs", "--findings", "f.jsonl"]);
    let count =
        "select (select count(*) from findings) as f, (select count(*) from deviations) as d";
    let run =
        run_well(folder.path(), &["query", count, "--findings", "f.jsonl", "--output", "json"]);
    let told = program::findings(&folder.path().join("f.jsonl"));
    let n_deviations: usize =
        told.iter().map(|finding| finding["deviations"].as_array().unwrap().len()).sum();
    assert_eq!(run.stdout.trim(), format!("{{\"f\":{},\"d\":{n_deviations}}}", told.len()));
}

#[test]
fn errors_say_what_there_is() {
    let folder = bucket();
    let said = |sql: &str| {
        let run = ask(folder.path(), sql, &[]);
        assert_eq!(run.code, 2, "{sql}\n{}", run.stdout);
        assert!(run.stdout.is_empty());
        run.stderr
    };
    for sql in ["select nothing from flows", "select * from flow", "selct 1", "select foo(1)"] {
        let text = said(sql);
        assert!(text.contains("pkt_dstaddr") && text.contains("activity:"), "{sql}\n{text}");
        assert!(text.contains("findings and deviations: give --findings"), "{text}");
        assert!(text.contains("cidr_contains(cidr, address)"), "{text}");
    }
    assert!(said("select nothing from flows").contains("nothing"));
    // It only looks.
    for sql in [
        "create table t as select 1",
        "copy (select 1) to 'x.parquet'",
        "create external table t stored as parquet location '/'",
        "insert into flows select * from flows",
        "set datafusion.execution.batch_size = 1",
        "drop table flows",
    ] {
        said(sql);
        assert!(!folder.path().join("x.parquet").exists());
    }
    assert!(
        said("select cidr_contains('10.0.0.0/64', srcaddr) from flows").contains("10.0.0.0/64")
    );
    assert_eq!(run_in(folder.path(), &["query", "select 1"]).code, 2, "nothing to ask");
    assert_eq!(run_in(folder.path(), &["query", "select 1", "nowhere"]).code, 2);
}

#[test]
fn what_cannot_be_read_is_named_and_counted() {
    let folder = bucket();
    let day = folder.path().join("AWSLogs/111122223333/vpcflowlogs/eu-west-3/2025/03/03");
    fs::write(day.join("broken.log.gz"), b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage")
        .unwrap();
    let odd = "srcaddr dstaddr start end\n10.0.0.1 10.0.0.2 1740960000 1740960060\nnot-an-address 10.0.0.2 1740960000 1740960060\n";
    fs::write(day.join("odd.log"), odd).unwrap();
    let run = ask(folder.path(), "select srcaddr from flows", &[]);
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 49);
    assert!(run.stderr.contains("could not read") && run.stderr.contains("broken.log.gz"));
    assert!(
        run.stderr.contains("50 records = 49 used + 1 rejected (bad-address 1)"),
        "{}",
        run.stderr
    );
    // Read twice, counted once.
    let twice = ask(
        folder.path(),
        "select count(*) from flows a join flows b on a.srcaddr = b.srcaddr",
        &[],
    );
    assert!(twice.stderr.contains("50 records = 49 used"), "{}", twice.stderr);
}

#[test]
fn tables_can_be_described() {
    let folder = bucket();
    let run = run_well(folder.path(), &["query", "describe flows", "AWSLogs", "--output", "csv"]);
    assert!(run.stdout.contains("srcaddr,Utf8View,YES"), "{}", run.stdout);
    assert!(run.stderr.is_empty() || !run.stderr.contains("ledger"), "{}", run.stderr);
    let run = run_well(folder.path(), &["query", "show tables", "AWSLogs", "--output", "csv"]);
    assert!(run.stdout.contains("activity"), "{}", run.stdout);
    let help = run_well(folder.path(), &["query", "--help"]).stdout;
    assert!(help.contains("Examples:") && help.contains("service_of"), "{help}");
}
