//! Parquet flow logs: columns by name, values of whatever type the writer chose.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::ChunkReader;

use crate::batch::FlowBatch;
use crate::decoder::DecodeOptions;
use crate::error::{DecodeError, ReadError};
use crate::escape::printable;
use crate::field::{Field, FieldSet};
use crate::files::LogFile;
use crate::ledger::RejectReason;
use crate::limits::Limits;
use crate::read::ReadOutcome;
use crate::rows::Rows;
use crate::tally::Tally;
use crate::values::ColumnValues;

pub(crate) const PARQUET_MAGIC: &[u8] = b"PAR1";

type Builder<R> = ParquetRecordBatchReaderBuilder<R>;

/// Told which parts of the file, `(start, end)` in bytes, are about to be read.
pub(crate) type OnParts<'a> = &'a dyn Fn(&[(u64, u64)]) -> Result<(), ParquetError>;

/// Reads a whole Parquet file.
pub(crate) fn read<R: ChunkReader + 'static>(
    file: &LogFile,
    input: R,
    on_parts: OnParts<'_>,
    options: &DecodeOptions,
    on_batch: &mut dyn FnMut(FlowBatch),
) -> ReadOutcome {
    let mut tally = Tally::default();
    let error = read_rows(file, input, on_parts, options, &mut tally, on_batch).err();
    ReadOutcome { tally, error }
}

fn read_rows<R: ChunkReader + 'static>(
    file: &LogFile,
    input: R,
    on_parts: OnParts<'_>,
    options: &DecodeOptions,
    tally: &mut Tally,
    on_batch: &mut dyn FnMut(FlowBatch),
) -> Result<(), ReadError> {
    let damaged = |error: ParquetError| ReadError::Parquet {
        place: file.place.clone(),
        detail: printable(error.to_string().as_bytes(), 200),
    };
    // The schema a writer embeds is a hint we do not need; the Parquet types say enough.
    let reader_options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let opened = guarded(|| Builder::try_new_with_options(input, reader_options));
    let builder = opened.map_err(damaged)?;
    check_places(&builder).map_err(damaged)?;
    check_size(file, &builder, &options.limits)?;
    let columns = KnownColumns::of(file, &builder, tally)?;
    tally.declare(columns.declared);
    let mut rows = Rows::new(file.origin.clone(), options.limits);
    rows.set_columns(columns.declared, options.columns);
    let indices = columns.fields.iter().filter(|(_, field)| options.columns.contains(*field));
    let mask = ProjectionMask::roots(builder.parquet_schema(), indices.map(|&(index, _)| index));
    on_parts(&parts(&builder, &mask)).map_err(damaged)?;
    let builder = builder.with_projection(mask).with_batch_size(options.limits.batch_records);
    let mut reader = guarded(|| builder.build()).map_err(damaged)?;
    while let Some(batch) = guarded(|| Ok(reader.next().transpose()?)).map_err(damaged)? {
        append_batch(file, &batch, &mut rows, tally)?;
        hand_over(&mut rows, on_batch);
    }
    rows.cut();
    hand_over(&mut rows, on_batch);
    Ok(())
}

/// Where the wanted columns lie, in all row groups.
fn parts<R: ChunkReader>(builder: &Builder<R>, mask: &ProjectionMask) -> Vec<(u64, u64)> {
    let groups = builder.metadata().row_groups().iter();
    let chunks = groups.flat_map(|group| group.columns().iter().enumerate());
    let wanted = chunks.filter(|(leaf, _)| mask.leaf_included(*leaf));
    wanted
        .map(|(_, chunk)| {
            let (start, n_bytes) = chunk.byte_range();
            (start, start.saturating_add(n_bytes))
        })
        .collect()
}

/// Turns a panic of the Parquet crate into an error: it asserts, where a damaged file has negative
/// sizes, instead of refusing. Nothing it leaves half done is used again.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(ParquetError::General("the Parquet reader panicked".to_owned())))
}

fn hand_over(rows: &mut Rows, on_batch: &mut dyn FnMut(FlowBatch)) {
    while let Some(batch) = rows.take_batch() {
        on_batch(batch);
    }
}

/// The Parquet crate asserts what is checked here, and a panic would be reported on the terminal.
fn check_places<R: ChunkReader>(builder: &Builder<R>) -> Result<(), ParquetError> {
    let chunks = builder.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    let mut places = chunks.flat_map(|chunk| {
        let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
        [start, chunk.compressed_size()]
    });
    if places.any(|place| place < 0) {
        return Err(ParquetError::General("a column begins or ends before the file".to_owned()));
    }
    Ok(())
}

