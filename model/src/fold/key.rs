//! What open windows are keyed by.
//!
//! An observer is one interface as told by one flow log. Its id is a hash of the names rather than a
//! number handed out in order of arrival, so that states folded apart merge without renumbering.

use std::hash::{Hash, Hasher};

use twox_hash::XxHash64;

/// One network interface as one flow log tells of it: a hash of account, interface and `fl-` id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObserverId(pub u64);

impl ObserverId {
    /// The id for these names. Two different ones collide with a chance of 2⁻⁶⁴ a pair.
    pub fn of(account: &str, eni: &str, flow_log_id: &str) -> Self {
        let mut hasher = XxHash64::with_seed(0);
        for name in [account, eni, flow_log_id] {
            hasher.write(name.as_bytes());
            hasher.write_u8(0);
        }
        Self(hasher.finish())
    }
}

/// A five-tuple with its two ends in address order, at one observer, with one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TupleKey {
    /// The smaller end's address.
    pub low: u128,
    /// The larger end's address.
    pub high: u128,
    /// The smaller end's port.
    pub low_port: u16,
    /// The larger end's port.
    pub high_port: u16,
    /// IANA protocol number.
    pub protocol: u8,
    /// Whether the observer rejected these packets.
    pub rejected: bool,
    /// Who saw it.
    pub observer: ObserverId,
}

impl TupleKey {
    /// What is no address, in one word.
    #[inline]
    pub(super) fn ports(&self) -> u64 {
        u64::from(self.low_port) << 32
            | u64::from(self.high_port) << 16
            | u64::from(self.protocol) << 8
            | u64::from(self.rejected)
    }

    /// A hash that is the same on every machine and for every vantage of the same packets.
    pub fn stable_hash(&self) -> u64 {
        stable_hash(self.low, self.high, self.ports() & !1)
    }
}

impl Hash for TupleKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.low);
        state.write_u128(self.high);
        state.write_u64(self.ports());
        state.write_u64(self.observer.0);
    }
}

/// A conversation whose client a record itself gave away, at one observer, with one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoldKey {
    /// Who opened it.
    pub client: u128,
    /// Who was asked.
    pub server: u128,
    /// The server's port.
    pub port: u16,
    /// IANA protocol number.
    pub protocol: u8,
    /// Whether the observer rejected these packets.
    pub rejected: bool,
    /// Who saw it.
    pub observer: ObserverId,
}

impl FoldKey {
    fn tail(&self) -> u64 {
        u64::from(self.port) << 16 | u64::from(self.protocol) << 8 | u64::from(self.rejected)
    }

    /// A hash that is the same on every machine and for every vantage of the same packets.
    pub fn stable_hash(&self) -> u64 {
        stable_hash(self.client, self.server, self.tail() & !1)
    }
}

impl Hash for FoldKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.client);
        state.write_u128(self.server);
        state.write_u64(self.tail());
        state.write_u64(self.observer.0);
    }
}

fn stable_hash(first: u128, second: u128, rest: u64) -> u64 {
    let mut bytes = [0; 40];
    bytes[..16].copy_from_slice(&first.to_le_bytes());
    bytes[16..32].copy_from_slice(&second.to_le_bytes());
    bytes[32..].copy_from_slice(&rest.to_le_bytes());
    XxHash64::oneshot(1, &bytes)
}
