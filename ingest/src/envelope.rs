//! JSON around records: CloudWatch Logs subscriptions and Firehose's `{"message": …}`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use crate::ledger::RejectReason;
use crate::recent::RecentIds;
use crate::text::Lines;

/// One JSON object, as far as it is of interest.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "messageType")]
    message_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    owner: Word<'a>,
    #[serde(borrow, default, rename = "logGroup")]
    log_group: Word<'a>,
    #[serde(borrow, default, rename = "logStream")]
    log_stream: Word<'a>,
    #[serde(borrow, rename = "logEvents")]
    log_events: Option<Vec<LogEvent<'a>>>,
}

#[derive(Debug, Deserialize)]
struct LogEvent<'a> {
    #[serde(borrow, default)]
    id: Word<'a>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// What an envelope says of one thing in it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told<'a> {
    /// Almost always one record; some forwarders join several.
    Message(&'a str),
    /// An event that was delivered before.
    Repeated(&'a str),
    /// A subscription tries whether anybody is there.
    Control,
    /// The object is no envelope.
    Stranger,
}

impl Envelope<'_> {
    /// All messages in it, whatever they are.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &str> {
        let events = self.log_events.iter().flatten().map(|event| &*event.message);
        events.chain(self.message.as_deref())
    }

    /// Tells what is in it, in order. Without `recent` nothing counts as repeated.
    pub(crate) fn tell(&self, recent: Option<&RecentIds>, on_told: &mut dyn FnMut(Told<'_>)) {
        if self.message_type.as_deref() == Some("CONTROL_MESSAGE") {
            return on_told(Told::Control);
        }
        let Some(events) = &self.log_events else {
            return on_told(self.message.as_deref().map_or(Told::Stranger, Told::Message));
        };
        let source = (&*self.owner.0, &*self.log_group.0, &*self.log_stream.0);
        let ids = events.iter().map(|event| &*event.id.0);
        let are_new = recent.map(|recent| recent.admit(source, ids));
        for (at, event) in events.iter().enumerate() {
            let is_new = are_new.as_ref().is_none_or(|are_new| are_new.get(at) != Some(&false));
            on_told(if is_new {
                Told::Message(&event.message)
            } else {
                Told::Repeated(&event.message)
            });
        }
    }
}

/// A text that may be missing, null or a number: not every forwarder writes ids as texts.
#[derive(Debug, Default)]
struct Word<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordVisitor)
    }
}

struct WordVisitor;

impl<'de> Visitor<'de> for WordVisitor {
    type Value = Word<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Owned(number.to_string())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word<'de>, E> {
        Ok(Word(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Word<'de>, E> {
        // Longer than a whole number may be: two ids could be rounded to one.
        Ok(Word::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Word<'de>, E> {
        Ok(Word::default())
    }
}

/// Takes one whole JSON object.
pub(crate) fn take_object(object: &[u8], lines: &mut Lines) {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(object) else {
        return lines.reject(RejectReason::BadEnvelope, object);
    };
    let recent = lines.recent.take();
    envelope.tell(recent.as_ref(), &mut |told| match told {
        Told::Message(message) => take_message(message, lines),
        Told::Repeated(message) => lines.tally.repeated(n_records(message)),
        Told::Control => lines.control_message(),
        Told::Stranger => lines.reject(RejectReason::BadEnvelope, object),
    });
    lines.recent = recent;
}

/// How many records a message holds, going by its lines.
pub(crate) fn n_records(message: &str) -> u64 {
    message.lines().filter(|line| !line.trim_ascii().is_empty()).count() as u64
}

fn take_message(message: &str, lines: &mut Lines) {
    for line in message.lines().map(str::as_bytes) {
        if !lines.is_overlong(line) {
            lines.line(line);
        }
    }
}

/// Where in a JSON object a scan stands. Follows strings, so that braces in them do not count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ObjectScan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// The object goes on after these bytes.
    GoesOn,
    /// The object ends with the byte before this index.
    EndsAt(usize),
    /// A line ends inside a string, which JSON forbids: the object is broken, and what follows
    /// this index is fresh.
    BrokenAt(usize),
}

impl ObjectScan {
    /// Follows an object through more of its bytes; the first byte of an object is its brace.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Scanned {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    b'\n' => return Scanned::BrokenAt(at + 1),
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' => self.depth += 1,
                b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth == 0 {
                return Scanned::EndsAt(at + 1);
            }
        }
        Scanned::GoesOn
    }
}

/// Whether a file beginning so holds envelopes, judging by the first object's keys.
pub(crate) fn looks_like_envelope(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
    head.first() == Some(&b'{')
        && (has(b"\"messageType\"") || has(b"\"logEvents\"") || begins_with_message(head))
}

/// Firehose's object has the one key.
fn begins_with_message(head: &[u8]) -> bool {
    let inside = head.get(1..).unwrap_or_default().trim_ascii_start();
    inside.starts_with(b"\"message\"")
}
