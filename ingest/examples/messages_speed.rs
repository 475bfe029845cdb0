//! Measures decoding messages that are already fetched: `cargo run --release -p ingest --example messages_speed`.
//!
//! Prints records per second of CPU time for envelopes of 100 events, gzip'd as a subscription sends them,
//! and for records that come one by one, as lines and as Firehose's JSON.

#![allow(clippy::print_stdout, reason = "an example's output is its purpose")]
#![allow(clippy::disallowed_methods, reason = "measuring needs a clock")]

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::{DecodeOptions, FieldSet, Messages, Origin};

/// Records per form and round.
const RECORDS: usize = 1_000_000;
const EVENTS_PER_ENVELOPE: usize = 100;
const ROUNDS: usize = 3;

fn main() {
    let envelopes = (0..RECORDS / EVENTS_PER_ENVELOPE).map(envelope).collect::<Vec<_>>();
    measure("envelopes of 100 events", &envelopes, EVENTS_PER_ENVELOPE);
    let lines = (0..RECORDS).map(|n| line(n).into_bytes()).collect::<Vec<_>>();
    measure("single lines", &lines, 1);
    let firehose = (0..RECORDS).map(|n| format!("{{\"message\":\"{}\"}}", line(n)).into_bytes());
    measure("Firehose's JSON", &firehose.collect::<Vec<_>>(), 1);
}

/// Some variety in every value, as real records have.
fn line(n: usize) -> String {
    let (host, port, start) = (n * 7 % 250, 1024 + n * 31 % 60_000, 1_700_000_000 + n / 500);
    format!(
        "2 210987654321 eni-0{:08x} 10.20.{}.{host} 10.20.9.{} {port} 443 6 {} {} {start} {} ACCEPT OK",
        n / EVENTS_PER_ENVELOPE % 40,
        n % 16,
        n % 12,
        n % 40,
        n * 60 % 90_000,
        start + 59,
    )
}

fn envelope(number: usize) -> Vec<u8> {
    let first = number * EVENTS_PER_ENVELOPE;
    let events: Vec<String> = (first..first + EVENTS_PER_ENVELOPE)
        .map(|n| {
            let ms = 1_700_000_000_000 + n;
            format!(
                "{{\"id\":\"3195{ms:013}{n:039}\",\"timestamp\":{ms},\"message\":\"{}\"}}",
                line(n)
            )
        })
        .collect();
    let content = format!(
        "{{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"210987654321\",\"logGroup\":\"flow-logs\",\"logStream\":\"eni-0{number}-all\",\"subscriptionFilters\":[\"f\"],\"logEvents\":[{}]}}",
        events.join(",")
    );
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    let written = encoder.write_all(content.as_bytes()).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn measure(form: &str, messages: &[Vec<u8>], records_each: usize) {
    let n_bytes: usize = messages.iter().map(Vec::len).sum();
    for _ in 0..ROUNDS {
        let origin = Arc::new(Origin { name: "stream".to_owned(), ..Origin::default() });
        let mut decoder = Messages::new(DecodeOptions::of_columns(FieldSet::all()));
        let mut n_records = 0;
        let (clock, before) = (Instant::now(), cpu_secs());
        for message in messages {
            decoder.take(&origin, message);
            n_records += ready(&mut decoder);
        }
        decoder.flush();
        n_records += ready(&mut decoder);
        let wall_secs = clock.elapsed().as_secs_f64();
        let secs = cpu_secs().zip(before).map_or(wall_secs, |(after, before)| after - before);
        assert_eq!(n_records, messages.len() * records_each, "{}", decoder.tally().ledger);
        println!(
            "{form}: {:.2} M records/s, {:.0} ns each, {:.0} MB/s of messages",
            n_records as f64 / 1e6 / secs,
            secs * 1e9 / n_records as f64,
            n_bytes as f64 / 1e6 / secs,
        );
    }
}

fn ready(decoder: &mut Messages) -> usize {
    std::iter::from_fn(|| decoder.take_batch()).map(|batch| batch.n_records()).sum()
}

/// CPU time of this thread where the system tells it, so that other work on the machine does not count.
fn cpu_secs() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: u64 = stat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(nanos as f64 / 1e9)
}
