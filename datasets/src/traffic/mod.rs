//! The shop's ordinary traffic, one source per habit.

mod bulk;
mod jobs;
mod outside;
mod outward;
mod periodic;
mod pools;
mod requests;
mod watchers;

use crate::connection::{Connection, End};
use crate::estate::{Estate, InterfaceIdx, ServiceIdx};
use crate::random::Rng;
use crate::record::TCP;
use crate::wire::{Moment, Wire};

pub(crate) use bulk::Bulk;
pub(crate) use jobs::Jobs;
pub(crate) use outward::Reporting;
pub(crate) use periodic::Periodic;
pub(crate) use watchers::{Agents, Scanner, Uptime};

/// Something that makes connections.
pub(crate) trait Source: Branch {
    /// Makes what falls into one interval.
    fn step(&mut self, now: &Moment, wire: &mut Wire);
}

/// What lets a history of sources branch: every source that can be cloned can be cloned in its box.
pub(crate) trait Branch {
    /// A source that goes on as this one would.
    fn branch(&self) -> Box<dyn Source>;
}

impl<T: Source + Clone + 'static> Branch for T {
    fn branch(&self) -> Box<dyn Source> {
        Box::new(self.clone())
    }
}

/// How finely the machines among the clients tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Time between two scrapes of a target.
    pub(crate) scrape_secs: i64,
    /// Time between two health checks of a target by a node.
    pub(crate) health_secs: i64,
}

impl Pace {
    /// A shop as they are run.
    pub(crate) const USUAL: Self = Self { scrape_secs: 60, health_secs: 30 };
    /// A shop so small that its machines would drown its people.
    pub(crate) const SLOW: Self = Self { scrape_secs: 300, health_secs: 60 };
}

/// All of a shop's ordinary traffic.
pub(crate) fn sources(estate: &Estate, seed: u64, pace: Pace) -> Vec<Box<dyn Source>> {
    let mut rng = Rng::new(seed, "watched");
    let is_watched = rng.chance(estate.variety.habit);
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(outside::Visitors::new(seed)),
        Box::new(outside::Background::new(seed)),
        Box::new(requests::Requests::new(estate, seed)),
        Box::new(pools::Pools::new(estate, seed)),
        Box::new(periodic::Periodic::health_checks(estate, seed, pace)),
        Box::new(periodic::Periodic::scrapes(estate, seed, pace)),
        Box::new(outward::Outward::new(estate, seed)),
        Box::new(jobs::Jobs::new(estate, seed)),
        Box::new(jobs::Administration::new(estate, seed)),
    ];
    if is_watched {
        sources.push(Box::new(Uptime::new(rng, 0)));
    }
    sources
}

/// The traffic of services that join an estate, to and from those that were there.
pub(crate) fn joining(
    estate: &Estate,
    seed: u64,
    newcomers: &[ServiceIdx],
) -> Vec<Box<dyn Source>> {
    let is_new = |group: Group| newcomers.iter().any(|&new| group == Group::Service(new));
    let mut calls = calls(estate);
    calls.retain(|&(clients, server)| is_new(clients) || newcomers.contains(&server));
    let rng = |stream| Rng::new(seed, stream);
    let scrape_secs = Pace::USUAL.scrape_secs;
    let scrapes = Periodic::scrapes(estate, seed ^ 1, Pace::USUAL);
    vec![
        Box::new(requests::Requests::along(calls.clone(), estate, rng("requests-joining"))),
        Box::new(pools::Pools::along(calls, estate, rng("pools-joining"))),
        Box::new(scrapes.only(newcomers.to_vec(), scrape_secs)),
        Box::new(outward::Outward::of_newcomers(estate, newcomers, seed)),
    ]
}

/// Who makes connections, or takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Balancer,
    Service(ServiceIdx),
}

impl Group {
    /// The interfaces it has now.
    pub(crate) fn members(self, estate: &Estate) -> &[InterfaceIdx] {
        match self {
            Self::Balancer => &estate.balancer,
            Self::Service(service) => estate.replicas(service),
        }
    }
}

/// A TCP connection from a fresh port.
pub(crate) fn tcp(rng: &mut Rng, client: End, server: End, port: u16) -> Connection {
    let client_port = rng.ephemeral_port();
    Connection { client, server, client_port, port, protocol: TCP, label: None }
}

/// A second within the moment.
pub(crate) fn second(rng: &mut Rng, now: &Moment) -> i64 {
    rng.between(now.from, now.until)
}

/// Who calls whom on which port, from the topology; the load balancer calls the web services.
fn calls(estate: &Estate) -> Vec<(Group, ServiceIdx)> {
    let mut calls = Vec::new();
    for caller in estate.services() {
        if estate.service(caller).entry.kind == crate::catalogue::Kind::Web {
            calls.push((Group::Balancer, caller));
        }
        let called = estate.calls(caller).iter();
        calls.extend(called.map(|&called| (Group::Service(caller), called)));
    }
    calls
}
