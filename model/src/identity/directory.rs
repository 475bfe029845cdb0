//! The directory: answers who an address or an interface is, from everything that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ingest::inventory::{Inventory, NetworkInterface, Task};
use ingest::ip_ranges::IpRanges;

use super::address::Address;
use super::book::{Book, Hold, Scope};
use super::cache::{Cache, Epoch};
use super::estate::{Estate, scope_name};
use super::facts::{Change, EniFacts, Recorded};
use super::labels::Labels;
use super::party::{Outside, Party, Why, Workload};
use super::roles::Roles;
use super::sources::{Asked, Sources};
use crate::activity::Endpoint;

/// Workloads without an interface of their own remembered for [`Directory::describe`]; of more the
/// smallest are kept, whatever came first.
pub const LONE_ADDRESSES_MAX: usize = 1 << 16;

/// AWS's name for the ranges of customers' machines: no service of AWS's own.
const CUSTOMERS: &str = "EC2";

/// What a directory knows from the start.
#[derive(Clone, Debug, Default)]
pub struct IdentityOptions {
    /// Snapshots, in any order.
    pub inventories: Vec<Inventory>,
    /// The labels file.
    pub labels: Labels,
    /// AWS's address ranges; without them the records' `pkt-*-aws-service` fields serve.
    pub ip_ranges: Option<IpRanges>,
}

/// Workloads of one service, environment and tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRow {
    /// The service.
    pub service: Arc<str>,
    /// Its environment.
    pub environment: Option<Arc<str>>,
    /// Its tier.
    pub tier: Option<Arc<str>>,
    /// Its workloads, each with what named it, in order.
    pub workloads: Vec<Arc<Workload>>,
}

/// The latest time that claims without an end hold: they end at `i64::MAX`.
const LATEST: i64 = i64::MAX - 1;

/// Knows who is who.
#[derive(Clone, Debug)]
pub struct Directory {
    pub(super) sources: Sources,
    ip_ranges: Option<IpRanges>,
    pub(super) book: Book,
    pub(super) newest_fact: i64,
    pub(super) generation: u64,
    /// Resolved addresses that are no interface's own: account, VPC, address.
    lone: BTreeSet<(Arc<str>, Arc<str>, Address)>,
    n_lone_capped: u64,
    cache: Cache,
}

impl Directory {
    /// Indexes the options.
    pub fn new(options: IdentityOptions) -> Self {
        let mut book = Book::default();
        let estate = Estate::new(options.inventories, &mut book);
        let roles = Roles::of(&estate);
        Self {
            sources: Sources {
                labels: options.labels,
                estate,
                roles,
                recorded: Recorded::default(),
            },
            ip_ranges: options.ip_ranges,
            book,
            newest_fact: i64::MIN,
            generation: 0,
            lone: BTreeSet::new(),
            n_lone_capped: 0,
            cache: Cache::default(),
        }
    }

    /// Takes in what the records of the window at `time` say of an interface. The order of facts of
    /// one window does not matter; windows come in their order.
    ///
    /// An address is believed of an interface that no snapshot lists with addresses of its family, or that
    /// one lists with it: a snapshot knows an interface's addresses for certain, while records may leave
    /// them to guessing. It does not know of the IPv6 address that the interface was given since.
    pub fn observe(&mut self, facts: &EniFacts, time: i64) {
        if facts.eni.is_empty() {
            return;
        }
        let mut changes = vec![self.sources.recorded.observe(facts, time)];
        let listed = self.sources.estate.interface(&facts.eni, time);
        let believed = |address: &Address| {
            listed.is_none_or(|i| {
                let own = if address.is_v4() { &i.addresses } else { &i.addresses_v6 };
                own.is_empty() || own.iter().any(|&a| Address::from(a) == *address)
            })
        };
        if let Some(address) = facts.address.filter(believed) {
            let vpc = listed.and_then(|i| i.vpc.as_deref()).or(facts.vpc.as_deref());
            let scope = self.book.scope(scope_name(vpc, &facts.account));
            changes.push(self.book.see(scope, address, &facts.eni, time));
        }
        if changes.contains(&Change::Some) {
            self.generation += 1;
        }
        self.newest_fact = time.max(self.newest_fact);
    }

    /// Takes in what an interface does rather than what is said of it: believed where no snapshot lists the
    /// interface and no record tells its type. Whether it is believed and new.
    pub(crate) fn suppose(&mut self, facts: &EniFacts, time: i64) -> bool {
        let is_listed = self.sources.estate.interface(&facts.eni, time).is_some();
        let recorded = self.sources.recorded.get(&facts.eni);
        let is_open = recorded.is_some_and(|known| known.interface_type.is_none());
        if is_listed || !is_open {
            return false;
        }
        self.observe(facts, time);
        true
    }

