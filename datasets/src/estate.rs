//! The services and network interfaces as they are at one time.

use std::collections::HashMap;

use crate::address::{MOVED, PRIVATE, PUBLIC, Pool, Subnet, stranger};
use crate::catalogue::{Entry, Kind};
use crate::random::Rng;
use crate::topology::Topology;
use crate::variety::Variety;

/// The number of an interface; never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InterfaceIdx(usize);

/// The number of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServiceIdx(usize);

#[cfg(test)]
impl ServiceIdx {
    /// The first service of any estate.
    pub(crate) const FIRST: Self = Self(0);
}

/// Whom an interface belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Replica(ServiceIdx),
    LoadBalancer,
    NatGateway,
}

/// An elastic network interface.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) id: String,
    pub(crate) address: u32,
    pub(crate) public_address: Option<u32>,
    pub(crate) subnet: &'static Subnet,
    /// The instance it is attached to; AWS's own interfaces have none.
    pub(crate) instance: Option<String>,
    pub(crate) owner: Owner,
    /// When it was attached, in Unix seconds.
    pub(crate) attached: i64,
    /// When it was deleted.
    pub(crate) deleted: Option<i64>,
}

/// A service and its replicas, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) entry: Entry,
    pub(crate) group_id: String,
    pub(crate) replicas: Vec<InterfaceIdx>,
    /// The services it calls.
    pub(crate) calls: Vec<ServiceIdx>,
    home: Home,
}

/// Where a service's new replicas start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    Usual,
    /// In the subnets that were added later.
    Moved,
    /// Nowhere: it is no more.
    Gone,
}

/// What becomes of an interface's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Capture {
    /// They are written.
    #[default]
    On,
    /// They are skipped at one interface in so many, which says so.
    Skipping(u64),
    /// The flow log is deleted.
    Off,
}

/// What is so for the time being.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// People against as many as usual.
    pub(crate) demand: f64,
    /// The share of the visitors who usually go to another region.
    pub(crate) elsewhere: f64,
    pub(crate) capture: Capture,
    /// The share of the connections that go over IPv6, of those that could.
    pub(crate) v6_share: f64,
}

impl Weather {
    const USUAL: Self = Self { demand: 1.0, elsewhere: 0.0, capture: Capture::On, v6_share: 0.0 };
}

/// Everything in the VPC.
#[derive(Clone, Debug)]
pub(crate) struct Estate {
    interfaces: Vec<Interface>,
    services: Vec<Service>,
    by_address: HashMap<u32, InterfaceIdx>,
    pools: Vec<Pool>,
    pub(crate) topology: &'static Topology,
    pub(crate) variety: Variety,
    pub(crate) weather: Weather,
    /// The store administrators have no business with.
    pub(crate) sealed: Option<ServiceIdx>,
    /// The load balancer's nodes.
    pub(crate) balancer: Vec<InterfaceIdx>,
    pub(crate) nat_gateway: InterfaceIdx,
    pub(crate) nat_gateway_id: String,
    rng: Rng,
}

