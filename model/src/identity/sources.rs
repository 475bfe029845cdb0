//! Builds workloads from what inventories, records and the labels file say together.

use std::sync::Arc;

use ingest::inventory::{Instance, NetworkInterface};

use super::address::Address;
use super::estate::Estate;
use super::facts::{EniFacts, Recorded};
use super::labels::Labels;
use super::naming::{Named, View};
use super::party::Workload;
use super::roles::Roles;

/// Everything that describes workloads.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) labels: Labels,
    pub(super) estate: Estate,
    pub(super) roles: Roles,
    pub(super) recorded: Recorded,
}

/// Who asks: whose records, in which VPC, when.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) account: &'a str,
    pub(super) vpc: &'a str,
    pub(super) time: i64,
}

/// What is known of one interface at a time.
struct Known<'a> {
    eni: &'a str,
    account: Arc<str>,
    vpc: Arc<str>,
    interface: Option<&'a NetworkInterface>,
    facts: Option<&'a EniFacts>,
    instance_id: Option<&'a str>,
    instance: Option<&'a Instance>,
}

impl Sources {
    fn known<'a>(&'a self, asked: Asked<'_>, eni: &'a str) -> Known<'a> {
        let interface = self.estate.interface(eni, asked.time);
        let facts = self.recorded.get(eni);
        let vpc = interface
            .and_then(|i| i.vpc.as_deref())
            .or_else(|| facts.and_then(|f| f.vpc.as_deref()))
            .unwrap_or(asked.vpc);
        let account = interface
            .and_then(|i| i.account.as_deref())
            .or_else(|| facts.map(|f| f.account.as_ref()))
            .or_else(|| self.recorded.account_of_vpc(vpc).map(AsRef::as_ref))
            .unwrap_or(asked.account);
        let instance_id = facts
            .and_then(|f| f.instance.as_deref())
            .or_else(|| interface.and_then(|i| i.instance.as_deref()));
        let instance = instance_id.and_then(|id| self.estate.instance(id, asked.time));
        let (account, vpc) = (account.into(), vpc.into());
        Known { eni, account, vpc, interface, facts, instance_id, instance }
    }

    /// The workload an interface is; `None` where nothing tells its address.
    pub(super) fn interface(&self, asked: Asked<'_>, eni: &str) -> Option<Workload> {
        let known = self.known(asked, eni);
        let address = known.primary_address()?;
        let mut addresses = vec![address];
        if let Some(interface) = known.interface {
            addresses.extend(interface.addresses_v6.iter().map(|&a| Address::from(a)));
        }
        let task = self.estate.task(eni, asked.time);
        let itself = known.instance_id.map_or_else(|| address.to_string(), str::to_owned);
        let view = View { addresses: &addresses, task, facts: known.facts, ..known.view() };
        let named = view.named(&self.labels, &self.roles, &itself);
        let recorded = known.facts.and_then(|f| f.ecs_task.clone());
        let task = recorded.or_else(|| task.map(|t| t.id().into()));
        Some(Workload { task, ..known.workload(address, named) })
    }

    /// A pod on an interface, which only a rule of the labels file can name.
    pub(super) fn pod(&self, asked: Asked<'_>, eni: &str, address: Address) -> Workload {
        let known = self.known(asked, eni);
        let view = View {
            account: &known.account,
            vpc: &known.vpc,
            addresses: &[address],
            ..View::default()
        };
        let named = view.named(&self.labels, &self.roles, &address.to_string());
        known.workload(address, named)
    }

    /// An address nothing has: a workload of its own.
    pub(super) fn lone(&self, asked: Asked<'_>, address: Address) -> Workload {
        let Asked { account, vpc, .. } = asked;
        let addresses = &[address];
        let view = View { account, vpc, addresses, ..View::default() };
        let named = view.named(&self.labels, &self.roles, &address.to_string());
        workload((account.into(), vpc.into()), address, named)
    }

    /// Whether an address that is assigned to an interface is a pod's on it.
    pub(super) fn is_pod(&self, eni: &str, address: Address, time: i64) -> bool {
        let known = self.known(Asked { account: "", vpc: "", time }, eni);
        let Some(interface) = known.interface else {
            return false;
        };
        let secondary = interface.addresses.iter().skip(1).any(|&a| Address::from(a) == address);
        secondary && hosts_pods(interface, known.instance)
    }
}

impl<'a> Known<'a> {
    /// IPv4 before IPv6; the inventory before the records, which may be guessing.
    fn primary_address(&self) -> Option<Address> {
        let of = |list: fn(&NetworkInterface) -> &Vec<[u8; 16]>| {
            self.interface.and_then(|i| list(i).first()).map(|&a| Address::from(a))
        };
        let recorded = self.facts.and_then(|f| f.address);
        of(|i| &i.addresses).or(recorded).or_else(|| of(|i| &i.addresses_v6))
    }

    fn view(&'a self) -> View<'a> {
        View {
            account: &self.account,
            vpc: &self.vpc,
            interface: self.interface,
            instance: self.instance,
            ..View::default()
        }
    }

    fn workload(&self, address: Address, named: Named) -> Workload {
        let groups = self.interface.map_or(&[][..], |i| &i.security_groups);
        Workload {
            eni: Some(self.eni.into()),
            instance: self.instance_id.map(Arc::from),
            security_groups: groups.iter().map(|(id, _)| id.as_str().into()).collect(),
            ..workload((Arc::clone(&self.account), Arc::clone(&self.vpc)), address, named)
        }
    }
}

/// A workload of which only the place, the address and the names are known.
fn workload((account, vpc): (Arc<str>, Arc<str>), address: Address, named: Named) -> Workload {
    Workload {
        account,
        vpc,
        eni: None,
        address,
        instance: None,
        task: None,
        service: named.service,
        environment: named.environment,
        tier: named.tier,
        infrastructure: named.infrastructure,
        security_groups: Vec::new(),
        why: named.why,
        role_known: named.role_known,
    }
}

/// Whether an interface's secondary addresses are pods', by the marks the Kubernetes network plugin
/// and the cluster leave on the interface and its instance.
fn hosts_pods(interface: &NetworkInterface, instance: Option<&Instance>) -> bool {
    let of_plugin = |key: &str| {
        ["node.k8s.amazonaws.com/", "cluster.k8s.amazonaws.com/", "kubernetes.io/cluster/"]
            .iter()
            .any(|mark| key.starts_with(mark))
            || ["eks:cluster-name", "aws:eks:cluster-name", "eks:nodegroup-name"].contains(&key)
    };
    let mut tags = [Some(&interface.tags), instance.map(|i| &i.tags)].into_iter().flatten();
    interface.description.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("aws-k8s-"))
        || !interface.prefixes.is_empty()
        || tags.any(|tags| tags.keys().any(|key| of_plugin(key)))
}
