//! Episodes: the deviations of one workload that belong together, over time.
//!
//! One scan is one episode, not a thousand deviations. A deviation joins the open episode of its
//! workload; if another replica of the service already has an open episode with the same deviation, it
//! joins that one, since a role does one thing. Where both have one already the younger is merged into
//! the older once all of it is there too. So whatever an episode holds, the workload it began with did:
//! nobody is cut off for what a sibling does. A replica that goes on to something of its own has an
//! episode of its own then, with what it did before in it. An episode closes when it has been quiet for a
//! day.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;

use model::baseline::{Direction, is_inside, workload_key};
use model::identity::{Address, Workload};
use twox_hash::XxHash64;

use crate::deviation::{Deviation, DeviationKey, Fact, Kind};
use crate::finding::State;

/// An episode is over after this long without a deviation: attackers sleep at night too.
pub const QUIET_SECS: i64 = 24 * 3600;

/// What deviates where an episode is open or leads to is so much likelier to be part of it than of
/// nothing.
pub(crate) const LIFT: f64 = 100.0;

/// The peer of what has many.
const MANY: &str = "many";

/// Deviations kept per episode; the least surprising are counted only.
pub(crate) const DEVIATIONS_MAX: usize = 512;

/// What one replica did of an episode, and in how many windows, by its name.
pub(crate) type Parts = BTreeMap<(Arc<str>, DeviationKey), (Deviation, u64)>;

/// One workload's deviations, over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Stable over its life: a hash of workload and first window.
    pub id: String,
    /// Counts changes from 1.
    pub revision: u32,
    /// Where it is in its life.
    pub state: State,
    /// The workload it began with.
    pub workload: Arc<Workload>,
    /// Other replicas that did the same.
    pub replicas: BTreeSet<Arc<str>>,
    /// What deviated.
    pub deviations: BTreeMap<DeviationKey, Deviation>,
    /// Windows in which each deviation went on.
    pub windows: BTreeMap<DeviationKey, u64>,
    /// What of them other replicas did, each by itself; those seen first.
    pub(crate) parts: Parts,
    /// Deviations that were counted only.
    pub n_dropped: u64,
    /// Start of the last window with a deviation, Unix seconds.
    pub last_window: i64,
    /// The id of the older episode that it turned out to be part of; it is closed then.
    pub merged_into: Option<String>,
}

/// All episodes that are open, and those that closed since they were last taken.
#[derive(Clone, Debug, Default)]
pub struct Episodes {
    open: BTreeMap<Arc<str>, Episode>,
    closed: Vec<Episode>,
}

impl Episodes {
    /// Adds a window's deviations; returns the ids of the episodes that changed.
    pub fn absorb(&mut self, start: i64, deviations: Vec<Deviation>) -> BTreeSet<String> {
        let mut changed = BTreeSet::new();
        for deviation in deviations {
            let name = workload_key(&deviation.workload);
            let key = self.sibling(&deviation).unwrap_or_else(|| Arc::clone(&name));
            if !self.open.contains_key(&key) {
                let begun = self.begin(&deviation.workload, &name, start);
                self.open.insert(Arc::clone(&key), begun);
            }
            let Some(episode) = self.open.get_mut(&key) else { continue };
            if changed.insert(episode.id.clone()) {
                episode.revise();
            }
            episode.add(deviation, name, start);
        }
        self.merge_twins(&mut changed);
        changed
    }

    /// A workload's own episode, with what it did of those of its siblings.
    fn begin(&self, workload: &Arc<Workload>, name: &Arc<str>, start: i64) -> Episode {
        let mut episode = Episode::new(workload, name, start);
        let siblings = self.open.values().filter(|sibling| sibling.replicas.contains(name));
        let parts = siblings.flat_map(|sibling| &sibling.parts);
        for ((_, key), (deviation, windows)) in parts.filter(|((of, _), _)| of == name) {
            episode.windows.insert(key.clone(), *windows);
            episode.deviations.insert(key.clone(), deviation.clone());
        }
        episode
    }

