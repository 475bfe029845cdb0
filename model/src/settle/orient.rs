//! Who is the client of an inconclusive five-tuple.
//!
//! In order: who is known to listen (an answered handshake in this window, one remembered, a port the
//! baseline says the service serves, a SYN that went there); with equal ports, our end towards the
//! outside (as time servers are asked); with packets one way only, who spoke, unless it answered from a
//! privileged port; which end talks from one port to many of the other's; which port is one that
//! servers use; and, for want of anything else, the lower port.

use std::cmp::Ordering;

use hashbrown::{HashMap, HashSet};

use super::endpoints::{EndpointNumber, Endpoints};
use super::listeners::Listeners;
use super::{Serves, sides};
use crate::activity::Orientation;
use crate::fold::{Flow, TupleCounts, TupleKey, icmp};

/// An end with at least this many counterparts is a server if the other has less than half of them.
const FAN_MIN: u32 = 4;

/// First port of the smallest range clients are commonly given (Linux); IANA's begins at 49152.
const EPHEMERAL_FIRST: u16 = 32768;

/// Below this, only privileged programs listen on common systems.
const PRIVILEGED_END: u16 = 1024;

/// An endpoint's port: its number, the port and the protocol in one word.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Port(u64);

impl Port {
    #[inline]
    pub(super) fn of(end: EndpointNumber, port: u16, protocol: u8) -> Self {
        Self(u64::from(end) << 24 | u64::from(port) << 8 | u64::from(protocol))
    }
}

/// A five-tuple between resolved ends.
#[derive(Clone, Copy)]
pub(super) struct Between<'a> {
    pub(super) low: EndpointNumber,
    pub(super) high: EndpointNumber,
    pub(super) key: &'a TupleKey,
}

impl Between<'_> {
    #[inline]
    pub(super) fn ports(&self) -> [Port; 2] {
        let key = self.key;
        [
            Port::of(self.low, key.low_port, key.protocol),
            Port::of(self.high, key.high_port, key.protocol),
        ]
    }
}

/// Whether the smaller end is the client, and how that is known.
pub(super) type Oriented = (bool, Orientation);

/// What a window tells of who listens.
pub(super) struct Evidence<'a> {
    serves: Serves<'a>,
    listeners: &'a Listeners,
    /// Ports that conclusive records went to.
    asked: HashSet<Port>,
    /// Whether the baseline says an end serves a port, asked once.
    served: HashMap<Port, bool>,
    /// Counterparts of the ends that are to be judged by them.
    fan: HashMap<Port, u32>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(serves: Serves<'a>, listeners: &'a Listeners, asked: HashSet<Port>) -> Self {
        Self { serves, listeners, asked, served: HashMap::new(), fan: HashMap::new() }
    }

    /// Orients by everything but the number of counterparts; `None` where that is needed, which is
    /// then to be counted over all five-tuples: [`Self::note_tuple`], then [`Self::orient_by_fan`].
    #[inline]
    pub(super) fn orient(
        &mut self,
        endpoints: &Endpoints<'_>,
        between: Between<'_>,
        counts: &TupleCounts,
    ) -> Option<Oriented> {
        let Between { low, high, key } = between;
        let known = if matches!(key.protocol, sides::TCP | sides::UDP) {
            let knows = |end, port| self.listeners.knows(endpoints.id(end), port, key.protocol);
            match (knows(low, key.low_port), knows(high, key.high_port)) {
                (false, true) => Some((true, Orientation::Listener)),
                (true, false) => Some((false, Orientation::Listener)),
                (true, true) => by_direction(endpoints, between, counts),
                (false, false) => self
                    .by_service(endpoints, between)
                    .or_else(|| by_direction(endpoints, between, counts)),
            }
        } else {
            portless(endpoints, between, counts)
        };
        if known.is_none() {
            for port in between.ports() {
                self.fan.entry(port).or_default();
            }
        }
        known
    }

    /// By what the baseline says the ends serve, and by where a SYN went.
    fn by_service(&mut self, endpoints: &Endpoints<'_>, between: Between<'_>) -> Option<Oriented> {
        let [low, high] = between.ports();
        let Between { low: low_end, high: high_end, key } = between;
        let low = self.strength(endpoints, low_end, key.low_port, key.protocol, low);
        let high = self.strength(endpoints, high_end, key.high_port, key.protocol, high);
        match low.cmp(&high) {
            Ordering::Less => Some((true, Orientation::Listener)),
            Ordering::Greater => Some((false, Orientation::Listener)),
            Ordering::Equal => None,
        }
    }

    /// How strongly an end that is no remembered listener is known to listen.
    fn strength(
        &mut self,
        endpoints: &Endpoints<'_>,
        end: EndpointNumber,
        port: u16,
        protocol: u8,
        key: Port,
    ) -> u8 {
        let serves = self.serves;
        let is_served = *self
            .served
            .entry(key)
            .or_insert_with(|| serves(&endpoints.get(end).party, port, protocol));
        if is_served { 2 } else { u8::from(self.asked.contains(&key)) }
    }

    /// Whether anything is to be judged by counterparts.
    pub(super) fn counts_fan(&self) -> bool {
        !self.fan.is_empty()
    }

    /// Counts a five-tuple's ends as each other's counterparts.
    #[inline]
    pub(super) fn note_tuple(&mut self, between: Between<'_>) {
        for port in between.ports() {
            if let Some(n) = self.fan.get_mut(&port) {
                *n += 1;
            }
        }
    }

    /// A server's one port meets many ports of its clients; for want of that, the ports tell.
    pub(super) fn orient_by_fan(&self, between: Between<'_>, counts: &TupleCounts) -> Oriented {
        let key = between.key;
        let [of_low, of_high] =
            between.ports().map(|port| self.fan.get(&port).copied().unwrap_or(0));
        if !matches!(key.protocol, sides::TCP | sides::UDP) {
            return match of_low.cmp(&of_high) {
                Ordering::Greater => (true, Orientation::Fan),
                Ordering::Less => (false, Orientation::Fan),
                Ordering::Equal => (true, Orientation::Guess),
            };
        }
        if of_high >= FAN_MIN && of_high > 2 * of_low {
            return (true, Orientation::Fan);
        }
        if of_low >= FAN_MIN && of_low > 2 * of_high {
            return (false, Orientation::Fan);
        }
        match server_like(key.low_port).cmp(&server_like(key.high_port)) {
            Ordering::Less => return (true, Orientation::Ports),
            Ordering::Greater => return (false, Orientation::Ports),
            Ordering::Equal => {}
        }
        match key.low_port.cmp(&key.high_port) {
            Ordering::Less => (false, Orientation::Guess),
            Ordering::Greater => (true, Orientation::Guess),
            Ordering::Equal => (counts.low_first <= counts.high_first, Orientation::Guess),
        }
    }
}

