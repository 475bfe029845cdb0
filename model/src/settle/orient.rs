//! Who is the client of an inconclusive five-tuple.
//!
//! In order: who is known to listen (an answered handshake in this window, one remembered, a port the
//! baseline says the service serves, a SYN that went there); with equal ports, our end towards the
//! outside (as time servers are asked); with packets one way only, who spoke, unless it answered from a
//! privileged port; which end talks from one port to many of the other's; which port is one that
//! servers use; and, for want of anything else, the lower port.

use std::cmp::Ordering;

use hashbrown::HashMap;

use super::endpoints::{EndpointId, Endpoints};
use super::listeners::Listeners;
use super::{ConversationKey, Serves, sides};
use crate::activity::Orientation;
use crate::fold::{Flow, TupleCounts, TupleKey, icmp};

/// An end with at least this many counterparts is a server if the other has less than half of them.
const FAN_MIN: u32 = 4;

/// First port of the smallest range clients are commonly given (Linux); IANA's begins at 49152.
const EPHEMERAL_FIRST: u16 = 32768;

/// Below this, only privileged programs listen on common systems.
const PRIVILEGED_END: u16 = 1024;

type Port = (EndpointId, u16, u8);

/// What a window tells of who listens.
pub(super) struct Evidence<'a> {
    serves: Serves<'a>,
    /// Ports that conclusive records went to.
    asked: HashMap<Port, ()>,
    /// Counterparts of each end, over all inconclusive five-tuples.
    fan: HashMap<Port, u32>,
    /// Whether the baseline says an end serves a port, asked once.
    served: HashMap<Port, bool>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(serves: Serves<'a>) -> Self {
        let (asked, fan, served) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { serves, asked, fan, served }
    }

    pub(super) fn note_conclusive(&mut self, key: ConversationKey) {
        self.asked.insert((key.server, key.port, key.protocol), ());
    }

    pub(super) fn note_tuple(&mut self, low: EndpointId, high: EndpointId, key: &TupleKey) {
        *self.fan.entry((low, key.low_port, key.protocol)).or_default() += 1;
        *self.fan.entry((high, key.high_port, key.protocol)).or_default() += 1;
    }

    /// Whether the smaller end is the client, and how that is known.
    pub(super) fn orient(
        &mut self,
        listeners: &Listeners,
        endpoints: &Endpoints<'_>,
        low: EndpointId,
        high: EndpointId,
        key: &TupleKey,
        counts: &TupleCounts,
    ) -> (bool, Orientation) {
        let low_end = (low, key.low_port, key.protocol);
        let high_end = (high, key.high_port, key.protocol);
        if !matches!(key.protocol, sides::TCP | sides::UDP) {
            return self.orient_portless(endpoints, low_end, high_end, counts);
        }
        let mut strength = |end| self.listens(listeners, endpoints, end);
        match strength(low_end).cmp(&strength(high_end)) {
            Ordering::Less => return (true, Orientation::Listener),
            Ordering::Greater => return (false, Orientation::Listener),
            Ordering::Equal => {}
        }
        let outside = (is_outside(endpoints, low), is_outside(endpoints, high));
        if key.low_port == key.high_port && outside.0 != outside.1 {
            return (outside.1, Orientation::Ports);
        }
        if let Some(low_is_client) = one_way(key, counts, outside) {
            return (low_is_client, Orientation::Ports);
        }
        if let Some(low_is_client) = self.by_fan(low_end, high_end) {
            return (low_is_client, Orientation::Fan);
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

    /// How strongly an end is known to listen.
    fn listens(
        &mut self,
        listeners: &Listeners,
        endpoints: &Endpoints<'_>,
        (id, port, protocol): Port,
    ) -> u8 {
        if listeners.knows(id, port, protocol) {
            return 3;
        }
        let serves = self.serves;
        let served = *self.served.entry((id, port, protocol)).or_insert_with(|| {
            endpoints.get(id).is_some_and(|end| serves(&end.party, port, protocol))
        });
        match (served, self.asked.contains_key(&(id, port, protocol))) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        }
    }

    /// A server's one port meets many ports of its clients.
    fn by_fan(&self, low: Port, high: Port) -> Option<bool> {
        let fan = |end| self.fan.get(&end).copied().unwrap_or(0);
        let (of_low, of_high) = (fan(low), fan(high));
        if of_high >= FAN_MIN && of_high > 2 * of_low {
            Some(true)
        } else if of_low >= FAN_MIN && of_low > 2 * of_high {
            Some(false)
        } else {
            None
        }
    }

    /// Without ports, the type tells, or who spoke first, or who reached out to many.
    ///
    /// Towards the outside the last does not hold: many strangers who ask one of ours look the same as
    /// one of ours who asks many.
    fn orient_portless(
        &self,
        endpoints: &Endpoints<'_>,
        low: Port,
        high: Port,
        counts: &TupleCounts,
    ) -> (bool, Orientation) {
        if let Some(low_is_client) = by_icmp_role(&counts.from_low, &counts.from_high) {
            return (low_is_client, Orientation::Handshake);
        }
        match counts.low_first.cmp(&counts.high_first) {
            Ordering::Less => return (true, Orientation::Fan),
            Ordering::Greater => return (false, Orientation::Fan),
            Ordering::Equal => {}
        }
        let outside = (is_outside(endpoints, low.0), is_outside(endpoints, high.0));
        if outside.0 != outside.1 {
            return (outside.1, Orientation::Guess);
        }
        let fan = |end| self.fan.get(&end).copied().unwrap_or(0);
        match fan(low).cmp(&fan(high)) {
            Ordering::Greater => (true, Orientation::Fan),
            Ordering::Less => (false, Orientation::Fan),
            Ordering::Equal => (true, Orientation::Guess),
        }
    }
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

fn is_outside(endpoints: &Endpoints<'_>, id: EndpointId) -> bool {
    endpoints.get(id).is_some_and(|end| end.workload().is_none())
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
