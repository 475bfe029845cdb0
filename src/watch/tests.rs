//! The loop on streams that are made up: whatever the way records come in, the findings file has the
//! bytes that `detect` writes for the same records in files.

mod speed;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use datasets::Options;
use flate2::read::GzDecoder;
use ingest::source::SourceError;
use ingest::source::stream::{Content, Delivery, Input, Polled, Positions, Stream};
use ingest::{Field, LogFile, Origin, Place, find_files};
use tempfile::TempDir;

use super::Stop;
use super::source::Opened;
use crate::commands::{detect, watch};
use crate::flags::{Cli, Command};
use crate::sources::Reach;

/// Numbers that look random, the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// A morning of the made-up shop, and what `detect` says of it.
struct Made {
    folder: TempDir,
    expected: String,
}

/// By the input that brings it, in order.
type Queues = BTreeMap<Arc<str>, Vec<Delivery>>;

impl Made {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { services: 12, days: 1, seed, ..Options::new("intrusion") };
        datasets::write(folder.path(), &options).unwrap();
        let mut made = Self { folder, expected: String::new() };
        let arguments = made.arguments("detect", "AWSLogs", "expected.jsonl", &[]);
        let Command::Detect(args) = Cli::parse_from(arguments).command else { panic!() };
        detect::run(&args).unwrap();
        made.expected = made.read("expected.jsonl");
        assert!(made.expected.lines().count() > 1, "too little to compare");
        made
    }

    fn arguments(&self, command: &str, source: &str, told: &str, more: &[&str]) -> Vec<String> {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let fixed =
            ["tidegate", command, &at(source), "--inventory", &at("network-interfaces.json")];
        let rest = ["--inventory-time", "2025-03-03", "--warmup", "1h", "--top", "0"];
        let files = ["--findings", &at(told)];
        let all = fixed.iter().chain(&rest).chain(&files).chain(more);
        all.map(|&argument| argument.to_owned()).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Watches a stream over these queues; panics where the stream does.
    fn watch(&self, queues: &Queues, faults: &Arc<Faults>, more: &[&str]) -> Result<()> {
        let state = self.folder.path().join("state").display().to_string();
        let more: Vec<&str> =
            more.iter().map(|&text| if text == "STATE" { state.as_str() } else { text }).collect();
        let fixed = ["--listen", "off"];
        let arguments = self.arguments("watch", "-", "told.jsonl", &[&fixed[..], &more].concat());
        let Command::Watch(args) = Cli::parse_from(arguments).command else { panic!() };
        let open = |_, positions: &Positions| {
            let stream = Fake::new(queues.clone(), positions, Arc::clone(faults));
            Ok(Opened { stream: Box::new(stream), reach: Reach::default() })
        };
        watch::on_stream(&args, &open, &Stop::default()).map(drop)
    }

    /// All records in pieces, brought by so many inputs, out of order by less than the lateness.
    fn queues(&self, n_inputs: usize, random: &mut Random) -> Queues {
        let mut pieces = Vec::new();
        for file in find_files(self.folder.path().join("AWSLogs").to_str().unwrap()).unwrap() {
            let mut text = String::new();
            let bytes = fs::read(file.place.path().unwrap()).unwrap();
            GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
            cut(&text, &file.origin, random, &mut pieces);
        }
        pieces.sort_by_key(|&(time, _)| time);
        let mut queues = Queues::new();
        for (_, (origin, bytes)) in pieces {
            let input: Arc<str> = format!("shard-{}", random.below(n_inputs)).into();
            let content = Content::Bytes { origin, bytes };
            let delivery = Delivery { input: Arc::clone(&input), content };
            queues.entry(input).or_default().push(delivery);
        }
        queues
    }
}

type Piece = (i64, (Arc<Origin>, Vec<u8>));

/// Cuts a file into messages, each with the header, and the time at which it is published.
fn cut(text: &str, origin: &Arc<Origin>, random: &mut Random, pieces: &mut Vec<Piece>) {
    let (header, rest) = text.split_once('\n').unwrap();
    let end_at = header.split(' ').position(|name| name == Field::End.name()).unwrap();
    let lines: Vec<&str> = rest.lines().collect();
    let mut lines = &lines[..];
    while !lines.is_empty() {
        let (mine, later) = lines.split_at((1 + random.below(300)).min(lines.len()));
        lines = later;
        let end = |line: &&str| line.split(' ').nth(end_at).unwrap().parse::<i64>().unwrap();
        let newest = mine.iter().map(end).max().unwrap();
        let delay = i64::try_from(random.below(600)).unwrap();
        let message = format!("{header}\n{}\n", mine.join("\n")).into_bytes();
        pieces.push((newest + delay, (Arc::clone(origin), message)));
    }
}

