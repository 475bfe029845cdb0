//! What the inventories say: interfaces, instances and tasks as of a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use ingest::inventory::{Instance, Inventory, NetworkInterface, Task};
use ingest::ip_ranges::Prefix;

use super::address::Address;
use super::book::{Book, Scope};
use super::listed::Listed;
use super::timeline::Timeline;

/// Snapshots, indexed.
#[derive(Clone, Debug, Default)]
pub(super) struct Estate {
    interfaces: BTreeMap<Arc<str>, Timeline<NetworkInterface>>,
    instances: HashMap<String, Timeline<Instance>>,
    /// Tasks by the interface they have to themselves.
    tasks: HashMap<String, Timeline<Task>>,
    /// Times of all snapshots, ascending.
    times: Vec<i64>,
    /// Which interfaces later snapshots leave out.
    pub(super) listed: Listed,
}

/// Which of the two answers lists an interface: one may leave out what the other lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Interfaces,
    Instances,
}

/// The snapshots that would list an interface if it existed.
pub(super) type SeriesKey = (Answer, Option<String>, Option<String>);

/// One mention of an interface, ordered by interface and time.
type Mention = (String, i64, Answer, NetworkInterface);

/// Snapshots without a time hold from the beginning.
fn time_of(inventory: &Inventory) -> i64 {
    inventory.taken_at.unwrap_or(i64::MIN)
}

impl Estate {
    /// Indexes the inventories and enters their addresses in the book.
    pub(super) fn new(inventories: Vec<Inventory>, book: &mut Book) -> Self {
        let mut times: Vec<i64> = inventories.iter().map(time_of).collect();
        times.sort_unstable();
        times.dedup();
        let mut estate = Self { times, ..Self::default() };
        estate.add_tasks(&inventories);
        estate.add_instances(&inventories);
        estate.add_interfaces(inventories, book);
        estate
    }

    fn add_tasks(&mut self, inventories: &[Inventory]) {
        let mut tasks: Vec<(i64, &Task)> =
            inventories.iter().flat_map(|i| i.tasks.iter().map(|t| (time_of(i), t))).collect();
        tasks.sort_unstable();
        for (time, task) in tasks {
            for eni in &task.interfaces {
                self.tasks.entry(eni.clone()).or_default().push(time, task.clone());
            }
        }
    }

    fn add_instances(&mut self, inventories: &[Inventory]) {
        let mut instances: Vec<(i64, &Instance)> =
            inventories.iter().flat_map(|i| i.instances.iter().map(|n| (time_of(i), n))).collect();
        instances.sort_unstable();
        for (time, instance) in instances {
            let bare = Instance { interfaces: Vec::new(), ..instance.clone() };
            self.instances.entry(instance.id.clone()).or_default().push(time, bare);
        }
    }

    fn add_interfaces(&mut self, inventories: Vec<Inventory>, book: &mut Book) {
        let mut mentions: Vec<Mention> = Vec::new();
        for inventory in inventories {
            let time = time_of(&inventory);
            let mention = |answer| move |i: NetworkInterface| (i.id.clone(), time, answer, i);
            mentions.extend(inventory.interfaces.into_iter().map(mention(Answer::Interfaces)));
            let attached = inventory.instances.into_iter().flat_map(|i| i.interfaces);
            mentions.extend(attached.map(mention(Answer::Instances)));
        }
        mentions.sort_unstable();
        for (id, time, answer, interface) in &mentions {
            let series = (*answer, interface.account.clone(), interface.vpc.clone());
            self.listed.note(id, series, *time);
        }
        enter_addresses(&mentions, book);
        for (id, time, _, interface) in merged(mentions) {
            self.interfaces.entry(id.into()).or_default().push(time, interface);
        }
    }

    /// Times at which an answer may change, ascending.
    pub(super) fn times(&self) -> &[i64] {
        &self.times
    }

    pub(super) fn interface(&self, eni: &str, time: i64) -> Option<&NetworkInterface> {
        self.interfaces.get(eni)?.as_of(time)
    }

    pub(super) fn instance(&self, id: &str, time: i64) -> Option<&Instance> {
        self.instances.get(id)?.as_of(time)
    }

    pub(super) fn task(&self, eni: &str, time: i64) -> Option<&Task> {
        self.tasks.get(eni)?.as_of(time)
    }

    /// Every interface, as last listed.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = (&Arc<str>, &NetworkInterface)> {
        self.interfaces.iter().filter_map(|(eni, line)| Some((eni, line.as_of(i64::MAX)?)))
    }
}

