//! A column in the making: plain vectors while rows come, an Arrow array at the end of the batch.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, Int64Array, UInt8Array, UInt16Array, UInt64Array,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_schema::ArrowError;

use crate::field::{Field, Kind};
use crate::ledger::RejectReason;
use crate::texts::Texts;
use crate::value::{address, number};
use crate::words::{leading_ipv4, leading_number, value_len};

/// The values of one field.
#[derive(Debug)]
pub(crate) struct Column {
    field: Field,
    values: Values,
    /// The rows without a value, ascending. Few rows have none, and most columns have no such row.
    null_rows: Vec<usize>,
}

#[derive(Debug)]
enum Values {
    Text(Texts),
    Address(Vec<[u8; 16]>),
    Small(Vec<u8>),
    Port(Vec<u16>),
    Count(Vec<u64>),
    Time(Vec<i64>),
}

/// The start of the year 2200: no flow log tells of later.
const TIME_END_SECS: u64 = 7_258_118_400;

impl Column {
    pub(crate) fn new(field: Field) -> Self {
        let values = match field.kind() {
            Kind::Text => Values::Text(Texts::new(field)),
            Kind::Address => Values::Address(Vec::new()),
            Kind::Small => Values::Small(Vec::new()),
            Kind::Port => Values::Port(Vec::new()),
            Kind::Count => Values::Count(Vec::new()),
            Kind::Time => Values::Time(Vec::new()),
        };
        Self { field, values, null_rows: Vec::new() }
    }

    pub(crate) fn field(&self) -> Field {
        self.field
    }

    /// Makes room for a batch.
    pub(crate) fn reserve(&mut self, n_records: usize) {
        match &mut self.values {
            Values::Text(texts) => texts.reserve(n_records),
            Values::Address(values) => values.reserve_exact(n_records),
            Values::Small(values) => values.reserve_exact(n_records),
            Values::Port(values) => values.reserve_exact(n_records),
            Values::Count(values) => values.reserve_exact(n_records),
            Values::Time(values) => values.reserve_exact(n_records),
        }
    }

    /// Appends the value a line goes on with, and says how many bytes it took.
    #[inline]
    pub(crate) fn push_leading(&mut self, row: usize, line: &[u8]) -> Result<usize, RejectReason> {
        if let Some(n_bytes) = self.push_usual(line) {
            return Ok(n_bytes);
        }
        let n_bytes = value_len(line);
        match line.get(..n_bytes) {
            None | Some(b"") => Err(RejectReason::TooFewFields),
            Some(token) => self.push(row, token).map(|()| n_bytes),
        }
    }

    /// Appends what can be read in a few operations; what cannot may be good all the same.
    #[inline]
    fn push_usual(&mut self, line: &[u8]) -> Option<usize> {
        match &mut self.values {
            Values::Text(texts) => texts.push_repeated(line),
            Values::Address(values) => {
                let (bits, n_bytes) = leading_ipv4(line)?;
                values.push((0xffff_0000_0000 | u128::from(bits)).to_be_bytes());
                Some(n_bytes)
            }
            Values::Small(values) => push_leading_number(line, values),
            Values::Port(values) => push_leading_number(line, values),
            Values::Count(values) => push_leading_number(line, values),
            Values::Time(values) => {
                let (secs, n_bytes) = leading_number(line)?;
                values.push(time(Some(secs)).ok()?);
                Some(n_bytes)
            }
        }
    }

    /// Appends a value as a log spells it; `-` is none.
    #[inline]
    pub(crate) fn push(&mut self, row: usize, token: &[u8]) -> Result<(), RejectReason> {
        if token == b"-" {
            self.push_null(row);
            return Ok(());
        }
        match &mut self.values {
            Values::Text(texts) => texts.push(token)?,
            Values::Address(values) => {
                values.push(address(token).ok_or(RejectReason::BadAddress)?.to_be_bytes());
            }
            Values::Small(values) => values.push(narrow(number(token))?),
            Values::Port(values) => values.push(narrow(number(token))?),
            Values::Count(values) => values.push(number(token).ok_or(RejectReason::BadNumber)?),
            Values::Time(values) => values.push(time(number(token))?),
        }
        Ok(())
    }

