//! Siblings: a workload that goes where none of those that are like it go.
//!
//! Judged while a workload has too little history to say what is new for it. Siblings are the replicas
//! of its service; of workloads without a role, those that share most of what they do with it. Where
//! siblings have `n` edges of which `s` are some one sibling's alone, the next edge is one's alone with
//! probability `(s + ½) / (n + 1)` (Krichevsky and Trofimov), and `k` of them with the product as `s` and
//! `n` grow. The ports of one server come together, so that it counts twice at most. ATT&CK T1021, T1071.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::activity::{Conversation, Orientation};
use model::baseline::{Baseline, Direction, EdgeKey, WorkloadWindow, workload_key};
use model::identity::{Address, Workload};

use super::sample;
use crate::deviation::{Deviation, Fact, Kind, SIBLINGS};
use crate::novelty::{self, identity};

/// The cut for edges that no sibling has.
const P_MAX: f64 = 1e-3;

/// What open episodes make likelier may be this far over the cut.
const RATIO_MAX: f64 = 100.0;

/// Siblings share so many edges at least.
const SHARED_MIN: usize = 5;

/// Of ten things that workloads without a role share, so many are most.
const MOST_OF_TEN: usize = 8;

/// However many ports of a server nobody else asks for, it counts this often.
const SERVER_COUNTS_MAX: usize = 2;

/// A workload is compared with its siblings for so long; then its own history speaks.
const YOUNG_SECS: i64 = 24 * 3600;

/// Who was not seen for so long is no sibling to compare with.
const ABSENT_SECS: i64 = 2 * 3600;

/// Who has more edges than this has no habits to compare.
const EDGES_MAX: usize = 64;

/// The first of the ports that Linux gives to who asks for any.
const EPHEMERAL_PORTS: u16 = 32_768;

/// Addresses remembered per edge.
const ADDRESSES_MAX: usize = 8;

/// Workloads remembered; those seen first stay. Each is compared with all, whenever it grows.
const MEMBERS_MAX: usize = 512;

/// What of an edge is compared: the peer inside, or only the port outside.
pub(crate) type Edge = (Arc<str>, u16, u8);

/// What young workloads did so far.
#[derive(Clone, Debug, Default)]
pub struct Siblings {
    members: BTreeMap<Arc<str>, Member>,
}

/// A young workload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) service: Arc<str>,
    pub(crate) role_known: bool,
    /// Start of its first and its last window, Unix seconds.
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// Start of the last window in which it did something it had not done.
    pub(crate) grown: i64,
    /// Whether something of it was told: what it does alone says nothing of its siblings' ways.
    pub(crate) is_told: bool,
    pub(crate) edges: BTreeMap<Edge, BTreeMap<Address, Contact>>,
}

/// A server that was asked, and what of it is still to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contact {
    pub(crate) peer: Arc<str>,
    /// As it was asked first.
    pub(crate) port: u16,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) untold: u64,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) sample: String,
}

/// How a group of siblings is.
struct Group {
    siblings: usize,
    edges: usize,
    /// Edges of one sibling alone.
    alone: usize,
}

