//! Measures everything of a watch but the fetching: what a service would bring lies in memory, in the
//! forms in which it comes, and goes through decoding, folding, closing and judging.
//!
//! `cargo test --release --features kinesis --bin tidegate -- --ignored --nocapture consumer_speed`

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use datasets::Options;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use ingest::source::SourceError;
use ingest::source::stream::{Content, Delivery, Input, Polled, Positions, Stream};
use ingest::{Origin, find_files};
use tempfile::TempDir;

use super::super::Stop;
use super::super::source::Opened;
use crate::clock;
use crate::commands::watch;
use crate::flags::{Cli, Command};
use crate::sources::Reach;

const RECORDS: u64 = 4_000_000;
const EVENTS_PER_ENVELOPE: usize = 100;
const LINES_PER_MESSAGE: usize = 500;
const INPUTS: usize = 4;
/// What one poll brings of each input, as one answer of a service would.
const POLL_BYTES: usize = 256 << 10;
const ROUNDS: usize = 3;

/// How a message carries lines.
type Form = fn(number: usize, lines: &[&str]) -> Vec<u8>;

#[test]
#[ignore = "a measurement; benches/README.md says how it is made"]
fn consumer_speed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { records: Some(RECORDS), ..Options::new("bench") };
    datasets::write(folder.path(), &options).unwrap();
    let lines = lines(&folder.path().join("AWSLogs"));
    assert_eq!(lines.lines().count() as u64, RECORDS);
    let forms: [(&str, usize, Form); 3] = [
        ("gzip'd envelopes of 100 events", EVENTS_PER_ENVELOPE, envelope),
        ("messages of 500 lines", LINES_PER_MESSAGE, |_, lines| lines.join("\n").into_bytes()),
        ("single lines", 1, |_, lines| lines.concat().into_bytes()),
    ];
    for (name, n_lines, form) in forms {
        let lines: Vec<&str> = lines.lines().collect();
        let messages = lines.chunks(n_lines).enumerate().map(|(number, lines)| form(number, lines));
        let made = Arc::new(messages.collect::<Vec<_>>());
        drop(lines);
        for _ in 0..ROUNDS {
            measure(&folder, name, &made, &[]);
        }
        let state = folder.path().join("state").display().to_string();
        measure(&folder, &format!("{name}, with a state"), &made, &["--state", &state, "--final"]);
        fs::remove_dir_all(state).unwrap();
    }
}

/// Every record, in the order of the files' times, without header lines.
fn lines(folder: &Path) -> String {
    let mut files = find_files(folder.to_str().unwrap()).unwrap();
    files.sort_by_key(|file| file.origin.time);
    let mut lines = String::new();
    for file in files {
        let mut text = String::new();
        let bytes = fs::read(file.place.path().unwrap()).unwrap();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        lines.push_str(text.split_once('\n').unwrap().1);
    }
    lines
}

/// As a subscription sends it.
fn envelope(number: usize, lines: &[&str]) -> Vec<u8> {
    let event = |(at, line): (usize, &&str)| {
        let (id, ms) = (number * EVENTS_PER_ENVELOPE + at, 1_740_960_000_000 + number);
        format!(r#"{{"id":"3195{ms:013}{id:039}","timestamp":{ms},"message":"{line}"}}"#)
    };
    let events: Vec<String> = lines.iter().enumerate().map(event).collect();
    let content = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"111122223333","logGroup":"flow-logs","logStream":"eni-{:04}-all","subscriptionFilters":["f"],"logEvents":[{}]}}"#,
        number % 400,
        events.join(",")
    );
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn measure(folder: &TempDir, name: &str, made: &Arc<Vec<Vec<u8>>>, more: &[&str]) {
    let at = |name: &str| folder.path().join(name).display().to_string();
    let fixed = ["tidegate", "watch", "-", "--inventory", &at("network-interfaces.json")];
    let rest = ["--inventory-time", "2025-03-03", "--interval", "60", "--top", "0"];
    let files = ["--findings", &at("told.jsonl"), "--listen", "off"];
    let arguments = fixed.iter().chain(&rest).chain(&files).chain(more);
    let Command::Watch(args) = Cli::parse_from(arguments).command else { panic!() };
    let open = |_, _: &Positions| {
        let stream = Box::new(Prepared::new(made));
        Ok(Opened { stream, reach: Reach::default() })
    };
    let _ = fs::remove_file(at("told.jsonl"));
    let held_mib = memory_mib("VmRSS:");
    // The peak is counted from here on.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let (begun, cpu_before) = (clock::now(), cpu_secs());
    watch::on_stream(&args, &open, &Stop::default()).unwrap();
    let (secs, cpu) = (begun.elapsed().as_secs_f64(), cpu_secs() - cpu_before);
    let n_told = fs::read_to_string(at("told.jsonl")).unwrap().lines().count();
    println!(
        "{name}: {:.2} M records/s, {secs:.2} s, CPU {cpu:.2} s ({:.0} ns a record), peak {} MiB over \
         the {held_mib} MiB that lay ready, {n_told} findings",
        RECORDS as f64 / 1e6 / secs,
        cpu * 1e9 / RECORDS as f64,
        memory_mib("VmHWM:").saturating_sub(held_mib),
    );
}

/// CPU time of all threads so far, those that ended included. The kernel counts hundredths.
fn cpu_secs() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks = after_name.split_ascii_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn memory_mib(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let text = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    text.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Messages dealt out to inputs in turn, and brought as an answer of a service would bring them.
struct Prepared {
    made: Arc<Vec<Vec<u8>>>,
    left: BTreeMap<Arc<str>, VecDeque<usize>>,
    origin: Arc<Origin>,
}

impl Prepared {
    fn new(made: &Arc<Vec<Vec<u8>>>) -> Self {
        let queue = |input: usize| (input..made.len()).step_by(INPUTS).collect();
        let left = (0..INPUTS).map(|input| (format!("shard-{input}").into(), queue(input)));
        let origin = Origin { name: "stream".to_owned(), ..Origin::default() };
        Self { made: Arc::clone(made), left: left.collect(), origin: Arc::new(origin) }
    }
}

impl Stream for Prepared {
    fn poll(&mut self, _: Duration) -> Result<Polled, SourceError> {
        let mut polled = Polled::default();
        for (input, left) in &mut self.left {
            let mut n_bytes = 0;
            while n_bytes < POLL_BYTES
                && let Some(next) = left.pop_front()
            {
                let bytes = self.made[next].clone();
                n_bytes += bytes.len();
                let content = Content::Bytes { origin: Arc::clone(&self.origin), bytes };
                polled.deliveries.push(Delivery { input: Arc::clone(input), content });
            }
            polled.inputs.push(Input {
                name: Arc::clone(input),
                behind_ms: Some(1),
                is_answered: true,
            });
        }
        polled.ended = self.left.values().all(VecDeque::is_empty);
        Ok(polled)
    }

    fn positions(&self) -> Positions {
        self.left.keys().map(|input| (input.to_string(), String::new())).collect()
    }

    fn saved(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}
