//! The ends of a window's conversations, each resolved once.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

use hashbrown::HashMap;
use ingest::Field;
use twox_hash::XxHash64;

use crate::activity::{Endpoint, Vantage};
use crate::fold::{Observed, ObserverId, WindowState};
use crate::identity::{Address, Directory, EniFacts};

/// An end of a conversation, the same in every window: a hash of account, VPC and address, or of
/// the address alone outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub(crate) u64);

impl EndpointId {
    fn of(endpoint: &Endpoint) -> Self {
        let mut hasher = XxHash64::with_seed(2);
        if let Some(workload) = endpoint.workload() {
            hasher.write(workload.account.as_bytes());
            hasher.write_u8(0);
            hasher.write(workload.vpc.as_bytes());
        }
        hasher.write_u8(0);
        hasher.write(&u128::from(endpoint.address).to_be_bytes());
        Self(hasher.finish())
    }
}

/// Resolves addresses as the observers of one window see them.
pub(super) struct Endpoints<'a> {
    state: &'a WindowState,
    own: BTreeMap<ObserverId, u128>,
    directory: &'a mut Directory,
    time: i64,
    /// Observers of one VPC share what an address means.
    scopes: HashMap<ObserverId, (u32, Arc<str>, Arc<str>)>,
    by_address: HashMap<(u32, u128), EndpointId>,
    by_id: HashMap<EndpointId, Endpoint>,
}

impl<'a> Endpoints<'a> {
    pub(super) fn new(
        state: &'a WindowState,
        own: BTreeMap<ObserverId, u128>,
        directory: &'a mut Directory,
        time: i64,
    ) -> Self {
        for (id, observed) in sorted(&state.observers) {
            directory.observe(&facts(observed, own.get(&id).copied()), time);
        }
        let mut numbers: BTreeMap<(Arc<str>, Arc<str>), u32> = BTreeMap::new();
        let mut scopes = HashMap::new();
        for (id, observed) in sorted(&state.observers) {
            let vpc = match observed.said(Field::VpcId) {
                Some(vpc) => Arc::clone(vpc),
                None => directory
                    .workload_of_eni(&observed.account, &observed.eni, time)
                    .map_or_else(|| Arc::from(""), |workload| Arc::clone(&workload.vpc)),
            };
            let n = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let account = Arc::clone(&observed.account);
            let number = *numbers.entry((Arc::clone(&account), Arc::clone(&vpc))).or_insert(n);
            scopes.insert(id, (number, account, vpc));
        }
        let (by_address, by_id) = (HashMap::new(), HashMap::new());
        Self { state, own, directory, time, scopes, by_address, by_id }
    }

    /// The endpoint an address is, seen from an observer.
    pub(super) fn of(&mut self, observer: ObserverId, address: u128) -> EndpointId {
        let Some((scope, account, vpc)) = self.scopes.get(&observer) else {
            return EndpointId(0);
        };
        if let Some(&id) = self.by_address.get(&(*scope, address)) {
            return id;
        }
        let service = self.state.aws_services.get(&address).map(AsRef::as_ref);
        let at = Address::from(address);
        let party = self.directory.resolve(account, vpc, at, service, self.time);
        let endpoint = Endpoint { party, address: at };
        let id = EndpointId::of(&endpoint);
        self.by_address.insert((*scope, address), id);
        self.by_id.insert(id, endpoint);
        id
    }

    pub(super) fn get(&self, id: EndpointId) -> Option<&Endpoint> {
        self.by_id.get(&id)
    }

    /// A fixed order for reports and judging.
    pub(super) fn order(&self, id: EndpointId) -> (u128, EndpointId) {
        (self.by_id.get(&id).map_or(0, |endpoint| u128::from(endpoint.address)), id)
    }

    /// From where an observer sees a conversation.
    pub(super) fn vantage(
        &self,
        id: ObserverId,
        observed: &Observed,
        client: &Endpoint,
        server: &Endpoint,
    ) -> Vantage {
        let is_at = |end: &Endpoint| {
            let by_eni = end.workload().and_then(|w| w.eni.as_ref()) == Some(&observed.eni);
            by_eni || self.own.get(&id) == Some(&u128::from(end.address))
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

/// Observers in the order of their names: an id's own order is arbitrary.
fn sorted(observers: &BTreeMap<ObserverId, Observed>) -> Vec<(ObserverId, &Observed)> {
    let mut list: Vec<_> = observers.iter().map(|(&id, observed)| (id, observed)).collect();
    list.sort_by(|(_, a), (_, b)| {
        (&a.account, &a.eni, &a.flow_log_id).cmp(&(&b.account, &b.eni, &b.flow_log_id))
    });
    list
}

fn facts(observed: &Observed, own: Option<u128>) -> EniFacts {
    let said = |field| observed.said(field).cloned();
    let tags = [
        Field::AsgTag,
        Field::AsgTag2,
        Field::InstanceTag,
        Field::InstanceTag2,
        Field::InterfaceTag,
        Field::InterfaceTag2,
    ];
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
        tags: tags.into_iter().filter_map(|f| Some((f.name(), said(f)?))).collect(),
        address: own.map(Address::from),
    }
}