/// What goes wrong in a stream, counted over all that are opened.
#[derive(Default)]
struct Faults {
    n_polls: AtomicUsize,
    /// At this poll the process is as good as killed.
    dies_at: AtomicUsize,
    /// At this poll the service fails for good.
    fails_at: AtomicUsize,
    n_saved: AtomicUsize,
    /// Objects handed back, and how often had been saved before.
    unread: Mutex<Vec<(Place, usize)>>,
}

struct Fake {
    queues: Queues,
    at: BTreeMap<Arc<str>, usize>,
    held: Vec<Arc<str>>,
    random: Random,
    faults: Arc<Faults>,
}

impl Fake {
    fn new(queues: Queues, positions: &Positions, faults: Arc<Faults>) -> Self {
        let position = |input: &Arc<str>| {
            let at = positions.get(&**input).map_or(0, |at| at.parse().unwrap());
            (Arc::clone(input), at)
        };
        let at = queues.keys().map(position).collect();
        let random = Random(faults.n_polls.load(Ordering::Relaxed) as u64);
        Self { queues, at, held: Vec::new(), random, faults }
    }
}

impl Stream for Fake {
    fn poll(&mut self, _: Duration) -> Result<Polled, SourceError> {
        let n_polls = self.faults.n_polls.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(n_polls != self.faults.dies_at.load(Ordering::Relaxed), "killed");
        if n_polls == self.faults.fails_at.load(Ordering::Relaxed) {
            let (place, detail) = ("fake://".to_owned(), "gone".to_owned());
            return Err(SourceError::Refused { place, detail });
        }
        let mut polled = Polled::default();
        for (input, queue) in &self.queues {
            let at = self.at.get_mut(input).unwrap();
            if !self.held.contains(input) {
                let n = self.random.below(12).min(queue.len() - *at);
                polled.deliveries.extend(queue[*at..*at + n].iter().cloned());
                *at += n;
            }
            let behind_ms = Some(u64::try_from(queue.len() - *at).unwrap());
            polled.inputs.push(Input { name: Arc::clone(input), behind_ms, is_answered: true });
        }
        // One that never has anything.
        polled.inputs.push(Input { name: "idle".into(), behind_ms: Some(0), is_answered: true });
        polled.ended = self.queues.iter().all(|(input, queue)| self.at[input] == queue.len());
        Ok(polled)
    }

    fn positions(&self) -> Positions {
        self.at.iter().map(|(input, at)| (input.to_string(), at.to_string())).collect()
    }

