//! One line of text to one row.

use std::sync::Arc;

use crate::batch::{FlowBatch, Origin};
use crate::columns::Column;
use crate::decoder::DecodeOptions;
use crate::field::{Field, Kind};
use crate::format::{LogFormat, Separator};
use crate::ledger::RejectReason;
use crate::recent::RecentIds;
use crate::rows::Rows;
use crate::run::{RunShape, RunSpace};
use crate::tally::Tally;
use crate::words::value_len;

/// What was taken of some bytes at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainLines {
    /// Bytes of whole lines that were taken.
    pub(crate) n_bytes: usize,
    /// So many lines after these are better taken one by one.
    pub(crate) n_lines_left: usize,
}

/// Lines of one stream: the format in force, the rows, and what was counted.
#[derive(Debug)]
pub(crate) struct Lines {
    options: DecodeOptions,
    format: Option<LogFormat>,
    /// Whether the format was read from a header line, which holds for one message.
    by_header: bool,
    /// Ids of the events taken lately, where events can come twice.
    pub(crate) recent: Option<RecentIds>,
    /// For each column of the line, where its values go; `None` is skipped.
    targets: Vec<Option<usize>>,
    separator: Separator,
    /// Whether a header line could be read as a record: no decoded column would refuse its names.
    takes_names: bool,
    rows: Rows,
    run_space: RunSpace,
    pub(crate) tally: Tally,
}

impl Lines {
    pub(crate) fn new(origin: Arc<Origin>, options: DecodeOptions) -> Self {
        let rows = Rows::new(origin, options.limits);
        Self {
            options,
            format: None,
            by_header: false,
            recent: None,
            targets: Vec::new(),
            separator: Separator::Spaces,
            takes_names: false,
            rows,
            run_space: RunSpace::default(),
            tally: Tally::default(),
        }
    }

    pub(crate) fn options(&self) -> &DecodeOptions {
        &self.options
    }

    /// Counts and refuses a line over the cap.
    #[inline]
    pub(crate) fn is_overlong(&mut self, line: &[u8]) -> bool {
        let within_cap = line.get(..self.options.limits.line_bytes_max);
        match within_cap {
            Some(head) if head.len() < line.len() => {
                self.reject(RejectReason::LineTooLong, head);
                true
            }
            _ => false,
        }
    }

    /// Takes the whole lines that the bytes begin with, as far as they are plain.
    pub(crate) fn plain_lines(&mut self, bytes: &[u8]) -> PlainLines {
        let mut taken = PlainLines { n_bytes: 0, n_lines_left: usize::MAX };
        // A line that could be a header is looked at by itself.
        let unsure = self.format.is_none() || self.takes_names;
        if unsure {
            taken.n_lines_left = 1;
        }
        if unsure || self.separator != Separator::Spaces {
            return taken;
        }
        while let Some(rest) = bytes.get(taken.n_bytes..).filter(|rest| !rest.is_empty()) {
            let shape = RunShape {
                n_fields: self.targets.len(),
                lines_max: self.rows.run_rows_max(),
                line_bytes_max: self.options.limits.line_bytes_max,
            };
            let Some(mut run) = self.run_space.run(rest, shape) else {
                taken.n_lines_left = shape.lines_max;
                break;
            };
            if !self.rows.append_run(&mut run, &self.targets) {
                taken.n_lines_left = shape.lines_max;
                break;
            }
            taken.n_bytes += run.n_bytes();
            self.tally.lines += run.n_lines() as u64;
        }
        taken
    }

    /// Takes one line, without its newline.
    #[inline]
    pub(crate) fn line(&mut self, line: &[u8]) {
        self.tally.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if is_blank(line) {
            self.tally.blank_lines += 1;
            return;
        }
        let unsure = self.format.is_none() || self.takes_names;
        if unsure && self.take_header(line) {
            return;
        }
        if self.format.is_none() {
            self.set_format(self.options.format.clone().unwrap_or_else(LogFormat::v2));
        }
        if let Err(reason) = self.record(line) {
            self.not_a_record(line, reason);
        }
    }

    /// Switches to the format of a header line; says whether the line was one.
    fn take_header(&mut self, line: &[u8]) -> bool {
        let Some(header) = LogFormat::from_header(line) else { return false };
        self.tally.header_lines += 1;
        self.by_header = true;
        if self.format.as_ref() != Some(&header) {
            self.set_format(header);
        }
        true
    }

