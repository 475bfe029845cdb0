//! A dictionary-encoded text column in the making.

use std::hash::BuildHasher;
use std::str::from_utf8;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::field::Field;
use crate::ledger::RejectReason;
use crate::run::{Odd, Run};
use crate::value::percent_decoded;

/// Which texts a column takes.
#[derive(Clone, Copy, Debug)]
enum Domain {
    Any,
    Words(&'static [&'static [u8]]),
    PercentEncoded,
}

impl Domain {
    fn of(field: Field) -> Self {
        match field {
            Field::Action => Self::Words(&[b"ACCEPT", b"REJECT"]),
            Field::LogStatus => Self::Words(&[b"OK", b"NODATA", b"SKIPDATA"]),
            Field::InstanceTag
            | Field::InstanceTag2
            | Field::InterfaceTag
            | Field::InterfaceTag2
            | Field::AsgTag
            | Field::AsgTag2 => Self::PercentEncoded,
            _ => Self::Any,
        }
    }
}

/// Codes per row, and the distinct texts they stand for.
#[derive(Debug)]
pub(crate) struct Texts {
    domain: Domain,
    codes: Vec<i32>,
    /// Where each distinct text ends in `bytes`, after a leading zero: Arrow's offsets.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    by_hash: HashTable<i32>,
    hasher: DefaultHashBuilder,
    /// The last two different codes: most rows repeat one of them.
    recent: [i32; 2],
    /// How many distinct texts there were before the last run.
    n_before_run: usize,
}

/// Distinct texts of one batch hold at most so many bytes before the batch is handed over.
const TEXT_BYTES_MAX: usize = 16 << 20;

impl Texts {
    pub(crate) fn new(field: Field) -> Self {
        Self {
            domain: Domain::of(field),
            codes: Vec::new(),
            offsets: vec![0],
            bytes: Vec::new(),
            by_hash: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            recent: [0, 0],
            n_before_run: 0,
        }
    }

    pub(crate) fn reserve(&mut self, n_records: usize) {
        self.codes.reserve_exact(n_records);
    }

