//! Made-up records for properties: conversations as every interface on their way would log them, in
//! any order, cut into any files.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use ingest::{DecodeOptions, Decoder, Ledger, Limits, Origin};
use model::fold::{Aggregator, FoldOptions};
use model::identity::{Directory, IdentityOptions};
use proptest::prelude::*;

use crate::fixture::{Settled, Settler, T0};

/// A flow log and its header line: one of everything, and one of the first hosts with fewer fields.
const LOGS: [(&str, &str); 2] = [
    (
        "fl-all",
        "interface-id srcaddr srcport dstaddr dstport protocol packets bytes start end action log-status tcp-flags",
    ),
    (
        "fl-few",
        "interface-id srcaddr srcport dstaddr dstport protocol packets bytes start end action log-status",
    ),
];

const TCP: u8 = 6;
const SERVER_PORTS: [u16; 6] = [22, 443, 5432, 9001, 33_000, 51_000];

/// A line of one of [`LOGS`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) end: i64,
    log: usize,
    text: String,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    BegunEarlier,
    RejectedAtClient,
    RejectedAtServer,
    Silent,
}

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) client: u8,
    pub(crate) server: u8,
    pub(crate) client_port: u16,
    pub(crate) port: u16,
    pub(crate) protocol: u8,
    pub(crate) start: i64,
    pub(crate) minutes: u8,
    pub(crate) fate: Fate,
    pub(crate) bytes: u64,
}

/// Hosts 0 to 7 are ours, those from 8 on outside.
const N_OURS: u8 = 8;
const N_HOSTS: u8 = 12;

/// Connections within three hours.
pub(crate) fn talks(n_max: usize) -> impl Strategy<Value = Vec<Talk>> {
    let fate = prop_oneof![
        4 => Just(Fate::Answered),
        2 => Just(Fate::BegunEarlier),
        1 => Just(Fate::RejectedAtClient),
        1 => Just(Fate::RejectedAtServer),
        1 => Just(Fate::Silent),
    ];
    let ends = (0..N_HOSTS, 1..N_HOSTS, 0_u16..4, 0..SERVER_PORTS.len());
    let how = (prop_oneof![3 => Just(TCP), 1 => Just(17), 1 => Just(1)], fate);
    let extent = (0..3 * 3600_i64, 0_u8..12, 1_u64..100_000);
    let talk = (ends, how, extent).prop_map(|(ends, (protocol, fate), (start, minutes, bytes))| {
        let (client, offset, client_port, port) = ends;
        let portless = protocol == 1;
        Talk {
            client,
            server: (client + offset) % N_HOSTS,
            client_port: if portless { 0 } else { 40_000 + client_port },
            port: if portless { 0 } else { SERVER_PORTS[port] },
            protocol,
            start,
            minutes,
            fate,
            bytes,
        }
    });
    prop::collection::vec(talk, 1..n_max)
}

/// A sweep and a beacon, so that there is something to find.
pub(crate) fn attacks() -> Vec<Talk> {
    let talk = |client, server, port, start, fate| Talk {
        client,
        server,
        client_port: 45_000 + u16::try_from(start % 10_000).unwrap(),
        port,
        protocol: TCP,
        start,
        minutes: 0,
        fate,
        bytes: 4000,
    };
    let sweep = (0..30).map(|n| talk(0, 100 + n, 22, 5000 + i64::from(n), Fate::Silent));
    let beacon = (0..40).map(|n| talk(1, 11, 8443, 37 + 270 * n, Fate::Answered));
    sweep.chain(beacon).collect()
}

fn address(host: u8) -> String {
    if (N_OURS..100).contains(&host) {
        format!("203.0.{}.{host}", 113 + host)
    } else {
        format!("10.0.0.{}", host + 1)
    }
}

/// The records of connections, as every flow log has them.
pub(crate) fn lines(talks: &[Talk]) -> Vec<Line> {
    let mut lines: Vec<Line> = talks.iter().flat_map(lines_of).collect();
    let status = |host: u8, at: i64, status: &str| Line {
        log: 0,
        end: T0 + at + 59,
        text: format!("eni-{host} - - - - - - - {} {} - {status}", T0 + at, T0 + at + 59),
    };
    lines.extend((0..6).map(|n| status(7, n * 1800, "NODATA -")));
    lines.push(status(2, 4000, "SKIPDATA -"));
    lines
}

fn lines_of(talk: &Talk) -> Vec<Line> {
    let mut lines = Vec::new();
    for minute in 0..=i64::from(talk.minutes) {
        for observer in [talk.client, talk.server] {
            let at_client = observer == talk.client;
            let is_ours = observer < N_OURS;
            let arrives = talk.fate != Fate::RejectedAtClient;
            if !is_ours || !(at_client || arrives) {
                continue;
            }
            let is_rejected = talk.fate
                == if at_client { Fate::RejectedAtClient } else { Fate::RejectedAtServer };
            lines.extend(records(talk, observer, minute, true, is_rejected));
            if matches!(talk.fate, Fate::Answered | Fate::BegunEarlier) {
                lines.extend(records(talk, observer, minute, false, false));
            }
        }
    }
    lines
}

