//! The estates there are to choose from: the shop, and four public demonstrations of microservices.
//!
//! Each lists its services and whom they call by their real names and ports, and says which of them
//! deal with whom outside. Nothing else knows a service by its name.

mod online_boutique;
mod shop;
mod social_network;
mod sock_shop;
mod train_ticket;

use crate::catalogue::Entry;

/// Services and whom they talk to.
#[derive(Debug)]
pub struct Topology {
    /// What to ask for it by.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// All services; those that call nobody the estate has stand alone.
    pub(crate) services: &'static [Entry],
    /// Where administrators log in.
    pub(crate) bastion: Entry,
    pub(crate) partners: Partners,
}

/// Which services deal with whom outside, by name; those the estate does not have are left out.
#[derive(Debug)]
pub(crate) struct Partners {
    pub(crate) card_network: &'static [&'static str],
    pub(crate) bank: &'static [&'static str],
    pub(crate) mail_relay: &'static [&'static str],
    pub(crate) customers: &'static [&'static str],
    pub(crate) carriers: &'static [&'static str],
    /// Those that read and write objects in a bucket.
    pub(crate) objects: &'static [&'static str],
    /// Those that export to a bucket by the hour.
    pub(crate) exports: &'static [&'static str],
    /// Those that set their clocks by the Internet's.
    pub(crate) clocks: &'static [&'static str],
    /// Those that are scaled with demand.
    pub(crate) elastic: &'static [&'static str],
}

/// All topologies, the shop first.
static TOPOLOGIES: [Topology; 5] = [
    shop::TOPOLOGY,
    online_boutique::TOPOLOGY,
    sock_shop::TOPOLOGY,
    train_ticket::TOPOLOGY,
    social_network::TOPOLOGY,
];

/// All topologies, with their names and descriptions.
pub fn topologies() -> &'static [Topology] {
    &TOPOLOGIES
}

impl Topology {
    /// How many services it has at most, the bastion not counted.
    pub fn n_services(&self) -> usize {
        self.services.len()
    }

    /// Whether it can be made smaller: a shop of `n` services has the first `n`.
    pub(crate) fn is_sized(&self) -> bool {
        self.name == shop::TOPOLOGY.name
    }
}

pub(crate) fn find(name: &str) -> Option<&'static Topology> {
    TOPOLOGIES.iter().find(|topology| topology.name == name)
}

/// The names, for messages.
pub(crate) fn names() -> String {
    TOPOLOGIES.iter().map(|topology| topology.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue::Kind;

    #[test]
    fn every_name_called_or_dealt_with_is_a_service_of_the_topology() {
        for topology in topologies() {
            let names: BTreeSet<&str> = topology.services.iter().map(|entry| entry.name).collect();
            assert_eq!(names.len(), topology.services.len(), "{}", topology.name);
            let partners = &topology.partners;
            let dealing = [
                partners.card_network,
                partners.bank,
                partners.mail_relay,
                partners.customers,
                partners.carriers,
                partners.objects,
                partners.exports,
                partners.elastic,
            ];
            let called = topology.services.iter().flat_map(|entry| entry.calls);
            for name in called.chain(dealing.into_iter().flatten()) {
                assert!(names.contains(name), "{name} of {}", topology.name);
            }
        }
    }

    #[test]
    fn every_topology_has_what_scenarios_look_for() {
        for topology in topologies() {
            let count = |is_kind: fn(Kind) -> bool| {
                topology.services.iter().filter(|entry| is_kind(entry.kind)).count()
            };
            assert!(count(|kind| kind == Kind::Web) >= 1, "{}", topology.name);
            assert!(count(|kind| kind == Kind::App) >= 5, "{}", topology.name);
            assert!(count(Kind::is_pooled) >= 2, "{}", topology.name);
            assert!(count(|kind| kind == Kind::Batch) >= 1, "{}", topology.name);
            assert_eq!(count(|kind| kind == Kind::Monitoring), 1, "{}", topology.name);
            let is_single = |entry: &&Entry| entry.replicas < 2;
            if !topology.is_sized() {
                assert_eq!(topology.services.iter().find(is_single).map(|e| e.name), None);
            }
        }
    }
}
