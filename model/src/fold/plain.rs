//! The columns of every record's traffic as slices: the quick way to a row that misses no value.

use arrow_array::Array;
use arrow_buffer::NullBuffer;
use ingest::{AddressColumn, Field, FlowBatch};

use super::rows::Traffic;

/// The columns of a batch that has them all.
pub(super) struct Plain<'a> {
    src: &'a [[u8; 16]],
    dst: &'a [[u8; 16]],
    src_port: &'a [u16],
    dst_port: &'a [u16],
    protocol: &'a [u8],
    packets: &'a [u64],
    bytes: &'a [u64],
    start: &'a [i64],
    end: &'a [i64],
    /// `None` where the log does not carry them.
    tcp_flags: Option<&'a [u8]>,
    /// Rows that miss none of these values; `None`: all.
    complete: Option<NullBuffer>,
}

impl<'a> Plain<'a> {
    /// `None` if a column is not there: its values are to be made up row by row.
    pub(super) fn of(batch: &'a FlowBatch) -> Option<Self> {
        let src = real_end(batch, Field::PktSrcAddr, Field::SrcAddr)?;
        let dst = real_end(batch, Field::PktDstAddr, Field::DstAddr)?;
        let src_port = batch.port(Field::SrcPort)?;
        let dst_port = batch.port(Field::DstPort)?;
        let protocol = batch.small(Field::Protocol)?;
        let packets = batch.count(Field::Packets)?;
        let bytes = batch.count(Field::Bytes)?;
        let start = batch.time(Field::Start)?;
        let end = batch.time(Field::End)?;
        let tcp_flags = batch.small(Field::TcpFlags);
        let nulls = [
            src.nulls(),
            dst.nulls(),
            src_port.nulls(),
            dst_port.nulls(),
            protocol.nulls(),
            packets.nulls(),
            bytes.nulls(),
            start.nulls(),
            end.nulls(),
            tcp_flags.and_then(Array::nulls),
        ];
        let complete = nulls.into_iter().fold(None, |known, nulls| match known {
            None => nulls.cloned(),
            known => NullBuffer::union(known.as_ref(), nulls),
        });
        Some(Self {
            src: src.values(),
            dst: dst.values(),
            src_port: src_port.values(),
            dst_port: dst_port.values(),
            protocol: protocol.values(),
            packets: packets.values(),
            bytes: bytes.values(),
            start: start.values(),
            end: end.values(),
            tcp_flags: tcp_flags.map(|column| column.values().as_ref()),
            complete: complete.filter(|complete| complete.null_count() > 0),
        })
    }

    /// When the record ends; `None` as for [`Self::traffic`].
    #[inline]
    pub(super) fn end(&self, row: usize) -> Option<i64> {
        if self.misses_some(row) { None } else { self.end.get(row).copied() }
    }

    #[inline]
    fn misses_some(&self, row: usize) -> bool {
        self.complete.as_ref().is_some_and(|complete| complete.is_null(row))
    }

    /// The record's traffic between its real endpoints; `None` if it misses a value, or the batch
    /// the row.
    #[inline]
    pub(super) fn traffic(&self, row: usize) -> Option<Traffic> {
        if self.misses_some(row) {
            return None;
        }
        let flags = match self.tcp_flags {
            Some(column) => Some(*column.get(row)?),
            None => None,
        };
        Some(Traffic::of_logged(Traffic {
            src: u128::from_be_bytes(*self.src.get(row)?),
            dst: u128::from_be_bytes(*self.dst.get(row)?),
            src_port: *self.src_port.get(row)?,
            dst_port: *self.dst_port.get(row)?,
            protocol: *self.protocol.get(row)?,
            packets: *self.packets.get(row)?,
            bytes: *self.bytes.get(row)?,
            start: *self.start.get(row)?,
            end: *self.end.get(row)?,
            flags,
        }))
    }
}