    /// Who an address is to an interface of this account and VPC, at a time (Unix seconds). `vpc` is
    /// empty where nothing says; `aws_service` is the record's `pkt-*-aws-service` for it.
    pub fn resolve(
        &mut self,
        account: &str,
        vpc: &str,
        address: Address,
        aws_service: Option<&str>,
        time: i64,
    ) -> Party {
        self.endpoint(account, vpc, address, aws_service, time).party.clone()
    }

    /// The same with its address and the name it has as a peer, made once for as long as it holds.
    pub(crate) fn endpoint(
        &mut self,
        account: &str,
        vpc: &str,
        address: Address,
        aws_service: Option<&str>,
        time: i64,
    ) -> Arc<Endpoint> {
        self.cache.turn_to(self.epoch(time));
        let known = self.cache.endpoint(account, vpc, address).map(Arc::clone);
        let endpoint = known.unwrap_or_else(|| {
            let party = self.find(Asked { account, vpc, time }, address);
            let endpoint = self.named(party, address);
            let answers = self.cache.answers(account, vpc);
            answers.endpoints.insert(address, Arc::clone(&endpoint));
            endpoint
        });
        match (&endpoint.party, aws_service) {
            (Party::Outside(Outside::Prefix { .. }), Some(service))
                if self.ip_ranges.is_none() && service != CUSTOMERS =>
            {
                self.named(Party::Outside(Outside::AwsService(service.into())), address)
            }
            _ => endpoint,
        }
    }

    fn named(&mut self, party: Party, address: Address) -> Arc<Endpoint> {
        let peer = self.cache.interned(party.peer_name());
        Arc::new(Endpoint::new(party, peer, address))
    }

    /// The workload an interface is at a time; `None` where nothing tells its address.
    pub fn workload_of_eni(
        &mut self,
        account: &str,
        eni: &str,
        time: i64,
    ) -> Option<Arc<Workload>> {
        self.cache.turn_to(self.epoch(time));
        self.interface(Asked { account, vpc: "", time }, eni)
    }

    /// Every workload known so far by service, as of the latest that is known.
    pub fn describe(&self) -> Vec<ServiceRow> {
        let mut rows: BTreeMap<_, BTreeSet<Arc<Workload>>> = BTreeMap::new();
        for workload in self.workloads() {
            let Workload { service, environment, tier, .. } = &workload;
            let key = (service.clone(), environment.clone(), tier.clone());
            rows.entry(key).or_default().insert(Arc::new(workload));
        }
        let row = |((service, environment, tier), workloads): (_, BTreeSet<_>)| ServiceRow {
            service,
            environment,
            tier,
            workloads: workloads.into_iter().collect(),
        };
        rows.into_iter().map(row).collect()
    }

    /// Every interface of the inventories, as last listed, by id.
    pub fn interfaces(&self) -> impl Iterator<Item = &NetworkInterface> {
        self.sources.estate.interfaces().map(|(_, interface)| interface)
    }

    /// Whether the inventories list any interface that has records; `None` without inventories or records.
    pub fn is_acquainted(&self) -> Option<bool> {
        let mut observed =
            self.sources.recorded.iter().map(|(facts, _)| facts.eni.as_ref()).peekable();
        if self.sources.estate.times().is_empty() || observed.peek().is_none() {
            return None;
        }
        let is_listed = |eni: &str| self.listed_since(eni).is_some() || self.task(eni).is_some();
        Some(observed.any(is_listed))
    }

    /// When a snapshot first listed an interface, Unix seconds.
    pub fn listed_since(&self, eni: &str) -> Option<i64> {
        self.sources.estate.listed.since(eni)
    }

    /// Whether a snapshot of after this time, Unix seconds, leaves out an interface that it would list
    /// if it existed.
    pub fn is_gone(&self, account: &str, vpc: Option<&str>, eni: &str, time: i64) -> bool {
        self.sources.estate.listed.is_gone(account, vpc, eni, time)
    }

    /// The ECS task that has an interface to itself, as last listed.
    pub fn task(&self, eni: &str) -> Option<&Task> {
        self.sources.estate.task(eni, LATEST)
    }

    /// The latest that records said of each interface, with its time: what [`Directory::observe`]
    /// needs to know as much again.
    pub fn observed(&self) -> impl Iterator<Item = (&EniFacts, i64)> {
        self.sources.recorded.iter()
    }

    /// Whether AWS's published ranges name its services' addresses.
    pub fn has_ip_ranges(&self) -> bool {
        self.ip_ranges.is_some()
    }

