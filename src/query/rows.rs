//! Rows as they come, cut at a number, and those formats that Arrow writes by itself.

use std::io::Write;

use anyhow::Result;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::json::writer::{LineDelimited, WriterBuilder};
use datafusion::parquet::arrow::ArrowWriter;

use crate::output;

/// Gives the next rows, until there are none.
pub(super) type Next<'a> = dyn FnMut() -> Result<Option<RecordBatch>> + 'a;

/// The first rows. Says so once if there are more.
pub(super) fn limited<'a>(
    next: &'a mut Next<'_>,
    rows_max: usize,
) -> impl FnMut() -> Result<Option<RecordBatch>> + 'a {
    let mut left = rows_max;
    let mut is_over = false;
    move || {
        while !is_over {
            let Some(batch) = next()? else { break };
            if batch.num_rows() == 0 {
                continue;
            }
            if batch.num_rows() <= left {
                left -= batch.num_rows();
                return Ok(Some(batch));
            }
            output::note(&format!(
                "only the first {rows_max} rows are shown; --max-rows shows more"
            ));
            is_over = true;
            return Ok((left > 0).then(|| batch.slice(0, left)));
        }
        is_over = true;
        Ok(None)
    }
}

/// One JSON object a line, nulls written out.
pub(super) fn write_json(next: &mut Next<'_>, out: &mut dyn Write) -> Result<()> {
    while let Some(batch) = next()? {
        let mut writer =
            WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
        writer.write(&batch)?;
        writer.finish()?;
        out.write_all(output::harmless_json(&String::from_utf8(writer.into_inner())?).as_bytes())?;
    }
    Ok(())
}

/// Parquet, a row group at a time.
pub(super) fn write_parquet(
    schema: &SchemaRef,
    next: &mut Next<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    let mut writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), None)?;
    while let Some(batch) = next()? {
        writer.write(&batch)?;
        // What is ready leaves at once; the writer counts for itself how far it is.
        out.write_all(&std::mem::take(writer.inner_mut()))?;
    }
    out.write_all(&writer.into_inner()?)?;
    Ok(())
}