/// With equal ports, our end asks the outside; with packets one way only, who spoke did.
fn by_direction(
    endpoints: &Endpoints<'_>,
    between: Between<'_>,
    counts: &TupleCounts,
) -> Option<Oriented> {
    let key = between.key;
    let outside = (endpoints.is_outside(between.low), endpoints.is_outside(between.high));
    if key.low_port == key.high_port && outside.0 != outside.1 {
        return Some((outside.1, Orientation::Ports));
    }
    one_way(key, counts, outside).map(|low_is_client| (low_is_client, Orientation::Ports))
}

/// Without ports, the type tells, or who spoke first, or who reached out to many.
///
/// Towards the outside the last does not hold: many strangers who ask one of ours look the same as
/// one of ours who asks many.
fn portless(
    endpoints: &Endpoints<'_>,
    between: Between<'_>,
    counts: &TupleCounts,
) -> Option<Oriented> {
    if let Some(low_is_client) = by_icmp_role(&counts.from_low, &counts.from_high) {
        return Some((low_is_client, Orientation::Handshake));
    }
    match counts.low_first.cmp(&counts.high_first) {
        Ordering::Less => return Some((true, Orientation::Fan)),
        Ordering::Greater => return Some((false, Orientation::Fan)),
        Ordering::Equal => {}
    }
    let outside = (endpoints.is_outside(between.low), endpoints.is_outside(between.high));
    (outside.0 != outside.1).then_some((outside.1, Orientation::Guess))
}

/// Whether the smaller end asked, by the types of its and the other's messages.
fn by_icmp_role(from_low: &Flow, from_high: &Flow) -> Option<bool> {
    let asks = |flow: &Flow| flow.flags & icmp::REQUEST != 0;
    let answers = |flow: &Flow| flow.flags & (icmp::REPLY | icmp::ERROR) != 0;
    match (asks(from_low) || answers(from_high), asks(from_high) || answers(from_low)) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// Whether the smaller end is the client of packets that went one way only.
///
/// A stray TCP segment from outside is the stranger's; from inside it may answer one, and says nothing.
fn one_way(key: &TupleKey, counts: &TupleCounts, outside: (bool, bool)) -> Option<bool> {
    let low_spoke = match (counts.from_low.is_empty(), counts.from_high.is_empty()) {
        (false, true) => true,
        (true, false) => false,
        _ => return None,
    };
    let (from, to, from_outside) = if low_spoke {
        (key.low_port, key.high_port, outside.0)
    } else {
        (key.high_port, key.low_port, outside.1)
    };
    if key.protocol == sides::TCP && !from_outside {
        return None;
    }
    let answers = from < PRIVILEGED_END && to >= PRIVILEGED_END;
    Some(low_spoke != (answers && key.protocol != sides::TCP))
}

/// 2 for ports only servers use, 0 for ports clients are given, 1 between.
fn server_like(port: u16) -> u8 {
    match port {
        0 => 0,
        1..PRIVILEGED_END => 2,
        PRIVILEGED_END..EPHEMERAL_FIRST => 1,
        EPHEMERAL_FIRST.. => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_ranked_by_who_uses_them() {
        assert_eq!([443, 8080, 51234].map(server_like), [2, 1, 0]);
    }
}
