//! What the records themselves say of their interfaces.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::address::Address;
use super::memory::RememberedEni;

/// Interfaces remembered from records; more are counted, not kept. Accounts have at most some
/// thousands per region.
pub const RECORDED_ENIS_MAX: usize = 1 << 20;

/// What the records of one window say of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EniFacts {
    /// The account in the records.
    pub account: Arc<str>,
    /// The interface.
    pub eni: Arc<str>,
    /// `vpc-id`.
    pub vpc: Option<Arc<str>>,
    /// `subnet-id`.
    pub subnet: Option<Arc<str>>,
    /// `instance-id`.
    pub instance: Option<Arc<str>>,
    /// `region`.
    pub region: Option<Arc<str>>,
    /// `interface-type`.
    pub interface_type: Option<Arc<str>>,
    /// `ecs-cluster-name`.
    pub ecs_cluster: Option<Arc<str>>,
    /// `ecs-service-name`.
    pub ecs_service: Option<Arc<str>>,
    /// `ecs-task-id`.
    pub ecs_task: Option<Arc<str>>,
    /// The tag fields by name, values percent-encoded as in the records.
    pub tags: Vec<(&'static str, Arc<str>)>,
    /// The interface's own address.
    pub address: Option<Address>,
}

impl EniFacts {
    /// Facts that say nothing but which interface it is.
    pub fn new(account: impl Into<Arc<str>>, eni: impl Into<Arc<str>>) -> Self {
        Self {
            account: account.into(),
            eni: eni.into(),
            vpc: None,
            subnet: None,
            instance: None,
            region: None,
            interface_type: None,
            ecs_cluster: None,
            ecs_service: None,
            ecs_task: None,
            tags: Vec::new(),
            address: None,
        }
    }

    /// The value of a tag field.
    pub(super) fn tag(&self, field: &str) -> Option<&Arc<str>> {
        self.tags.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    /// Adds what other records say; where both say something, `choose` decides.
    fn add(&mut self, other: &Self, choose: Choose) {
        take(&mut self.vpc, other.vpc.as_ref(), choose);
        take(&mut self.subnet, other.subnet.as_ref(), choose);
        take(&mut self.instance, other.instance.as_ref(), choose);
        take(&mut self.region, other.region.as_ref(), choose);
        take(&mut self.interface_type, other.interface_type.as_ref(), choose);
        take(&mut self.ecs_cluster, other.ecs_cluster.as_ref(), choose);
        take(&mut self.ecs_service, other.ecs_service.as_ref(), choose);
        take(&mut self.ecs_task, other.ecs_task.as_ref(), choose);
        for (field, value) in &other.tags {
            match self.tags.iter_mut().find(|(name, _)| name == field) {
                Some((_, known)) => replace(known, value, choose),
                None => self.tags.push((field, Arc::clone(value))),
            }
        }
        self.tags.sort_unstable();
    }
}

/// Which of two values stays.
#[derive(Clone, Copy)]
enum Choose {
    /// The known one: what is added is older.
    Known,
    /// The smaller one: both are of one time, and the order must not matter.
    Smaller,
    /// The added one: it is newer.
    Added,
}

fn replace(known: &mut Arc<str>, added: &Arc<str>, choose: Choose) {
    let replaces = match choose {
        Choose::Known => false,
        Choose::Smaller => added < known,
        Choose::Added => added != known,
    };
    if replaces {
        *known = Arc::clone(added);
    }
}

fn take(known: &mut Option<Arc<str>>, added: Option<&Arc<str>>, choose: Choose) {
    match (known, added) {
        (Some(known), Some(added)) => replace(known, added, choose),
        (known @ None, Some(added)) => *known = Some(Arc::clone(added)),
        (_, None) => {}
    }
}

/// Own addresses remembered of one interface, the smallest; it has few, and some may be guesses gone
/// wrong.
const OWN_ADDRESSES_MAX: usize = 16;

/// The latest that records said of one interface.
#[derive(Clone, Debug)]
struct Known {
    at: i64,
    /// What was known before `at`; what the records of `at` do not say still holds.
    before: EniFacts,
    /// What the records of `at` say.
    current: EniFacts,
    /// Both together.
    facts: EniFacts,
    /// How often each address was seen to be its own.
    own: BTreeMap<Address, u64>,
}

impl Known {
    fn new(facts: &EniFacts, time: i64) -> Self {
        let before = EniFacts::new(Arc::clone(&facts.account), Arc::clone(&facts.eni));
        let (current, together) = (before.clone(), before.clone());
        let mut known = Self { at: time, before, current, facts: together, own: BTreeMap::new() };
        known.add(facts, time);
        known
    }