    /// Appends the texts of a run of lines, and notes the lines without one.
    pub(crate) fn extend<'a>(
        &mut self,
        run: &mut Run<'a>,
        odd: &mut Vec<Odd<'a>>,
    ) -> Result<(), RejectReason> {
        self.n_before_run = self.offsets.len() - 1;
        let mut line = 0;
        while line < run.n_lines() {
            let n_lines = self.extend_repeated(run, line);
            line += n_lines;
            if n_lines == 0 {
                let token = run.take_token(line)?;
                if token == b"-" {
                    odd.push(Odd { line, token });
                    self.push_null();
                } else {
                    self.push(token)?;
                }
                line += 1;
            }
        }
        Ok(())
    }

    /// Appends the last text as often as lines go on with it, from the given line on.
    fn extend_repeated(&mut self, run: &mut Run<'_>, line: usize) -> usize {
        let [code, _] = self.recent;
        // A text that was encoded may hold a space, which in a line would end it.
        if matches!(self.domain, Domain::PercentEncoded) {
            return 0;
        }
        let known = text_at(&self.offsets, &self.bytes, code).unwrap_or_default();
        let (end, bytes) = (run.terminator(), run.bytes);
        let cursors = run.cursors.get_mut(line..).unwrap_or_default();
        let n_lines = match known.len() {
            0 => 0,
            2..=3 => repeats::<2>(known, end, bytes, cursors),
            4..=7 => repeats::<4>(known, end, bytes, cursors),
            8..=15 => repeats::<8>(known, end, bytes, cursors),
            16..=32 => repeats::<16>(known, end, bytes, cursors),
            _ => repeats::<1>(known, end, bytes, cursors),
        };
        self.codes.resize(self.codes.len() + n_lines, code);
        n_lines
    }

    /// Forgets the distinct texts that came with the last run, so that they are as they were before.
    pub(crate) fn forget_run(&mut self) {
        let Self { offsets, bytes, by_hash, hasher, .. } = self;
        while offsets.len() - 1 > self.n_before_run {
            let code = i32::try_from(offsets.len() - 2).unwrap_or(i32::MAX);
            let hash = hasher.hash_one(text_at(offsets, bytes, code).unwrap_or_default());
            if let Ok(entry) = by_hash.find_entry(hash, |&known| known == code) {
                entry.remove();
            }
            offsets.pop();
            bytes.truncate(offsets.last().and_then(|&end| usize::try_from(end).ok()).unwrap_or(0));
        }
        self.recent = [0, 0];
    }

    #[inline]
    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), RejectReason> {
        let [last, before] = self.recent;
        let code = if self.is(last, text) {
            last
        } else if self.is(before, text) {
            self.recent = [before, last];
            before
        } else {
            let code = self.code_of(text)?;
            self.recent = [code, last];
            code
        };
        self.codes.push(code);
        Ok(())
    }

    pub(crate) fn push_null(&mut self) {
        self.codes.push(0);
    }

    #[inline]
    fn is(&self, code: i32, text: &[u8]) -> bool {
        text_at(&self.offsets, &self.bytes, code)
            .is_some_and(|known| known.len() == text.len() && is_same(known, text))
    }

    fn code_of(&mut self, text: &[u8]) -> Result<i32, RejectReason> {
        match self.domain {
            Domain::Any => {}
            Domain::Words(words) => {
                if !words.contains(&text) {
                    return Err(RejectReason::BadKeyword);
                }
            }
            Domain::PercentEncoded => {
                if let Some(decoded) = percent_decoded(text) {
                    return self.interned(&decoded);
                }
            }
        }
        self.interned(text)
    }

    fn interned(&mut self, text: &[u8]) -> Result<i32, RejectReason> {
        let Self { offsets, bytes, by_hash, hasher, .. } = self;
        let hash = hasher.hash_one(text);
        let same = |code: &i32| text_at(offsets, bytes, *code).is_some_and(|known| known == text);
        if let Some(&code) = by_hash.find(hash, same) {
            return Ok(code);
        }
        if from_utf8(text).is_err() {
            return Err(RejectReason::NotUtf8);
        }
        let end = i32::try_from(bytes.len() + text.len());
        let code = i32::try_from(offsets.len() - 1);
        let (Ok(end), Ok(code)) = (end, code) else { return Err(RejectReason::TooManyDistinct) };
        bytes.extend_from_slice(text);
        offsets.push(end);
        by_hash.insert_unique(hash, code, |&code| {
            hasher.hash_one(text_at(offsets, bytes, code).unwrap_or_default())
        });
        Ok(code)
    }

    pub(crate) fn truncate(&mut self, n_records: usize) {
        self.codes.truncate(n_records);
    }

    /// The text of the last row; meaningless if that row is null.
    #[inline]
    pub(crate) fn last(&self) -> Option<&[u8]> {
        text_at(&self.offsets, &self.bytes, *self.codes.last()?)
    }

    /// Whether the batch should be handed over, so that dictionaries stay bounded.
    pub(crate) fn is_full(&self, distinct_max: usize) -> bool {
        self.offsets.len() > distinct_max || self.bytes.len() > TEXT_BYTES_MAX
    }

    /// Turns the rows into an Arrow array and starts afresh.
    pub(crate) fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let codes = std::mem::take(&mut self.codes);
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let bytes = std::mem::take(&mut self.bytes);
        self.by_hash.clear();
        self.recent = [0, 0];
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let values = StringArray::try_new(offsets, Buffer::from_vec(bytes), None)?;
        let codes = PrimitiveArray::<Int32Type>::try_new(ScalarBuffer::from(codes), nulls)?;
        Ok(Arc::new(DictionaryArray::try_new(codes, Arc::new(values))?))
    }
}

/// How many lines go on with a text and then its end, one after the other; their cursors are
/// carried past it. The text has at most `2 * N` bytes, or any number if `N` is 1.
#[inline]
fn repeats<const N: usize>(known: &[u8], end: u8, bytes: &[u8], cursors: &mut [usize]) -> usize {
    let (first, last) = (known.first_chunk::<N>(), known.last_chunk::<N>());
    let is_known = |text: &[u8]| match N {
        1 => text == known,
        _ => text.first_chunk() == first && text.last_chunk() == last,
    };
    let mut n_lines = 0;
    for cursor in cursors {
        match bytes.get(*cursor..=*cursor + known.len()).and_then(<[u8]>::split_last) {
            Some((&after, text)) if after == end && is_known(text) => {}
            _ => break,
        }
        *cursor += known.len() + 1;
        n_lines += 1;
    }
    n_lines
}

/// Whether two texts of one length are the same, by words that may overlap: most have 2 to 32 bytes,
/// for which a call costs more than the comparison.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    fn ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
        a.first_chunk::<N>() == b.first_chunk::<N>() && a.last_chunk::<N>() == b.last_chunk::<N>()
    }
    match a.len() {
        2..=3 => ends::<2>(a, b),
        4..=7 => ends::<4>(a, b),
        8..=15 => ends::<8>(a, b),
        16..=32 => ends::<16>(a, b),
        _ => a == b,
    }
}

#[inline]
fn text_at<'a>(offsets: &[i32], bytes: &'a [u8], code: i32) -> Option<&'a [u8]> {
    let code = usize::try_from(code).ok()?;
    let &[start, end] = offsets.get(code..code + 2)? else { return None };
    bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}
