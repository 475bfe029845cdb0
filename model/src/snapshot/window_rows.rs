//! One row of the table of open windows, and the builders that gather them.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, FixedSizeBinaryBuilder, Int64Builder, ListBuilder, StringBuilder, UInt8Builder,
    UInt16Builder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;

use crate::fold::Flow;

pub(super) const ADDRESS_BYTES: i32 = 16;

/// One direction's columns, in the order of [`Flow`]'s members.
pub(super) const LOW_FLOW: [&str; 4] = ["low_packets", "low_octets", "low_records", "low_flags"];
/// The other direction's.
pub(super) const HIGH_FLOW: [&str; 4] =
    ["high_packets", "high_octets", "high_records", "high_flags"];
/// An observer's record counts, in the order of [`crate::fold::RecordCounts`]'s members.
pub(super) const RECORDS: [&str; 4] = ["accepted", "rejections", "nodata", "skipdata"];

/// What a row says; a kind of row sets those members it uses.
#[derive(Default)]
pub(super) struct Row<'a> {
    pub(super) what: &'static str,
    pub(super) window: i64,
    pub(super) observer: Option<u64>,
    pub(super) low: Option<u128>,
    pub(super) high: Option<u128>,
    pub(super) low_port: Option<u16>,
    pub(super) high_port: Option<u16>,
    pub(super) protocol: Option<u8>,
    pub(super) rejected: Option<bool>,
    pub(super) from_low: Option<Flow>,
    pub(super) from_high: Option<Flow>,
    pub(super) low_first: Option<i64>,
    pub(super) high_first: Option<i64>,
    pub(super) last: Option<i64>,
    pub(super) flags_known: Option<bool>,
    pub(super) opened: Option<(u64, &'a [i64])>,
    pub(super) answered: Option<(u64, &'a [i64])>,
    pub(super) account: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) text: Option<&'a str>,
    pub(super) n: Option<u64>,
    pub(super) n_more: Option<u32>,
    pub(super) records: Option<[u64; 4]>,
}

/// The columns being built.
pub(super) struct RowBuilder {
    what: StringBuilder,
    window: Int64Builder,
    observer: UInt64Builder,
    low: FixedSizeBinaryBuilder,
    high: FixedSizeBinaryBuilder,
    low_port: UInt16Builder,
    high_port: UInt16Builder,
    protocol: UInt8Builder,
    rejected: BooleanBuilder,
    from_low: FlowBuilder,
    from_high: FlowBuilder,
    low_first: Int64Builder,
    high_first: Int64Builder,
    last: Int64Builder,
    flags_known: BooleanBuilder,
    opened: TimesBuilder,
    answered: TimesBuilder,
    account: StringBuilder,
    name: StringBuilder,
    text: StringBuilder,
    n: UInt64Builder,
    n_more: UInt32Builder,
    records: [UInt64Builder; 4],
}

#[derive(Default)]
struct FlowBuilder {
    packets: UInt64Builder,
    bytes: UInt64Builder,
    records: UInt32Builder,
    flags: UInt8Builder,
}

impl FlowBuilder {
    fn push(&mut self, flow: Option<Flow>) {
        self.packets.append_option(flow.map(|flow| flow.packets));
        self.bytes.append_option(flow.map(|flow| flow.bytes));
        self.records.append_option(flow.map(|flow| flow.records));
        self.flags.append_option(flow.map(|flow| flow.flags));
    }

    fn finish(&mut self, names: [&'static str; 4]) -> [(&'static str, ArrayRef); 4] {
        [
            (names[0], Arc::new(self.packets.finish())),
            (names[1], Arc::new(self.bytes.finish())),
            (names[2], Arc::new(self.records.finish())),
            (names[3], Arc::new(self.flags.finish())),
        ]
    }
}

#[derive(Default)]
struct TimesBuilder {
    count: UInt64Builder,
    times: ListBuilder<Int64Builder>,
}

impl TimesBuilder {
    fn push(&mut self, times: Option<(u64, &[i64])>) {
        self.count.append_option(times.map(|(count, _)| count));
        if let Some((_, times)) = times {
            self.times.values().append_slice(times);
        }
        self.times.append(times.is_some());
    }