/// The records of one direction in one minute at one interface, in every flow log that has it.
fn records(talk: &Talk, observer: u8, minute: i64, is_out: bool, is_rejected: bool) -> Vec<Line> {
    let (client, server) = (
        format!("{} {}", address(talk.client), talk.client_port),
        format!("{} {}", address(talk.server), talk.port),
    );
    let ends = if is_out { format!("{client} {server}") } else { format!("{server} {client}") };
    let opens = minute == 0 && talk.fate != Fate::BegunEarlier && talk.protocol == TCP;
    let flags = match (opens, is_out) {
        (true, true) => 2,
        (true, false) => 18,
        (false, _) => 0,
    };
    let start = T0 + talk.start + 60 * minute;
    let end = start + 50;
    // Answers are smaller than what they answer: everybody uploads.
    let bytes = if is_out { talk.bytes } else { talk.bytes / 4 + 60 };
    let packets = bytes / 1000 + 3;
    let action = if is_rejected { "REJECT" } else { "ACCEPT" };
    let protocol = talk.protocol;
    let text =
        format!("eni-{observer} {ends} {protocol} {packets} {bytes} {start} {end} {action} OK");
    let full = Line { log: 0, end, text: format!("{text} {flags}") };
    if observer < 2 { vec![full, Line { log: 1, end, text }] } else { vec![full] }
}

/// Repeatable disorder (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Disorder(pub u64);

impl Disorder {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).unwrap()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// How records come.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) seed: u64,
    pub(crate) n_parts: usize,
    pub(crate) chunk_bytes: usize,
    pub(crate) batch_records: usize,
}

/// Any delivery.
pub(crate) fn deliveries() -> impl Strategy<Value = Delivery> {
    (any::<u64>(), 1..5_usize, 1..5000_usize, 1..100_usize).prop_map(
        |(seed, n_parts, chunk_bytes, batch_records)| Delivery {
            seed,
            n_parts,
            chunk_bytes,
            batch_records,
        },
    )
}

/// In order, in one piece.
pub(crate) const IN_ORDER: Delivery =
    Delivery { seed: 0, n_parts: 1, chunk_bytes: 1 << 20, batch_records: 16_384 };

/// Folds records as they are delivered; also gives what the decoders counted.
pub(crate) fn folded(
    lines: &[Line],
    delivery: &Delivery,
    options: &FoldOptions,
) -> (Aggregator, Ledger) {
    let mut disorder = Disorder(delivery.seed);
    let mut lines = lines.to_vec();
    lines.sort();
    if delivery.seed != 0 {
        disorder.shuffle(&mut lines);
    }
    let mut parts = vec![Vec::new(); delivery.n_parts];
    for line in lines {
        parts[disorder.below(delivery.n_parts)].push(line);
    }
    let mut ledger = Ledger::default();
    let mut whole = Aggregator::new(options.clone());
    for part in parts {
        let mut aggregator = Aggregator::new(options.clone());
        push(&mut aggregator, &part, delivery, &mut ledger);
        whole.merge(aggregator);
    }
    (whole, ledger)
}

/// Pushes lines as one file a flow log.
pub(crate) fn push(
    aggregator: &mut Aggregator,
    lines: &[Line],
    delivery: &Delivery,
    ledger: &mut Ledger,
) {
    let mut files: BTreeMap<usize, String> = BTreeMap::new();
    for line in lines {
        let file = files.entry(line.log).or_insert_with(|| format!("{}\n", LOGS[line.log].1));
        writeln!(file, "{}", line.text).unwrap();
    }
    for (log, text) in files {
        let origin = Origin {
            account: Some("111122223333".to_owned()),
            flow_log_id: Some(LOGS[log].0.to_owned()),
            ..Origin::default()
        };
        let limits = Limits { batch_records: delivery.batch_records, ..Limits::DEFAULT };
        let options = DecodeOptions { limits, ..DecodeOptions::of_columns(Aggregator::columns()) };
        let mut decoder = Decoder::new(Arc::new(origin), options);
        for chunk in text.as_bytes().chunks(delivery.chunk_bytes) {
            decoder.decode(chunk).unwrap();
        }
        decoder.finish().unwrap();
        while let Some(batch) = decoder.take_batch() {
            aggregator.push(&batch);
        }
        ledger.merge(&decoder.tally().ledger);
    }
}

/// Settles records as they are delivered.
pub(crate) fn settled(lines: &[Line], delivery: &Delivery, options: &FoldOptions) -> Settled {
    let (mut aggregator, ledger) = folded(lines, delivery, options);
    let mut settler = Settler::new(Directory::new(IdentityOptions::default()));
    settler.take(aggregator.close_all());
    let mut settled = settler.finish(&aggregator);
    settled.ledger.merge(&ledger);
    settled
}

/// Settles records that come a few at a time, out of order by less than the lateness, windows closing
/// as the watermark passes them.
pub(crate) fn streamed(
    lines: &[Line],
    seed: u64,
    lateness_secs: i64,
    options: &FoldOptions,
) -> Settled {
    let mut disorder = Disorder(seed);
    let lateness = usize::try_from(lateness_secs).unwrap();
    let mut arrivals: Vec<(i64, Line)> = lines
        .iter()
        .map(|line| (line.end + i64::try_from(disorder.below(lateness)).unwrap(), line.clone()))
        .collect();
    arrivals.sort();
    let mut aggregator = Aggregator::new(options.clone());
    let mut settler = Settler::new(Directory::new(IdentityOptions::default()));
    let mut ledger = Ledger::default();
    let mut newest = i64::MIN;
    for batch in arrivals.chunks(1 + disorder.below(50)) {
        let lines: Vec<Line> = batch.iter().map(|(_, line)| line.clone()).collect();
        push(&mut aggregator, &lines, &IN_ORDER, &mut ledger);
        newest = lines.iter().map(|line| line.end).fold(newest, i64::max);
        settler.take(aggregator.close(newest - lateness_secs));
    }
    settler.take(aggregator.close_all());
    let mut settled = settler.finish(&aggregator);
    settled.ledger.merge(&ledger);
    settled
}
