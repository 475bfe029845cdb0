//! Rows in the making: columns side by side, checked as a whole, cut into batches.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Field as ArrowField, Schema, SchemaRef};

use crate::batch::{FlowBatch, Origin};
use crate::columns::Column;
use crate::field::{Field, FieldSet};
use crate::ledger::RejectReason;
use crate::limits::Limits;
use crate::run::Run;

/// The rows of one set of columns, and the batches cut from them.
#[derive(Debug)]
pub(crate) struct Rows {
    origin: Arc<Origin>,
    limits: Limits,
    declared: FieldSet,
    columns: Vec<Column>,
    schema: SchemaRef,
    start: Option<usize>,
    end: Option<usize>,
    status: Option<usize>,
    n_open: usize,
    /// How many rows the last batch had: the next may well have as many.
    n_cut: usize,
    ready: VecDeque<FlowBatch>,
}

/// Dictionaries are looked at every so many rows: often enough, and not on every row.
const FULL_CHECK_ROWS: usize = 256;

impl Rows {
    pub(crate) fn new(origin: Arc<Origin>, limits: Limits) -> Self {
        Self {
            origin,
            limits,
            declared: FieldSet::default(),
            columns: Vec::new(),
            schema: Arc::new(Schema::empty()),
            start: None,
            end: None,
            status: None,
            n_open: 0,
            n_cut: 0,
            ready: VecDeque::new(),
        }
    }

    /// Makes a batch of what is there; rows after this are of another origin.
    pub(crate) fn set_origin(&mut self, origin: Arc<Origin>) {
        self.cut();
        self.origin = origin;
    }

    /// Begins rows of other columns; what is there becomes a batch.
    pub(crate) fn set_columns(&mut self, declared: FieldSet, wanted: FieldSet) {
        if self.declared == declared && self.n_open > 0 {
            return;
        }
        self.cut();
        let decoded = declared.intersection(wanted);
        self.declared = declared;
        self.columns = decoded.iter().map(Column::new).collect();
        let fields: Vec<ArrowField> = decoded
            .iter()
            .map(|field| ArrowField::new(field.name(), field.kind().data_type(), true))
            .collect();
        self.schema = Arc::new(Schema::new(fields));
        self.start = self.position(Field::Start);
        self.end = self.position(Field::End);
        self.status = self.position(Field::LogStatus);
    }

    /// Where a field's column stands, if it is decoded.
    pub(crate) fn position(&self, field: Field) -> Option<usize> {
        self.columns.iter().position(|column| column.field() == field)
    }

    /// The columns to append one value each to, and the row they belong to.
    #[inline]
    pub(crate) fn next_row(&mut self) -> (usize, &mut [Column]) {
        self.make_room();
        (self.n_open, &mut self.columns)
    }

    #[inline]
    fn make_room(&mut self) {
        if self.n_open == 0 && self.n_cut > 0 {
            self.columns.iter_mut().for_each(|column| column.reserve(self.n_cut));
        }
    }

    /// How many rows a run may have: it ends where dictionaries are looked at, or the batch is cut.
    pub(crate) fn run_rows_max(&self) -> usize {
        let to_look = FULL_CHECK_ROWS - self.n_open % FULL_CHECK_ROWS;
        to_look.min(self.limits.batch_records.saturating_sub(self.n_open)).max(1)
    }

    /// Appends a run of lines, if every value of every line is taken. If not, nothing of it is left.
    pub(crate) fn append_run(&mut self, run: &mut Run<'_>, targets: &[Option<usize>]) -> bool {
        self.make_room();
        let row = self.n_open;
        let mut n_begun = 0;
        let appended = targets.iter().try_for_each(|target| {
            n_begun += 1;
            match target.and_then(|target| self.columns.get_mut(target)) {
                Some(column) => column.extend(row, run)?,
                None => run.skip_column()?,
            }
            run.end_column();
            Ok::<(), RejectReason>(())
        });
        if appended.is_err() || !run.is_at_line_ends() || !self.has_ordered_times(row) {
            for target in targets.iter().take(n_begun).flatten() {
                if let Some(column) = self.columns.get_mut(*target) {
                    column.take_back(row);
                }
            }
            return false;
        }
        self.n_open += run.n_lines();
        self.cut_if_due();
        true
    }

    /// Whether the rows from one on have all the times that are decoded, and in order.
    fn has_ordered_times(&self, row: usize) -> bool {
        let times = |column: Option<usize>| column.map(|at| self.columns.get(at)?.times_from(row));
        match (times(self.start), times(self.end)) {
            (Some(None), _) | (_, Some(None)) => false,
            (Some(Some(starts)), Some(Some(ends))) => {
                starts.iter().zip(ends).all(|(start, end)| start <= end)
            }
            _ => true,
        }
    }

    #[inline]
    fn cut_if_due(&mut self) {
        let looks = self.n_open.is_multiple_of(FULL_CHECK_ROWS);
        if self.n_open >= self.limits.batch_records || (looks && self.is_full()) {
            self.cut();
        }
    }

    /// Checks the row just appended, and keeps it or takes it back.
    #[inline]
    pub(crate) fn end_row(
        &mut self,
        appended: Result<(), RejectReason>,
    ) -> Result<(), RejectReason> {
        match appended.and_then(|()| self.check_row()) {
            Ok(()) => {
                self.n_open += 1;
                self.cut_if_due();
                Ok(())
            }
            Err(reason) => {
                let n_open = self.n_open;
                self.columns.iter_mut().for_each(|column| column.truncate(n_open));
                Err(reason)
            }
        }
    }

    /// A record of traffic has times, in order. `NODATA` and `SKIPDATA` may lack anything.
    #[inline]
    fn check_row(&self) -> Result<(), RejectReason> {
        let start = self.time(self.start);
        let end = self.time(self.end);
        if let (Some(start), Some(end)) = (start, end) {
            return if end < start { Err(RejectReason::BadTime) } else { Ok(()) };
        }
        let lacks_time =
            (self.start.is_some() && start.is_none()) || (self.end.is_some() && end.is_none());
        if lacks_time && self.is_traffic() { Err(RejectReason::MissingValue) } else { Ok(()) }
    }

    #[inline]
    fn time(&self, column: Option<usize>) -> Option<i64> {
        self.columns.get(column?)?.time_at(self.n_open)
    }

    fn is_traffic(&self) -> bool {
        let status = self.status.and_then(|at| self.columns.get(at)?.text_at(self.n_open));
        status.is_none_or(|status| status == b"OK")
    }

    fn is_full(&self) -> bool {
        self.columns.iter().any(|column| column.is_full(self.limits.distinct_texts_max))
    }

    /// Makes a batch of the rows so far.
    pub(crate) fn cut(&mut self) {
        let n_open = std::mem::take(&mut self.n_open);
        if n_open == 0 {
            return;
        }
        self.n_cut = n_open;
        let built = self.build(n_open);
        debug_assert!(built.is_ok(), "columns are built to the schema: {built:?}");
        self.ready.extend(built.ok());
    }

    fn build(&mut self, n_open: usize) -> Result<FlowBatch, ArrowError> {
        let arrays = self
            .columns
            .iter_mut()
            .map(|column| column.finish(n_open))
            .collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(n_open));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        FlowBatch::try_new(Arc::clone(&self.origin), self.declared, rows)
            .map_err(|error| ArrowError::SchemaError(error.to_string()))
    }

    pub(crate) fn take_batch(&mut self) -> Option<FlowBatch> {
        self.ready.pop_front()
    }
}
