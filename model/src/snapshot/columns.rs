//! The columns of a batch by name, looked up once; a value that is missing or of another type than it
//! was written as is an error, not a panic.

use std::fmt::Display;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray, RecordBatch};

use super::SnapshotError;

/// A batch and the part of the snapshot it is of.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    part: &'static str,
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    pub(super) fn new(part: &'static str, batch: &'a RecordBatch) -> Self {
        Self { part, batch }
    }

    pub(super) fn damaged(&self, row: usize, detail: impl Display) -> SnapshotError {
        SnapshotError::damaged(self.part, format!("row {row}: {detail}"))
    }

    fn missing(&self, row: usize, column: &str) -> SnapshotError {
        self.damaged(row, format!("no usable `{column}`"))
    }

    pub(super) fn text(&self, column: &str, row: usize) -> Result<&'a str, SnapshotError> {
        let array =
            self.batch.column_by_name(column).and_then(|array| array.as_string_opt::<i32>());
        array
            .filter(|array| array.is_valid(row))
            .map(|array| array.value(row))
            .ok_or_else(|| self.missing(row, column))
    }

    pub(super) fn truth(&self, column: &str, row: usize) -> Result<bool, SnapshotError> {
        let array = self.batch.column_by_name(column).and_then(|array| array.as_boolean_opt());
        array
            .filter(|array| array.is_valid(row))
            .map(|array| array.value(row))
            .ok_or_else(|| self.missing(row, column))
    }

    pub(super) fn address(&self, column: &str, row: usize) -> Result<u128, SnapshotError> {
        let array = self.batch.column_by_name(column);
        array
            .and_then(|array| array.as_fixed_size_binary_opt())
            .filter(|array| array.is_valid(row))
            .and_then(|array| <[u8; 16]>::try_from(array.value(row)).ok())
            .map(u128::from_be_bytes)
            .ok_or_else(|| self.missing(row, column))
    }

    pub(super) fn times(&self, column: &str, row: usize) -> Result<Vec<i64>, SnapshotError> {
        let array = self.batch.column_by_name(column).and_then(|array| array.as_list_opt::<i32>());
        let list = array.filter(|array| array.is_valid(row)).map(|array| array.value(row));
        let times = list.as_ref().and_then(|list| list.as_primitive_opt::<Int64Type>());
        times.map(|times| times.values().to_vec()).ok_or_else(|| self.missing(row, column))
    }

    fn number<T: ArrowPrimitiveType>(
        &self,
        column: &str,
        row: usize,
    ) -> Result<T::Native, SnapshotError> {
        let array: Option<&PrimitiveArray<T>> =
            self.batch.column_by_name(column).and_then(|array| array.as_primitive_opt());
        array
            .filter(|array| array.is_valid(row))
            .map(|array| array.value(row))
            .ok_or_else(|| self.missing(row, column))
    }

    pub(super) fn seconds(&self, column: &str, row: usize) -> Result<i64, SnapshotError> {
        self.number::<Int64Type>(column, row)
    }

    pub(super) fn u8(&self, column: &str, row: usize) -> Result<u8, SnapshotError> {
        self.number::<UInt8Type>(column, row)
    }

    pub(super) fn u16(&self, column: &str, row: usize) -> Result<u16, SnapshotError> {
        self.number::<UInt16Type>(column, row)
    }

    pub(super) fn u32(&self, column: &str, row: usize) -> Result<u32, SnapshotError> {
        self.number::<UInt32Type>(column, row)
    }

    pub(super) fn u64(&self, column: &str, row: usize) -> Result<u64, SnapshotError> {
        self.number::<UInt64Type>(column, row)
    }
}
