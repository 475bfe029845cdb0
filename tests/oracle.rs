//! SQL over the records as an oracle for the fold: what `activity` says is what an independent engine
//! finds in `flows`.
//!
//! What must hold exactly, whatever the vantage chosen and whoever was taken for the client:
//! - the records of each interface, window and class are those the fold counted, and the ledger's
//!   classes are their sums;
//! - a conversation's records, packets and bytes, both ways, are those one interface recorded between
//!   its two ends: the client's if the client's vantage was chosen, the server's if the server's;
//! - a conversation's rejected attempts are the most that one interface recorded;
//! - every pair of ends that talked in a window, by any interface, is in a conversation of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use datasets::{Format, Options};
use ingest::{DecodeOptions, Reader};
use model::fold::{Aggregator, FoldOptions};
use model::identity::{Directory, IdentityOptions};
use model::settle::{Carried, settle};
use program::logs::small_of;
use program::{run_well, write_dated};
use serde_json::Value;
use tempfile::TempDir;

/// Window, interface, and what kind of record.
type Class = (String, String, String);

/// Window, client, server, port, protocol.
type Key = (String, String, String, u64, u64);

/// Records, packets, bytes.
type Sums = [u64; 3];

/// What one interface recorded between two ends: towards the server's port, and from it.
type Seen = BTreeMap<Key, BTreeMap<String, [Sums; 2]>>;

struct Case {
    folder: TempDir,
    window_secs: i64,
}

impl Case {
    fn new(scenario: &str, format: Format, interval_secs: u32) -> Self {
        let options =
            Options { records: Some(15_000), interval_secs, format, ..small_of(scenario, 1) };
        let (folder, _) = write_dated(&options);
        Self { folder, window_secs: if interval_secs == 60 { 300 } else { 600 } }
    }

    fn ask(&self, sql: &str) -> Vec<Value> {
        self.ask_with(sql, &[])
    }

    /// With every snapshot of who is who.
    fn ask_knowing(&self, sql: &str) -> Vec<Value> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let snapshots: Vec<String> =
            names.filter(|name| name.starts_with("network-interfaces-")).collect();
        let flags: Vec<&str> =
            snapshots.iter().flat_map(|name| ["--inventory", name.as_str()]).collect();
        self.ask_with(sql, &flags)
    }

    fn ask_with(&self, sql: &str, flags: &[&str]) -> Vec<Value> {
        let mut arguments = vec!["query", sql, "AWSLogs", "--output", "json"];
        arguments.extend(flags);
        let run = run_well(self.folder.path(), &arguments);
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The window of a record, in SQL of its own: a record belongs to the window of its end.
    fn window(&self) -> String {
        let secs = self.window_secs;
        format!("to_timestamp_seconds(cast(end as bigint) / {secs} * {secs})")
    }
}

/// Everything that has to hold of one made-up day.
fn agrees(scenario: &str, format: Format, interval_secs: u32) {
    let case = Case::new(scenario, format, interval_secs);
    records_per_window_interface_and_class_are_those_of_the_fold(&case);
    a_conversations_numbers_are_those_its_observer_recorded(&case);
    whoever_talked_is_in_a_conversation(&case);
    rejected_attempts_are_the_most_one_interface_recorded(&case);
}

#[test]
fn on_an_ordinary_day() {
    agrees("shop", Format::V5, 60);
}

#[test]
fn on_an_ordinary_day_of_the_default_format_and_long_intervals() {
    agrees("shop", Format::V2, 600);
}

#[test]
fn on_a_day_with_an_intrusion() {
    agrees("intrusion", Format::V5, 60);
}

#[test]
fn on_a_day_with_an_intrusion_in_the_default_format() {
    agrees("intrusion", Format::V2, 60);
}

#[test]
fn on_a_day_of_a_rolling_deploy() {
    agrees("rolling-deploy", Format::V5, 600);
}

#[test]
fn on_a_day_with_many_rejects() {
    agrees("denied-spike", Format::V5, 60);
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_else(|| panic!("{column} of {row}")).to_owned()
}

/// As an engine says a time and as the other does.
fn time(row: &Value, column: &str) -> String {
    text(row, column).trim_end_matches('Z').to_owned()
}

