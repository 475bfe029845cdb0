//! The aggregator: pushes batches into open windows, merges with others of its kind, and hands over
//! the windows a watermark has passed.

use std::collections::BTreeMap;

use ingest::{FieldSet, FlowBatch, Ledger, RejectReason};

use super::counts::{Flow, FoldCounts};
use super::key::{FoldKey, ObserverId, TupleKey};
use super::observer::RecordCounts;
use super::packed::OneWay;
use super::rows::{Class, FOLDED, Rows, SAID, Traffic};
use super::shares::{Share, Shares};
use super::state::WindowState;

/// How records are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldOptions {
    /// Length of a window, seconds.
    pub window_secs: i64,
    /// Inconclusive five-tuples kept per window.
    pub tuples_per_window_max: usize,
    /// Conclusive conversations kept per window and observer together.
    pub conversations_per_window_max: usize,
    /// Records ending earlier are outside the range, Unix seconds.
    pub since: Option<i64>,
    /// Records ending at or after this are outside the range, Unix seconds.
    pub until: Option<i64>,
    /// Records ending after this cannot be, Unix seconds: each would keep a window open until then, and
    /// make the evidence look older than it is.
    pub not_after: Option<i64>,
}

impl FoldOptions {
    /// Caps for one machine: two million five-tuples are about 150 MB.
    pub fn new(window_secs: i64) -> Self {
        Self {
            window_secs,
            tuples_per_window_max: 1 << 21,
            conversations_per_window_max: 1 << 20,
            since: None,
            until: None,
            not_after: None,
        }
    }
}

/// So many windows get room from the start.
const ROOMY_MAX: usize = 2;

/// Folds records into open windows.
#[derive(Clone, Debug)]
pub struct Aggregator {
    options: FoldOptions,
    windows: BTreeMap<i64, WindowState>,
    closed_until: i64,
    ledger: Ledger,
    /// New windows have room for so many five-tuples from the start.
    tuples_expected: usize,
}

impl Aggregator {
    /// An aggregator with no window open.
    pub fn new(options: FoldOptions) -> Self {
        Self::expecting(options, 0)
    }

    /// An aggregator with no window open, told how many five-tuples windows have: a guess that saves
    /// growing step by step, and changes no result.
    pub fn expecting(options: FoldOptions, tuples_expected: usize) -> Self {
        let (windows, ledger) = (BTreeMap::new(), Ledger::default());
        Self { options, windows, closed_until: i64::MIN, ledger, tuples_expected }
    }

    /// The most five-tuples any open window has.
    pub fn tuples_per_window(&self) -> usize {
        self.windows.values().map(|state| state.tuples.len()).max().unwrap_or(0)
    }

    /// Gives up what only adding needs, when an aggregator is to wait for its merge.
    pub fn seal(&mut self) {
        self.windows.values_mut().for_each(|state| state.tuples.seal());
    }

    /// The columns the fold reads: decode no others.
    pub fn columns() -> FieldSet {
        FieldSet::of(FOLDED).union(FieldSet::of(SAID))
    }

    /// How records are folded.
    pub fn options(&self) -> &FoldOptions {
        &self.options
    }

    /// Records that end later from now on cannot be, Unix seconds.
    pub fn set_not_after(&mut self, time: i64) {
        self.options.not_after = Some(time);
    }

    /// What became of the records so far; those in open windows are not classed yet.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Folds every record of a batch.
    pub fn push(&mut self, batch: &FlowBatch) {
        self.push_rows(&Rows::of(batch), batch);
    }

