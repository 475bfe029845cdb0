//! The baseline as one Parquet file that other tools can read.
//!
//! One row per counter group, in a fixed order: `what` says which columns of the row are set. The
//! file's key-value metadata holds `tidegate.baseline`, a JSON header with the format version and what
//! was learned from. The same evidence gives the same bytes.
//!
//! Upgrade rule: a reader takes any version up to its own and refuses later ones; columns and members
//! of the header are only ever added, an absent column means zero, and an absent member unknown.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, Int64Builder, StringBuilder, UInt8Builder, UInt16Builder, UInt64Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt16Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use ingest::{Field, FieldSet, Ledger};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use super::days::EdgeDays;
use super::evidence::{
    Baseline, Counter, Direction, EdgeKey, Learned, Measure, RangesUse, ServiceEvidence,
};

/// The version this program writes.
pub const FORMAT_VERSION: u32 = 1;

const HOURS_OF_DAY: i64 = 24;

const HEADER_KEY: &str = "tidegate.baseline";

/// Why a baseline could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Not Parquet, or damaged.
    #[error("not a readable Parquet file")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Arrow could not build or read a batch.
    #[error("its rows could not be read")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// Parquet, but not a baseline.
    #[error("it has no `tidegate.baseline` header: it is not a baseline")]
    NoHeader,
    /// The header is not what it should be.
    #[error("its `tidegate.baseline` header cannot be read")]
    Header(#[from] serde_json::Error),
    /// Written by a later program.
    #[error("its format version is {found}; this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The version found.
        found: u32,
    },
    /// A row makes no sense.
    #[error("row {row} is damaged: `{what}`")]
    Row {
        /// The row's number from 0.
        row: usize,
        /// What kind of row it claims to be.
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format_version: u32,
    from: Option<i64>,
    until: Option<i64>,
    interval_secs: Option<i64>,
    fields: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ip_ranges: Option<RangesUse>,
    ledger: BTreeMap<String, u64>,
}

/// The columns; a row sets those its kind uses.
#[derive(Default)]
struct Columns {
    what: StringBuilder,
    service: StringBuilder,
    peer: StringBuilder,
    name: StringBuilder,
    port: UInt16Builder,
    protocol: UInt8Builder,
    hour: Int64Builder,
    bucket: UInt16Builder,
    first: Int64Builder,
    last: Int64Builder,
    settled: Int64Builder,
    days: BinaryBuilder,
    counters: [UInt64Builder; N_COUNTERS],
}

const COUNTERS: [&str; 6] =
    ["windows", "established", "connections", "bytes_out", "bytes_in", "rejected"];
const N_COUNTERS: usize = 12;

#[derive(Default)]
struct Row<'a> {
    what: &'a str,
    service: Option<&'a str>,
    peer: Option<&'a str>,
    name: Option<&'a str>,
    port: Option<u16>,
    protocol: Option<u8>,
    hour: Option<i64>,
    bucket: Option<u16>,
    first: Option<i64>,
    last: Option<i64>,
    settled: Option<i64>,
    days: Option<&'a [u8]>,
    counters: [Counter; 6],
}

impl Columns {
    fn push(&mut self, row: &Row<'_>) {
        self.what.append_value(row.what);
        self.service.append_option(row.service);
        self.peer.append_option(row.peer);
        self.name.append_option(row.name);
        self.port.append_option(row.port);
        self.protocol.append_option(row.protocol);
        self.hour.append_option(row.hour);
        self.bucket.append_option(row.bucket);
        self.first.append_option(row.first);
        self.last.append_option(row.last);
        self.settled.append_option(row.settled);
        self.days.append_option(row.days);
        for (pair, counter) in self.counters.chunks_exact_mut(2).zip(row.counters) {
            pair[0].append_value(counter.clean);
            pair[1].append_value(counter.flagged);
        }
    }

    fn finish(mut self) -> Result<RecordBatch, FileError> {
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("what".into(), Arc::new(self.what.finish())),
            ("service".into(), Arc::new(self.service.finish())),
            ("peer".into(), Arc::new(self.peer.finish())),
            ("name".into(), Arc::new(self.name.finish())),
            ("port".into(), Arc::new(self.port.finish())),
            ("protocol".into(), Arc::new(self.protocol.finish())),
            ("hour".into(), Arc::new(self.hour.finish())),
            ("bucket".into(), Arc::new(self.bucket.finish())),
            ("first".into(), Arc::new(self.first.finish())),
            ("last".into(), Arc::new(self.last.finish())),
            ("settled".into(), Arc::new(self.settled.finish())),
            ("days".into(), Arc::new(self.days.finish())),
        ];
        for (name, pair) in COUNTERS.iter().zip(self.counters.chunks_exact_mut(2)) {
            columns.push(((*name).into(), Arc::new(pair[0].finish())));
            columns.push((format!("{name}_flagged"), Arc::new(pair[1].finish())));
        }
        Ok(RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )?)
    }
}

