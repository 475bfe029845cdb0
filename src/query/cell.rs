//! Values as text, with nothing in it that steers a terminal.

use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use ingest::escape::harmless;

/// Whether values are numbers, which stand to the right and are no formulas.
pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Whether values may hold what somebody else wrote.
pub(super) fn is_text(data_type: &DataType) -> bool {
    !(data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean)
}

/// Hands over the rows of a batch, each as harmless texts; a null is `null`.
pub(super) fn each_row(
    batch: &RecordBatch,
    null: &str,
    on_row: &mut dyn FnMut(Vec<String>) -> Result<()>,
) -> Result<()> {
    let options = FormatOptions::default().with_null(null);
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let cells = columns.iter().map(|column| {
            let text = column.value(row).try_to_string()?;
            Ok(harmless(&text).into_owned())
        });
        on_row(cells.collect::<Result<_>>()?)?;
    }
    Ok(())
}
