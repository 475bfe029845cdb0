//! A column in the making: plain vectors while rows come, an Arrow array at the end of the batch.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, Int64Array, UInt8Array, UInt16Array, UInt64Array,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer};
use arrow_schema::ArrowError;

use crate::field::{Field, Kind};
use crate::ledger::RejectReason;
use crate::run::Run;
use crate::texts::Texts;
use crate::value::{address, number};
use crate::words::{Leading, WINDOW_BYTES, leading_ipv4, leading_number};

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

    /// Appends the values of a run of lines; `row` is the first line's. What could be appended
    /// before a value that no column takes is there still: see [`Self::take_back`].
    pub(crate) fn extend(&mut self, row: usize, run: &mut Run<'_>) -> Result<(), RejectReason> {
        let end = run.terminator();
        let mut odd = Vec::new();
        match &mut self.values {
            Values::Text(texts) => texts.extend(run, &mut odd)?,
            Values::Address(values) => run.read_column(values, &mut odd, |window| {
                leading_ipv4(window, end).map(|(bits, n_bytes)| (mapped_bytes(bits), n_bytes))
            })?,
            Values::Small(values) => {
                run.read_column(values, &mut odd, |window| narrow_leading(window, end))?;
            }
            Values::Port(values) => {
                run.read_column(values, &mut odd, |window| narrow_leading(window, end))?;
            }
            Values::Count(values) => {
                run.read_column(values, &mut odd, |window| leading_number(window, end))?;
            }
            Values::Time(values) => run.read_column(values, &mut odd, |window| {
                let (secs, n_bytes) = leading_number(window, end)?;
                Some((time(Some(secs)).ok()?, n_bytes))
            })?,
        }
        odd.iter().try_for_each(|odd| self.set(row + odd.line, odd.token))
    }

    /// Sets a value that was not read in a few operations; it may be good all the same.
    fn set(&mut self, row: usize, token: &[u8]) -> Result<(), RejectReason> {
        if token == b"-" {
            self.null_rows.push(row);
            return Ok(());
        }
        match &mut self.values {
            // Only those without a value are odd among texts.
            Values::Text(_) => {}
            Values::Address(values) => {
                set(values, row, address(token).ok_or(RejectReason::BadAddress)?.to_be_bytes());
            }
            Values::Small(values) => set(values, row, narrow(number(token))?),
            Values::Port(values) => set(values, row, narrow(number(token))?),
            Values::Count(values) => {
                set(values, row, number(token).ok_or(RejectReason::BadNumber)?);
            }
            Values::Time(values) => set(values, row, time(number(token))?),
        }
        Ok(())
    }

    /// Takes back the last run, whose first row was `row`: nothing of it is left.
    pub(crate) fn take_back(&mut self, row: usize) {
        self.truncate(row);
        if let Values::Text(texts) = &mut self.values {
            texts.forget_run();
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

    /// The times from a row on, if none is missing.
    pub(crate) fn times_from(&self, row: usize) -> Option<&[i64]> {
        match &self.values {
            Values::Time(values) if self.null_rows.last().is_none_or(|&last| last < row) => {
                values.get(row..)
            }
            _ => None,
        }
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

fn set<T>(values: &mut [T], row: usize, value: T) {
    if let Some(place) = values.get_mut(row) {
        *place = value;
    }
}

#[inline]
fn mapped_bytes(bits: u32) -> [u8; 16] {
    (0xffff_0000_0000 | u128::from(bits)).to_be_bytes()
}

#[inline]
fn narrow_leading<T: TryFrom<u64>>(window: &[u8; WINDOW_BYTES], end: u8) -> Leading<T> {
    let (value, n_bytes) = leading_number(window, end)?;
    Some((T::try_from(value).ok()?, n_bytes))
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