/// Writes a baseline.
pub fn write(baseline: &Baseline, to: impl Write + Send) -> Result<(), FileError> {
    let mut columns = Columns::default();
    push_learned(&mut columns, &baseline.learned);
    if baseline.services.overflowed() {
        columns.push(&Row { what: "services-overflowed", ..Row::default() });
    }
    for (name, service) in baseline.services.iter() {
        push_service(&mut columns, name, service);
    }
    let header = KeyValue::new(HEADER_KEY.to_owned(), serde_json::to_string(&header(baseline))?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_key_value_metadata(Some(vec![header]))
        .build();
    let batch = columns.finish()?;
    let mut writer = ArrowWriter::try_new(to, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn header(baseline: &Baseline) -> Header {
    let learned = &baseline.learned;
    Header {
        format_version: FORMAT_VERSION,
        from: learned.from,
        until: learned.until,
        interval_secs: learned.interval_secs,
        fields: learned.fields.iter().map(|field| field.name().to_owned()).collect(),
        ip_ranges: learned.ip_ranges,
        ledger: ledger_classes(&learned.ledger),
    }
}

/// A ledger's classes by name.
pub(crate) fn ledger_classes(ledger: &Ledger) -> BTreeMap<String, u64> {
    let mut classes: BTreeMap<String, u64> =
        ledger.classes().map(|class| (class.name.to_owned(), class.n)).into();
    classes.insert("records".to_owned(), ledger.records);
    for (reason, n) in &ledger.rejected {
        classes.insert(format!("rejected-{}", reason.name()), *n);
    }
    classes
}

/// The ledger of [`ledger_classes`]; what caps cut is not in it.
pub(crate) fn ledger_of(classes: &BTreeMap<String, u64>) -> Ledger {
    let class = |name: &str| classes.get(name).copied().unwrap_or(0);
    let rejected = ingest::RejectReason::ALL
        .iter()
        .map(|&reason| (reason, class(&format!("rejected-{}", reason.name()))))
        .filter(|&(_, n)| n > 0)
        .collect();
    Ledger {
        records: class("records"),
        used: class("used"),
        nodata: class("nodata"),
        skipdata: class("skipdata"),
        duplicate: class("duplicate"),
        late: class("late"),
        outside_range: class("outside-range"),
        other_resource: class("other-resource"),
        control: class("control"),
        open: class("open"),
        rejected,
        capped: BTreeMap::new(),
    }
}

fn push_learned(columns: &mut Columns, learned: &Learned) {
    if learned.enis.overflowed() {
        columns.push(&Row { what: "enis-overflowed", ..Row::default() });
    }
    for ((account, eni), ()) in learned.enis.iter() {
        columns.push(&Row { what: "eni", peer: Some(account), name: Some(eni), ..Row::default() });
    }
    for (&hour, &windows) in &learned.hours {
        let mut counters = [Counter::default(); 6];
        counters[0].clean = windows;
        columns.push(&Row { what: "hour", hour: Some(hour), counters, ..Row::default() });
    }
}

fn push_service(columns: &mut Columns, name: &str, service: &ServiceEvidence) {
    let base = || Row { service: Some(name), ..Row::default() };
    let mut counters = [Counter::default(); 6];
    counters[0] = service.windows;
    let overflowed = if service.edges.overflowed() { Some("edges-overflowed") } else { None };
    columns.push(&Row { what: "service", name: overflowed, counters, ..base() });
    for (workload, seen) in service.workloads.iter() {
        let (first, last) = (Some(seen.first), Some(seen.last));
        columns.push(&Row { what: "workload", name: Some(workload), first, last, ..base() });
    }
    for (key, edge) in service.edges.iter() {
        let (newest_day, days) = edge.days.parts();
        columns.push(&Row {
            what: "edge",
            hour: newest_day.checked_mul(HOURS_OF_DAY),
            days: Some(days),
            name: Some(key.direction.name()),
            peer: Some(&key.peer),
            port: Some(key.port),
            protocol: Some(key.protocol),
            first: Some(edge.first),
            last: Some(edge.last),
            settled: (edge.settled < i64::MAX).then_some(edge.settled),
            counters: [
                edge.windows,
                edge.established,
                edge.connections,
                edge.bytes_out,
                edge.bytes_in,
                edge.rejected,
            ],
            ..base()
        });
    }
    for (measure, histogram) in &service.measures {
        for (hour, bucket, counter) in histogram.iter() {
            let mut counters = [Counter::default(); 6];
            counters[0] = counter;
            columns.push(&Row {
                what: "measure",
                name: Some(measure.name()),
                hour: Some(hour),
                bucket: Some(bucket),
                counters,
                ..base()
            });
        }
    }
}

/// Reads a baseline from a file's bytes.
pub fn read(bytes: impl Into<bytes::Bytes>) -> Result<Baseline, FileError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.into())?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let header = metadata
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == HEADER_KEY))
        .and_then(|pair| pair.value.as_deref())
        .ok_or(FileError::NoHeader)?;
    let header: Header = serde_json::from_str(header)?;
    if header.format_version > FORMAT_VERSION {
        return Err(FileError::TooNew { found: header.format_version });
    }
    let mut baseline = Baseline::default();
    let mut n_rows = 0;
    for batch in builder.build()? {
        let batch = batch?;
        let reader = Reader { batch: &batch };
        for row in 0..batch.num_rows() {
            reader.take(row, &mut baseline).ok_or_else(|| FileError::Row {
                row: n_rows + row,
                what: reader.text("what", row).unwrap_or_default().to_owned(),
            })?;
        }
        n_rows += batch.num_rows();
    }
    let learned = &mut baseline.learned;
    (learned.from, learned.until) = (header.from, header.until);
    learned.interval_secs = header.interval_secs;
    learned.fields =
        header.fields.iter().filter_map(|name| Field::from_name(name)).collect::<FieldSet>();
    learned.ip_ranges = header.ip_ranges;
    learned.ledger = ledger_of(&header.ledger);
    baseline.forget();
    Ok(baseline)
}

