//! Tables made of our own values: a list of columns, each a name and what a row has there.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringViewArray, TimestampSecondArray,
    UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::datasource::MemTable;
use datafusion::error::Result;

/// The zone of every time.
pub(super) const ZONE: &str = "UTC";

/// The type of every time.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Second, Some(ZONE.into()))
}

/// What a row has in a column.
pub(super) enum Value<R: ?Sized> {
    /// Text.
    Text(fn(&R) -> Option<String>),
    /// A count, a port, a protocol.
    Count(fn(&R) -> Option<u64>),
    /// A share or a probability.
    Float(fn(&R) -> Option<f64>),
    /// Unix seconds.
    Time(fn(&R) -> Option<i64>),
    /// Yes or no.
    Flag(fn(&R) -> Option<bool>),
}

/// A table's columns in order.
pub(super) type Columns<R> = Vec<(&'static str, Value<R>)>;

/// The columns' names and types.
pub(super) fn schema<R>(columns: &Columns<R>) -> SchemaRef {
    let fields = columns.iter().map(|(name, value)| {
        let data_type = match value {
            Value::Text(_) => DataType::Utf8View,
            Value::Count(_) => DataType::UInt64,
            Value::Float(_) => DataType::Float64,
            Value::Time(_) => time_type(),
            Value::Flag(_) => DataType::Boolean,
        };
        Field::new(*name, data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// These rows as Arrow.
pub(super) fn batch<R>(columns: &Columns<R>, rows: &[R]) -> Result<RecordBatch, ArrowError> {
    let rows = || rows.iter();
    let arrays = columns.iter().map(|(_, value)| -> ArrayRef {
        match value {
            Value::Text(of) => Arc::new(rows().map(of).collect::<StringViewArray>()),
            Value::Count(of) => Arc::new(rows().map(of).collect::<UInt64Array>()),
            Value::Float(of) => Arc::new(rows().map(of).collect::<Float64Array>()),
            Value::Time(of) => {
                let times = rows().map(of).collect::<TimestampSecondArray>();
                Arc::new(times.with_timezone(ZONE))
            }
            Value::Flag(of) => Arc::new(rows().map(of).collect::<BooleanArray>()),
        }
    });
    RecordBatch::try_new(schema(columns), arrays.collect())
}

/// A table of these rows.
pub(super) fn mem_table<R>(columns: &Columns<R>, rows: &[R]) -> Result<Arc<MemTable>> {
    let batch = batch(columns, rows)?;
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}
