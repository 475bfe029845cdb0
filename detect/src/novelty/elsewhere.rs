//! Addresses inside that no logged interface has: people and machines of another network, which come by a VPN
//! or a peering. Each is seen from afar and for a while, so what others of its network do is no news of it.

use std::net::Ipv4Addr;

use model::baseline::{Baseline, EdgeKey, WorkloadWindow};
use model::identity::Address;

use super::is_there;
use crate::names::ADMIN_PORTS;

/// So many others have to do it before one more is no news, and where a port administers hosts.
const OTHERS_MIN: usize = 1;
const ADMINS_MIN: usize = 3;

/// Whether a workload is elsewhere, and others of its network do what it does.
pub(crate) fn is_done_from_there(
    baseline: &Baseline,
    window: &WorkloadWindow<'_>,
    key: &EdgeKey,
) -> bool {
    let workload = &window.workload;
    if workload.eni.is_some() || workload.role_known || !key.is_inside() {
        return false;
    }
    let Some(network) = network(&workload.address.to_string()) else { return false };
    let is_beside = |name: &str| *name != *workload.service && self::network(name) == Some(network);
    let others = baseline
        .services
        .unordered()
        .filter(|(name, service)| is_beside(name) && service.edges.get(key).is_some_and(is_there));
    let enough = if ADMIN_PORTS.contains(&key.port) { ADMINS_MIN } else { OTHERS_MIN };
    others.take(enough).count() == enough
}

/// The network that an unnamed service is of, as far as its address says.
fn network(name: &str) -> Option<[u8; 2]> {
    let address: Ipv4Addr = name.parse().ok()?;
    let [a, b, ..] = address.octets();
    Address::from(std::net::IpAddr::V4(address)).is_private().then_some([a, b])
}