    /// Merges episodes of one role's replicas that turned out to be one, and notes the older's change
    /// and the younger's end.
    fn merge_twins(&mut self, changed: &mut BTreeSet<String>) {
        let mut candidates: Vec<Arc<str>> = self
            .open
            .iter()
            .filter(|(_, episode)| changed.contains(&episode.id))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        while let Some(name) = candidates.pop() {
            let Some((older, younger)) = self.twins(&name) else { continue };
            let Some(mut merged) = self.open.remove(&younger) else { continue };
            let Some(into) = self.open.get_mut(&older) else { continue };
            if changed.insert(into.id.clone()) {
                into.revise();
            }
            into.take_over(&merged, &younger);
            if !changed.insert(merged.id.clone()) && merged.revision > 1 {
                merged.revision -= 1;
            }
            merged.end();
            merged.merged_into = Some(into.id.clone());
            self.closed.push(merged);
            candidates.push(older);
        }
    }

    /// Of an episode and another replica's, the older and the younger, where the younger has nothing of its
    /// own.
    fn twins(&self, name: &Arc<str>) -> Option<(Arc<str>, Arc<str>)> {
        let one = self.open.get(name)?;
        self.open.iter().filter(|(other, _)| *other != name).find_map(|(other, twin)| {
            let is_older = one.is_senior(twin)
                || !twin.is_senior(one) && (one.first(), &one.id) < (twin.first(), &twin.id);
            let (a, b) = ((name, one), (other, twin));
            let ((older, into), (younger, part)) = if is_older { (a, b) } else { (b, a) };
            part.is_part_of(into).then(|| (Arc::clone(older), Arc::clone(younger)))
        })
    }

    /// Whether this deviation is one that was told, and goes on.
    pub(crate) fn have(&self, deviation: &Deviation) -> bool {
        let own = self.open.get(&workload_key(&deviation.workload));
        own.is_some_and(|episode| episode.deviations.contains_key(&deviation.key()))
    }

    /// The open episode of another replica that already has this deviation.
    fn sibling(&self, deviation: &Deviation) -> Option<Arc<str>> {
        let own = workload_key(&deviation.workload);
        if !is_shared(deviation.kind)
            || !deviation.workload.role_known
            || self.open.contains_key(&own)
        {
            return None;
        }
        let wanted = deviation.key();
        let same = |key: &DeviationKey| is_same(key, &wanted);
        self.open
            .iter()
            .find(|(_, episode)| {
                episode.workload.service == deviation.workload.service
                    && episode.deviations.keys().any(same)
            })
            .map(|(key, _)| Arc::clone(key))
    }

    /// By how much likelier the open episodes of others make a deviation: its workload was reached in one,
    /// or goes where one goes outside. A workload's own episode makes nothing likelier, or it would feed
    /// on what the workload does every day.
    pub(crate) fn lift(&self, deviation: &Deviation) -> f64 {
        let own = workload_key(&deviation.workload);
        let others = self
            .open
            .iter()
            .filter(|(name, episode)| **name != own && !episode.replicas.contains(&own));
        others.map(|(_, episode)| episode.leads_to(deviation)).fold(1.0, f64::max)
    }

    /// Closes episodes that have been quiet for long; returns their ids.
    pub fn close_quiet(&mut self, now: i64) -> BTreeSet<String> {
        let is_over = |episode: &Episode| now - episode.last_window >= QUIET_SECS;
        let over: Vec<Arc<str>> = self
            .open
            .iter()
            .filter(|(_, episode)| is_over(episode))
            .map(|(key, _)| Arc::clone(key))
            .collect();
        let mut ids = BTreeSet::new();
        for key in over {
            if let Some(mut episode) = self.open.remove(&key) {
                episode.end();
                ids.insert(episode.id.clone());
                self.closed.push(episode);
            }
        }
        ids
    }

    /// The open episodes.
    pub fn open(&self) -> impl Iterator<Item = &Episode> {
        self.open.values()
    }

    /// The episodes that closed since this was last called.
    pub fn take_closed(&mut self) -> Vec<Episode> {
        std::mem::take(&mut self.closed)
    }

    /// Takes up episodes where an earlier run left them.
    pub fn restore(episodes: impl IntoIterator<Item = Episode>) -> Self {
        let open = episodes.into_iter().map(|e| (workload_key(&e.workload), e)).collect();
        Self { open, closed: Vec::new() }
    }
}

/// Whether nothing names the peer, or says that it is of the estate: a machine of a network beside it, as an
/// intruder may have one.
fn is_nobodys(deviation: &Deviation) -> bool {
    let name = deviation.peer.strip_prefix("svc:");
    name.zip(deviation.peer_address).is_some_and(|(name, address)| *name == address.to_string())
}

