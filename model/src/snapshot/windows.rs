//! Open windows as one Arrow table, in a fixed order, and as the Parquet bytes of it.
//!
//! `what` says which columns of a row are set:
//!
//! | what | columns |
//! |---|---|
//! | `window` | it is open |
//! | `cut-tuples`, `cut-folds` | `n` records cut by the cap, `n_more` halvings |
//! | `tuple` | observer, both ends, both directions |
//! | `fold` | observer, client as `low`, server as `high`, its port, `opened`, `answered` |
//! | `observer` | account, interface as `name`, flow log as `text`, fields declared as `n_more`, records |
//! | `says` | observer, the field's name, what it says |
//! | `own` | observer, address as `low`, `n` records |
//! | `aws-service` | address as `low`, name as `text` |

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use bytes::Bytes;
use ingest::Field;

use super::columns::Columns;
use super::window_rows::{HIGH_FLOW, LOW_FLOW, RECORDS, Row, RowBuilder};
use super::{SnapshotError, parquet};
use crate::fold::{
    Flow, FoldCounts, FoldKey, FoldOptions, Observed, ObserverId, RecordCounts, Smallest,
    TupleCounts, TupleKey, WindowState,
};

const PART: &str = "windows";

/// No window starts farther from the epoch than this, in seconds.
const TIME_MAX_SECS: i64 = 1 << 40;

/// Open windows by their start.
type Windows = BTreeMap<i64, WindowState>;

/// Open windows as one batch; the same windows give the same rows.
pub fn windows_to_batch(windows: &Windows) -> Result<RecordBatch, SnapshotError> {
    let build = || {
        let mut rows = RowBuilder::new();
        for (&window, state) in windows {
            push_window(&mut rows, window, state)?;
        }
        rows.finish()
    };
    build().map_err(|error: ArrowError| SnapshotError::unwritable(PART, error))
}

/// Open windows as Parquet.
pub fn windows_to_bytes(windows: &Windows) -> Result<Vec<u8>, SnapshotError> {
    parquet::to_bytes(PART, &windows_to_batch(windows)?)
}

/// The windows of a batch, under the caps of `options`.
pub fn windows_from_batch(
    batch: &RecordBatch,
    options: &FoldOptions,
) -> Result<Windows, SnapshotError> {
    let mut windows = Windows::new();
    take_batch(batch, options, &mut windows)?;
    shrink(&mut windows);
    Ok(windows)
}

/// The windows of [`windows_to_bytes`], under the caps of `options`.
pub fn windows_from_bytes(bytes: Bytes, options: &FoldOptions) -> Result<Windows, SnapshotError> {
    let mut windows = Windows::new();
    parquet::read(PART, bytes, &mut |batch| take_batch(batch, options, &mut windows))?;
    shrink(&mut windows);
    Ok(windows)
}

/// The caps may have been larger when the windows were written. Five-tuples see to it themselves.
fn shrink(windows: &mut Windows) {
    for state in windows.values_mut() {
        state.folds.shrink(FoldCounts::records);
    }
}

fn push_window(rows: &mut RowBuilder, window: i64, state: &WindowState) -> Result<(), ArrowError> {
    rows.push(&Row { what: "window", window, ..Row::default() })?;
    let cut = |what, n, halvings| Row {
        what,
        window,
        n: Some(n),
        n_more: Some(halvings),
        ..Row::default()
    };
    rows.push(&cut("cut-tuples", state.tuples.cut_records(), state.tuples.halvings()))?;
    rows.push(&cut("cut-folds", state.folds.cut_records(), state.folds.halvings()))?;
    let mut tuples: Vec<_> = state.tuples.iter().collect();
    tuples.sort_unstable_by_key(|(key, _)| *key);
    for (key, counts) in &tuples {
        rows.push(&tuple_row(window, key, counts))?;
    }
    let mut folds: Vec<_> = state.folds.iter().collect();
    folds.sort_unstable_by_key(|(key, _)| **key);
    for (key, counts) in folds {
        rows.push(&fold_row(window, key, counts))?;
    }
    for (id, observed) in &state.observers {
        push_observer(rows, window, *id, observed)?;
    }
    let mut named: Vec<_> = state.aws_services.iter().collect();
    named.sort_unstable();
    for (&address, name) in named {
        let (low, text) = (Some(address), Some(name.as_ref()));
        rows.push(&Row { what: "aws-service", window, low, text, ..Row::default() })?;
    }
    Ok(())
}

