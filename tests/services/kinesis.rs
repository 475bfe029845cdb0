//! Kinesis streams are read whole: over a split and a merge, through faults, after restarts, by polling and by
//! enhanced fan-out.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ingest::source::aws::{Aws, AwsOptions};
use ingest::source::kinesis::{Kinesis, KinesisOptions, KinesisReading, KinesisStart, KinesisUrl};
use ingest::source::stream::{Content, Polled, Positions, Stream};
use ingest::{DecodeOptions, Field, FieldSet, FlowBatch, Ledger, Messages};
use serde_json::Value;
use tempfile::TempDir;

use crate::proxy::{Effect, Fault, Proxy};
use crate::stand_ins::{kinesis, stage, unique_name};

/// Each has its number as its count of packets.
const RECORDS: u64 = 3000;
const INTERFACES: u64 = 40;
/// 2025-03-03T05:00:00Z.
const BEGIN_SECS: u64 = 1_740_978_000;
const WAIT: Duration = Duration::from_secs(2);
/// Polls in a row that bring nothing before a stream that lacks records has failed to bring them.
const EMPTY_POLLS_MAX: u32 = 20;

/// A file of records, first to last in time.
fn flow_logs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let record = |n: u64| {
        let (interface, start) = (n % INTERFACES, BEGIN_SECS + n / 10);
        format!(
            "2 111122223333 eni-{interface:08x} 10.0.0.{interface} 10.0.1.1 40000 443 6 {n} 4000 {start} {} ACCEPT OK\n",
            start + 59
        )
    };
    let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n";
    let text: String = std::iter::once(header.to_owned()).chain((0..RECORDS).map(record)).collect();
    let name = "111122223333_vpcflowlogs_us-east-1_fl-0a_20250303T0500Z_ab.log";
    fs::write(folder.path().join(name), text).unwrap();
    folder
}

/// Puts the records into a new stream of four shards, one of which is split and two of which are merged.
fn put(form: &str, more: &[&str]) -> (String, Value) {
    let (logs, stream) = (flow_logs(), unique_name("stream"));
    let folder = logs.path().to_str().unwrap();
    let arguments = ["kinesis", folder, &stream, "--form", form, "--per-record", "20"];
    let changes = ["--split-at", "0.3", "--merge-at", "0.6"];
    let put = stage(&[&arguments[..], &changes, more].concat());
    (stream, put)
}

fn polling(start: KinesisStart) -> KinesisOptions {
    KinesisOptions { start, reading: KinesisReading::Polling }
}

fn open(endpoint: &str, stream: &str, options: KinesisOptions) -> Kinesis {
    let endpoint_url = Some(endpoint.to_owned());
    let aws = Aws::new(AwsOptions { endpoint_url, ..AwsOptions::default() }).unwrap();
    let url = KinesisUrl::parse(&format!("kinesis://{stream}")).unwrap().unwrap();
    Kinesis::open(&aws, &url, options).unwrap()
}

/// What came of a stream.
struct Reader {
    messages: Messages,
    /// Numbers of records by interface, in the order in which they came.
    numbers: BTreeMap<String, Vec<u64>>,
    retries: BTreeMap<&'static str, u64>,
}

impl Reader {
    fn new() -> Self {
        let messages = Messages::new(DecodeOptions::of_columns(FieldSet::all()));
        Self { messages, numbers: BTreeMap::new(), retries: BTreeMap::new() }
    }

    fn take(&mut self, polled: Polled) {
        for delivery in polled.deliveries {
            let Content::Bytes { origin, bytes } = delivery.content else { panic!("no object") };
            self.messages.take(&origin, &bytes);
        }
        for (reason, n) in polled.retries {
            *self.retries.entry(reason).or_default() += n;
        }
        self.messages.flush();
        while let Some(batch) = self.messages.take_batch() {
            self.note(&batch);
        }
    }

    fn note(&mut self, batch: &FlowBatch) {
        let interfaces = batch.text(Field::InterfaceId).unwrap();
        let packets = batch.count(Field::Packets).unwrap();
        for (row, number) in packets.values().iter().enumerate() {
            let interface = interfaces.get(row).unwrap().to_owned();
            self.numbers.entry(interface).or_default().push(*number);
        }
    }

    fn n_records(&self) -> u64 {
        self.numbers.values().map(|numbers| numbers.len() as u64).sum()
    }

    /// Polls until there are so many records.
    fn read_until(&mut self, stream: &mut dyn Stream, n_records: u64) {
        let mut n_empty = 0;
        while self.n_records() < n_records && n_empty < EMPTY_POLLS_MAX {
            let polled = stream.poll(WAIT).unwrap();
            n_empty = if polled.deliveries.is_empty() { n_empty + 1 } else { 0 };
            self.take(polled);
        }
    }