    pub(super) fn push_rows(&mut self, rows: &Rows<'_>, batch: &FlowBatch) {
        let mut shares = Shares::new(batch, rows);
        let Self { options, windows, closed_until, ledger, tuples_expected } = self;
        ledger.records += batch.n_records() as u64;
        let mut n_open = windows.len();
        // Neighbouring records mostly share a window: it is looked up when it changes.
        let mut current: Option<(i64, &mut WindowState)> = None;
        for row in 0..batch.n_records() {
            let near = current.as_ref().map(|&(window, _)| window);
            let placed = match place(options, *closed_until, rows, row, near) {
                Ok(placed) => placed,
                Err(class) => {
                    class.count(ledger);
                    continue;
                }
            };
            let window = placed.window;
            let state = match current {
                Some((known, state)) if known == window => state,
                _ => windows.entry(window).or_insert_with(|| {
                    n_open += 1;
                    // Few windows of a file have many five-tuples.
                    let room = if n_open <= ROOMY_MAX { *tuples_expected } else { 0 };
                    WindowState::with_room(options, room)
                }),
            };
            fold_row(state, rows, row, &placed, shares.of(rows, row, window));
            current = Some((window, state));
        }
        for state in windows.values_mut() {
            state.tuples.flush();
        }
        for share in shares.list {
            let Some(state) = windows.get_mut(&share.window) else { continue };
            match state.observers.get_mut(&share.id) {
                Some(known) => known.merge(&share.observed),
                None => {
                    state.observers.insert(share.id, share.observed);
                }
            }
        }
    }

    /// Adds everything another aggregator gathered under the same options.
    ///
    /// Windows that are closed here already count as late.
    pub fn merge(&mut self, other: Self) {
        self.ledger.merge(&other.ledger);
        for (window, state) in other.windows {
            if window < self.closed_until {
                self.ledger.late += state.n_records();
                continue;
            }
            match self.windows.get_mut(&window) {
                Some(known) => known.merge(state),
                None => {
                    self.windows.insert(window, state);
                }
            }
        }
    }

    /// Closes and hands over, oldest first, the windows that end at or before the watermark.
    pub fn close(&mut self, watermark: i64) -> Vec<(i64, WindowState)> {
        let Some(start_max) = watermark.checked_sub(self.options.window_secs) else {
            return Vec::new();
        };
        let open = self.windows.split_off(&start_max.saturating_add(1));
        let closed = std::mem::replace(&mut self.windows, open);
        let end = start_max - start_max.rem_euclid(self.options.window_secs);
        self.closed_until = self.closed_until.max(end.saturating_add(self.options.window_secs));
        closed.into_iter().collect()
    }

    /// Closes all windows: the end of input.
    pub fn close_all(&mut self) -> Vec<(i64, WindowState)> {
        std::mem::take(&mut self.windows).into_iter().collect()
    }

    /// The windows still open.
    pub fn open_windows(&self) -> &BTreeMap<i64, WindowState> {
        &self.windows
    }

    /// Every window that starts before this is closed, Unix seconds.
    pub fn closed_until(&self) -> i64 {
        self.closed_until
    }

    /// Takes up windows where an earlier run left them.
    pub fn restore(&mut self, closed_until: i64, windows: BTreeMap<i64, WindowState>) {
        self.closed_until = closed_until;
        self.ledger.records += windows.values().map(WindowState::n_records).sum::<u64>();
        self.windows = windows;
    }

    /// An aggregator that goes on with another's windows and ledger.
    pub(crate) fn resumed(
        options: FoldOptions,
        closed_until: i64,
        windows: BTreeMap<i64, WindowState>,
        ledger: Ledger,
    ) -> Self {
        Self { windows, closed_until, ledger, ..Self::new(options) }
    }

    /// Memory held by open windows, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.windows.values().map(WindowState::size_bytes).sum()
    }
}

/// A record that belongs to an open window.
struct Placed {
    window: i64,
    class: Class,
    traffic: Option<Traffic>,
}

/// Why a record belongs to none.
enum Unplaced {
    Late,
    MissingValue,
    OtherResource,
    OutsideRange,
    InFuture,
}

impl Unplaced {
    fn count(self, ledger: &mut Ledger) {
        let mut reject = |reason| *ledger.rejected.entry(reason).or_default() += 1;
        match self {
            Self::Late => ledger.late += 1,
            Self::MissingValue => reject(RejectReason::MissingValue),
            Self::InFuture => reject(RejectReason::InFuture),
            Self::OtherResource => ledger.other_resource += 1,
            Self::OutsideRange => ledger.outside_range += 1,
        }
    }
}

