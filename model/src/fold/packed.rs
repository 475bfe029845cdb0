//! One five-tuple and its sums in 64 bytes, for those whose ends are IPv4 and whose sums are small.

use super::counts::{Flow, TupleCounts};
use super::key::{ObserverId, TupleKey};

/// What one record tells of a five-tuple.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneWay {
    pub(super) from_low: bool,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) flags: Option<u8>,
}

impl OneWay {
    pub(super) fn counts(&self) -> TupleCounts {
        let flags = self.flags.unwrap_or(0);
        let flow = Flow { packets: self.packets, bytes: self.bytes, records: 1, flags };
        let mut counts = TupleCounts {
            last: self.end,
            flags_known: self.flags.is_some(),
            ..TupleCounts::default()
        };
        if self.from_low {
            (counts.from_low, counts.low_first) = (flow, self.start);
        } else {
            (counts.from_high, counts.high_first) = (flow, self.start);
        }
        counts
    }
}

/// `::ffff:0:0/96`, where IPv4 is mapped.
pub(super) const MAPPED: u128 = 0xffff_0000_0000;

/// A time that is none.
const NEVER: u32 = u32::MAX;

/// A five-tuple and its sums in one cache line.
///
/// The key is written and read in whole words: a word read soon after its parts were written would
/// wait for all writes before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    observer: u64,
    /// The addresses, the smaller end's first.
    ends: u64,
    /// The ports, the protocol, the verdict.
    ports: u64,
    flags_known: bool,
    flags: [u8; 2],
    packets: [u32; 2],
    bytes: [u32; 2],
    records: [u32; 2],
    firsts: [u32; 2],
    last: u32,
}

impl Packed {
    /// `None` if something does not fit.
    #[inline]
    pub(super) fn of(key: &TupleKey, counts: &TupleCounts) -> Option<Self> {
        let TupleCounts { from_low, from_high, .. } = counts;
        Some(Self {
            observer: key.observer.0,
            ends: u64::from(v4(key.low)?) << 32 | u64::from(v4(key.high)?),
            ports: key.ports(),
            flags_known: counts.flags_known,
            flags: [from_low.flags, from_high.flags],
            packets: [narrow(from_low.packets)?, narrow(from_high.packets)?],
            bytes: [narrow(from_low.bytes)?, narrow(from_high.bytes)?],
            records: [from_low.records, from_high.records],
            firsts: [first(counts.low_first)?, first(counts.high_first)?],
            last: u32::try_from(counts.last).ok()?,
        })
    }

    /// The same for one record, without going through memory.
    #[inline]
    pub(super) fn of_record(key: &TupleKey, record: &OneWay) -> Option<Self> {
        let pair = |n: u32, none: u32| if record.from_low { [n, none] } else { [none, n] };
        let flags = record.flags.unwrap_or(0);
        Some(Self {
            observer: key.observer.0,
            ends: u64::from(v4(key.low)?) << 32 | u64::from(v4(key.high)?),
            ports: key.ports(),
            flags_known: record.flags.is_some(),
            flags: if record.from_low { [flags, 0] } else { [0, flags] },
            packets: pair(narrow(record.packets)?, 0),
            bytes: pair(narrow(record.bytes)?, 0),
            records: pair(1, 0),
            firsts: pair(first(record.start)?, NEVER),
            last: u32::try_from(record.end).ok()?,
        })
    }

    /// The key, to hash and to compare.
    #[inline]
    pub(super) fn words(&self) -> (u64, u64, u64) {
        (self.ends, self.ports, self.observer)
    }

    #[inline]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.words() == other.words()
    }

    /// Adds another part of the same five-tuple; `false`, and nothing added, if a sum does not fit.
    #[inline]
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        let sums = (
            sum(self.packets, other.packets),
            sum(self.bytes, other.bytes),
            sum(self.records, other.records),
        );
        let (Some(packets), Some(bytes), Some(records)) = sums else { return false };
        (self.packets, self.bytes, self.records) = (packets, bytes, records);
        self.flags = [self.flags[0] | other.flags[0], self.flags[1] | other.flags[1]];
        let [low, high] = other.firsts;
        self.firsts = [self.firsts[0].min(low), self.firsts[1].min(high)];
        self.last = self.last.max(other.last);
        self.flags_known |= other.flags_known;
        true
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes parts of a word")]
    pub(super) fn key(&self) -> TupleKey {
        TupleKey {
            low: MAPPED | u128::from(self.ends >> 32),
            high: MAPPED | u128::from(self.ends as u32),
            low_port: (self.ports >> 32) as u16,
            high_port: (self.ports >> 16) as u16,
            protocol: (self.ports >> 8) as u8,
            rejected: self.ports & 1 == 1,
            observer: ObserverId(self.observer),
        }
    }

    #[inline]
    pub(super) fn counts(&self) -> TupleCounts {
        let first = |time: u32| if time == NEVER { i64::MAX } else { i64::from(time) };
        TupleCounts {
            from_low: self.flow(0),
            from_high: self.flow(1),
            low_first: first(self.firsts[0]),
            high_first: first(self.firsts[1]),
            last: i64::from(self.last),
            flags_known: self.flags_known,
        }
    }

    #[inline]
    fn flow(&self, from: usize) -> Flow {
        Flow {
            packets: u64::from(self.packets[from]),
            bytes: u64::from(self.bytes[from]),
            records: self.records[from],
            flags: self.flags[from],
        }
    }
}

#[inline]
fn v4(address: u128) -> Option<u32> {
    u32::try_from(address ^ MAPPED).ok()
}

#[inline]
fn narrow(sum: u64) -> Option<u32> {
    u32::try_from(sum).ok()
}

#[inline]
fn first(time: i64) -> Option<u32> {
    if time == i64::MAX {
        return Some(NEVER);
    }
    u32::try_from(time).ok().filter(|&time| time != NEVER)
}

#[inline]
fn sum(a: [u32; 2], b: [u32; 2]) -> Option<[u32; 2]> {
    Some([a[0].checked_add(b[0])?, a[1].checked_add(b[1])?])
}
