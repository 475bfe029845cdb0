//! Values of a Parquet column as the tokens a text log would have, whatever type they have.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, BinaryArray, BinaryViewArray, Int64Array, LargeBinaryArray, LargeStringArray,
    PrimitiveArray, StringArray, StringViewArray, UInt64Array,
};
use arrow_schema::DataType;

/// A column of text, bytes, integers, or a dictionary of these.
pub(crate) enum ColumnValues<'a> {
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Null,
    Dictionary { array: &'a dyn Array, keys: Vec<usize>, values: Box<ColumnValues<'a>> },
}

impl<'a> ColumnValues<'a> {
    /// `None` if the column has a type no flow log has.
    pub(crate) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Utf8(array.as_string_opt()?),
            DataType::LargeUtf8 => Self::LargeUtf8(array.as_string_opt()?),
            DataType::Utf8View => Self::Utf8View(array.as_string_view_opt()?),
            DataType::Binary => Self::Binary(array.as_binary_opt()?),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary_opt()?),
            DataType::BinaryView => Self::BinaryView(array.as_binary_view_opt()?),
            DataType::Int8 => Self::Signed(widened(array.as_primitive_opt::<Int8Type>()?)),
            DataType::Int16 => Self::Signed(widened(array.as_primitive_opt::<Int16Type>()?)),
            DataType::Int32 => Self::Signed(widened(array.as_primitive_opt::<Int32Type>()?)),
            DataType::Int64 => Self::Signed(array.as_primitive_opt::<Int64Type>()?.clone()),
            DataType::UInt8 => Self::Unsigned(widened(array.as_primitive_opt::<UInt8Type>()?)),
            DataType::UInt16 => Self::Unsigned(widened(array.as_primitive_opt::<UInt16Type>()?)),
            DataType::UInt32 => Self::Unsigned(widened(array.as_primitive_opt::<UInt32Type>()?)),
            DataType::UInt64 => Self::Unsigned(array.as_primitive_opt::<UInt64Type>()?.clone()),
            DataType::Null => Self::Null,
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary_opt()?;
                let values = dictionary.values();
                let keys =
                    if values.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
                let values = Box::new(Self::of(values.as_ref())?);
                Self::Dictionary { array, keys, values }
            }
            _ => return None,
        })
    }

    /// The value as a log would spell it; `-` for null and for `None`, which some writers put.
    pub(crate) fn token<'b>(&'b self, row: usize, scratch: &'b mut Vec<u8>) -> &'b [u8] {
        let text = match self {
            Self::Utf8(array) => array.is_valid(row).then(|| array.value(row).as_bytes()),
            Self::LargeUtf8(array) => array.is_valid(row).then(|| array.value(row).as_bytes()),
            Self::Utf8View(array) => array.is_valid(row).then(|| array.value(row).as_bytes()),
            Self::Binary(array) => array.is_valid(row).then(|| array.value(row)),
            Self::LargeBinary(array) => array.is_valid(row).then(|| array.value(row)),
            Self::BinaryView(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Signed(array) => array.is_valid(row).then(|| spelled(array.value(row), scratch)),
            Self::Unsigned(array) => {
                array.is_valid(row).then(|| spelled(array.value(row), scratch))
            }
            Self::Null => None,
            Self::Dictionary { array, keys, values } => {
                let key = keys.get(row).copied().filter(|_| array.is_valid(row));
                key.map(|key| values.token(key, scratch))
            }
        };
        text.filter(|&text| !matches!(text, b"" | b"None")).unwrap_or(b"-")
    }
}

fn widened<N, W>(array: &PrimitiveArray<N>) -> PrimitiveArray<W>
where
    N: arrow_array::ArrowPrimitiveType,
    W: arrow_array::ArrowPrimitiveType,
    W::Native: From<N::Native>,
{
    array.unary(W::Native::from)
}

fn spelled(value: impl std::fmt::Display, scratch: &mut Vec<u8>) -> &[u8] {
    scratch.clear();
    // Writing to memory cannot fail.
    let _ = write!(scratch, "{value}");
    scratch
}