/// Run lengths let a small file claim any number of rows, so the claims are held against its size.
fn check_size<R: ChunkReader>(
    file: &LogFile,
    builder: &Builder<R>,
    limits: &Limits,
) -> Result<(), ReadError> {
    let metadata = builder.metadata();
    let claimed = |bytes: i64| u64::try_from(bytes).unwrap_or(u64::MAX);
    let sizes = metadata.row_groups().iter().map(|group| claimed(group.total_byte_size()));
    let n_rows = claimed(metadata.file_metadata().num_rows());
    let n_bytes = sizes.fold(n_rows, u64::saturating_add);
    let by_ratio = file.bytes.saturating_mul(limits.decompression_ratio_max);
    let reached = if n_bytes > limits.decompressed_bytes_max {
        Some(("decompressed_bytes_max", limits.decompressed_bytes_max))
    } else if n_bytes > by_ratio.max(Limits::RATIO_FREE_BYTES) {
        Some(("decompression_ratio_max", limits.decompression_ratio_max))
    } else {
        None
    };
    let Some((limit, value)) = reached else { return Ok(()) };
    let name = file.origin.name.clone();
    Err(DecodeError::LimitReached { name, limit, value }.into())
}

/// The columns that are flow-log fields, by their place among the file's columns.
struct KnownColumns {
    fields: Vec<(usize, Field)>,
    declared: FieldSet,
}

impl KnownColumns {
    /// Of two columns with names of one field, such as a partition key written out, the first counts.
    fn of<R: ChunkReader>(
        file: &LogFile,
        builder: &Builder<R>,
        tally: &mut Tally,
    ) -> Result<Self, ReadError> {
        let mut known = Self { fields: Vec::new(), declared: FieldSet::default() };
        let mut others = Vec::new();
        for (index, column) in builder.schema().fields().iter().enumerate() {
            match Field::from_name(column.name()) {
                Some(field) if !known.declared.contains(field) => {
                    known.fields.push((index, field));
                    known.declared.insert(field);
                }
                Some(_) => {}
                None => others.push(printable(column.name().as_bytes(), 64)),
            }
        }
        if known.fields.is_empty() {
            others.truncate(8);
            let found = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
            return Err(ReadError::NoKnownColumn { place: file.place.clone(), found });
        }
        tally.note_unknown(&others);
        Ok(known)
    }
}

fn append_batch(
    file: &LogFile,
    batch: &RecordBatch,
    rows: &mut Rows,
    tally: &mut Tally,
) -> Result<(), ReadError> {
    let mut sources = Vec::new();
    for (column, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let values = ColumnValues::of(array.as_ref()).ok_or_else(|| ReadError::ColumnType {
            place: file.place.clone(),
            column: printable(column.name().as_bytes(), 64),
            found: printable(array.data_type().to_string().as_bytes(), 64),
        })?;
        let target = Field::from_name(column.name()).and_then(|field| rows.position(field));
        sources.extend(target.map(|target| (target, values)));
    }
    for row in 0..batch.num_rows() {
        tally.lines += 1;
        if let Err(reason) = append_row(row, &sources, rows) {
            tally.reject(reason, shown_row(row, &sources).as_bytes());
        }
    }
    Ok(())
}

fn append_row(
    source_row: usize,
    sources: &[(usize, ColumnValues<'_>)],
    rows: &mut Rows,
) -> Result<(), RejectReason> {
    let (row, columns) = rows.next_row();
    let mut scratch = Vec::new();
    let appended = sources.iter().try_for_each(|(target, values)| {
        let token = values.token(source_row, &mut scratch);
        columns.get_mut(*target).map_or(Ok(()), |column| column.push(row, token))
    });
    rows.end_row(appended)
}

/// A rejected row as text.
fn shown_row(row: usize, sources: &[(usize, ColumnValues<'_>)]) -> String {
    let mut scratch = Vec::new();
    let mut shown = String::new();
    for (_, values) in sources.iter().take(Field::ALL.len()) {
        let token = values.token(row, &mut scratch);
        shown.push_str(&printable(token, Tally::SAMPLE_CHARS_MAX));
        shown.push(' ');
    }
    shown
}