    pub(crate) fn push_null(&mut self, row: usize) {
        self.null_rows.push(row);
        match &mut self.values {
            Values::Text(texts) => texts.push_null(),
            Values::Address(values) => values.push([0; 16]),
            Values::Small(values) => values.push(0),
            Values::Port(values) => values.push(0),
            Values::Count(values) => values.push(0),
            Values::Time(values) => values.push(0),
        }
    }

    /// Takes back rows from `n_records` on: what a rejected line had already appended.
    pub(crate) fn truncate(&mut self, n_records: usize) {
        while self.null_rows.pop_if(|row| *row >= n_records).is_some() {}
        match &mut self.values {
            Values::Text(texts) => texts.truncate(n_records),
            Values::Address(values) => values.truncate(n_records),
            Values::Small(values) => values.truncate(n_records),
            Values::Port(values) => values.truncate(n_records),
            Values::Count(values) => values.truncate(n_records),
            Values::Time(values) => values.truncate(n_records),
        }
    }

    /// Whether the given row, the last one, has no value.
    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.null_rows.last() == Some(&row)
    }

    /// The time of the last row.
    #[inline]
    pub(crate) fn time_at(&self, row: usize) -> Option<i64> {
        match &self.values {
            Values::Time(values) if !self.is_null(row) => values.last().copied(),
            _ => None,
        }
    }

    /// The text of the last row.
    #[inline]
    pub(crate) fn text_at(&self, row: usize) -> Option<&[u8]> {
        match &self.values {
            Values::Text(texts) if !self.is_null(row) => texts.last(),
            _ => None,
        }
    }

    pub(crate) fn is_full(&self, distinct_max: usize) -> bool {
        matches!(&self.values, Values::Text(texts) if texts.is_full(distinct_max))
    }

    /// Turns the rows into an Arrow array and starts afresh.
    pub(crate) fn finish(&mut self, n_records: usize) -> Result<ArrayRef, ArrowError> {
        let nulls = null_buffer(&std::mem::take(&mut self.null_rows), n_records);
        Ok(match &mut self.values {
            Values::Text(texts) => texts.finish(nulls)?,
            Values::Address(values) => {
                let bytes = Buffer::from_vec(std::mem::take(values).into_flattened());
                Arc::new(FixedSizeBinaryArray::try_new(16, bytes, nulls)?)
            }
            Values::Small(values) => {
                Arc::new(UInt8Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            Values::Port(values) => {
                Arc::new(UInt16Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            Values::Count(values) => {
                Arc::new(UInt64Array::try_new(std::mem::take(values).into(), nulls)?)
            }
            Values::Time(values) => {
                Arc::new(Int64Array::try_new(std::mem::take(values).into(), nulls)?)
            }
        })
    }
}

#[inline]
fn push_leading_number<T: TryFrom<u64>>(line: &[u8], values: &mut Vec<T>) -> Option<usize> {
    let (value, n_bytes) = leading_number(line)?;
    values.push(T::try_from(value).ok()?);
    Some(n_bytes)
}

#[inline]
fn narrow<T: TryFrom<u64>>(value: Option<u64>) -> Result<T, RejectReason> {
    value.and_then(|value| T::try_from(value).ok()).ok_or(RejectReason::BadNumber)
}

#[inline]
fn time(value: Option<u64>) -> Result<i64, RejectReason> {
    let secs = value.ok_or(RejectReason::BadNumber)?;
    if secs >= TIME_END_SECS {
        return Err(RejectReason::BadTime);
    }
    i64::try_from(secs).map_err(|_| RejectReason::BadTime)
}

fn null_buffer(null_rows: &[usize], n_records: usize) -> Option<NullBuffer> {
    if null_rows.is_empty() {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(n_records);
    valid.append_n(n_records, true);
    for &row in null_rows {
        valid.set_bit(row, false);
    }
    Some(NullBuffer::new(valid.finish()))
}
