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
        }
    }

    pub(crate) fn reserve(&mut self, n_records: usize) {
        self.codes.reserve_exact(n_records);
    }

    /// Appends one of the last two texts, if the line goes on with it, and then with a space or not
    /// at all.
    #[inline]
    pub(crate) fn push_repeated(&mut self, line: &[u8]) -> Option<usize> {
        for code in self.recent {
            let text = text_at(&self.offsets, &self.bytes, code).unwrap_or_default();
            let Some((head, rest)) = line.split_at_checked(text.len()) else { continue };
            let ends = matches!(rest.first(), None | Some(b' '));
            if ends && !text.is_empty() && is_same(head, text) {
                self.codes.push(code);
                return Some(text.len());
            }
        }
        None
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