struct Reader<'a> {
    batch: &'a RecordBatch,
}

impl Reader<'_> {
    fn text(&self, column: &str, row: usize) -> Option<&str> {
        let array = self.batch.column_by_name(column)?.as_string_opt::<i32>()?;
        array.is_valid(row).then(|| array.value(row))
    }

    fn number<T: arrow_array::ArrowPrimitiveType>(
        &self,
        column: &str,
        row: usize,
    ) -> Option<T::Native> {
        let array = self.batch.column_by_name(column)?.as_primitive_opt::<T>()?;
        array.is_valid(row).then(|| array.value(row))
    }

    /// An edge's days; older files have none.
    fn days(&self, row: usize) -> Option<EdgeDays> {
        let array = self.batch.column_by_name("days")?.as_binary_opt::<i32>()?;
        let newest = self.number::<Int64Type>("hour", row)?.div_euclid(HOURS_OF_DAY);
        EdgeDays::of_parts(newest, array.is_valid(row).then(|| array.value(row))?)
    }

    fn counter(&self, column: &str, row: usize) -> Counter {
        let part = |name: &str| self.number::<UInt64Type>(name, row).unwrap_or(0);
        Counter { clean: part(column), flagged: part(&format!("{column}_flagged")) }
    }

    /// Adds one row to the evidence; `None` if a column the row needs is missing.
    fn take(&self, row: usize, baseline: &mut Baseline) -> Option<()> {
        let learned = &mut baseline.learned;
        match self.text("what", row)? {
            "eni" => {
                let eni = (self.text("peer", row)?.into(), self.text("name", row)?.into());
                learned.enis.slot(&eni);
            }
            "hour" => {
                let windows = self.counter("windows", row).clean;
                learned.hours.insert(self.number::<Int64Type>("hour", row)?, windows);
            }
            "enis-overflowed" => learned.enis.set_overflowed(),
            "services-overflowed" => baseline.services.set_overflowed(),
            what => {
                let name: Arc<str> = self.text("service", row)?.into();
                let service = baseline.services.slot(&name)?;
                self.take_service(what, row, service)?;
            }
        }
        Some(())
    }

    fn take_service(&self, what: &str, row: usize, service: &mut ServiceEvidence) -> Option<()> {
        match what {
            "service" => {
                service.windows = self.counter("windows", row);
                if self.text("name", row).is_some() {
                    service.edges.set_overflowed();
                }
            }
            "workload" => {
                let seen = service.workloads.slot(&self.text("name", row)?.into())?;
                seen.first = self.number::<Int64Type>("first", row)?;
                seen.last = self.number::<Int64Type>("last", row)?;
            }
            "edge" => self.take_edge(row, service)?,
            "measure" => {
                let measure = Measure::from_name(self.text("name", row)?)?;
                let hour = self.number::<Int64Type>("hour", row)?;
                let bucket = self.number::<UInt16Type>("bucket", row)?;
                let histogram = service.measures.entry(measure).or_default();
                histogram.add(hour, bucket, self.counter("windows", row));
            }
            // A kind of row a later minor version added.
            _ => {}
        }
        Some(())
    }

    fn take_edge(&self, row: usize, service: &mut ServiceEvidence) -> Option<()> {
        let direction = match self.text("name", row)? {
            "outbound" => Direction::Out,
            "inbound" => Direction::In,
            _ => return None,
        };
        let key = EdgeKey {
            direction,
            peer: self.text("peer", row)?.into(),
            port: self.number::<UInt16Type>("port", row)?,
            protocol: self.number::<UInt8Type>("protocol", row)?,
        };
        let edge = service.edges.slot(&key)?;
        edge.first = self.number::<Int64Type>("first", row)?;
        edge.last = self.number::<Int64Type>("last", row)?;
        edge.settled = self.number::<Int64Type>("settled", row).unwrap_or(i64::MAX);
        edge.windows = self.counter("windows", row);
        edge.established = self.counter("established", row);
        edge.connections = self.counter("connections", row);
        edge.bytes_out = self.counter("bytes_out", row);
        edge.bytes_in = self.counter("bytes_in", row);
        edge.rejected = self.counter("rejected", row);
        edge.days = self.days(row).unwrap_or_default();
        Some(())
    }
}