    fn saved(&mut self) -> Result<(), SourceError> {
        self.faults.n_saved.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn unread(&mut self, object: &LogFile) {
        let n_saved = self.faults.n_saved.load(Ordering::Relaxed);
        self.faults.unread.lock().unwrap().push((object.place.clone(), n_saved));
    }

    fn hold(&mut self, inputs: &[Arc<str>]) {
        self.held = inputs.to_vec();
    }
}

/// Says where two files differ, for the whole of them is long.
#[track_caller]
fn assert_same(expected: &str, told: &str) {
    for (a, b) in expected.lines().zip(told.lines()) {
        let at = a.bytes().zip(b.bytes()).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
        let from = at.saturating_sub(100);
        let around = |text: &str| text.get(from..(at + 150).min(text.len())).map(str::to_owned);
        assert!(a == b, "differ at {at}:\n{:?}\n{:?}", around(a), around(b));
    }
    assert_eq!(expected.lines().count(), told.lines().count(), "number of findings");
    assert!(expected == told);
}

#[test]
fn a_stream_tells_what_files_tell_whatever_the_order() {
    let made = Made::new(1);
    for (seed, n_inputs) in [(1, 1), (2, 3), (3, 7)] {
        let queues = made.queues(n_inputs, &mut Random(seed));
        made.watch(&queues, &Arc::default(), &["--idle", "0s"]).unwrap();
        assert_same(&made.expected, &made.read("told.jsonl"));
        fs::remove_file(made.folder.path().join("told.jsonl")).unwrap();
    }
}

#[test]
fn a_watch_that_is_killed_again_and_again_tells_the_same() {
    let made = Made::new(2);
    let mut random = Random(5);
    let queues = made.queues(3, &mut random);
    let faults = Arc::new(Faults::default());
    let saving = ["--state", "STATE", "--final", "--save-every", "0s"];
    let options = [&saving[..], &["--idle", "0s", "--interval", "60"]].concat();
    let mut n_killed = 0;
    loop {
        let dies_at = faults.n_polls.load(Ordering::Relaxed) + 3 + random.below(16);
        faults.dies_at.store(dies_at, Ordering::Relaxed);
        let run = catch_unwind(AssertUnwindSafe(|| made.watch(&queues, &faults, &options)));
        match run {
            Ok(ended) => break ended.unwrap(),
            Err(_) => n_killed += 1,
        }
        // The last line may be half written.
        let told = made.folder.path().join("told.jsonl");
        let file = fs::OpenOptions::new().create(true).append(true).open(told).unwrap();
        if n_killed % 3 == 0 {
            write!(&file, "{{\"schema\":\"cut").unwrap();
        }
    }
    assert!(n_killed > 2, "too few kills: {n_killed}");
    assert_same(&made.expected, &made.read("told.jsonl"));
}

/// A suppression that comes between two runs ends what was told in the first.
#[test]
fn what_is_hidden_after_it_was_told_is_over() {
    let made = Made::new(1);
    let queues = made.queues(2, &mut Random(4));
    let options = ["--state", "STATE", "--idle", "0s"];
    made.watch(&queues, &Arc::default(), &options).unwrap();
    let told = |made: &Made| -> Vec<serde_json::Value> {
        made.read("told.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let before = told(&made);
    let address = before[0]["workload"]["address"].as_str().unwrap();
    let rules = made.folder.path().join("known.yaml");
    let rule = format!("rules: [{{ id: r, reason: x, workload: {address}, forever: true }}]");
    fs::write(&rules, rule).unwrap();
    let hidden = ["--suppress", rules.to_str().unwrap(), "--final"];
    made.watch(&queues, &Arc::default(), &[&options[..], &hidden].concat()).unwrap();
    let after = told(&made);
    assert_eq!(after.len(), before.len(), "the last revision of each");
    let ended = after.iter().find(|finding| finding["id"] == before[0]["id"]).unwrap();
    assert_eq!((&ended["state"], &ended["n_deviations"]), (&"closed".into(), &0.into()));
    assert_eq!(ended["summary"], "hidden by r since it was told");
    assert!(ended["revision"].as_u64() > before[0]["revision"].as_u64());
}

#[test]
fn what_came_before_a_source_fails_is_saved() {
    let made = Made::new(3);
    let queues = made.queues(2, &mut Random(9));
    let faults = Arc::new(Faults::default());
    faults.fails_at.store(40, Ordering::Relaxed);
    let options = ["--state", "STATE", "--idle", "0s"];
    let error = made.watch(&queues, &faults, &options).unwrap_err();
    assert!(format!("{error:#}").contains("gone"), "{error:#}");
    assert!(faults.n_saved.load(Ordering::Relaxed) > 0);
    made.watch(&queues, &faults, &[&options[..], &["--final"]].concat()).unwrap();
    assert_same(&made.expected, &made.read("told.jsonl"));
}

#[test]
fn an_object_nothing_came_of_is_handed_back_before_it_is_saved() {
    let made = Made::new(1);
    let mut queues = made.queues(1, &mut Random(4));
    let cut = made.folder.path().join("cut.log.gz");
    let mut whole = Vec::new();
    for file in find_files(made.folder.path().join("AWSLogs").to_str().unwrap()).unwrap() {
        whole = fs::read(file.place.path().unwrap()).unwrap();
    }
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let missing = made.folder.path().join("missing.log");
    let objects = [&missing, &cut].map(|path| {
        let origin = Arc::new(Origin::default());
        let place = Place::File(path.clone());
        Content::Object(LogFile { place, bytes: 9, etag: None, origin })
    });
    let input: Arc<str> = "objects".into();
    let delivery = |content| Delivery { input: Arc::clone(&input), content };
    queues.insert(Arc::clone(&input), objects.map(delivery).into());
    let faults = Arc::new(Faults::default());
    let options = ["--state", "STATE", "--save-every", "0s", "--idle", "0s"];
    made.watch(&queues, &faults, &options).unwrap();
    let unread = faults.unread.lock().unwrap();
    assert_eq!(*unread, [(Place::File(missing), 0)], "what was read in part is in the windows");
}

#[test]
fn an_idle_input_holds_no_finding_back_for_ever() {
    let made = Made::new(1);
    let queues = made.queues(2, &mut Random(4));
    let faults = Arc::new(Faults::default());
    // Until it counts as idle nothing closes, and the others wait as soon as they are an hour ahead.
    made.watch(&queues, &faults, &["--idle", "2s"]).unwrap();
    assert_same(&made.expected, &made.read("told.jsonl"));
}

#[test]
fn what_is_told_is_kept_to_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let made = Made::new(1);
    let queues = made.queues(1, &mut Random(4));
    made.watch(&queues, &Arc::default(), &["--idle", "0s"]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&made.folder.path().join("told.jsonl")), 0o600);
}
