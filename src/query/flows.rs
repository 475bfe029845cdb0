//! The table `flows`: the records of the sources, decoded by `ingest` as far as a query needs them.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use datafusion::arrow::array::{Array, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as QueryResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use ingest::{DecodeOptions, Field, FlowBatch, LogFile};
use jiff::tz::TimeZone;
use tokio::sync::mpsc::Sender;

use super::columns::{self, Column, Shaping};
use super::ledger::{FileRead, Readings};
use super::prune::Bounds;
use crate::flags::SourceArgs;
use crate::plan;
use crate::sources::{self, Reach, Sources, Wanted};

/// The table's name.
pub(super) const TABLE: &str = "flows";

/// Batches that wait per partition.
const BATCHES_WAITING: usize = 2;

/// What the sources hold.
#[derive(Debug)]
pub(super) struct Flows {
    schema: SchemaRef,
    files: Vec<LogFile>,
    common: Arc<Common>,
}

/// What all partitions share.
#[derive(Debug)]
struct Common {
    reach: Reach,
    wanted: Wanted,
    decode: DecodeOptions,
    readings: Arc<Readings>,
}

impl Flows {
    /// Finds the files; none is opened.
    pub(super) fn of(args: &SourceArgs, zone: &TimeZone, readings: Arc<Readings>) -> Result<Self> {
        let wanted = plan::wanted(args, zone)?;
        let Sources { files, reach } = sources::find(&args.sources, &args.aws, wanted)?;
        let decode = plan::decoding(args, ingest::FieldSet::default())?;
        let common = Common { reach, wanted, decode, readings };
        Ok(Self { schema: columns::schema(Column::all()), files, common: Arc::new(common) })
    }

    /// The files that can hold what is asked for, each with its number.
    fn files(&self, filters: &[Expr]) -> Vec<(usize, LogFile)> {
        let Wanted { since, until, lateness_secs, .. } = self.common.wanted;
        let bounds = Bounds::of(filters).within(since, until);
        let files = self.files.iter().enumerate();
        let allowed = files.filter(|(_, file)| bounds.allow(file, lateness_secs));
        allowed.map(|(number, file)| (number, file.clone())).collect()
    }
}

#[async_trait]
impl TableProvider for Flows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> QueryResult<Vec<TableProviderFilterPushDown>> {
        // Files are left out, not records: every condition is checked again above.
        let pushed = |filter: &&Expr| {
            let tells = Bounds::tells(filter);
            if tells {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(pushed).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<Column> = Column::all().collect();
        let columns: Vec<Column> = match projection {
            Some(chosen) => chosen.iter().filter_map(|&at| all.get(at).copied()).collect(),
            None => all,
        };
        let schema = columns::schema(columns.iter().copied());
        let files = self.files(filters);
        self.common.readings.ask(self.files.len());
        let n_partitions = session.config().target_partitions().clamp(1, files.len().max(1));
        let partition = |at| {
            // Neighbours in time go to different partitions, so that all of them advance together.
            let files = files.iter().skip(at).step_by(n_partitions).cloned().collect();
            let (columns, schema) = (columns.clone(), Arc::clone(&schema));
            let common = Arc::clone(&self.common);
            Arc::new(Partition { schema, columns, files, common }) as Arc<dyn PartitionStream>
        };
        let partitions = (0..n_partitions).map(partition).collect();
        let exec =
            StreamingTableExec::try_new(Arc::clone(&schema), partitions, None, [], false, limit)?;
        Ok(Arc::new(exec))
    }
}

/// Some of the files, read one after the other.
#[derive(Clone, Debug)]
struct Partition {
    schema: SchemaRef,
    columns: Vec<Column>,
    files: Vec<(usize, LogFile)>,
    common: Arc<Common>,
}

impl PartitionStream for Partition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let mut stream = RecordBatchReceiverStream::builder(schema, BATCHES_WAITING);
        let (partition, sender) = (self.clone(), stream.tx());
        stream.spawn_blocking(move || {
            partition.read(&sender);
            Ok(())
        });
        stream.build()
    }
}

impl Partition {
    /// Reads until the end, or until nobody listens any more.
    fn read(&self, sender: &Sender<QueryResult<RecordBatch>>) {
        let files: Vec<LogFile> = self.files.iter().map(|(_, file)| file.clone()).collect();
        let reader = self.common.reach.reader(&files);
        let mut decode = self.common.decode.clone();
        decode.columns = columns::decoded(&self.columns);
        for (number, file) in &self.files {
            let mut shaping = Shaping::new(&self.columns, Arc::clone(&self.schema));
            let mut read = FileRead::new(file.place.to_string());
            let mut is_heard = true;
            let outcome = reader.read(file, &decode, &mut |batch| {
                if is_heard {
                    let rows = self.rows(&batch, &mut shaping, &mut read);
                    let rows = rows.map_err(DataFusionError::from);
                    is_heard = sender.blocking_send(rows).is_ok();
                }
            });
            read.end(outcome, is_heard);
            self.common.readings.add(*number, read);
            if !is_heard {
                return;
            }
        }
    }

    fn rows(
        &self,
        batch: &FlowBatch,
        shaping: &mut Shaping<'_>,
        read: &mut FileRead,
    ) -> Result<RecordBatch, ArrowError> {
        let rows = shaping.rows(batch)?;
        let Wanted { since, until, .. } = self.common.wanted;
        if since.is_none() && until.is_none() {
            read.count(batch, |_| true);
            return Ok(rows);
        }
        let (starts, ends) = (batch.time(Field::Start), batch.time(Field::End));
        let at = |times: Option<&Int64Array>, row| {
            times.filter(|times| times.is_valid(row)).map(|times| times.value(row))
        };
        // What says no time is in no range.
        let is_wanted = |row| {
            at(ends, row).or_else(|| at(starts, row)).is_some_and(|time| {
                since.is_none_or(|since| time >= since) && until.is_none_or(|until| time < until)
            })
        };
        let mask: BooleanArray = (0..batch.n_records()).map(|row| Some(is_wanted(row))).collect();
        read.count(batch, |row| mask.value(row));
        filter_record_batch(&rows, &mask)
    }
}