    /// What caps cut, by the cap's name.
    pub fn capped(&self) -> BTreeMap<&'static str, u64> {
        let counts = [
            ("recorded-interfaces", self.sources.recorded.n_capped()),
            ("lone-addresses", self.n_lone_capped),
        ];
        counts.into_iter().filter(|&(_, n)| n > 0).collect()
    }

    fn epoch(&self, time: i64) -> Epoch {
        let n_snapshots = self.sources.estate.times().partition_point(|&at| at <= time);
        let past = (time < self.newest_fact).then_some(time);
        Epoch { n_snapshots, generation: self.generation, past }
    }

    fn workloads(&self) -> Vec<Workload> {
        let time = LATEST;
        let listed = self.interfaces().map(|i| i.id.as_str());
        let enis: BTreeSet<&str> =
            listed.chain(self.sources.recorded.iter().map(|(f, _)| f.eni.as_ref())).collect();
        let asked = Asked { account: "", vpc: "", time };
        let of_enis = enis.into_iter().filter_map(|eni| self.sources.interface(asked, eni));
        let of_lone = self.lone.iter().filter_map(|(account, vpc, address)| {
            let asked = Asked { account, vpc, time };
            match self.holder(asked, *address) {
                Some((eni, hold)) => {
                    let is_pod = self.is_pod(&eni, hold, *address, time);
                    is_pod.then(|| self.sources.pod(asked, &eni, *address))
                }
                None => Some(self.sources.lone(asked, *address)),
            }
        });
        of_enis.chain(of_lone).collect()
    }

    fn find(&mut self, asked: Asked<'_>, address: Address) -> Party {
        if address.is_group() {
            return Party::Outside(Outside::Group);
        }
        let Some((eni, hold)) = self.holder(asked, address) else {
            return self.find_unheld(asked, address);
        };
        if self.is_pod(&eni, hold, address, asked.time) {
            let pod = self.sources.pod(asked, &eni, address);
            return self.alone(pod);
        }
        match self.interface(asked, &eni) {
            Some(workload) => Party::Workload(workload),
            None => self.find_unheld(asked, address),
        }
    }

    fn find_unheld(&mut self, asked: Asked<'_>, address: Address) -> Party {
        let lone = self.sources.lone(asked, address);
        if matches!(lone.why, Why::Label(_)) {
            return self.alone(lone);
        }
        if let Some(name) = self.sources.labels.network(address) {
            return Party::Outside(Outside::Network(name.into()));
        }
        let Asked { account, vpc, .. } = asked;
        let scope = self.book.known_scope(scope_name(Some(vpc), account));
        let is_inside =
            address.is_private() || scope.is_some_and(|s| self.book.is_in_subnet(s, address));
        if is_inside { self.alone(lone) } else { Party::Outside(self.outside(address)) }
    }

    /// A workload that is no interface, remembered.
    fn alone(&mut self, workload: Workload) -> Party {
        let (account, vpc) = (Arc::clone(&workload.account), Arc::clone(&workload.vpc));
        self.lone.insert((account, vpc, workload.address));
        if self.lone.len() > LONE_ADDRESSES_MAX {
            self.lone.pop_last();
            self.n_lone_capped += 1;
        }
        Party::Workload(Arc::new(workload))
    }

    fn outside(&self, address: Address) -> Outside {
        let range = self.ip_ranges.as_ref().and_then(|ranges| ranges.get(address.octets()));
        if let Some(range) = range.filter(|range| range.service.as_ref() != CUSTOMERS) {
            return Outside::AwsService(format!("{} {}", range.service, range.region).into());
        }
        let bits = if address.is_v4() { 24 } else { 48 };
        Outside::Prefix { network: address.prefix(bits), bits }
    }

    /// The interface that has the address, by the steps of the module's documentation.
    fn holder(&self, asked: Asked<'_>, address: Address) -> Option<(Arc<str>, Hold)> {
        let Asked { account, vpc, time } = asked;
        let scope = self.book.known_scope(scope_name(Some(vpc), account));
        let local = scope.and_then(|scope| self.book.holder(scope, address, time));
        let public = || {
            let scope = (!address.is_private()).then_some(Scope::INTERNET)?;
            self.book.holder(scope, address, time)
        };
        let peered = || Some((self.book.elsewhere(scope, address, time)?, Hold::Assigned));
        let (eni, hold) = local.or_else(public).or_else(peered)?;
        Some((Arc::clone(eni), hold))
    }

    fn is_pod(&self, eni: &str, hold: Hold, address: Address, time: i64) -> bool {
        hold == Hold::Delegated || self.sources.is_pod(eni, address, time)
    }

    /// The interface's workload, built once per epoch.
    fn interface(&mut self, asked: Asked<'_>, eni: &str) -> Option<Arc<Workload>> {
        let Asked { account, vpc, .. } = asked;
        if let Some(known) = self.cache.workload(account, vpc, eni) {
            return known.clone();
        }
        let built = self.sources.interface(asked, eni).map(Arc::new);
        self.cache.answers(account, vpc).workloads.insert(eni.into(), built.clone());
        built
    }
}
