//! Records as a checked Arrow batch: once a [`FlowBatch`] exists, its columns have the types of the
//! field table, and reading them cannot fail.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, UInt8Type, UInt16Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray,
    UInt8Array, UInt16Array, UInt64Array,
};
use arrow_buffer::NullBuffer;

use crate::field::{Field, FieldSet};

/// Where records came from: what a path or key says about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The path or URL, for messages.
    pub name: String,
    /// The account in the path.
    pub account: Option<String>,
    /// The region in the path.
    pub region: Option<String>,
    /// The `fl-…` id in the file name.
    pub flow_log_id: Option<String>,
    /// The time in the file name, Unix seconds: no record in it ends earlier.
    pub time: Option<i64>,
}

/// Why a record batch is not a flow batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A column's name is not in the field table.
    #[error("column `{0}` is not a flow-log field")]
    UnknownColumn(String),
    /// A column has another type than the field table gives.
    #[error("column `{column}` is {found}, expected {expected}")]
    WrongType {
        /// The column.
        column: String,
        /// The type it has.
        found: String,
        /// The type it should have.
        expected: String,
    },
}

/// Records of one origin with one set of declared fields.
#[derive(Clone, Debug)]
pub struct FlowBatch {
    origin: Arc<Origin>,
    declared: FieldSet,
    rows: RecordBatch,
}

impl FlowBatch {
    /// Checks the columns of `rows` against the field table.
    ///
    /// `declared` are the fields the log carries, whether or not they were decoded.
    pub fn try_new(
        origin: Arc<Origin>,
        declared: FieldSet,
        rows: RecordBatch,
    ) -> Result<Self, SchemaError> {
        for column in rows.schema().fields() {
            let field = Field::from_name(column.name())
                .ok_or_else(|| SchemaError::UnknownColumn(column.name().clone()))?;
            let expected = field.kind().data_type();
            if column.data_type() != &expected {
                return Err(SchemaError::WrongType {
                    column: column.name().clone(),
                    found: column.data_type().to_string(),
                    expected: expected.to_string(),
                });
            }
        }
        Ok(Self { origin, declared, rows })
    }

    /// Where the records came from.
    pub fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// The fields the log carries.
    pub fn declared(&self) -> FieldSet {
        self.declared
    }

    /// The records as Arrow.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// How many records there are.
    pub fn n_records(&self) -> usize {
        self.rows.num_rows()
    }

    /// A slice of the records; no copy is made.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        let rows = self.rows.slice(offset, length);
        Self { origin: Arc::clone(&self.origin), declared: self.declared, rows }
    }

    fn column(&self, field: Field) -> Option<&ArrayRef> {
        self.rows.column_by_name(field.name())
    }

    /// A text column, if it was declared and decoded.
    pub fn text(&self, field: Field) -> Option<TextColumn<'_>> {
        let keys = self.column(field)?.as_dictionary_opt::<Int32Type>()?;
        let values = keys.values().as_string_opt::<i32>()?;
        Some(TextColumn { keys, values })
    }

    /// An address column.
    pub fn address(&self, field: Field) -> Option<AddressColumn<'_>> {
        let array = self.column(field)?.as_fixed_size_binary_opt()?;
        Some(AddressColumn { array, bytes: array.value_data() })
    }

    /// A column of small numbers.
    pub fn small(&self, field: Field) -> Option<&UInt8Array> {
        self.column(field)?.as_primitive_opt::<UInt8Type>()
    }

    /// A column of ports.
    pub fn port(&self, field: Field) -> Option<&UInt16Array> {
        self.column(field)?.as_primitive_opt::<UInt16Type>()
    }

    /// A column of counts.
    pub fn count(&self, field: Field) -> Option<&UInt64Array> {
        self.column(field)?.as_primitive_opt::<UInt64Type>()
    }

    /// A column of Unix seconds.
    pub fn time(&self, field: Field) -> Option<&Int64Array> {
        self.column(field)?.as_primitive_opt::<Int64Type>()
    }
}

/// A dictionary-encoded text column: work once per distinct value, then by code.
#[derive(Clone, Copy, Debug)]
pub struct TextColumn<'a> {
    keys: &'a DictionaryArray<Int32Type>,
    values: &'a StringArray,
}

impl<'a> TextColumn<'a> {
    /// The distinct values; a code is an index into them.
    pub fn values(&self) -> &'a StringArray {
        self.values
    }

    /// Whether the log had `-` in some row.
    pub fn has_gaps(&self) -> bool {
        self.keys.null_count() > 0
    }

    /// The code of a row, `None` where the log had `-`.
    #[inline]
    pub fn code(&self, row: usize) -> Option<usize> {
        if self.keys.is_null(row) {
            return None;
        }
        usize::try_from(self.keys.keys().value(row)).ok()
    }

    /// The text of a row.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&'a str> {
        self.code(row).map(|code| self.values.value(code))
    }
}

/// A column of sixteen-byte addresses.
#[derive(Clone, Copy, Debug)]
pub struct AddressColumn<'a> {
    array: &'a FixedSizeBinaryArray,
    bytes: &'a [u8],
}

impl<'a> AddressColumn<'a> {
    /// The addresses of all rows; where the log had `-`, anything.
    pub fn values(&self) -> &'a [[u8; 16]] {
        self.bytes.as_chunks().0
    }

    /// Which rows have an address, where some have none.
    pub fn nulls(&self) -> Option<&'a NullBuffer> {
        self.array.nulls()
    }

    /// The address of a row, `None` where the log had `-`.
    #[inline]
    pub fn get(&self, row: usize) -> Option<[u8; 16]> {
        if self.array.is_null(row) {
            return None;
        }
        let at = row * 16;
        self.bytes.get(at..at + 16)?.try_into().ok()
    }
}
