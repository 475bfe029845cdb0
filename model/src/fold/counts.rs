//! What is counted per open key: sums, minima and bounded sets, nothing that depends on order.

use super::keep::Smallest;

/// The roles of ICMP messages, kept where TCP's flags are.
pub mod icmp {
    /// It asks for a reply.
    pub const REQUEST: u8 = 1;
    /// It answers a request.
    pub const REPLY: u8 = 2;
    /// It reports what became of somebody else's packet.
    pub const ERROR: u8 = 4;
}

/// One direction's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// Flow-log records.
    pub records: u32,
    /// TCP flags, or [`icmp`] roles, OR-ed.
    pub flags: u8,
}

impl Flow {
    /// Adds another direction's sums; they saturate rather than wrap.
    pub fn merge(&mut self, other: &Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.records = self.records.saturating_add(other.records);
        self.flags |= other.flags;
    }

    /// Whether nothing was seen in this direction.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }
}

/// An inconclusive five-tuple's sums in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TupleCounts {
    /// From the smaller end to the larger.
    pub from_low: Flow,
    /// From the larger end to the smaller.
    pub from_high: Flow,
    /// Earliest start from the smaller end, Unix seconds; `i64::MAX` if none.
    pub low_first: i64,
    /// Earliest start from the larger end, Unix seconds; `i64::MAX` if none.
    pub high_first: i64,
    /// Latest end, Unix seconds.
    pub last: i64,
    /// Whether the log carries TCP flags, so that a missing SYN means a connection begun earlier.
    pub flags_known: bool,
}

impl Default for TupleCounts {
    fn default() -> Self {
        Self {
            from_low: Flow::default(),
            from_high: Flow::default(),
            low_first: i64::MAX,
            high_first: i64::MAX,
            last: i64::MIN,
            flags_known: false,
        }
    }
}

impl TupleCounts {
    /// Adds another part of the same five-tuple.
    pub fn merge(&mut self, other: &Self) {
        self.from_low.merge(&other.from_low);
        self.from_high.merge(&other.from_high);
        self.low_first = self.low_first.min(other.low_first);
        self.high_first = self.high_first.min(other.high_first);
        self.last = self.last.max(other.last);
        self.flags_known |= other.flags_known;
    }

    /// Records in both directions.
    pub fn records(&self) -> u64 {
        u64::from(self.from_low.records) + u64::from(self.from_high.records)
    }
}

/// A conclusive conversation's sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldCounts {
    /// Client to server.
    pub out: Flow,
    /// Server to client.
    pub back: Flow,
    /// When the client's opening records started: a connection attempt each.
    pub opened: Smallest,
    /// When the server's answering records started: an answered connection each.
    pub answered: Smallest,
    /// Earliest start, Unix seconds.
    pub first: i64,
    /// Latest end, Unix seconds.
    pub last: i64,
}

impl Default for FoldCounts {
    fn default() -> Self {
        Self {
            out: Flow::default(),
            back: Flow::default(),
            opened: Smallest::default(),
            answered: Smallest::default(),
            first: i64::MAX,
            last: i64::MIN,
        }
    }
}

impl FoldCounts {
    /// Adds another part of the same conversation.
    pub fn merge(&mut self, other: &Self) {
        self.out.merge(&other.out);
        self.back.merge(&other.back);
        self.opened.merge(&other.opened);
        self.answered.merge(&other.answered);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Records in both directions.
    pub fn records(&self) -> u64 {
        u64::from(self.out.records) + u64::from(self.back.records)
    }
}