impl Estate {
    /// An estate with the first `n_services` of a topology, as of a time.
    pub(crate) fn new(
        seed: u64,
        (topology, n_services): (&'static Topology, usize),
        variety: Variety,
        now: i64,
    ) -> Self {
        let mut rng = Rng::new(seed, "estate");
        let nat_gateway_id = format!("nat-0{}", rng.hex(16));
        let mut estate = Self {
            interfaces: Vec::new(),
            services: Vec::new(),
            by_address: HashMap::new(),
            pools: PUBLIC.iter().chain(&PRIVATE).chain(&MOVED).map(Pool::new).collect(),
            topology,
            variety,
            weather: Weather::USUAL,
            sealed: None,
            balancer: Vec::new(),
            nat_gateway: InterfaceIdx(0),
            nat_gateway_id,
            rng,
        };
        estate.nat_gateway = estate.attach(Owner::NatGateway, 0, now);
        estate.balancer =
            (0..2).map(|zone| estate.attach(Owner::LoadBalancer, zone, now)).collect();
        let mut varied = Rng::new(seed, "wiring");
        estate.add_service(topology.bastion, topology.bastion.replicas, now);
        for entry in &topology.services[..n_services.min(topology.services.len())] {
            let larger = estate.variety.larger;
            let extra = (0..2).filter(|_| varied.chance(larger)).count();
            estate.add_service(*entry, entry.replicas * estate.variety.growth + extra, now);
        }
        estate.wire_up(&mut varied);
        estate
    }

    /// Lets the services call those the topology lists, and now and then one more.
    fn wire_up(&mut self, rng: &mut Rng) {
        let callable = self.of_kind(|kind| kind == Kind::App || kind.is_pooled());
        for caller in self.services() {
            let entry = self.service(caller).entry;
            let mut calls: Vec<ServiceIdx> =
                entry.calls.iter().filter_map(|name| self.named(name)).collect();
            if entry.kind.is_app() && rng.chance(self.variety.wired) {
                let one_more = rng.pick(&callable);
                calls.extend(one_more.filter(|one| *one != caller && !calls.contains(one)));
            }
            self.services[caller.0].calls = calls;
        }
        if self.variety.spread > 0.0 {
            self.sealed = rng.pick(&self.of_kind(Kind::is_store));
        }
    }

    /// Adds a service with that many replicas.
    pub(crate) fn add_service(&mut self, entry: Entry, n_replicas: usize, now: i64) -> ServiceIdx {
        let group_id = format!("sg-0{}", self.rng.hex(16));
        let service = ServiceIdx(self.services.len());
        let (replicas, calls) = (Vec::new(), Vec::new());
        self.services.push(Service { entry, group_id, replicas, calls, home: Home::Usual });
        for _ in 0..n_replicas {
            self.add_replica(service, now);
        }
        service
    }

    /// Starts a replica of a service.
    pub(crate) fn add_replica(&mut self, service: ServiceIdx, now: i64) {
        if self.services[service.0].home == Home::Gone {
            return;
        }
        let zone = self.services[service.0].replicas.len() + service.0;
        let interface = self.attach(Owner::Replica(service), zone, now - 40);
        self.services[service.0].replicas.push(interface);
    }

    /// Stops the oldest replica of a service; the last one always stays.
    pub(crate) fn retire_replica(&mut self, service: ServiceIdx, now: i64) {
        let replicas = &mut self.services[service.0].replicas;
        if replicas.len() > 1 {
            let interface = replicas.remove(0);
            self.detach(interface, now);
        }
    }

    /// Stops every replica of a service, for good.
    pub(crate) fn take_down(&mut self, service: ServiceIdx, now: i64) {
        self.services[service.0].home = Home::Gone;
        for interface in std::mem::take(&mut self.services[service.0].replicas) {
            self.detach(interface, now);
        }
    }

    /// Lets a service's replicas start in other subnets from now on.
    pub(crate) fn move_service(&mut self, service: ServiceIdx) {
        self.services[service.0].home = Home::Moved;
    }

    /// Lets a service call further ones.
    pub(crate) fn add_calls(&mut self, caller: ServiceIdx, called: &[ServiceIdx]) {
        self.services[caller.0].calls.extend(called);
    }

    /// Puts a new interface in the place of one of the load balancer's, as AWS does when it likes.
    pub(crate) fn replace_node(&mut self, node: usize, now: i64) {
        let fresh = self.attach(Owner::LoadBalancer, node, now);
        if let Some(node) = self.balancer.get_mut(node) {
            let old = std::mem::replace(node, fresh);
            self.detach(old, now);
        }
    }

    fn attach(&mut self, owner: Owner, zone: usize, attached: i64) -> InterfaceIdx {
        let place = match owner {
            Owner::Replica(service) => &self.services[service.0],
            Owner::LoadBalancer | Owner::NatGateway => {
                return self.attach_in(owner, zone % 2, attached);
            }
        };
        let first = match (place.entry.kind, place.home) {
            (Kind::Bastion, _) => 0,
            (_, Home::Moved) => PUBLIC.len() + PRIVATE.len(),
            (_, Home::Usual | Home::Gone) => PUBLIC.len(),
        };
        self.attach_in(owner, first + zone % 2, attached)
    }

    /// Attaches an interface in the subnet of a pool; those in the first pools are public.
    fn attach_in(&mut self, owner: Owner, pool: usize, attached: i64) -> InterfaceIdx {
        let is_public = pool < PUBLIC.len();
        let pool = &mut self.pools[pool];
        let (subnet, address) = (pool.subnet, pool.take(attached));
        let public_address = is_public.then(|| stranger(self.rng.bits()).address);
        let has_instance = matches!(owner, Owner::Replica(_));
        let interface = Interface {
            id: format!("eni-0{}", self.rng.hex(16)),
            address,
            public_address,
            subnet,
            instance: has_instance.then(|| format!("i-0{}", self.rng.hex(16))),
            owner,
            attached,
            deleted: None,
        };
        let idx = InterfaceIdx(self.interfaces.len());
        self.by_address.insert(address, idx);
        self.interfaces.push(interface);
        idx
    }

    fn detach(&mut self, idx: InterfaceIdx, now: i64) {
        let interface = &mut self.interfaces[idx.0];
        interface.deleted = Some(now);
        self.by_address.remove(&interface.address);
        let pools = &mut self.pools;
        if let Some(pool) = pools.iter_mut().find(|pool| pool.subnet.id == interface.subnet.id) {
            pool.give_back(now, interface.address);
        }
    }

    pub(crate) fn interface(&self, idx: InterfaceIdx) -> &Interface {
        &self.interfaces[idx.0]
    }

    /// Whether the interface still exists.
    pub(crate) fn exists(&self, idx: InterfaceIdx) -> bool {
        self.interface(idx).deleted.is_none()
    }

    /// How many interfaces there ever were.
    pub(crate) fn n_interfaces(&self) -> usize {
        self.interfaces.len()
    }

    /// The interfaces there are, in order of creation.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = InterfaceIdx> + '_ {
        (0..self.interfaces.len()).map(InterfaceIdx).filter(|&idx| self.exists(idx))
    }

