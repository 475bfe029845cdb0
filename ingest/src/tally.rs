//! What a decoder counted: rejects with samples, control messages, lines, formats.

use std::collections::BTreeMap;

use crate::escape::printable;
use crate::field::FieldSet;
use crate::format::LogFormat;
use crate::ledger::{Ledger, RejectReason};

/// A rejected record, for the message about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectSample {
    /// Which line, envelope event or Parquet row it was, counted from 1 within the file.
    pub line_number: u64,
    /// Its beginning, escaped.
    pub text: String,
}

/// What became of the lines of one file that are not in a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rejects, control messages and events delivered twice. Records in batches are counted by
    /// whoever takes the batches.
    pub ledger: Ledger,
    /// The first rejected records of each reason.
    pub samples: BTreeMap<RejectReason, Vec<RejectSample>>,
    /// The fields every record of the file carries, once a format is known.
    pub declared: Option<FieldSet>,
    /// Names of columns that are not in the field table, escaped.
    pub unknown_fields: Vec<String>,
    /// Lines, envelope events and Parquet rows, whatever they held.
    pub lines: u64,
    /// Of these, blank lines.
    pub blank_lines: u64,
    /// Of these, header lines.
    pub header_lines: u64,
}

impl Tally {
    /// Samples kept per reason.
    pub const SAMPLES_MAX: usize = 3;
    /// Characters kept of a sample.
    pub const SAMPLE_CHARS_MAX: usize = 160;

    pub(crate) fn reject(&mut self, reason: RejectReason, record: &[u8]) {
        self.ledger.reject(reason);
        let samples = self.samples.entry(reason).or_default();
        if samples.len() < Self::SAMPLES_MAX {
            let text = printable(record, Self::SAMPLE_CHARS_MAX);
            samples.push(RejectSample { line_number: self.lines, text });
        }
    }

    pub(crate) fn control_message(&mut self) {
        self.ledger.records += 1;
        self.ledger.control += 1;
    }

    /// Counts records of an event that was delivered before.
    pub(crate) fn repeated(&mut self, n_records: u64) {
        self.lines += n_records;
        self.ledger.records += n_records;
        self.ledger.duplicate += n_records;
    }

    pub(crate) fn declare(&mut self, fields: FieldSet) {
        self.declared = Some(self.declared.map_or(fields, |before| before.intersection(fields)));
    }

    /// Notes the columns of a format that comes into use.
    pub(crate) fn note_format(&mut self, format: &LogFormat) {
        self.declare(format.fields());
        self.note_unknown(format.unknown_fields());
    }

    pub(crate) fn note_unknown(&mut self, names: &[String]) {
        for name in names {
            if self.unknown_fields.len() < 64 && !self.unknown_fields.contains(name) {
                self.unknown_fields.push(name.clone());
            }
        }
    }
}