impl Siblings {
    /// Notes a window of all workloads, before any of them is judged.
    pub(crate) fn note(&mut self, baseline: &Baseline, windows: &[WorkloadWindow<'_>], start: i64) {
        for window in windows {
            let service = baseline.service(&window.workload.service);
            let seen = service.and_then(model::baseline::ServiceEvidence::seen);
            if seen.is_some_and(|seen| start - seen.first >= YOUNG_SECS) {
                self.members.remove(&window.name);
                continue;
            }
            let is_known = self.members.contains_key(&window.name);
            // Of one that was there before this watch began, what it did first is not known.
            let is_watched = is_known
                || service.is_none_or(|service| service.workloads.get(&window.name).is_none());
            if is_watched && (is_known || self.members.len() < MEMBERS_MAX) {
                let fresh = || Member::new(&window.workload, start);
                let name = Arc::clone(&window.name);
                self.members.entry(name).or_insert_with(fresh).add(window, start);
            }
        }
    }

    /// Judges one workload's window, which was noted.
    pub(crate) fn check(
        &mut self,
        baseline: &Baseline,
        window: &WorkloadWindow<'_>,
        start: i64,
    ) -> Vec<Deviation> {
        let Some(member) = self.members.get(&window.name) else { return Vec::new() };
        let has_news = member.grown == start || (member.is_told && member.last == start);
        if !has_news || member.edges.len() > EDGES_MAX {
            return Vec::new();
        }
        let siblings = self.of(&window.name, member, start);
        let others: BTreeSet<&Edge> =
            siblings.iter().flat_map(|sibling| sibling.edges.keys()).collect();
        let edges = member.edges.keys().filter(|edge| !others.contains(edge));
        // Who began with it is met in an order of chance.
        let edges = edges.filter(|(peer, ..)| !novelty::is_newborn(baseline, peer, start, 0));
        let alone: BTreeSet<Edge> = edges.cloned().collect();
        if siblings.is_empty() || alone.is_empty() {
            return Vec::new();
        }
        let group = group(&siblings, member);
        let p_value = chance(&group, member.weight(&alone));
        if p_value > P_MAX * RATIO_MAX {
            return Vec::new();
        }
        self.found(window, &alone, &group, p_value, start)
    }

    /// Notes what was told, so that it is not told again.
    pub(crate) fn note_told(&mut self, deviations: &[Deviation]) {
        for told in deviations.iter().filter(|told| told.evidence.contains_key(SIBLINGS)) {
            let Some(member) = self.members.get_mut(&workload_key(&told.workload)) else {
                continue;
            };
            let edges = member.edges.iter_mut().filter(|(edge, _)| Some(edge.2) == told.protocol);
            let contacts = edges.filter_map(|(_, contacts)| contacts.get_mut(&told.peer_address?));
            for contact in contacts
                .filter(|contact| contact.peer == told.peer && Some(contact.port) == told.port)
            {
                (contact.untold, contact.bytes_out, contact.bytes_in) = (0, 0, 0);
            }
        }
    }

    /// Forgets who is gone.
    pub(crate) fn forget_before(&mut self, start: i64) {
        self.members.retain(|_, member| {
            start - member.last <= YOUNG_SECS && start - member.first <= 2 * YOUNG_SECS
        });
    }

    /// Those that are like a workload.
    fn of(&self, name: &Arc<str>, member: &Member, start: i64) -> Vec<&Member> {
        let others = self.members.iter().filter(|(other, _)| *other != name);
        let is_like = |other: &&Member| {
            let shared = other.edges.keys().filter(|edge| member.edges.contains_key(*edge)).count();
            let is_peer = if member.role_known {
                other.role_known && other.service == member.service
            } else {
                !other.role_known && member.began_like(other)
            };
            is_peer
                && start - other.last <= ABSENT_SECS
                && other.edges.len() <= EDGES_MAX
                && shared >= SHARED_MIN
                && 2 * shared >= other.edges.len().min(member.edges.len())
        };
        others.map(|(_, other)| other).filter(is_like).collect()
    }

    /// What a workload does alone: once that is too much for chance all of it, however long ago it began.
    fn found(
        &mut self,
        window: &WorkloadWindow<'_>,
        alone: &BTreeSet<Edge>,
        group: &Group,
        p_value: f64,
        start: i64,
    ) -> Vec<Deviation> {
        let Some(member) = self.members.get_mut(&window.name) else { return Vec::new() };
        let is_sure = p_value <= P_MAX;
        member.is_told |= is_sure;
        let mut found = Vec::new();
        for edge in alone {
            let contacts = member.edges.get(edge).into_iter().flatten();
            let is_due =
                |contact: &Contact| contact.untold > 0 && (is_sure || contact.last >= start);
            for (address, contact) in contacts.filter(|(_, contact)| is_due(contact)) {
                found.push(deviation(window, edge, *address, contact, group, p_value));
            }
        }
        found
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Arc<str>, &Member)> {
        self.members.iter()
    }

    pub(crate) fn restore(rows: impl IntoIterator<Item = (Arc<str>, Member)>) -> Self {
        Self { members: rows.into_iter().take(MEMBERS_MAX).collect() }
    }
}

impl Member {
    fn new(workload: &Workload, start: i64) -> Self {
        Self {
            service: Arc::clone(&workload.service),
            role_known: workload.role_known,
            first: start,
            last: start,
            grown: start,
            is_told: false,
            edges: BTreeMap::new(),
        }
    }

    /// Whether it did mostly what the other does until it had done most of that. A workload that differs
    /// from the start has another role; one that parts from what it shared is what is looked for.
    fn began_like(&self, other: &Self) -> bool {
        let first =
            |contacts: &BTreeMap<Address, Contact>| contacts.values().map(|c| c.first).min();
        let begun = |is_shared: bool| {
            let edges = self.edges.iter();
            let of = edges.filter(move |(edge, _)| other.edges.contains_key(*edge) == is_shared);
            of.filter_map(|(_, contacts)| first(contacts))
        };
        let mut shared: Vec<i64> = begun(true).collect();
        shared.sort_unstable();
        let most = shared.len() * MOST_OF_TEN / 10;
        let Some(&until) = shared.get(most) else { return false };
        begun(false).filter(|&first| first <= until).count() <= most
    }

