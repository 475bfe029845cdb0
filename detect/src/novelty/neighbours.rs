//! Networks beside each other: providers move their names about among their addresses.

use std::collections::HashMap;
use std::net::IpAddr;

use model::baseline::{Direction, EdgeKey, ServiceEvidence};

use super::is_there;

/// Whether a service was in a network beside it, by the same port: providers move their names about among
/// their addresses.
pub(crate) fn is_neighbour_known(evidence: &ServiceEvidence, key: &EdgeKey) -> bool {
    let place_of_key = place(key);
    place_of_key.is_some()
        && evidence
            .edges
            .unordered()
            .any(|(other, edge)| place(other) == place_of_key && is_there(edge))
}

/// When a service first was in each block of addresses by each port, Unix seconds.
pub(super) fn allotments(evidence: &ServiceEvidence) -> HashMap<Neighbourhood, i64> {
    let mut first = HashMap::new();
    for (key, edge) in evidence.edges.unordered() {
        let Some(place) = place(key) else { continue };
        let known = first.entry(place).or_insert(edge.settled);
        *known = edge.settled.min(*known);
    }
    first
}

/// A block of addresses outside, and a port.
pub(super) type Neighbourhood = ((bool, [u8; 4]), u16, u8);

pub(super) fn place(key: &EdgeKey) -> Option<Neighbourhood> {
    if key.direction != Direction::Out {
        return None;
    }
    Some((allotment(&key.peer)?, key.port, key.protocol))
}

/// The block of addresses that a network outside is likely to be allotted from: a /16, and of IPv6 a /32.
fn allotment(peer: &str) -> Option<(bool, [u8; 4])> {
    let (address, _) = peer.split_once('/')?;
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, _, _] = address.octets();
            (false, [a, b, 0, 0])
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.octets();
            (true, [a, b, c, d])
        }
    })
}
