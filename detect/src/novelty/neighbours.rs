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
            .any(|(other, edge)| other != key && place(other) == place_of_key && is_there(edge))
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

/// A block of addresses outside that one vendor is likely to have to itself, and a port: a /20, and of IPv6
/// a /44.
pub(crate) struct VendorPlace<'a> {
    key: &'a EdgeKey,
    /// What the names of all its networks begin with.
    beginning: &'a str,
    block: IpAddr,
}

pub(crate) fn vendor_place(key: &EdgeKey) -> Option<VendorPlace<'_>> {
    if key.direction != Direction::Out {
        return None;
    }
    let block = vendor_block(&key.peer)?;
    let end = match block {
        IpAddr::V4(_) => key.peer.match_indices('.').nth(1)?.0,
        IpAddr::V6(_) => key.peer.find(':')?,
    };
    Some(VendorPlace { key, beginning: key.peer.get(..=end)?, block })
}

impl VendorPlace<'_> {
    /// Whether an edge goes there.
    pub(crate) fn has(&self, other: &EdgeKey) -> bool {
        let port = |key: &EdgeKey| (key.direction, key.port, key.protocol);
        port(other) == port(self.key)
            && other.peer.starts_with(self.beginning)
            && vendor_block(&other.peer) == Some(self.block)
    }
}

fn vendor_block(peer: &str) -> Option<IpAddr> {
    let (address, _) = peer.split_once('/')?;
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => IpAddr::V4((u32::from(address) >> 12 << 12).into()),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 84 << 84).into()),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn to(peer: &str, port: u16) -> EdgeKey {
        EdgeKey { direction: Direction::Out, peer: peer.into(), port, protocol: 6 }
    }

    #[test]
    fn a_vendors_place_is_a_block_and_a_port() {
        let key = to("203.0.144.0/24", 443);
        let place = vendor_place(&key).unwrap();
        assert!(place.has(&to("203.0.159.0/24", 443)));
        assert!(!place.has(&to("203.0.160.0/24", 443)), "the next block");
        assert!(!place.has(&to("203.0.145.0/24", 80)));
        assert!(!place.has(&EdgeKey { direction: Direction::In, ..to("203.0.145.0/24", 443) }));
        let key = to("2001:db8:7::/48", 443);
        let place = vendor_place(&key).unwrap();
        assert!(place.has(&to("2001:db8:f::/48", 443)) && !place.has(&to("2001:db8:10::/48", 443)));
        assert!(vendor_place(&to("svc:db", 443)).is_none());
        assert!(vendor_place(&to("aws:S3", 443)).is_none());
    }
}