    /// How many of these edges count: two of a server at most.
    fn weight(&self, edges: &BTreeSet<Edge>) -> usize {
        let mut of_server: BTreeMap<Address, usize> = BTreeMap::new();
        for (_, contacts) in self.edges.iter().filter(|(edge, _)| edges.contains(edge)) {
            for address in contacts.keys() {
                *of_server.entry(*address).or_default() += 1;
            }
        }
        of_server.into_values().map(|n| n.min(SERVER_COUNTS_MAX)).sum()
    }

    fn add(&mut self, window: &WorkloadWindow<'_>, start: i64) {
        self.last = start;
        for (key, conversations) in window.edges() {
            let is_of_its_own = key.direction == Direction::Out && novelty::class(key).is_some();
            if !is_of_its_own || self.edges.len() > EDGES_MAX {
                continue;
            }
            let asked = conversations.iter().filter(|c| is_asked(c));
            for c in asked {
                self.add_contact(key, c);
            }
        }
    }

    fn add_contact(&mut self, key: &EdgeKey, c: &Conversation) {
        let (peer, port, protocol) = identity(key);
        // What is opened for one run has a port of that run: it is the same thing on each of them.
        let port = if key.is_inside() { port.min(EPHEMERAL_PORTS) } else { port };
        let contacts = self.edges.entry((Arc::from(peer), port, protocol)).or_default();
        if contacts.len() >= ADDRESSES_MAX && !contacts.contains_key(&c.server.address) {
            return;
        }
        let grown = &mut self.grown;
        let last = self.last;
        let contact = contacts.entry(c.server.address).or_insert_with(|| {
            *grown = last;
            Contact {
                peer: Arc::clone(&key.peer),
                port: key.port,
                first: c.first,
                last: c.last,
                untold: 0,
                bytes_out: 0,
                bytes_in: 0,
                sample: sample(c),
            }
        });
        contact.first = contact.first.min(c.first);
        contact.last = contact.last.max(c.last);
        contact.untold = contact.untold.saturating_add(c.attempts.max(c.continued));
        contact.bytes_out = contact.bytes_out.saturating_add(c.bytes_out);
        contact.bytes_in = contact.bytes_in.saturating_add(c.bytes_in);
    }
}

/// In a direction that is not a guess.
fn is_asked(c: &Conversation) -> bool {
    c.attempts + c.continued > 0 && c.orientation > Orientation::Guess
}

fn group(siblings: &[&Member], member: &Member) -> Group {
    let mut holders: BTreeMap<&Edge, (usize, bool)> = BTreeMap::new();
    for sibling in siblings {
        for edge in sibling.edges.keys() {
            let holder = holders.entry(edge).or_default();
            *holder = (holder.0 + 1, sibling.is_told);
        }
    }
    let of_one = |edge: &Edge, n: usize| n == 1 && !member.edges.contains_key(edge);
    // What a sibling that was told of does alone is not how siblings are.
    holders.retain(|edge, (n, is_told)| !(*is_told && of_one(edge, *n)));
    let alone = holders.iter().filter(|(edge, (n, _))| of_one(edge, *n)).count();
    Group { siblings: siblings.len(), edges: holders.len(), alone }
}

/// The chance that so many more edges are all one's alone.
fn chance(group: &Group, n: usize) -> f64 {
    (0..n).fold(1.0, |p, more| {
        let alone = (group.alone + more) as f64 + 0.5;
        p * alone / ((group.edges + more) as f64 + 1.0)
    })
}

fn deviation(
    window: &WorkloadWindow<'_>,
    edge: &Edge,
    address: Address,
    contact: &Contact,
    group: &Group,
    p_value: f64,
) -> Deviation {
    let evidence = BTreeMap::from([
        (SIBLINGS, Fact::Number(group.siblings as f64)),
        ("siblings_edges", Fact::Number(group.edges as f64)),
        ("siblings_edges_of_one_alone", Fact::Number(group.alone as f64)),
        ("bytes_out", Fact::Number(contact.bytes_out as f64)),
        ("bytes_in", Fact::Number(contact.bytes_in as f64)),
        ("would_not_have_fired", Fact::Text("if a sibling had done it too".into())),
    ]);
    Deviation {
        kind: Kind::NewPeer,
        workload: Arc::clone(&window.workload),
        peer: Arc::clone(&contact.peer),
        peer_address: Some(address),
        port: Some(contact.port),
        protocol: Some(edge.2),
        direction: Direction::Out,
        first: contact.first,
        last: contact.last,
        observed: contact.untold as f64,
        expected: 0.0,
        p_value: p_value.max(1e-12),
        cut_ratio: p_value / P_MAX,
        evidence,
        samples: vec![contact.sample.clone()],
    }
}

#[cfg(test)]
mod tests;
