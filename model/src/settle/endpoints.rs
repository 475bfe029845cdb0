//! The ends of a window's conversations, each resolved once.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use ingest::Field;

use super::observers::Observers;
use super::own_address::OwnAddresses;
use crate::activity::{Endpoint, EndpointId, Vantage};
use crate::fold::{Observed, WindowState};
use crate::identity::{Address, Directory, EniFacts, RECORD_TAGS};

/// An endpoint's number within one window.
pub(super) type EndpointNumber = u32;

/// An endpoint, and what is asked of it often.
struct Known {
    id: EndpointId,
    endpoint: Arc<Endpoint>,
    outside: bool,
}

/// Resolves addresses as the observers of one window see them.
pub(super) struct Endpoints<'a> {
    state: &'a WindowState,
    own: &'a OwnAddresses,
    directory: &'a mut Directory,
    time: i64,
    /// Observers of one VPC share what an address means.
    scopes: Vec<(u32, Arc<str>, Arc<str>)>,
    by_address: HashMap<(u128, u32), EndpointNumber>,
    by_id: HashMap<EndpointId, EndpointNumber>,
    known: Vec<Known>,
}

impl<'a> Endpoints<'a> {
    pub(super) fn new(
        state: &'a WindowState,
        observers: &Observers<'_>,
        own: &'a OwnAddresses,
        directory: &'a mut Directory,
        time: i64,
    ) -> Self {
        let by_name = observers.by_name();
        for &(n, observed) in &by_name {
            // A guess that was remembered would be taken for a fact ever after.
            let mut known = own.of(n).filter(|own| !own.is_guess).map(|own| own.address);
            directory.observe(&facts(observed, known.next()), time);
            for also in known {
                directory.observe(&also_has(observed, also), time);
            }
        }
        let mut numbers: BTreeMap<(Arc<str>, Arc<str>), u32> = BTreeMap::new();
        let mut scopes = vec![(0, Arc::from(""), Arc::from("")); by_name.len()];
        for (n_observer, observed) in by_name {
            let vpc = match observed.said(Field::VpcId) {
                Some(vpc) => Arc::clone(vpc),
                None => directory
                    .workload_of_eni(&observed.account, &observed.eni, time)
                    .map_or_else(|| Arc::from(""), |workload| Arc::clone(&workload.vpc)),
            };
            let n = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let account = Arc::clone(&observed.account);
            let number = *numbers.entry((Arc::clone(&account), Arc::clone(&vpc))).or_insert(n);
            scopes[n_observer] = (number, account, vpc);
        }
        let (by_address, by_id, known) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { state, own, directory, time, scopes, by_address, by_id, known }
    }

    /// The endpoint an address is, seen from an observer.
    #[inline]
    pub(super) fn of(&mut self, observer: usize, address: u128) -> EndpointNumber {
        let scope = self.scopes[observer].0;
        match self.by_address.get(&(address, scope)) {
            Some(&number) => number,
            None => self.resolve(observer, address),
        }
    }

    fn resolve(&mut self, observer: usize, address: u128) -> EndpointNumber {
        let (scope, account, vpc) = &self.scopes[observer];
        let service = self.state.aws_services.get(&address).map(AsRef::as_ref);
        let at = Address::from(address);
        let endpoint = self.directory.endpoint(account, vpc, at, service, self.time);
        let id = endpoint.id;
        let n = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let number = *self.by_id.entry(id).or_insert(n);
        if number == n {
            let outside = endpoint.workload().is_none();
            self.known.push(Known { id, endpoint, outside });
        }
        self.by_address.insert((address, *scope), number);
        number
    }

    pub(super) fn get(&self, number: EndpointNumber) -> &Arc<Endpoint> {
        &self.known[number as usize].endpoint
    }

    #[inline]
    pub(super) fn id(&self, number: EndpointNumber) -> EndpointId {
        self.known[number as usize].id
    }

    #[inline]
    pub(super) fn is_outside(&self, number: EndpointNumber) -> bool {
        self.known[number as usize].outside
    }

    /// The place of each endpoint in a fixed order, for reports and judging: by address.
    pub(super) fn places(&self) -> Vec<u32> {
        let mut order: Vec<EndpointNumber> = (0_u32..).take(self.known.len()).collect();
        order.sort_unstable_by_key(|&number| {
            let known = &self.known[number as usize];
            (u128::from(known.endpoint.address), known.id)
        });
        let mut places = vec![0; order.len()];
        for (place, number) in (0_u32..).zip(order) {
            places[number as usize] = place;
        }
        places
    }

    /// From where an observer sees a conversation.
    pub(super) fn vantage(
        &self,
        number: usize,
        observed: &Observed,
        client: &Endpoint,
        server: &Endpoint,
    ) -> Vantage {
        let is_at = |end: &Endpoint| {
            self.own.of(number).any(|own| own.address == u128::from(end.address))
                || end.workload().and_then(|w| w.eni.as_ref()) == Some(&observed.eni)
        };
        if is_at(client) {
            Vantage::Client
        } else if is_at(server) {
            Vantage::Server
        } else {
            Vantage::Between
        }
    }
}

fn facts(observed: &Observed, own: Option<u128>) -> EniFacts {
    let said = |field| observed.said(field).cloned();
    EniFacts {
        account: Arc::clone(&observed.account),
        eni: Arc::clone(&observed.eni),
        vpc: said(Field::VpcId),
        subnet: said(Field::SubnetId),
        instance: said(Field::InstanceId),
        region: said(Field::Region),
        interface_type: said(Field::InterfaceType),
        ecs_cluster: said(Field::EcsClusterName),
        ecs_service: said(Field::EcsServiceName),
        ecs_task: said(Field::EcsTaskId),
        tags: RECORD_TAGS.into_iter().filter_map(|f| Some((f.name(), said(f)?))).collect(),
        address: own.map(Address::from),
    }
}

/// That an interface has this address as well.
fn also_has(observed: &Observed, address: u128) -> EniFacts {
    EniFacts {
        vpc: observed.said(Field::VpcId).cloned(),
        address: Some(Address::from(address)),
        ..EniFacts::new(Arc::clone(&observed.account), Arc::clone(&observed.eni))
    }
}
