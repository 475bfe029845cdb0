//! Decompressed bytes to lines and JSON objects, wherever the blocks are cut.

use crate::envelope::{ObjectScan, Scanned, take_object};
use crate::ledger::RejectReason;
use crate::text::Lines;

/// What the bytes are, and what the last block left over.
#[derive(Debug, Default)]
pub(crate) struct Content {
    kind: Kind,
    /// The beginning of a line or object whose end has not come yet.
    carry: Vec<u8>,
    /// The line or object at hand is over its cap: it is counted, and skipped to its end.
    overlong: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    /// Nothing but white space has come yet.
    #[default]
    Unknown,
    Text,
    /// JSON objects, between two of them.
    Objects,
    /// JSON objects, inside one.
    Object(ObjectScan),
}

impl Content {
    /// What follows a JSON object.
    pub(crate) fn among_objects() -> Self {
        Self { kind: Kind::Objects, ..Self::default() }
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8], lines: &mut Lines) {
        while !bytes.is_empty() {
            bytes = match self.kind {
                Kind::Unknown => self.recognise(bytes, lines),
                Kind::Text => self.take_lines(bytes, lines),
                Kind::Objects => self.between_objects(bytes, lines),
                Kind::Object(scan) => self.take_object(scan, bytes, lines),
            };
        }
    }

    /// White space before the first record is skipped; its lines are blank ones.
    fn recognise<'a>(&mut self, bytes: &'a [u8], lines: &mut Lines) -> &'a [u8] {
        let rest = bytes.trim_ascii_start();
        let (skipped, _) = bytes.split_at(bytes.len() - rest.len());
        lines.blank_lines(memchr::memchr_iter(b'\n', skipped).count());
        match rest.first() {
            None => {}
            Some(b'{') => self.kind = Kind::Objects,
            Some(_) => self.kind = Kind::Text,
        }
        rest
    }

    /// Whole lines are taken in place, many at once where they are plain. Only a line cut by a
    /// block's end is copied.
    fn take_lines<'a>(&mut self, bytes: &'a [u8], lines: &mut Lines) -> &'a [u8] {
        let mut rest = bytes;
        if !self.carry.is_empty() || self.overlong {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.keep(rest, lines);
                return &[];
            };
            let (head, tail) = rest.split_at(end);
            self.keep(head, lines);
            self.end_line(lines);
            rest = tail.get(1..).unwrap_or_default();
        }
        loop {
            let plain = lines.plain_lines(rest);
            rest = rest.get(plain.n_bytes..).unwrap_or_default();
            for _ in 0..plain.n_lines_left {
                let Some(end) = memchr::memchr(b'\n', rest) else {
                    self.keep(rest, lines);
                    return &[];
                };
                let (line, tail) = rest.split_at(end);
                take_line(line, lines);
                rest = tail.get(1..).unwrap_or_default();
            }
        }
    }

    fn keep(&mut self, bytes: &[u8], lines: &mut Lines) {
        if self.overlong {
            return;
        }
        let cap = lines.options().limits.line_bytes_max;
        let room = cap.saturating_sub(self.carry.len());
        self.carry.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if bytes.len() > room {
            lines.reject(RejectReason::LineTooLong, &self.carry);
            self.carry.clear();
            self.overlong = true;
        }
    }

    fn end_line(&mut self, lines: &mut Lines) {
        if !std::mem::take(&mut self.overlong) {
            take_line(&self.carry, lines);
            self.carry.clear();
        }
    }

    /// Objects may follow each other directly, after a newline, or after a comma.
    fn between_objects<'a>(&mut self, bytes: &'a [u8], lines: &mut Lines) -> &'a [u8] {
        if self.carry.is_empty() && !self.overlong {
            let is_gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
            let start = bytes.iter().position(|byte| !is_gap(byte)).unwrap_or(bytes.len());
            let rest = bytes.get(start..).unwrap_or_default();
            if rest.first() == Some(&b'{') {
                self.kind = Kind::Object(ObjectScan::default());
            }
            if rest.first().is_none_or(|&byte| byte == b'{') {
                return rest;
            }
            return self.stray_line(rest, lines);
        }
        self.stray_line(bytes, lines)
    }

    /// A line among the objects that is none.
    fn stray_line<'a>(&mut self, bytes: &'a [u8], lines: &mut Lines) -> &'a [u8] {
        let end = memchr::memchr(b'\n', bytes);
        let (head, tail) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.keep(head, lines);
        if end.is_some() {
            self.end_line(lines);
        }
        tail.get(1..).unwrap_or_default()
    }

    fn take_object<'a>(
        &mut self,
        mut scan: ObjectScan,
        bytes: &'a [u8],
        lines: &mut Lines,
    ) -> &'a [u8] {
        let (end, broken) = match scan.follow(bytes) {
            Scanned::GoesOn => {
                self.kind = Kind::Object(scan);
                self.keep_object(bytes, lines);
                return &[];
            }
            Scanned::EndsAt(end) => (end, None),
            Scanned::BrokenAt(end) => (end, Some(RejectReason::BadEnvelope)),
        };
        let (object, rest) = bytes.split_at(end);
        self.keep_object(object, lines);
        if !std::mem::take(&mut self.overlong) {
            match broken {
                None => take_object(&self.carry, lines),
                Some(reason) => lines.reject(reason, self.carry.trim_ascii_end()),
            }
            self.carry.clear();
        }
        self.kind = Kind::Objects;
        rest
    }

    fn keep_object(&mut self, bytes: &[u8], lines: &mut Lines) {
        if self.overlong {
            return;
        }
        let cap = lines.options().limits.envelope_bytes_max;
        self.carry.extend_from_slice(bytes);
        if self.carry.len() > cap {
            lines.reject(RejectReason::BadEnvelope, &self.carry);
            self.carry = Vec::new();
            self.overlong = true;
        }
    }

    /// The end of the stream: a last line needs no newline, an object needs its end.
    pub(crate) fn finish(&mut self, lines: &mut Lines) {
        let unfinished = matches!(self.kind, Kind::Object(_));
        let carry = std::mem::take(&mut self.carry);
        if !carry.is_empty() && !std::mem::take(&mut self.overlong) {
            if unfinished {
                lines.reject(RejectReason::BadEnvelope, &carry);
            } else {
                take_line(&carry, lines);
            }
        }
    }
}

/// A line that begins as JSON is an envelope, whatever the stream began with.
#[inline]
fn take_line(line: &[u8], lines: &mut Lines) {
    if lines.is_overlong(line) {
        return;
    }
    if line.first() == Some(&b'{') { take_object(line, lines) } else { lines.line(line) }
}
