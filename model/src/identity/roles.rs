//! Which names several hosts share: only such a name is a role.
//!
//! Counted over all snapshots, so that a replica alone at its time is still one of its role.

use std::collections::{BTreeMap, BTreeSet};

use ingest::inventory::{Instance, NetworkInterface};

use super::estate::{Estate, scope_name};
use super::naming::{less_ordinal, telling_group};

/// Hosts by name; two are enough to know.
type Hosts = BTreeMap<(String, String), BTreeSet<String>>;

/// Names and security groups with the hosts that share them, by VPC.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    names: BTreeSet<(String, String)>,
    groups: BTreeSet<(String, String)>,
}

impl Roles {
    pub(super) fn of(estate: &Estate) -> Self {
        let (mut names, mut groups) = (Hosts::new(), Hosts::new());
        for (_, interface) in estate.interfaces() {
            let instance =
                interface.instance.as_deref().and_then(|id| estate.instance(id, i64::MAX));
            let host = interface.instance.as_ref().unwrap_or(&interface.id);
            let account = interface.account.as_deref().unwrap_or_default();
            let scope = scope_name(interface.vpc.as_deref(), account);
            let add = |to: &mut Hosts, name: &str| {
                to.entry((scope.into(), name.into())).or_default().insert(host.clone());
            };
            if let Some(name) = name_tag(interface, instance) {
                add(&mut names, less_ordinal(name));
            }
            if let Some(name) = telling_group(interface) {
                add(&mut groups, name);
            }
        }
        Self { names: shared(names), groups: shared(groups) }
    }

    /// Whether several hosts of the VPC have this `Name`, their numbers apart.
    pub(super) fn share_name(&self, scope: &str, name: &str) -> bool {
        self.names.contains(&(scope.to_owned(), name.to_owned()))
    }

    /// Whether several hosts of the VPC have this security group alone.
    pub(super) fn share_group(&self, scope: &str, name: &str) -> bool {
        self.groups.contains(&(scope.to_owned(), name.to_owned()))
    }
}

fn shared(hosts: Hosts) -> BTreeSet<(String, String)> {
    hosts.into_iter().filter(|(_, hosts)| hosts.len() > 1).map(|(name, _)| name).collect()
}

fn name_tag<'a>(
    interface: &'a NetworkInterface,
    instance: Option<&'a Instance>,
) -> Option<&'a str> {
    let tags = [Some(&interface.tags), instance.map(|i| &i.tags)];
    tags.into_iter().flatten().find_map(|tags| {
        let mut names =
            tags.iter().filter(|(k, v)| k.eq_ignore_ascii_case("Name") && !v.trim().is_empty());
        names.next().map(|(_, value)| value.as_str())
    })
}