    /// Reads all there is, and looks a little longer for what should not be there.
    fn read_all(&mut self, stream: &mut dyn Stream) {
        self.read_until(stream, RECORDS);
        self.take(stream.poll(WAIT).unwrap());
        self.take(stream.poll(WAIT).unwrap());
    }

    #[track_caller]
    fn assert_each_record_once(&self) {
        let mut numbers: Vec<u64> = self.numbers.values().flatten().copied().collect();
        numbers.sort_unstable();
        let expected: Vec<u64> = (0..RECORDS).collect();
        assert_eq!(numbers.len(), expected.len(), "{}", self.ledger());
        assert_eq!(numbers, expected);
    }

    fn ledger(&self) -> &Ledger {
        &self.messages.tally().ledger
    }
}

#[test]
fn every_form_comes_once_over_a_split_and_a_merge() {
    for form in ["mixed", "kpl"] {
        let (stream, put) = put(form, &["--redeliver", "0.3"]);
        let mut kinesis = open(&kinesis(), &stream, polling(KinesisStart::TrimHorizon));
        let mut reader = Reader::new();
        reader.read_all(&mut kinesis);
        reader.assert_each_record_once();
        let is_redelivered = put["redelivered"].as_u64().unwrap() > 0;
        assert_eq!(reader.ledger().duplicate > 0, is_redelivered, "{form}");
        assert_eq!(reader.ledger().control, u64::from(form == "mixed"));
        assert_eq!(reader.ledger().rejected_total(), 0);
        assert_eq!(form == "mixed", is_redelivered, "the test tests something");
        let finished = kinesis.positions().values().filter(|at| *at == "SHARD_END").count();
        assert_eq!(finished, 3, "one shard was split, two were merged");
        let inputs = kinesis.poll(Duration::ZERO).unwrap().inputs;
        assert_eq!(inputs.len(), 4);
        assert!(inputs.iter().all(|input| input.behind_ms == Some(0)), "{inputs:?}");
    }
}

#[test]
fn records_of_a_key_come_in_order() {
    let (stream, _) = put("lines", &[]);
    let mut reader = Reader::new();
    reader.read_all(&mut open(&kinesis(), &stream, polling(KinesisStart::TrimHorizon)));
    reader.assert_each_record_once();
    for (interface, numbers) in &reader.numbers {
        assert!(numbers.is_sorted(), "{interface}: {numbers:?}");
    }
}

#[test]
fn saved_positions_give_exactly_the_rest() {
    let (stream, _) = put("lines", &[]);
    let mut reader = Reader::new();
    let mut positions = Positions::new();
    // Each reader lives for one poll that brings something; what it read ahead is not handed out.
    for _ in 0..100 {
        let mut kinesis = open(&kinesis(), &stream, polling(KinesisStart::Saved(positions)));
        reader.read_until(&mut kinesis, (reader.n_records() + 1).min(RECORDS));
        positions = kinesis.positions();
        kinesis.saved().unwrap();
        if reader.n_records() == RECORDS {
            break;
        }
    }
    let mut kinesis = open(&kinesis(), &stream, polling(KinesisStart::Saved(positions)));
    reader.read_all(&mut kinesis);
    reader.assert_each_record_once();
    for (interface, numbers) in &reader.numbers {
        assert!(numbers.is_sorted(), "{interface}: {numbers:?}");
    }
}

#[test]
fn fan_out_gives_what_polling_gives() {
    let (stream, _) = put("lines", &[]);
    let fan_out = KinesisReading::FanOut { consumer: "tidegate".to_owned() };
    let options = |start| KinesisOptions { start, reading: fan_out.clone() };
    let mut first = open(&kinesis(), &stream, options(KinesisStart::TrimHorizon));
    let mut reader = Reader::new();
    reader.read_until(&mut first, RECORDS / 3);
    let positions = first.positions();
    first.deregister().unwrap();
    // Registered anew, since the first took its consumer away with it.
    let mut second = open(&kinesis(), &stream, options(KinesisStart::Saved(positions)));
    reader.read_all(&mut second);
    reader.assert_each_record_once();
    for (interface, numbers) in &reader.numbers {
        assert!(numbers.is_sorted(), "{interface}: {numbers:?}");
    }
}

