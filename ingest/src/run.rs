//! Runs of lines, read column by column.
//!
//! Within a line, a value begins where the one before it ends, so that reading line by line waits
//! for each value's end before it can begin with the next. Here each line has a cursor, and one
//! column after the other takes its value from every line, in a loop that does one thing only and
//! whose rounds do not wait for each other. A run in which a line has not just its values with
//! single spaces between, or a value no column takes, is left to [`crate::text`], which reads line
//! by line and says what is wrong.

use crate::ledger::RejectReason;
use crate::words::{WINDOW_BYTES, value_len};

/// The memory for runs, used again and again.
#[derive(Debug, Default)]
pub(crate) struct RunSpace {
    cursors: Vec<usize>,
    line_ends: Vec<usize>,
}

/// What one run may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunShape {
    /// Values per line.
    pub(crate) n_fields: usize,
    pub(crate) lines_max: usize,
    pub(crate) line_bytes_max: usize,
}

/// Whole lines, one after the other, and how far each is read.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the next value of each line begins.
    pub(crate) cursors: &'a mut [usize],
    line_ends: &'a [usize],
    n_fields_left: usize,
}

/// A value that was not read in a few operations, and the line of the run it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Odd<'a> {
    pub(crate) line: usize,
    pub(crate) token: &'a [u8],
}

impl RunSpace {
    /// The whole lines that the bytes begin with, if all of them may be read as a run.
    pub(crate) fn run<'a>(&'a mut self, bytes: &'a [u8], shape: RunShape) -> Option<Run<'a>> {
        self.cursors.clear();
        self.line_ends.clear();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes).take(shape.lines_max) {
            if !is_plain(bytes.get(start..end)?, shape.line_bytes_max) {
                return None;
            }
            self.cursors.push(start);
            self.line_ends.push(end);
            start = end + 1;
        }
        let Self { cursors, line_ends } = self;
        let run = Run { bytes, cursors, line_ends, n_fields_left: shape.n_fields };
        (start > 0).then_some(run)
    }
}

/// An envelope is no record, and what stands before a newline may not belong to the last value.
fn is_plain(line: &[u8], line_bytes_max: usize) -> bool {
    let [first, .., last] = line else { return false };
    *first != b'{' && *last != b'\r' && line.len() <= line_bytes_max
}

impl<'a> Run<'a> {
    pub(crate) fn n_lines(&self) -> usize {
        self.line_ends.len()
    }

    /// How many bytes the lines take, the last newline included.
    pub(crate) fn n_bytes(&self) -> usize {
        self.line_ends.last().map_or(0, |end| end + 1)
    }

    /// What follows each value of the column at hand.
    #[inline]
    pub(crate) fn terminator(&self) -> u8 {
        if self.n_fields_left <= 1 { b'\n' } else { b' ' }
    }

    /// Goes on to the next column.
    pub(crate) fn end_column(&mut self) {
        self.n_fields_left = self.n_fields_left.saturating_sub(1);
    }

    /// Takes a value of each line. `read` gives a value and its length, without what follows it;
    /// where it gives none, a default stands for the value, and the token goes to `odd`.
    #[inline]
    pub(crate) fn read_column<T: Default>(
        &mut self,
        values: &mut Vec<T>,
        odd: &mut Vec<Odd<'a>>,
        read: impl Fn(&[u8; WINDOW_BYTES]) -> Option<(T, usize)>,
    ) -> Result<(), RejectReason> {
        let bytes = self.bytes;
        let before = odd.len();
        values.extend(self.cursors.iter_mut().enumerate().map(|(line, cursor)| {
            let window = bytes.get(*cursor..).and_then(|rest| rest.first_chunk());
            if let Some((value, n_bytes)) = window.and_then(&read) {
                *cursor += n_bytes + 1;
                return value;
            }
            odd.push(Odd { line, token: &[] });
            T::default()
        }));
        for place in odd.iter_mut().skip(before) {
            place.token = self.take_token(place.line)?;
        }
        Ok(())
    }

    /// Carries the cursors past a column nobody asked for.
    pub(crate) fn skip_column(&mut self) -> Result<(), RejectReason> {
        (0..self.n_lines()).try_for_each(|line| self.take_token(line).map(drop))
    }

    /// Takes a line's next value, whatever it is.
    pub(crate) fn take_token(&mut self, line: usize) -> Result<&'a [u8], RejectReason> {
        let ends = self.cursors.get_mut(line).zip(self.line_ends.get(line));
        let (cursor, &line_end) = ends.ok_or(RejectReason::TooFewFields)?;
        let rest = self.bytes.get(*cursor..line_end).unwrap_or_default();
        let n_bytes = value_len(rest);
        let is_last = self.n_fields_left <= 1;
        if n_bytes == 0 || is_last != (n_bytes == rest.len()) {
            // Whatever it is, it is found again line by line.
            return Err(RejectReason::TooFewFields);
        }
        *cursor += n_bytes + 1;
        rest.get(..n_bytes).ok_or(RejectReason::TooFewFields)
    }

    /// Whether each line was read to its end and not beyond.
    pub(crate) fn is_at_line_ends(&self) -> bool {
        let mut ends = self.cursors.iter().zip(self.line_ends);
        ends.all(|(cursor, line_end)| cursor.wrapping_sub(1) == *line_end)
    }
}
