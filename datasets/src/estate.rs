//! The shop's services and network interfaces as they are at one time.

use std::collections::HashMap;

use crate::address::{PRIVATE, PUBLIC, Pool, Subnet, stranger};
use crate::catalogue::{self, Entry, Kind};
use crate::random::Rng;

/// The number of an interface; never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InterfaceIdx(usize);

/// The number of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServiceIdx(usize);

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
}

/// Everything in the VPC.
#[derive(Clone, Debug)]
pub(crate) struct Estate {
    interfaces: Vec<Interface>,
    services: Vec<Service>,
    by_address: HashMap<u32, InterfaceIdx>,
    pools: Vec<Pool>,
    /// The load balancer's nodes.
    pub(crate) balancer: Vec<InterfaceIdx>,
    pub(crate) nat_gateway: InterfaceIdx,
    pub(crate) nat_gateway_id: String,
    rng: Rng,
}

impl Estate {
    /// A shop with the first `n_services` of the catalogue, as of a time.
    pub(crate) fn new(seed: u64, n_services: usize, growth: usize, now: i64) -> Self {
        let mut rng = Rng::new(seed, "estate");
        let nat_gateway_id = format!("nat-0{}", rng.hex(16));
        let mut estate = Self {
            interfaces: Vec::new(),
            services: Vec::new(),
            by_address: HashMap::new(),
            pools: PUBLIC.iter().chain(&PRIVATE).map(Pool::new).collect(),
            balancer: Vec::new(),
            nat_gateway: InterfaceIdx(0),
            nat_gateway_id,
            rng,
        };
        estate.nat_gateway = estate.attach(Owner::NatGateway, 0, now);
        estate.balancer =
            (0..2).map(|zone| estate.attach(Owner::LoadBalancer, zone, now)).collect();
        estate.add_service(catalogue::BASTION, 1, now);
        for entry in &catalogue::SERVICES[..n_services.min(catalogue::SERVICES.len())] {
            estate.add_service(*entry, entry.replicas * growth, now);
        }
        estate
    }

    /// Adds a service with that many replicas.
    pub(crate) fn add_service(&mut self, entry: Entry, n_replicas: usize, now: i64) -> ServiceIdx {
        let group_id = format!("sg-0{}", self.rng.hex(16));
        let service = ServiceIdx(self.services.len());
        self.services.push(Service { entry, group_id, replicas: Vec::new() });
        for _ in 0..n_replicas {
            self.add_replica(service, now);
        }
        service
    }

    /// Starts a replica of a service.
    pub(crate) fn add_replica(&mut self, service: ServiceIdx, now: i64) {
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

    fn attach(&mut self, owner: Owner, zone: usize, attached: i64) -> InterfaceIdx {
        let is_public = match owner {
            Owner::Replica(service) => self.services[service.0].entry.kind == Kind::Bastion,
            Owner::LoadBalancer | Owner::NatGateway => true,
        };
        let pool = &mut self.pools[zone % 2 + if is_public { 0 } else { 2 }];
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

    /// The replicas a service has now.
    pub(crate) fn replicas(&self, idx: ServiceIdx) -> &[InterfaceIdx] {
        &self.service(idx).replicas
    }

    /// The port a replica's service listens on.
    pub(crate) fn port(&self, idx: InterfaceIdx) -> Option<u16> {
        match self.interface(idx).owner {
            Owner::Replica(service) => Some(self.service(service).entry.kind.port()),
            Owner::LoadBalancer | Owner::NatGateway => None,
        }
    }
}
