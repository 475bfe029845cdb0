//! Record batches as Parquet bytes and back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::SnapshotError;

/// More rows than this are not read: caps on open windows keep far below it.
const ROWS_MAX: i64 = 1 << 28;

/// What the columns may unpack to, by their own account.
const UNPACKED_BYTES_MAX: i64 = 1 << 34;

/// The bytes of a Parquet file with this batch.
pub(super) fn to_bytes(part: &'static str, batch: &RecordBatch) -> Result<Vec<u8>, SnapshotError> {
    write(batch).map_err(|error| SnapshotError::unwritable(part, error))
}

fn write(batch: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(batch)?;
    writer.close()?;
    Ok(bytes)
}

/// The batches of a Parquet file, one after the other.
pub(super) fn read(
    part: &'static str,
    bytes: Bytes,
    on_batch: &mut dyn FnMut(&RecordBatch) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let damaged = |error: ParquetError| SnapshotError::damaged(part, error);
    // Types are the columns' own: the schema a writer embeds is one more thing that can be wrong.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options));
    let builder = builder.map_err(damaged)?;
    let groups = builder.metadata().row_groups().iter();
    let unpacked =
        groups.fold(0_i64, |sum, group| sum.saturating_add(group.total_byte_size().max(0)));
    if builder.metadata().file_metadata().num_rows() > ROWS_MAX || unpacked > UNPACKED_BYTES_MAX {
        return Err(SnapshotError::damaged(
            part,
            "it claims to be larger than any that is written",
        ));
    }
    let mut reader = guarded(|| builder.build()).map_err(damaged)?;
    while let Some(batch) = guarded(|| Ok(reader.next().transpose()?)).map_err(damaged)? {
        on_batch(&batch)?;
    }
    Ok(())
}

/// Turns a panic of the Parquet crate into an error: it asserts where a damaged file has impossible
/// sizes. Nothing it leaves half done is used again.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ParquetError::General("the Parquet reader panicked".to_owned())))
}