#[test]
fn faults_cost_no_record_and_are_counted() {
    let (stream, _) = put("lines", &[]);
    let expired = Effect::Refuse { status: 400, code: "ExpiredIteratorException" };
    let faults = vec![
        Fault::nth(3, expired).on_target("GetRecords"),
        Fault::share(0.2, 7, Effect::Throttle).on_target("GetRecords"),
        Fault::share(0.1, 9, Effect::LoseAnswer).on_target("GetRecords"),
        Fault::each_once(Effect::Fail { status: 500 }).on_target("GetShardIterator"),
        Fault::once(Effect::Throttle).on_target("ListShards"),
    ];
    let proxy = Proxy::start(&kinesis(), faults);
    let mut kinesis = open(&proxy.url(), &stream, polling(KinesisStart::TrimHorizon));
    let mut reader = Reader::new();
    reader.read_all(&mut kinesis);
    reader.assert_each_record_once();
    let reasons: Vec<_> = reader.retries.keys().copied().collect();
    assert_eq!(reasons, ["expired", "failed", "throttled"]);
    for (interface, numbers) in &reader.numbers {
        assert!(numbers.is_sorted(), "{interface}: {numbers:?}");
    }
}

#[test]
fn a_time_to_begin_at_holds_over_a_restart() {
    let (stream, _) = put("lines", &[]);
    std::thread::sleep(Duration::from_millis(50));
    #[allow(
        clippy::disallowed_methods,
        reason = "the stand-in stamps records with the time of day"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(now.as_millis()).unwrap();
    let mut kinesis_now = open(&kinesis(), &stream, polling(KinesisStart::At(now_ms)));
    assert_eq!(kinesis_now.poll(WAIT).unwrap().deliveries.len(), 0, "all records came before");
    let positions = kinesis_now.positions();
    assert_eq!(positions.len(), 7, "{positions:?}");
    drop(kinesis_now);
    // Every record once more, into shards that brought nothing so far.
    let logs = flow_logs();
    stage(&["kinesis", logs.path().to_str().unwrap(), &stream, "--form", "lines"]);
    let mut reader = Reader::new();
    let mut kinesis = open(&kinesis(), &stream, polling(KinesisStart::Saved(positions)));
    reader.read_all(&mut kinesis);
    reader.assert_each_record_once();
}

#[test]
fn what_cannot_be_read_is_told() {
    let aws = AwsOptions { endpoint_url: Some(kinesis()), ..AwsOptions::default() };
    let aws = Aws::new(AwsOptions { attempts_max: Some(2), ..aws }).unwrap();
    let url = KinesisUrl::parse("kinesis://no-such-stream").unwrap().unwrap();
    let open = |start| Kinesis::open(&aws, &url, polling(start)).unwrap_err().to_string();
    let error = open(KinesisStart::TrimHorizon);
    assert!(error.starts_with("kinesis://no-such-stream: ListShards failed: "), "{error}");
    let positions = [("shardId-0".to_owned(), "LATEST".to_owned())].into_iter().collect();
    let error = open(KinesisStart::Saved(positions));
    assert_eq!(
        error,
        "kinesis://no-such-stream: the saved position of shard shardId-0 is none: LATEST"
    );
}

#[test]
fn a_shard_that_is_held_brings_nothing_until_it_is_let_go() {
    for reading in [KinesisReading::Polling, KinesisReading::FanOut { consumer: "held".to_owned() }]
    {
        let (logs, stream) = (flow_logs(), unique_name("stream"));
        let folder = logs.path().to_str().unwrap();
        stage(&["kinesis", folder, &stream, "--form", "lines", "--per-record", "20"]);
        let options = KinesisOptions { start: KinesisStart::TrimHorizon, reading };
        let mut kinesis = open(&kinesis(), &stream, options);
        let inputs = kinesis.poll(Duration::ZERO).unwrap().inputs;
        assert!(inputs.len() > 1, "{inputs:?}");
        kinesis.hold(&[inputs[0].name.clone()]);
        // What was read before it was held.
        let mut n_before = 0;
        let mut reader = Reader::new();
        for n in 0..8 {
            let polled = kinesis.poll(Duration::from_millis(500)).unwrap();
            let of_held = polled.deliveries.iter().filter(|d| d.input == inputs[0].name).count();
            assert!(n < 2 || of_held == 0, "a held shard brought {of_held} in poll {n}");
            n_before += of_held;
            reader.take(polled);
        }
        let n_without = reader.n_records();
        assert!(n_without > 0 && (n_before > 0 || n_without < RECORDS), "{n_without}");
        kinesis.hold(&[]);
        reader.read_until(&mut kinesis, RECORDS);
        assert_eq!(reader.n_records(), RECORDS);
        kinesis.deregister().unwrap();
    }
}