    fn set_format(&mut self, format: LogFormat) {
        self.tally.note_format(&format);
        self.rows.set_columns(format.fields(), self.options.columns);
        self.targets = format
            .columns()
            .iter()
            .map(|field| field.and_then(|field| self.rows.position(field)))
            .collect();
        self.separator = format.separator();
        let decoded = format.fields().intersection(self.options.columns);
        self.takes_names = decoded.iter().all(takes_names);
        self.format = Some(format);
    }

    #[inline]
    fn record(&mut self, line: &[u8]) -> Result<(), RejectReason> {
        let (row, columns) = self.rows.next_row();
        let appended = match self.separator {
            Separator::Spaces => append_spaced(line, &self.targets, row, columns),
            Separator::Tab => append_separated(line, b'\t', &self.targets, row, columns),
            Separator::Comma => append_separated(line, b',', &self.targets, row, columns),
        };
        self.rows.end_row(appended)
    }

    /// A header can come again where files were joined. As its names are no numbers, addresses or
    /// keywords, it fails as a record; so only a line that failed is looked at again.
    #[cold]
    fn not_a_record(&mut self, line: &[u8], reason: RejectReason) {
        if !self.take_header(line) {
            self.tally.reject(self.count_mismatch(line).unwrap_or(reason), line);
        }
    }

    /// A value that cannot be read is often a sign of a line cut short or run together.
    fn count_mismatch(&self, line: &[u8]) -> Option<RejectReason> {
        let found = match self.separator {
            Separator::Spaces => {
                line.split(|&byte| byte == b' ').filter(|token| !token.is_empty()).count()
            }
            other => line.split(|&byte| byte == other.byte()).count(),
        };
        match found.cmp(&self.targets.len()) {
            std::cmp::Ordering::Less => Some(RejectReason::TooFewFields),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(RejectReason::TooManyFields),
        }
    }

    /// Counts something that is no line, such as a broken envelope.
    pub(crate) fn reject(&mut self, reason: RejectReason, record: &[u8]) {
        self.tally.lines += 1;
        self.tally.reject(reason, record);
    }

    pub(crate) fn blank_lines(&mut self, n_lines: usize) {
        self.tally.lines += n_lines as u64;
        self.tally.blank_lines += n_lines as u64;
    }

    pub(crate) fn control_message(&mut self) {
        self.tally.lines += 1;
        self.tally.control_message();
    }

    /// What comes next is a message of its own: a header line before it does not hold for it.
    pub(crate) fn begin_message(&mut self) {
        if std::mem::take(&mut self.by_header) {
            self.format = None;
        }
    }

    /// Makes a batch of what is there; rows after this are of another origin.
    pub(crate) fn set_origin(&mut self, origin: Arc<Origin>) {
        self.rows.set_origin(origin);
    }

    /// Makes a batch of what is there.
    pub(crate) fn cut(&mut self) {
        self.rows.cut();
    }

    pub(crate) fn take_batch(&mut self) -> Option<FlowBatch> {
        self.rows.take_batch()
    }
}

fn takes_names(field: Field) -> bool {
    field.kind() == Kind::Text && !matches!(field, Field::Action | Field::LogStatus)
}

#[inline]
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Values between spaces; AWS's own guide has two of them in places.
#[inline]
fn append_spaced(
    line: &[u8],
    targets: &[Option<usize>],
    row: usize,
    columns: &mut [Column],
) -> Result<(), RejectReason> {
    let mut rest = without_spaces(line);
    for target in targets {
        let (token, after) = rest.split_at(value_len(rest));
        if token.is_empty() {
            return Err(RejectReason::TooFewFields);
        }
        if let Some(column) = target.and_then(|target| columns.get_mut(target)) {
            column.push(row, token)?;
        }
        rest = without_spaces(after);
    }
    if rest.is_empty() { Ok(()) } else { Err(RejectReason::TooManyFields) }
}

/// Values between tabs or commas; an empty one is none.
fn append_separated(
    line: &[u8],
    separator: u8,
    targets: &[Option<usize>],
    row: usize,
    columns: &mut [Column],
) -> Result<(), RejectReason> {
    let mut tokens = line.split(|&byte| byte == separator);
    for target in targets {
        let token = tokens.next().ok_or(RejectReason::TooFewFields)?.trim_ascii();
        let bare = token.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        let token = bare.unwrap_or(token);
        let token = if token.is_empty() { b"-" } else { token };
        if let Some(column) = target.and_then(|target| columns.get_mut(target)) {
            column.push(row, token)?;
        }
    }
    if tokens.next().is_some() { Err(RejectReason::TooManyFields) } else { Ok(()) }
}

#[inline]
fn without_spaces(mut line: &[u8]) -> &[u8] {
    while let Some((b' ', rest)) = line.split_first() {
        line = rest;
    }
    line
}