    fn finish(&mut self, names: [&'static str; 2]) -> [(&'static str, ArrayRef); 2] {
        [(names[0], Arc::new(self.count.finish())), (names[1], Arc::new(self.times.finish()))]
    }
}

impl RowBuilder {
    pub(super) fn new() -> Self {
        Self {
            what: StringBuilder::new(),
            window: Int64Builder::new(),
            observer: UInt64Builder::new(),
            low: FixedSizeBinaryBuilder::new(ADDRESS_BYTES),
            high: FixedSizeBinaryBuilder::new(ADDRESS_BYTES),
            low_port: UInt16Builder::new(),
            high_port: UInt16Builder::new(),
            protocol: UInt8Builder::new(),
            rejected: BooleanBuilder::new(),
            from_low: FlowBuilder::default(),
            from_high: FlowBuilder::default(),
            low_first: Int64Builder::new(),
            high_first: Int64Builder::new(),
            last: Int64Builder::new(),
            flags_known: BooleanBuilder::new(),
            opened: TimesBuilder::default(),
            answered: TimesBuilder::default(),
            account: StringBuilder::new(),
            name: StringBuilder::new(),
            text: StringBuilder::new(),
            n: UInt64Builder::new(),
            n_more: UInt32Builder::new(),
            records: Default::default(),
        }
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), ArrowError> {
        push_address(&mut self.low, row.low)?;
        push_address(&mut self.high, row.high)?;
        self.what.append_value(row.what);
        self.window.append_value(row.window);
        self.observer.append_option(row.observer);
        self.low_port.append_option(row.low_port);
        self.high_port.append_option(row.high_port);
        self.protocol.append_option(row.protocol);
        self.rejected.append_option(row.rejected);
        self.from_low.push(row.from_low);
        self.from_high.push(row.from_high);
        self.low_first.append_option(row.low_first);
        self.high_first.append_option(row.high_first);
        self.last.append_option(row.last);
        self.flags_known.append_option(row.flags_known);
        self.opened.push(row.opened);
        self.answered.push(row.answered);
        self.account.append_option(row.account);
        self.name.append_option(row.name);
        self.text.append_option(row.text);
        self.n.append_option(row.n);
        self.n_more.append_option(row.n_more);
        for (at, column) in self.records.iter_mut().enumerate() {
            column.append_option(row.records.map(|records| records[at]));
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<(&'static str, ArrayRef)> = vec![
            ("what", Arc::new(self.what.finish())),
            ("window", Arc::new(self.window.finish())),
            ("observer", Arc::new(self.observer.finish())),
            ("low", Arc::new(self.low.finish())),
            ("high", Arc::new(self.high.finish())),
            ("low_port", Arc::new(self.low_port.finish())),
            ("high_port", Arc::new(self.high_port.finish())),
            ("protocol", Arc::new(self.protocol.finish())),
            ("rejected", Arc::new(self.rejected.finish())),
            ("low_first", Arc::new(self.low_first.finish())),
            ("high_first", Arc::new(self.high_first.finish())),
            ("last", Arc::new(self.last.finish())),
            ("flags_known", Arc::new(self.flags_known.finish())),
            ("account", Arc::new(self.account.finish())),
            ("name", Arc::new(self.name.finish())),
            ("text", Arc::new(self.text.finish())),
            ("n", Arc::new(self.n.finish())),
            ("n_more", Arc::new(self.n_more.finish())),
        ];
        columns.extend(self.from_low.finish(LOW_FLOW));
        columns.extend(self.from_high.finish(HIGH_FLOW));
        columns.extend(self.opened.finish(["opened", "opened_at"]));
        columns.extend(self.answered.finish(["answered", "answered_at"]));
        for (name, column) in RECORDS.into_iter().zip(&mut self.records) {
            columns.push((name, Arc::new(column.finish())));
        }
        let nullable = columns.into_iter().map(|(name, array)| (name, array, true));
        RecordBatch::try_from_iter_with_nullable(nullable)
    }
}

fn push_address(to: &mut FixedSizeBinaryBuilder, address: Option<u128>) -> Result<(), ArrowError> {
    if let Some(address) = address {
        return to.append_value(address.to_be_bytes());
    }
    to.append_null();
    Ok(())
}