#[inline]
fn place(
    options: &FoldOptions,
    closed_until: i64,
    rows: &Rows<'_>,
    row: usize,
    near: Option<i64>,
) -> Result<Placed, Unplaced> {
    let class = rows.class(row);
    if class == Class::OtherResource {
        return Err(Unplaced::OtherResource);
    }
    let end = rows.end(row).ok_or(Unplaced::MissingValue)?;
    if options.since.is_some_and(|since| end < since)
        || options.until.is_some_and(|until| end >= until)
    {
        return Err(Unplaced::OutsideRange);
    }
    if options.not_after.is_some_and(|not_after| end > not_after) {
        return Err(Unplaced::InFuture);
    }
    let traffic = match class {
        Class::Traffic => Some(rows.traffic(row).ok_or(Unplaced::MissingValue)?),
        _ => None,
    };
    // Dividing is slow, and mostly tells the neighbour's window.
    let window = near
        .filter(|near| (0..options.window_secs).contains(&end.wrapping_sub(*near)))
        .unwrap_or_else(|| end - end.rem_euclid(options.window_secs));
    if window < closed_until {
        return Err(Unplaced::Late);
    }
    Ok(Placed { window, class, traffic })
}

fn fold_row(
    state: &mut WindowState,
    rows: &Rows<'_>,
    row: usize,
    placed: &Placed,
    share: &mut Share,
) {
    let records = &mut share.observed.records;
    match (placed.class, &placed.traffic) {
        (Class::Nodata, _) => records.nodata += 1,
        (Class::Skipdata, _) => records.skipdata += 1,
        (_, Some(traffic)) => {
            let rejected = rows.rejected(row);
            count_verdict(records, rejected);
            if let Some(own) = rows.own_address(row) {
                share.observed.note_own(own);
            }
            name_aws_services(state, rows, row, traffic);
            fold_traffic(state, traffic, share.id, rejected);
        }
        (_, None) => {}
    }
}

fn count_verdict(records: &mut RecordCounts, rejected: bool) {
    if rejected {
        records.rejected += 1;
    } else {
        records.accepted += 1;
    }
}

fn name_aws_services(state: &mut WindowState, rows: &Rows<'_>, row: usize, traffic: &Traffic) {
    if let Some(name) = rows.src_aws_service.and_then(|column| column.get(row)) {
        state.name_aws_service(traffic.src, name);
    }
    if let Some(name) = rows.dst_aws_service.and_then(|column| column.get(row)) {
        state.name_aws_service(traffic.dst, name);
    }
}

const TCP: u8 = 6;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// A SYN or SYN-ACK gives the client away; anything else waits for the window's close.
fn fold_traffic(state: &mut WindowState, t: &Traffic, observer: ObserverId, rejected: bool) {
    match t.flags {
        Some(flags) if t.protocol == TCP && flags & SYN != 0 => {
            let opens = flags & ACK == 0;
            let (client, server, port) =
                if opens { (t.src, t.dst, t.dst_port) } else { (t.dst, t.src, t.src_port) };
            let key = FoldKey { client, server, port, protocol: TCP, rejected, observer };
            let Some(counts) = state.folds.slot(key, 1) else { return };
            let direction = if opens { &mut counts.out } else { &mut counts.back };
            direction.merge(&flow(t));
            if opens { &mut counts.opened } else { &mut counts.answered }.add(t.start);
            counts.first = counts.first.min(t.start);
            counts.last = counts.last.max(t.end);
            state.folds.shrink(FoldCounts::records);
        }
        _ => fold_tuple(state, t, observer, rejected),
    }
}

fn fold_tuple(state: &mut WindowState, t: &Traffic, observer: ObserverId, rejected: bool) {
    let from_low = (t.src, t.src_port) <= (t.dst, t.dst_port);
    let (low, low_port, high, high_port) = if from_low {
        (t.src, t.src_port, t.dst, t.dst_port)
    } else {
        (t.dst, t.dst_port, t.src, t.src_port)
    };
    let protocol = t.protocol;
    let key = TupleKey { low, high, low_port, high_port, protocol, rejected, observer };
    let Traffic { packets, bytes, start, end, flags, .. } = *t;
    state.tuples.add_record(&key, &OneWay { from_low, packets, bytes, start, end, flags });
}

fn flow(t: &Traffic) -> Flow {
    Flow { packets: t.packets, bytes: t.bytes, records: 1, flags: t.flags.unwrap_or(0) }
}
