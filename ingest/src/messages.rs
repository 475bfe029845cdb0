//! Decodes messages that are each complete in themselves, as streams and queues bring them.

use std::sync::Arc;

use serde_json::Deserializer;

use crate::batch::{FlowBatch, Origin};
use crate::content::Content;
use crate::decoder::{DecodeOptions, PARQUET_MAGIC, decode_whole, without_mark};
use crate::envelope::{Envelope, Told, n_records};
use crate::format::LogFormat;
use crate::inflate::ZSTD_MAGIC;
use crate::ledger::RejectReason;
use crate::recent::RecentIds;
use crate::tally::Tally;
use crate::text::Lines;
use crate::unpack::Unpacker;

/// Decodes messages: subscription envelopes, Firehose's JSON, one or many lines, compressed or not.
///
/// Give messages with [`take`](Self::take), take full batches with [`take_batch`](Self::take_batch),
/// and before anything is concluded from what came, [`flush`](Self::flush). Rows of one origin share
/// batches, so messages of one origin should come together.
///
/// No message is an error: what cannot be read is counted in the [`tally`](Self::tally), with what is
/// wrong with it. A header line holds to the end of its message.
///
/// A log event of `CloudWatch` that comes again, going by its id within its log stream, is counted as a
/// duplicate. At least the last 900,000 ids are remembered, in 20 MB; see [`RecentIds`]. Records that
/// come without an id count as often as they come.
#[derive(Debug)]
pub struct Messages {
    origin: Arc<Origin>,
    lines: Lines,
    unpacker: Unpacker,
    /// Whole lines that wait, because many at once are read faster. None is a header or JSON.
    waiting: Vec<u8>,
}

/// Enough lines for reading them together to pay, few enough to stay in the cache.
const WAITING_BYTES_MAX: usize = 128 << 10;

impl Messages {
    /// Nothing taken yet, and no id known.
    pub fn new(options: DecodeOptions) -> Self {
        Self::knowing(options, RecentIds::new())
    }

    /// Nothing taken yet, and these ids known; where others have them too, what comes to one is known
    /// to all.
    pub fn knowing(options: DecodeOptions, recent: RecentIds) -> Self {
        let origin = Arc::new(Origin::default());
        let mut lines = Lines::new(Arc::clone(&origin), options);
        lines.recent = Some(recent);
        Self { origin, lines, unpacker: Unpacker::new(), waiting: Vec::new() }
    }

    /// Takes one message.
    pub fn take(&mut self, origin: &Arc<Origin>, bytes: &[u8]) {
        if !Arc::ptr_eq(&self.origin, origin) && self.origin != *origin {
            self.read_waiting();
            self.lines.set_origin(Arc::clone(origin));
            self.origin = Arc::clone(origin);
        }
        let Self { lines, unpacker, waiting, .. } = self;
        let plain = unpacker.unpack(bytes).map(|plain| without_mark(plain).trim_ascii_start());
        match plain {
            Some(plain) if plain.first() == Some(&b'{') => {
                let n_taken = take_objects(plain, lines, waiting);
                let rest = plain.get(n_taken..).unwrap_or_default().trim_ascii_start();
                if !rest.is_empty() {
                    read_lines(waiting, lines);
                    lines.begin_message();
                    read_content(Content::among_objects(), rest, lines);
                }
            }
            Some(plain) if is_text(plain) && has_only_records(plain) => append(plain, waiting),
            _ => self.read_alone(bytes),
        }
        if self.waiting.len() >= WAITING_BYTES_MAX {
            self.read_waiting();
        }
    }

    /// The next batch that is full.
    pub fn take_batch(&mut self) -> Option<FlowBatch> {
        self.lines.take_batch()
    }

    /// Makes batches of all that was taken.
    pub fn flush(&mut self) {
        self.read_waiting();
        self.lines.cut();
    }

    /// What was counted of all messages up to the last [`flush`](Self::flush), and of some after it.
    pub fn tally(&self) -> &Tally {
        &self.lines.tally
    }

    /// Reads a message that is not as usual the way files are read.
    fn read_alone(&mut self, bytes: &[u8]) {
        self.read_waiting();
        self.lines.begin_message();
        if let Err(error) = decode_whole(bytes, &self.origin.name, &mut self.lines) {
            self.lines.reject(RejectReason::Undecodable, error.to_string().as_bytes());
        }
    }

    fn read_waiting(&mut self) {
        read_lines(&mut self.waiting, &mut self.lines);
    }
}

fn read_lines(waiting: &mut Vec<u8>, lines: &mut Lines) {
    if !waiting.is_empty() {
        lines.begin_message();
        read_content(Content::default(), waiting, lines);
        waiting.clear();
    }
}

fn read_content(mut content: Content, plain: &[u8], lines: &mut Lines) {
    content.push(plain, lines);
    content.finish(lines);
}

/// Takes the whole envelopes that the content begins with, and says how many bytes they are.
fn take_objects(plain: &[u8], lines: &mut Lines, waiting: &mut Vec<u8>) -> usize {
    if plain.len() > lines.options().limits.envelope_bytes_max {
        return 0;
    }
    let Ok(text) = str::from_utf8(plain) else { return 0 };
    let mut envelopes = Deserializer::from_str(text).into_iter::<Envelope<'_>>();
    let mut n_taken = 0;
    while let Some(Ok(envelope)) = envelopes.next() {
        if !envelope.messages().all(|message| has_only_records(message.as_bytes())) {
            break;
        }
        let object = plain.get(n_taken..envelopes.byte_offset()).unwrap_or_default();
        n_taken = envelopes.byte_offset();
        let recent = lines.recent.take();
        envelope.tell(recent.as_ref(), &mut |told| match told {
            Told::Message(message) => append(message.as_bytes(), waiting),
            Told::Repeated(message) => lines.tally.repeated(n_records(message)),
            Told::Control => lines.control_message(),
            Told::Stranger => lines.reject(RejectReason::BadEnvelope, object),
        });
        lines.recent = recent;
    }
    n_taken
}

fn append(lines: &[u8], waiting: &mut Vec<u8>) {
    waiting.extend_from_slice(lines);
    if lines.last().is_some_and(|&byte| byte != b'\n') {
        waiting.push(b'\n');
    }
}

/// Not the beginning of what a decoder has to unpack or refuse.
fn is_text(plain: &[u8]) -> bool {
    !plain.starts_with(&ZSTD_MAGIC) && !plain.starts_with(&PARQUET_MAGIC)
}

/// Whether no line is a header or begins as JSON.
fn has_only_records(plain: &[u8]) -> bool {
    let mut rest = plain;
    while let Some(first) = rest.first() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let may_be_header = first.is_ascii_alphabetic() || *first == b'"';
        if *first == b'{' || (may_be_header && LogFormat::from_header(line).is_some()) {
            return false;
        }
        rest = after.get(1..).unwrap_or_default();
    }
    true
}
