//! An aggregator's whole state as Arrow: what partial folds exchange.
//!
//! The windows are the rows; up to when it closed, and its ledger, are the schema's metadata.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::RecordBatch;
use ingest::Ledger;

use super::{SnapshotError, windows_from_batch, windows_to_batch};
use crate::baseline::{ledger_classes, ledger_of};
use crate::fold::{Aggregator, FoldOptions};

const PART: &str = "aggregator";
const CLOSED_UNTIL: &str = "tidegate.closed_until";
const LEDGER: &str = "tidegate.ledger";

impl Aggregator {
    /// Its state as one batch, which [`Aggregator::from_batch`] takes up.
    pub fn to_batch(&self) -> Result<RecordBatch, SnapshotError> {
        let unwritable = |error| SnapshotError::unwritable(PART, error);
        let batch = windows_to_batch(self.open_windows())?;
        let ledger = serde_json::to_string(&ledger_classes(self.ledger()))
            .map_err(|error| SnapshotError::unwritable(PART, error))?;
        let metadata = HashMap::from([
            (CLOSED_UNTIL.to_owned(), self.closed_until().to_string()),
            (LEDGER.to_owned(), ledger),
        ]);
        let schema = batch.schema().as_ref().clone().with_metadata(metadata);
        batch.with_schema(Arc::new(schema)).map_err(unwritable)
    }

    /// An aggregator where [`Aggregator::to_batch`] left another, under the caps of `options`.
    pub fn from_batch(options: FoldOptions, batch: &RecordBatch) -> Result<Self, SnapshotError> {
        let schema = batch.schema();
        let metadata = |key: &str| {
            let value = schema.metadata().get(key).map(String::as_str);
            value.ok_or_else(|| SnapshotError::damaged(PART, format!("no `{key}`")))
        };
        let closed_until =
            metadata(CLOSED_UNTIL)?.parse().map_err(|error| SnapshotError::damaged(PART, error))?;
        let classes: BTreeMap<String, u64> = serde_json::from_str(metadata(LEDGER)?)
            .map_err(|error| SnapshotError::damaged(PART, error))?;
        let ledger: Ledger = ledger_of(&classes);
        let windows = windows_from_batch(batch, &options)?;
        Ok(Self::resumed(options, closed_until, windows, ledger))
    }
}