fn tuple_row<'a>(window: i64, key: &TupleKey, counts: &TupleCounts) -> Row<'a> {
    Row {
        what: "tuple",
        window,
        observer: Some(key.observer.0),
        low: Some(key.low),
        high: Some(key.high),
        low_port: Some(key.low_port),
        high_port: Some(key.high_port),
        protocol: Some(key.protocol),
        rejected: Some(key.rejected),
        from_low: Some(counts.from_low),
        from_high: Some(counts.from_high),
        low_first: Some(counts.low_first),
        high_first: Some(counts.high_first),
        last: Some(counts.last),
        flags_known: Some(counts.flags_known),
        ..Row::default()
    }
}

fn fold_row<'a>(window: i64, key: &FoldKey, counts: &'a FoldCounts) -> Row<'a> {
    Row {
        what: "fold",
        window,
        observer: Some(key.observer.0),
        low: Some(key.client),
        high: Some(key.server),
        high_port: Some(key.port),
        protocol: Some(key.protocol),
        rejected: Some(key.rejected),
        from_low: Some(counts.out),
        from_high: Some(counts.back),
        low_first: Some(counts.first),
        last: Some(counts.last),
        opened: Some((counts.opened.count(), counts.opened.times())),
        answered: Some((counts.answered.count(), counts.answered.times())),
        ..Row::default()
    }
}

fn push_observer(
    rows: &mut RowBuilder,
    window: i64,
    id: ObserverId,
    facts: &Observed,
) -> Result<(), ArrowError> {
    let observer = Some(id.0);
    let RecordCounts { accepted, rejected, nodata, skipdata } = facts.records;
    rows.push(&Row {
        what: "observer",
        window,
        observer,
        account: Some(&facts.account),
        name: Some(&facts.eni),
        text: Some(&facts.flow_log_id),
        n_more: Some(facts.n_fields),
        records: Some([accepted, rejected, nodata, skipdata]),
        ..Row::default()
    })?;
    for (field, text) in &facts.says {
        let (name, text) = (Some(field.name()), Some(text.as_ref()));
        rows.push(&Row { what: "says", window, observer, name, text, ..Row::default() })?;
    }
    for (&address, &n) in &facts.own {
        let (low, n) = (Some(address), Some(n));
        rows.push(&Row { what: "own", window, observer, low, n, ..Row::default() })?;
    }
    Ok(())
}

fn take_batch(
    batch: &RecordBatch,
    options: &FoldOptions,
    windows: &mut Windows,
) -> Result<(), SnapshotError> {
    let columns = Columns::new(PART, batch);
    for row in 0..batch.num_rows() {
        let window = columns.seconds("window", row)?;
        let is_far = !(-TIME_MAX_SECS..=TIME_MAX_SECS).contains(&window);
        if is_far || window.rem_euclid(options.window_secs.max(1)) != 0 {
            return Err(columns.damaged(row, "no window starts then"));
        }
        let state = windows.entry(window).or_insert_with(|| WindowState::new(options));
        take_row(&columns, row, state)?;
    }
    Ok(())
}

fn take_row(
    columns: &Columns<'_>,
    row: usize,
    state: &mut WindowState,
) -> Result<(), SnapshotError> {
    match columns.text("what", row)? {
        "cut-tuples" => {
            state.tuples.restore_cut(columns.u32("n_more", row)?, columns.u64("n", row)?);
        }
        "cut-folds" => {
            state.folds.restore_cut(columns.u32("n_more", row)?, columns.u64("n", row)?);
        }
        "tuple" => take_tuple(columns, row, state)?,
        "fold" => take_fold(columns, row, state)?,
        "observer" => take_observer(columns, row, state)?,
        "says" => {
            let name = columns.text("name", row)?;
            let field = Field::from_name(name)
                .ok_or_else(|| columns.damaged(row, format!("no field is named `{name}`")))?;
            known_observer(columns, row, state)?.note(field, columns.text("text", row)?);
        }
        "own" => {
            let (address, n) = (columns.address("low", row)?, columns.u64("n", row)?);
            known_observer(columns, row, state)?.own.insert(address, n);
        }
        "aws-service" => {
            state.name_aws_service(columns.address("low", row)?, columns.text("text", row)?);
        }
        // The window itself, or a kind of row that was added later.
        _ => {}
    }
    Ok(())
}