    fn add(&mut self, facts: &EniFacts, time: i64) {
        match time.cmp(&self.at) {
            Ordering::Less => self.before.add(facts, Choose::Known),
            Ordering::Equal => self.current.add(facts, Choose::Smaller),
            Ordering::Greater => {
                self.before = self.facts.clone();
                self.current = facts.clone();
                self.at = time;
            }
        }
        if let Some(address) = facts.address {
            *self.own.entry(address).or_default() += 1;
            if self.own.len() > OWN_ADDRESSES_MAX {
                self.own.pop_last();
            }
        }
        self.join();
    }

    fn restored(eni: RememberedEni) -> Self {
        let RememberedEni { at, before, current, mut own } = eni;
        while own.len() > OWN_ADDRESSES_MAX {
            own.pop_last();
        }
        let facts = before.clone();
        let mut known = Self { at, before, current, facts, own };
        known.join();
        known
    }

    fn join(&mut self) {
        self.facts = self.before.clone();
        self.facts.add(&self.current, Choose::Added);
        self.facts.address = self.own_address();
    }

    /// IPv4 before IPv6, then the one seen most often, then the smallest.
    fn own_address(&self) -> Option<Address> {
        let best = self.own.iter().max_by_key(|&(a, n)| (a.is_v4(), *n, Reverse(*a)));
        best.map(|(&address, _)| address)
    }
}

/// The latest that records said of each interface.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    enis: BTreeMap<Arc<str>, Known>,
    /// The account whose records tell of a VPC; of several the smallest.
    accounts: BTreeMap<Arc<str>, Arc<str>>,
    n_capped: u64,
}

/// Whether anything changed that an answer may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing new.
    None,
    /// Something new.
    Some,
}

impl Recorded {
    pub(super) fn observe(&mut self, facts: &EniFacts, time: i64) -> Change {
        let account = self.note_account(facts);
        let Some(known) = self.enis.get_mut(&facts.eni) else {
            if self.enis.len() >= RECORDED_ENIS_MAX {
                self.n_capped += 1;
                return account;
            }
            self.enis.insert(Arc::clone(&facts.eni), Known::new(facts, time));
            return Change::Some;
        };
        let before = known.facts.clone();
        known.add(facts, time);
        if before == known.facts { account } else { Change::Some }
    }

    fn note_account(&mut self, facts: &EniFacts) -> Change {
        let Some(vpc) = &facts.vpc else {
            return Change::None;
        };
        match self.accounts.get(vpc) {
            Some(known) if *known <= facts.account => Change::None,
            _ => {
                self.accounts.insert(Arc::clone(vpc), Arc::clone(&facts.account));
                Change::Some
            }
        }
    }

    pub(super) fn get(&self, eni: &str) -> Option<&EniFacts> {
        self.enis.get(eni).map(|known| &known.facts)
    }

    pub(super) fn account_of_vpc(&self, vpc: &str) -> Option<&Arc<str>> {
        self.accounts.get(vpc)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&EniFacts, i64)> {
        self.enis.values().map(|known| (&known.facts, known.at))
    }

    pub(super) fn n_capped(&self) -> u64 {
        self.n_capped
    }

    pub(super) fn accounts(&self) -> &BTreeMap<Arc<str>, Arc<str>> {
        &self.accounts
    }

    pub(super) fn remembered(&self) -> impl Iterator<Item = RememberedEni> {
        self.enis.values().map(|known| RememberedEni {
            at: known.at,
            before: known.before.clone(),
            current: known.current.clone(),
            own: known.own.clone(),
        })
    }

    /// Takes up what [`Self::remembered`] and [`Self::accounts`] told.
    pub(super) fn restore(
        &mut self,
        enis: Vec<RememberedEni>,
        accounts: BTreeMap<Arc<str>, Arc<str>>,
    ) {
        self.accounts = accounts;
        for eni in enis.into_iter().take(RECORDED_ENIS_MAX) {
            let known = Known::restored(eni);
            self.enis.insert(Arc::clone(&known.facts.eni), known);
        }
    }
}
