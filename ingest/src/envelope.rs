//! JSON around records: CloudWatch Logs subscriptions and Firehose's `{"message": …}`.

use std::borrow::Cow;

use serde::Deserialize;

use crate::ledger::RejectReason;
use crate::text::Lines;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "messageType")]
    message_type: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "logEvents")]
    log_events: Option<Vec<LogEvent<'a>>>,
}

#[derive(Deserialize)]
struct LogEvent<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// Takes one whole JSON object.
pub(crate) fn take_object(object: &[u8], lines: &mut Lines) {
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(object) else {
        return lines.reject(RejectReason::BadEnvelope, object);
    };
    match envelope {
        Envelope { message_type: Some(kind), .. } if kind == "CONTROL_MESSAGE" => {
            lines.control_message();
        }
        Envelope { log_events: Some(events), .. } => {
            for event in &events {
                take_message(&event.message, lines);
            }
        }
        Envelope { message: Some(message), .. } => take_message(&message, lines),
        Envelope { .. } => lines.reject(RejectReason::BadEnvelope, object),
    }
}

/// Almost always one record; some forwarders join several.
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