/// Joins what both answers say of an interface at one time: tags are in one of them only.
fn merged(mentions: Vec<Mention>) -> Vec<Mention> {
    let mut list: Vec<Mention> = Vec::with_capacity(mentions.len());
    for mention in mentions {
        match list.last_mut() {
            Some((id, time, _, known)) if *id == mention.0 && *time == mention.1 => {
                fill(known, mention.3);
            }
            _ => list.push(mention),
        }
    }
    list
}

fn fill(known: &mut NetworkInterface, other: NetworkInterface) {
    let options = [
        (&mut known.account, other.account),
        (&mut known.vpc, other.vpc),
        (&mut known.subnet, other.subnet),
        (&mut known.region, other.region),
        (&mut known.zone, other.zone),
        (&mut known.interface_type, other.interface_type),
        (&mut known.requester, other.requester),
        (&mut known.instance, other.instance),
        (&mut known.status, other.status),
    ];
    for (known, other) in options {
        *known = known.take().or(other);
    }
    let lists = [
        (&mut known.addresses, other.addresses),
        (&mut known.addresses_v6, other.addresses_v6),
        (&mut known.public_addresses, other.public_addresses),
    ];
    for (known, other) in lists {
        let more: Vec<[u8; 16]> = other.into_iter().filter(|a| !known.contains(a)).collect();
        known.extend(more);
    }
    if known.description.is_empty() {
        known.description = other.description;
    }
    if known.security_groups.is_empty() {
        known.security_groups = other.security_groups;
    }
    if known.prefixes.is_empty() {
        known.prefixes = other.prefixes;
    }
    other.tags.into_iter().for_each(|(key, value)| {
        known.tags.entry(key).or_insert(value);
    });
}

/// The name of the scope in which an interface's addresses mean something.
pub(super) fn scope_name<'a>(vpc: Option<&'a str>, account: &'a str) -> &'a str {
    vpc.filter(|vpc| !vpc.is_empty()).unwrap_or(account)
}

fn enter_addresses(mentions: &[Mention], book: &mut Book) {
    let key = |answer: Answer, i: &NetworkInterface| (answer, i.account.clone(), i.vpc.clone());
    let mut times: BTreeMap<SeriesKey, BTreeSet<i64>> = BTreeMap::new();
    for (_, time, answer, interface) in mentions {
        times.entry(key(*answer, interface)).or_default().insert(*time);
    }
    let series: BTreeMap<SeriesKey, usize> = times
        .into_iter()
        .map(|(key, times)| (key, book.add_series(times.into_iter().collect())))
        .collect();
    let mut present: BTreeMap<(usize, Scope, Prefix), Vec<i64>> = BTreeMap::new();
    for of_one_eni in mentions.chunk_by(|a, b| a.0 == b.0) {
        let Some((id, ..)) = of_one_eni.first() else {
            continue;
        };
        let eni: Arc<str> = id.as_str().into();
        for (_, time, answer, interface) in of_one_eni {
            let Some(&number) = series.get(&key(*answer, interface)) else {
                continue;
            };
            for (scope, prefix) in held(interface, book) {
                present.entry((number, scope, prefix)).or_default().push(*time);
            }
        }
        for ((number, scope, prefix), mut times) in std::mem::take(&mut present) {
            times.dedup();
            book.list(scope, prefix, &eni, number, &times);
        }
    }
}

/// The addresses and prefixes an interface holds, and where they mean something.
fn held(interface: &NetworkInterface, book: &mut Book) -> Vec<(Scope, Prefix)> {
    let account = interface.account.as_deref().unwrap_or_default();
    let local = book.scope(scope_name(interface.vpc.as_deref(), account));
    let assigned = interface.addresses.iter().chain(&interface.addresses_v6);
    let delegated = interface.prefixes.iter().map(|&prefix| (local, prefix));
    let public = interface.public_addresses.iter();
    let mut list: Vec<(Scope, Prefix)> = delegated.collect();
    list.extend(assigned.map(|&a| (local, Prefix::new(a, 128))));
    list.extend(public.map(|&a| (Scope::INTERNET, Prefix::new(a, 128))));
    let routable = interface.addresses_v6.iter().filter(|&&a| !Address::from(a).is_private());
    list.extend(routable.map(|&a| (Scope::INTERNET, Prefix::new(a, 128))));
    list
}