fn number(row: &Value, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_else(|| panic!("{column} of {row}"))
}

/// Everything in one aggregator, closed at the end.
fn folded(folder: &Path, window_secs: i64) -> (BTreeMap<Class, u64>, ingest::Ledger) {
    let files = ingest::find_files(folder.join("AWSLogs").to_str().unwrap()).unwrap();
    let mut aggregator = Aggregator::new(FoldOptions::new(window_secs));
    let decode = DecodeOptions::of_columns(Aggregator::columns());
    for file in &files {
        let read = Reader::default().read(file, &decode, &mut |batch| aggregator.push(&batch));
        assert!(read.error.is_none());
    }
    let mut directory = Directory::new(IdentityOptions::default());
    let (mut carried, mut ledger) = (Carried::default(), ingest::Ledger::default());
    let mut classes = BTreeMap::new();
    for (start, state) in aggregator.close_all() {
        let activity = settle(
            start,
            window_secs,
            &state,
            &mut carried,
            &mut directory,
            &|_, _, _| false,
            &mut ledger,
        );
        let window = jiff::Timestamp::from_second(start).unwrap().to_string();
        let window = window.trim_end_matches('Z').to_owned();
        for eni in &activity.enis {
            let counts = [
                ("ACCEPT", eni.records.accepted),
                ("REJECT", eni.records.rejected),
                ("NODATA", eni.records.nodata),
                ("SKIPDATA", eni.records.skipdata),
            ];
            for (class, n) in counts.into_iter().filter(|&(_, n)| n > 0) {
                let key = (window.clone(), eni.eni.to_string(), class.to_owned());
                *classes.entry(key).or_default() += n;
            }
        }
    }
    ledger.merge(aggregator.ledger());
    (classes, ledger)
}

fn records_per_window_interface_and_class_are_those_of_the_fold(case: &Case) {
    let sql = format!(
        "select {} as w, interface_id as eni, coalesce(action, log_status) as class, \
             count(*) as n from flows group by 1, 2, 3",
        case.window()
    );
    let found = case.ask(&sql);
    let found: BTreeMap<Class, u64> = found
        .iter()
        .map(|row| ((time(row, "w"), text(row, "eni"), text(row, "class")), number(row, "n")))
        .collect();
    let (classes, ledger) = folded(case.folder.path(), case.window_secs);
    assert!(found.len() > 1000, "{}", found.len());
    assert_eq!(found, classes);
    let of = |wanted: &[&str]| -> u64 {
        let counts = found.iter().filter(|((_, _, class), _)| wanted.contains(&class.as_str()));
        counts.map(|(_, n)| n).sum()
    };
    assert_eq!(of(&["ACCEPT", "REJECT"]), ledger.used + ledger.duplicate);
    assert_eq!(of(&["NODATA"]), ledger.nodata);
    assert_eq!(of(&["SKIPDATA"]), ledger.skipdata);
    assert!(ledger.balances());
}

/// What each interface recorded, by SQL, from either end's port.
fn seen(case: &Case) -> Seen {
    let mut seen = Seen::new();
    let source = "coalesce(pkt_srcaddr, srcaddr)";
    let target = "coalesce(pkt_dstaddr, dstaddr)";
    for (way, client, server, port) in
        [(0, source, target, "dstport"), (1, target, source, "srcport")]
    {
        let sql = format!(
            "select {} as w, interface_id as eni, {client} as client, {server} as server, \
             {port} as port, protocol, count(*) as records, sum(packets) as packets, \
             sum(bytes) as bytes from flows where log_status = 'OK' group by 1, 2, 3, 4, 5, 6",
            case.window()
        );
        for row in case.ask(&sql) {
            let key = key(&row, "w");
            let eni = seen.entry(key).or_default().entry(text(&row, "eni")).or_default();
            eni[way] = ["records", "packets", "bytes"].map(|column| number(&row, column));
        }
    }
    seen
}

fn key(row: &Value, window: &str) -> Key {
    let [client, server] =
        if window == "w" { ["client", "server"] } else { ["client_address", "server_address"] };
    let (client, server) = (text(row, client), text(row, server));
    (time(row, window), client, server, number(row, "port"), number(row, "protocol"))
}