fn observer(columns: &Columns<'_>, row: usize) -> Result<ObserverId, SnapshotError> {
    columns.u64("observer", row).map(ObserverId)
}

fn known_observer<'a>(
    columns: &Columns<'_>,
    row: usize,
    state: &'a mut WindowState,
) -> Result<&'a mut Observed, SnapshotError> {
    let id = observer(columns, row)?;
    state.observers.get_mut(&id).ok_or_else(|| columns.damaged(row, "of no observer before it"))
}

fn flow(columns: &Columns<'_>, names: [&str; 4], row: usize) -> Result<Flow, SnapshotError> {
    Ok(Flow {
        packets: columns.u64(names[0], row)?,
        bytes: columns.u64(names[1], row)?,
        records: columns.u32(names[2], row)?,
        flags: columns.u8(names[3], row)?,
    })
}

fn take_tuple(
    columns: &Columns<'_>,
    row: usize,
    state: &mut WindowState,
) -> Result<(), SnapshotError> {
    let key = TupleKey {
        low: columns.address("low", row)?,
        high: columns.address("high", row)?,
        low_port: columns.u16("low_port", row)?,
        high_port: columns.u16("high_port", row)?,
        protocol: columns.u8("protocol", row)?,
        rejected: columns.truth("rejected", row)?,
        observer: observer(columns, row)?,
    };
    let counts = TupleCounts {
        from_low: flow(columns, LOW_FLOW, row)?,
        from_high: flow(columns, HIGH_FLOW, row)?,
        low_first: columns.seconds("low_first", row)?,
        high_first: columns.seconds("high_first", row)?,
        last: columns.seconds("last", row)?,
        flags_known: columns.truth("flags_known", row)?,
    };
    state.tuples.add(&key, &counts);
    Ok(())
}

fn take_fold(
    columns: &Columns<'_>,
    row: usize,
    state: &mut WindowState,
) -> Result<(), SnapshotError> {
    let key = FoldKey {
        client: columns.address("low", row)?,
        server: columns.address("high", row)?,
        port: columns.u16("high_port", row)?,
        protocol: columns.u8("protocol", row)?,
        rejected: columns.truth("rejected", row)?,
        observer: observer(columns, row)?,
    };
    let times = |count, times| -> Result<Smallest, SnapshotError> {
        Ok(Smallest::restore(columns.u64(count, row)?, columns.times(times, row)?))
    };
    let counts = FoldCounts {
        out: flow(columns, LOW_FLOW, row)?,
        back: flow(columns, HIGH_FLOW, row)?,
        opened: times("opened", "opened_at")?,
        answered: times("answered", "answered_at")?,
        first: columns.seconds("low_first", row)?,
        last: columns.seconds("last", row)?,
    };
    let slot = state.folds.slot(key, counts.records());
    *slot.ok_or_else(|| columns.damaged(row, "it had been cut"))? = counts;
    Ok(())
}

fn take_observer(
    columns: &Columns<'_>,
    row: usize,
    state: &mut WindowState,
) -> Result<(), SnapshotError> {
    let text = |column| columns.text(column, row).map(Arc::<str>::from);
    let mut observed = Observed::new(text("account")?, text("name")?, text("text")?);
    observed.n_fields = columns.u32("n_more", row)?;
    let [accepted, rejected, nodata, skipdata] = RECORDS;
    observed.records = RecordCounts {
        accepted: columns.u64(accepted, row)?,
        rejected: columns.u64(rejected, row)?,
        nodata: columns.u64(nodata, row)?,
        skipdata: columns.u64(skipdata, row)?,
    };
    state.observers.insert(observer(columns, row)?, observed);
    Ok(())
}