    /// The position of an interface among all that ever were.
    pub(crate) fn position(idx: InterfaceIdx) -> usize {
        idx.0
    }

    /// Who has an address of the VPC.
    pub(crate) fn at(&self, address: u32) -> Option<InterfaceIdx> {
        self.by_address.get(&address).copied()
    }

    pub(crate) fn service(&self, idx: ServiceIdx) -> &Service {
        &self.services[idx.0]
    }

    /// All services, the bastion first.
    pub(crate) fn services(&self) -> impl Iterator<Item = ServiceIdx> + use<> {
        (0..self.services.len()).map(ServiceIdx)
    }

    /// The services of a kind.
    pub(crate) fn of_kind(&self, is_kind: impl Fn(Kind) -> bool) -> Vec<ServiceIdx> {
        self.services().filter(|&idx| is_kind(self.service(idx).entry.kind)).collect()
    }

    /// The service of that name.
    pub(crate) fn named(&self, name: &str) -> Option<ServiceIdx> {
        self.services().find(|&idx| self.service(idx).entry.name == name)
    }

    /// The services a service calls.
    pub(crate) fn calls(&self, idx: ServiceIdx) -> &[ServiceIdx] {
        &self.service(idx).calls
    }

    /// The services the topology names for something.
    pub(crate) fn all_named(&self, names: &[&str]) -> Vec<ServiceIdx> {
        names.iter().filter_map(|name| self.named(name)).collect()
    }

    /// Where administrators log in.
    pub(crate) fn bastion(&self) -> Option<ServiceIdx> {
        self.of_kind(|kind| kind == Kind::Bastion).first().copied()
    }

    /// The services that are scaled with demand.
    pub(crate) fn elastic(&self) -> Vec<ServiceIdx> {
        self.all_named(self.topology.partners.elastic)
    }

    /// How busy people are: 1 is the mean of a working day.
    pub(crate) fn activity(&self, time: i64) -> f64 {
        self.variety.rhythm.activity(time) * self.weather.demand
    }

    /// The replicas a service has now.
    pub(crate) fn replicas(&self, idx: ServiceIdx) -> &[InterfaceIdx] {
        &self.service(idx).replicas
    }

    /// The port a replica's service listens on.
    pub(crate) fn port(&self, idx: InterfaceIdx) -> Option<u16> {
        match self.interface(idx).owner {
            Owner::Replica(service) => Some(self.service(service).entry.port),
            Owner::LoadBalancer | Owner::NatGateway => None,
        }
    }
}