impl Episode {
    /// By how much likelier it makes a deviation: that goes where it goes outside; or whose workload it
    /// reached, shared among all it reached, since who goes everywhere leads nowhere, unless both go on to
    /// a host that is nobody's.
    fn leads_to(&self, deviation: &Deviation) -> f64 {
        // What was told only for what others do leads no further.
        let firm = self.deviations.values().filter(|known| known.cut_ratio <= 1.0);
        let out = || firm.clone().filter(|known| known.direction == Direction::Out);
        let there = |is_of: fn(&Deviation) -> bool| {
            let mut of = out().filter(|known| known.peer_address.is_some() && is_of(known));
            of.any(|known| known.peer_address == deviation.peer_address)
        };
        let reached = out().filter(|known| is_inside(&known.peer)).filter_map(|d| d.peer_address);
        let reached: BTreeSet<Address> = reached.collect();
        let is_reached = reached.contains(&deviation.workload.address);
        let is_outside = |known: &Deviation| !is_inside(&known.peer) && &*known.peer != MANY;
        if there(is_outside) || is_reached && there(is_nobodys) {
            LIFT
        } else if is_reached {
            (LIFT / reached.len() as f64).max(1.0)
        } else {
            1.0
        }
    }

    fn new(workload: &Arc<Workload>, name: &str, start: i64) -> Self {
        let mut hasher = XxHash64::with_seed(4);
        hasher.write(name.as_bytes());
        hasher.write_i64(start);
        Self {
            id: format!("tg-{:016x}", hasher.finish()),
            revision: 0,
            state: State::Open,
            workload: Arc::clone(workload),
            replicas: BTreeSet::new(),
            deviations: BTreeMap::new(),
            windows: BTreeMap::new(),
            parts: BTreeMap::new(),
            n_dropped: 0,
            last_window: start,
            merged_into: None,
        }
    }

    fn revise(&mut self) {
        self.revision += 1;
        self.state = if self.revision == 1 { State::Open } else { State::Updated };
    }

    fn end(&mut self) {
        self.revision += 1;
        self.state = State::Closed;
    }

    /// First record of any of its deviations, Unix seconds.
    fn first(&self) -> i64 {
        self.deviations.values().map(|deviation| deviation.first).min().unwrap_or(self.last_window)
    }

    /// Whether another replica's episode has all of its deviations.
    fn is_part_of(&self, other: &Self) -> bool {
        let is_there = |key: &DeviationKey| {
            is_shared(key.kind) && other.deviations.keys().any(|theirs| is_same(key, theirs))
        };
        self.workload.role_known
            && other.workload.role_known
            && self.workload.service == other.workload.service
            && self.n_dropped == 0
            && self.deviations.keys().all(is_there)
    }

    /// Whether another began with what its workload had done as one of this one's replicas.
    fn is_senior(&self, other: &Self) -> bool {
        self.replicas.contains(&workload_key(&other.workload))
            && !other.replicas.contains(&workload_key(&self.workload))
    }

    /// Takes what another episode has, which began with the workload of this name. What that had done of
    /// this one before is here already.
    fn take_over(&mut self, other: &Self, name: &Arc<str>) {
        for (key, whole) in &other.deviations {
            let of = (Arc::clone(name), key.clone());
            let windows = other.windows.get(key).copied().unwrap_or(1);
            let (rest, n_rest) = match self.parts.remove(&of) {
                Some((part, counted)) => (since(whole, &part), windows.saturating_sub(counted)),
                None => (whole.clone(), windows),
            };
            if self.parts.len() < DEVIATIONS_MAX {
                self.parts.insert(of, (whole.clone(), windows));
            }
            *self.windows.entry(key.clone()).or_default() += n_rest;
            self.know(rest);
        }
        self.last_window = self.last_window.max(other.last_window);
        let own = workload_key(&self.workload);
        for (of, (deviation, windows)) in other.parts.iter().filter(|((of, _), _)| *of != own) {
            self.note_part(of.clone(), deviation, *windows);
        }
        self.replicas.insert(Arc::clone(name));
        self.replicas.extend(other.replicas.iter().cloned());
        self.replicas.remove(&own);
        self.n_dropped += other.n_dropped;
    }