/// The packets' own address where the log tells it, the interface's otherwise.
fn real_end(batch: &FlowBatch, packet: Field, interface: Field) -> Option<AddressColumn<'_>> {
    batch.address(packet).or_else(|| batch.address(interface))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use ingest::{DecodeOptions, Decoder, Origin};
    use proptest::prelude::*;

    use super::*;
    use crate::fold::rows::Rows;
    use crate::fold::{Aggregator, FoldOptions};

    const HEADERS: [&str; 3] = [
        "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status",
        "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags pkt-srcaddr pkt-dstaddr flow-direction",
        "interface-id srcaddr dstaddr srcport dstport protocol packets bytes end",
    ];

    /// Values for every field of the longest header, few enough to meet again.
    fn record() -> impl Strategy<Value = Vec<String>> {
        let address = prop_oneof![
            4 => (1_u8..4).prop_map(|n| format!("10.0.0.{n}")),
            1 => (1_u8..4).prop_map(|n| format!("fd00::{n}")),
        ];
        let ends = prop::collection::vec(address, 4);
        let ports = prop::collection::vec(prop_oneof![Just(0_u16), Just(8), Just(443)], 2);
        let protocol = prop_oneof![Just(1_u8), Just(6), Just(17), Just(58)];
        let sums = (0_u64..9, prop_oneof![0_u64..99, Just(u64::MAX)]);
        let times = (0_i64..1500, 0_i64..90);
        let words = (0_u8..3, 0_u8..3, 0_u8..6, 0_u8..24, 0_u8..2);
        (ends, ports, protocol, sums, times, words).prop_map(
            |(ends, ports, protocol, (packets, bytes), (start, secs), words)| {
                let (eni, action, status, flags, direction) = words;
                vec![
                    format!("eni-{eni}"),
                    ends[0].clone(),
                    ends[1].clone(),
                    ports[0].to_string(),
                    ports[1].to_string(),
                    protocol.to_string(),
                    packets.to_string(),
                    bytes.to_string(),
                    start.to_string(),
                    (start + secs).to_string(),
                    if action == 0 { "REJECT" } else { "ACCEPT" }.to_owned(),
                    ["NODATA", "SKIPDATA"].get(usize::from(status)).unwrap_or(&"OK").to_string(),
                    flags.to_string(),
                    ends[2].clone(),
                    ends[3].clone(),
                    ["ingress", "egress"][usize::from(direction)].to_owned(),
                ]
            },
        )
    }

    /// A batch under a header; of each record the value at its gap's place, if there is one, is
    /// missing.
    fn batch(header: &str, records: &[(Vec<String>, usize)]) -> Option<FlowBatch> {
        let names: Vec<&str> = HEADERS[1].split(' ').collect();
        let mut text = format!("{header}\n");
        for (values, gap) in records {
            let value = |name| match names.iter().position(|&known| known == name) {
                Some(at) if at != *gap => values[at].as_str(),
                _ => "-",
            };
            text += &header.split(' ').map(value).collect::<Vec<_>>().join(" ");
            text.push('\n');
        }
        let options = DecodeOptions::of_columns(Aggregator::columns());
        let mut decoder = Decoder::new(Arc::new(Origin::default()), options);
        decoder.decode(text.as_bytes()).unwrap();
        decoder.finish().unwrap();
        decoder.take_batch()
    }

    /// All that was folded, in order.
    fn folded(rows: &Rows<'_>, batch: &FlowBatch) -> String {
        let mut aggregator = Aggregator::new(FoldOptions::new(300));
        aggregator.push_rows(rows, batch);
        let mut windows = BTreeMap::new();
        for (start, state) in aggregator.open_windows() {
            let mut tuples: Vec<_> = state.tuples.iter().collect();
            tuples.sort_by_key(|&(key, _)| key);
            let mut folds: Vec<_> = state.folds.iter().collect();
            folds.sort_by_key(|&(key, _)| *key);
            windows.insert(start, format!("{tuples:?} {folds:?} {:?}", state.observers));
        }
        format!("{windows:?} {:?}", aggregator.ledger())
    }

    proptest! {
        #[test]
        fn the_quick_way_tells_what_the_general_one_tells(
            header in 0..HEADERS.len(),
            records in prop::collection::vec((record(), 0_usize..64), 1..40),
            gaps in any::<bool>(),
        ) {
            let keep = |(values, gap)| (values, if gaps { gap } else { usize::MAX });
            let records: Vec<_> = records.into_iter().map(keep).collect();
            let Some(batch) = batch(HEADERS[header], &records) else { return Ok(()) };
            let rows = Rows::of(&batch);
            prop_assert_eq!(rows.plain.is_some(), header < 2);
            if let Some(plain) = &rows.plain {
                for row in 0..batch.n_records() {
                    let quick = plain.traffic(row);
                    prop_assert!(quick.is_some() || gaps);
                    prop_assert!(quick.is_none() || quick == rows.traffic_with_gaps(row));
                }
            }
            let mut general = Rows::of(&batch);
            general.plain = None;
            prop_assert_eq!(folded(&rows, &batch), folded(&general, &batch));
        }
    }
}