fn a_conversations_numbers_are_those_its_observer_recorded(case: &Case) {
    let seen = seen(case);
    // Without an inventory an interface's address may be a guess, and then whose vantage it is.
    let conversations = case.ask_knowing("select * from activity");
    assert!(conversations.len() > 500, "{}", conversations.len());
    let (mut n_client, mut n_server) = (0, 0);
    for row in &conversations {
        let key = key(row, "window_start");
        let by_eni = seen.get(&key).unwrap_or_else(|| panic!("nobody recorded {row}"));
        let of = |column| number(row, column);
        // The fold does not tell how many records came back.
        let told = (
            [of("records_out"), of("packets_out"), of("bytes_out")],
            [of("packets_in"), of("bytes_in")],
        );
        let numbers = |ways: &[Sums; 2]| (ways[0], [ways[1][1], ways[1][2]]);
        let eni = match row["vantage"].as_str().unwrap() {
            "client" => row["client_eni"].as_str(),
            "server" => row["server_eni"].as_str(),
            _ => None,
        };
        if let Some(eni) = eni {
            let counter = if row["vantage"] == "client" { &mut n_client } else { &mut n_server };
            *counter += 1;
            assert_eq!(by_eni.get(eni).map(numbers), Some(told), "{row}\n{by_eni:?}");
        } else {
            assert!(by_eni.values().any(|ways| numbers(ways) == told), "{row}\n{by_eni:?}");
        }
    }
    assert!(n_client > 100 && n_server > 100, "{n_client} {n_server}");
}

fn whoever_talked_is_in_a_conversation(case: &Case) {
    let talked = case.ask(&format!(
        "select distinct {} as w, coalesce(pkt_srcaddr, srcaddr) as a, \
             coalesce(pkt_dstaddr, dstaddr) as b, protocol from flows where log_status = 'OK'",
        case.window()
    ));
    let conversations = case.ask(
        "select distinct window_start, client_address, server_address, protocol from activity",
    );
    let pair = |window: String, a: String, b: String, protocol: u64| {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        (window, low, high, protocol)
    };
    let talked: BTreeSet<_> = talked
        .iter()
        .map(|row| pair(time(row, "w"), text(row, "a"), text(row, "b"), number(row, "protocol")))
        .collect();
    let told: BTreeSet<_> = conversations
        .iter()
        .map(|row| {
            let (a, b) = (text(row, "client_address"), text(row, "server_address"));
            pair(time(row, "window_start"), a, b, number(row, "protocol"))
        })
        .collect();
    assert_eq!(told.difference(&talked).next(), None, "a conversation nobody recorded");
    assert_eq!(talked.difference(&told).next(), None, "records in no conversation");
}

fn rejected_attempts_are_the_most_one_interface_recorded(case: &Case) {
    let mut n_checked = 0;
    // A record with a SYN is an attempt; of others, a five-tuple.
    let sql = format!(
        "select w, client, server, port, protocol, max(n) as n from (\
               select {} as w, interface_id, coalesce(pkt_srcaddr, srcaddr) as client, \
               coalesce(pkt_dstaddr, dstaddr) as server, dstport as port, protocol, \
               count(*) filter (where tcp_flags & 2 = 2 and protocol = 6) + count(distinct srcport) \
                 filter (where tcp_flags is null or tcp_flags & 2 = 0 or protocol <> 6) as n \
               from flows where action = 'REJECT' group by 1, 2, 3, 4, 5, 6) \
             group by 1, 2, 3, 4, 5",
        case.window()
    );
    let rejected: BTreeMap<Key, u64> =
        case.ask(&sql).iter().map(|row| (key(row, "w"), number(row, "n"))).collect();
    let told =
        case.ask("select * from activity where rejected_at_client > 0 or rejected_at_server > 0");
    for row in &told {
        let told = number(row, "rejected_at_client").max(number(row, "rejected_at_server"));
        assert_eq!(rejected.get(&key(row, "window_start")), Some(&told), "{row}");
        n_checked += 1;
    }
    assert!(n_checked > 100, "{n_checked}");
}