    fn add(&mut self, deviation: Deviation, name: Arc<str>, start: i64) {
        let key = deviation.key();
        if name != workload_key(&self.workload) {
            self.note_part((Arc::clone(&name), key.clone()), &deviation, 1);
            self.replicas.insert(name);
        }
        self.last_window = self.last_window.max(start);
        *self.windows.entry(key).or_default() += 1;
        self.know(deviation);
    }

    fn know(&mut self, deviation: Deviation) {
        match self.deviations.get_mut(&deviation.key()) {
            Some(known) => go_on(known, deviation),
            None => {
                self.deviations.insert(deviation.key(), deviation);
            }
        }
        if self.deviations.len() > DEVIATIONS_MAX {
            self.drop_least_surprising();
        }
    }

    /// Notes what another replica did.
    fn note_part(&mut self, of: (Arc<str>, DeviationKey), deviation: &Deviation, n_windows: u64) {
        let is_full = self.parts.len() >= DEVIATIONS_MAX;
        match self.parts.get_mut(&of) {
            Some((known, windows)) => {
                go_on(known, deviation.clone());
                *windows += n_windows;
            }
            None if is_full => {}
            None => {
                self.parts.insert(of, (deviation.clone(), n_windows));
            }
        }
    }

    fn drop_least_surprising(&mut self) {
        let least = self
            .deviations
            .iter()
            .max_by(|a, b| a.1.p_value.total_cmp(&b.1.p_value).then_with(|| a.0.cmp(b.0)))
            .map(|(key, _)| key.clone());
        if let Some(key) = least {
            self.deviations.remove(&key);
            self.windows.remove(&key);
            self.n_dropped += 1;
        }
    }
}

/// Whether replicas that do it do one thing; each scans for itself.
fn is_shared(kind: Kind) -> bool {
    !matches!(kind, Kind::PortScan | Kind::Sweep)
}

/// Whether two replicas' deviations are the same, whatever the other end's address.
fn is_same(a: &DeviationKey, b: &DeviationKey) -> bool {
    (a.kind, &a.peer, a.port, a.protocol, a.direction)
        == (b.kind, &b.peer, b.port, b.protocol, b.direction)
}

/// What came of a deviation after a part of it was taken: of what adds up the difference, of the rest all.
fn since(whole: &Deviation, part: &Deviation) -> Deviation {
    let mut rest = whole.clone();
    if adds_up(rest.kind) {
        rest.observed -= part.observed;
    }
    for name in SUMS {
        if let (Some(Fact::Number(sum)), Some(Fact::Number(taken))) =
            (rest.evidence.get_mut(name), part.evidence.get(name))
        {
            *sum -= taken;
        }
    }
    rest
}

/// Facts that add up from window to window.
const SUMS: [&str; 3] = ["bytes_out", "bytes_in", "sent_in_these_windows_bytes"];

/// Whether what is seen of it in each window is more of the same.
fn adds_up(kind: Kind) -> bool {
    matches!(kind, Kind::NewPeer | Kind::NewPort | Kind::PortScan | Kind::Sweep)
}

/// A deviation goes on: counts add up, levels keep their highest, a series its latest judgement.
fn go_on(known: &mut Deviation, next: Deviation) {
    known.first = known.first.min(next.first);
    known.last = known.last.max(next.last);
    add_numbers(known, &next, &SUMS);
    let replaces = match known.kind {
        kind if adds_up(kind) => {
            known.observed += next.observed;
            next.p_value < known.p_value
        }
        Kind::Beacon => true,
        _ => next.observed > known.observed,
    };
    if !replaces {
        return;
    }
    let (first, observed, samples) =
        (known.first, known.observed, std::mem::take(&mut known.samples));
    let sums = SUMS.map(|name| (name, known.evidence.get(name).cloned()));
    let counts_up = adds_up(known.kind);
    let p_value = known.p_value.min(next.p_value);
    *known = next;
    known.first = first;
    known.p_value = p_value;
    known.samples = samples;
    if counts_up {
        known.observed = observed;
    }
    for (name, fact) in sums {
        if let Some(fact) = fact {
            known.evidence.insert(name, fact);
        }
    }
}

fn add_numbers(known: &mut Deviation, next: &Deviation, names: &[&'static str]) {
    for &name in names {
        if let (Some(Fact::Number(sum)), Some(Fact::Number(more))) =
            (known.evidence.get_mut(name), next.evidence.get(name))
        {
            *sum += more;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
