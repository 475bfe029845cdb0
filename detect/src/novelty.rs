//! How often a service meets something new, from which follows how surprising a new thing is.
//!
//! Of `B` windows a service was active in, `b` brought something new. The next one does so with
//! probability `(b + ½) / (B + 1)`, the Krichevsky–Trofimov estimate. The first window of a service is
//! left out, since everything in it is new; of one known for two days or more the first day is, since
//! most of what is daily is new in it. A service with little history borrows the estate's rate.

mod elsewhere;
mod families;
mod neighbours;
mod openers;
mod replica;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::baseline::{
    Baseline, Direction, EdgeEvidence, EdgeKey, HOURS_KEPT, Measure, ServiceEvidence,
    WorkloadWindow,
};

pub(crate) use elsewhere::is_done_from_there;
use neighbours::{allotments, place};
pub(crate) use neighbours::{is_neighbour_known, vendor_place};
pub(crate) use openers::{FirstMet, Openers, how_common, how_expected};
pub(crate) use replica::may_be_a_replica;

/// Of what was known before, so much is kept at any budget: a tail takes more than what would be told.
const PAST_RATIO_MAX: f64 = 300.0;

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

const DAY_SECS: i64 = 24 * 3600;

/// Days that are drawn before something new.
const DRAWN_DAYS: i64 = 28;

/// A service known for this long has its first day left out.
pub(crate) const LONG_KNOWN_SECS: i64 = 2 * DAY_SECS;

/// A service is born until it has been seen for this long.
pub(crate) const BIRTH_SECS: i64 = 3600;

/// Where an hour or so is known, who was silent in it is still to be met.
const MET_SECS: i64 = 4 * 3600;

/// A service needs this many windows to have a rate of its own.
const OWN_RATE_AFTER_WINDOWS: u64 = 50;

/// What can be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Novel {
    /// A peer inside, or a port of one.
    Inside,
    /// A port used towards the outside.
    OutsidePort,
    /// A network outside, on a port that was used before.
    OutsideNetwork,
    /// A port served to the outside.
    Served,
}

impl Novel {
    const ALL: [Self; 4] = [Self::Inside, Self::OutsidePort, Self::OutsideNetwork, Self::Served];

    /// How much likelier than a new peer inside it is to mean something.
    pub(crate) fn weight(self) -> f64 {
        match self {
            Self::Inside | Self::OutsidePort | Self::Served => 1.0,
            Self::OutsideNetwork => 0.1,
        }
    }
}

/// Which novelty an edge would be, as far as its port goes. Of pings inside, and of those from outside, AWS's records do not say
/// who asked.
pub(crate) fn class(key: &EdgeKey) -> Option<Novel> {
    let is_ping = matches!(key.protocol, ICMP | ICMPV6);
    let has_two_readings = is_ping && (key.is_inside() || key.direction == Direction::In);
    if &*key.peer == "multicast" || has_two_readings {
        return None;
    }
    match (key.direction, key.is_inside()) {
        (Direction::Out, true) => Some(Novel::Inside),
        (Direction::Out, false) => Some(Novel::OutsidePort),
        (Direction::In, false) => Some(Novel::Served),
        (Direction::In, true) => None,
    }
}

/// The first of IANA's dynamic ports: what listens there is given another one at every start, as
/// Windows' remote procedure calls are (RFC 6335, section 6).
const DYNAMIC_PORTS: u16 = 49_152;

/// What of an edge has to be new for it to be news of its [`class`]: outside the port, whatever the
/// address.
pub(crate) fn identity(key: &EdgeKey) -> (&str, u16, u8) {
    let peer = if key.is_inside() { &*key.peer } else { "" };
    (peer, key.port, key.protocol)
}

/// The same where all dynamic ports of a peer inside are one.
fn lasting_identity(key: &EdgeKey) -> (&str, u16, u8) {
    let (peer, port, protocol) = identity(key);
    (peer, if key.is_inside() { port.min(DYNAMIC_PORTS) } else { port }, protocol)
}

/// What of an edge is this kind of novelty; `None` if nothing is.
fn identity_as(novel: Novel, key: &EdgeKey) -> Option<(&str, u16, u8)> {
    match (novel, class(key)?) {
        (Novel::OutsideNetwork, Novel::OutsidePort) => Some((&*key.peer, 0, 0)),
        (novel, class) => (novel == class).then(|| lasting_identity(key)),
    }
}

/// Windows observed, and those that brought something new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Windows observed.
    pub windows: u64,
    /// Windows that brought something new.
    pub new: u64,
}

impl Rate {
    /// The probability that the next window brings something new.
    pub fn p_value(self) -> f64 {
        (self.new as f64 + 0.5) / (self.windows as f64 + 1.0)
    }

    /// The p-value over the cut. With nothing new ever seen, a short history will do; with some seen, it
    /// takes a long one.
    pub fn cut_ratio(self) -> f64 {
        let cut = if self.new == 0 { P_MAX_NEVER } else { P_MAX_SOMETIMES };
        self.p_value() / cut
    }
}

impl Rate {
    /// With so many windows that brought something new, a ratio would exceed this one: more than there
    /// were.
    pub(crate) fn quiet_from(self, ratio: f64) -> f64 {
        let enough = ratio * P_MAX_SOMETIMES * (self.windows as f64 + 1.0) - 0.5;
        enough.floor().max(self.new as f64) + 1.0
    }
}

/// The cut where nothing new was ever met: fifty windows without.
pub(crate) const P_MAX_NEVER: f64 = 0.01;

/// The cut where something new was met before.
pub(crate) const P_MAX_SOMETIMES: f64 = 5e-4;

/// Something that was new: its time in Unix seconds, the service, and its ratio to the cut.
pub(crate) type PastNovelty = (i64, Arc<str>, f64);

/// A derived rate: of a service, or of the estate.
pub(crate) type RateRow = (Option<Arc<str>>, Novel, Rate);

/// Rates of meeting something new, derived once an hour from the hours before it.
#[derive(Clone, Debug)]
pub struct Novelty {
    window_secs: i64,
    hour: i64,
    services: HashMap<(Arc<str>, Novel), Rate>,
    estate: BTreeMap<Novel, Rate>,
}

impl Novelty {
    /// None derived yet.
    pub fn new(window_secs: i64) -> Self {
        let (services, estate) = (HashMap::new(), BTreeMap::new());
        Self { window_secs, hour: i64::MIN, services, estate }
    }

    /// The rates derived so far, with the hour they are of, in a fixed order; the estate's have no
    /// service.
    pub(crate) fn rows(&self) -> (Option<i64>, Vec<RateRow>) {
        let own = self
            .services
            .iter()
            .map(|((name, novel), rate)| (Some(Arc::clone(name)), *novel, *rate));
        let estate = self.estate.iter().map(|(novel, rate)| (None, *novel, *rate));
        let mut rows: Vec<RateRow> = own.chain(estate).collect();
        rows.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        ((self.hour > i64::MIN).then_some(self.hour), rows)
    }

    /// Rebuilds what [`Self::rows`] told; [`Self::of_windows`] has to follow.
    pub(crate) fn restore(hour: Option<i64>, rows: impl IntoIterator<Item = RateRow>) -> Self {
        let mut novelty = Self::new(0);
        novelty.hour = hour.unwrap_or(i64::MIN);
        for (service, novel, rate) in rows {
            match service {
                Some(service) => novelty.services.insert((service, novel), rate),
                None => novelty.estate.insert(novel, rate),
            };
        }
        novelty
    }

    /// The same for windows of this length.
    #[must_use]
    pub(crate) fn of_windows(self, window_secs: i64) -> Self {
        Self { window_secs, ..self }
    }

    /// How often a service meets something new of this class; the estate's rate if it is young.
    pub fn rate(
        &mut self,
        baseline: &Baseline,
        service: &Arc<str>,
        novel: Novel,
        start: i64,
    ) -> Rate {
        let hour = start.div_euclid(3600);
        if self.hour != hour {
            (self.hour, self.services, self.estate) = (hour, HashMap::new(), BTreeMap::new());
        }
        let window_secs = self.window_secs;
        let own = *self.services.entry((Arc::clone(service), novel)).or_insert_with(|| {
            baseline.service(service).map_or_else(Rate::default, |service| {
                rate_of(baseline, service, novel, hour, window_secs)
            })
        });
        if own.windows >= OWN_RATE_AFTER_WINDOWS {
            return own;
        }
        *self.estate.entry(novel).or_insert_with(|| {
            baseline.services.unordered().fold(Rate::default(), |sum, (_, evidence)| {
                let one = rate_of(baseline, evidence, novel, hour, window_secs);
                Rate { windows: sum.windows + one.windows, new: sum.new + one.new }
            })
        })
    }
}

/// What a baseline tells of the past: from when on novelty meant something, and what was new then, with
/// its time, service and ratio as it would be judged at the end. `None` if it is too short to tell.
pub(crate) fn past(
    baseline: &Baseline,
    window_secs: i64,
    ratio_max: f64,
) -> Option<(i64, Vec<PastNovelty>)> {
    let (from, until) = (baseline.learned.from?, baseline.learned.until?);
    if until - from <= LONG_KNOWN_SECS {
        return None;
    }
    let hour = until.div_euclid(3600) + 1;
    let (mut past, mut openers) = (Vec::new(), Openers::default());
    for (service, evidence) in baseline.services.unordered() {
        let Some(seen) = evidence.seen() else { continue };
        let allotments = allotments(evidence);
        for novel in Novel::ALL {
            let Rate { windows, new } = rate_of(baseline, evidence, novel, hour, window_secs);
            let rate = Rate { windows, new: new.saturating_sub(1) };
            let ratio = rate.cut_ratio() / novel.weight();
            let began = |peer: &str| peer_began(baseline, peer);
            let news = firsts(evidence, novel).into_values().filter(|(time, key)| {
                (seen.first + LONG_KNOWN_SECS..until).contains(time)
                    && began(&key.peer) + DAY_SECS <= *time
            });
            past.extend(news.map(|(time, key)| {
                let known = place(key).and_then(|place| allotments.get(&place));
                let is_near =
                    novel == Novel::OutsideNetwork && known.is_some_and(|&known| known < time);
                let met = FirstMet { service, novel, key, time, is_near };
                let common = how_common(&mut openers, baseline, &met);
                (time, Arc::clone(service), ratio * common)
            }));
        }
    }
    past.retain(|(_, _, ratio)| *ratio <= ratio_max.max(PAST_RATIO_MAX));
    Some((from + LONG_KNOWN_SECS, past))
}

/// When a peer inside was first seen, Unix seconds; others always were there.
fn peer_began(baseline: &Baseline, peer: &str) -> i64 {
    let service = peer.strip_prefix("svc:").and_then(|name| baseline.service(name));
    service.and_then(ServiceEvidence::seen).map_or(i64::MIN / 2, |seen| seen.first)
}

/// That a service is come to for the first time is part of its birth for a day. In an estate that is itself
/// new it is for so long, and not while most of what has not been met yet was there all the time.
pub(crate) fn is_newborn(baseline: &Baseline, peer: &str, start: i64, at_first_secs: i64) -> bool {
    let Some(name) = peer.strip_prefix("svc:") else { return false };
    let known_secs = baseline.learned.from.map_or(0, |from| start - from);
    let birth_secs = match known_secs {
        LONG_KNOWN_SECS.. => DAY_SECS,
        BIRTH_SECS..MET_SECS => 0,
        _ => at_first_secs,
    };
    let seen = baseline.service(name).and_then(ServiceEvidence::seen);
    seen.map_or(birth_secs > 0, |seen| start - seen.first < birth_secs)
}

/// Whether a workload that nothing gave a role goes by an address that another interface had before, less
/// than a day ago.
pub(crate) fn is_of_another(
    evidence: &ServiceEvidence,
    window: &WorkloadWindow<'_>,
    start: i64,
) -> bool {
    if window.workload.role_known || window.workload.eni.is_none() {
        return false;
    }
    let began = evidence.workloads.get(&window.name).map_or(start, |seen| seen.first);
    // Of an address alone nobody said that it was another's.
    let is_interface = |name: &str| name.split('/').nth(1).is_some_and(|id| id.starts_with("eni-"));
    let mut others = evidence.workloads.unordered().filter(|(name, _)| **name != window.name);
    let was_there = |first: i64| began - first >= BIRTH_SECS;
    start - began < DAY_SECS
        && others.any(|(name, seen)| is_interface(name) && was_there(seen.first))
}

/// Whether a server had just begun when it was met; what was there in the estate's first day always was.
fn was_newborn(baseline: &Baseline, peer: &str, time: i64) -> bool {
    let began = peer_began(baseline, peer);
    let estate = baseline.learned.from.unwrap_or(i64::MIN / 2);
    began >= estate + DAY_SECS && time < began + DAY_SECS
}

/// When each thing of a class was first established with nothing said against it, Unix seconds, and by
/// which edge.
fn firsts(evidence: &ServiceEvidence, novel: Novel) -> BTreeMap<(&str, u16, u8), (i64, &EdgeKey)> {
    let mut first: BTreeMap<(&str, u16, u8), (i64, &EdgeKey)> = BTreeMap::new();
    for (key, edge) in evidence.edges.unordered() {
        let Some(identity) = identity_as(novel, key) else { continue };
        let known = first.entry(identity).or_insert((edge.settled, key));
        *known = (*known).min((edge.settled, key));
    }
    first
}

/// How many things of a class were new on each of the days before a time; `None` before the service was
/// seen.
pub(crate) fn new_by_day(
    evidence: &ServiceEvidence,
    novel: Novel,
    time: i64,
) -> impl Iterator<Item = Option<u64>> {
    let mut by_day: BTreeMap<i64, u64> = BTreeMap::new();
    for (first, _) in firsts(evidence, novel).into_values() {
        *by_day.entry(first.div_euclid(DAY_SECS)).or_default() += 1;
    }
    let today = time.div_euclid(DAY_SECS);
    let began = evidence.seen().map_or(today, |seen| seen.first.div_euclid(DAY_SECS));
    (today - DRAWN_DAYS..today)
        .map(move |day| (day >= began).then(|| by_day.get(&day).copied().unwrap_or(0)))
}

/// The rate from the hours before `hour`. Only what was established and not held against the service
/// counts as something new: else a scan would make the lateral move that follows it look usual. Nor does a
/// server that had just begun, since that is never told.
fn rate_of(
    baseline: &Baseline,
    evidence: &ServiceEvidence,
    novel: Novel,
    hour: i64,
    window_secs: i64,
) -> Rate {
    let Some(seen) = evidence.seen() else { return Rate::default() };
    let before = hour.saturating_mul(3600);
    let is_long_known = before - seen.first >= LONG_KNOWN_SECS;
    // A whole hour, so that windows and what is new in them are counted from the same time on.
    let from_hour = (seen.first + DAY_SECS).div_euclid(3600) + 1;
    let from_hour = from_hour.max(hour.saturating_sub(HOURS_KEPT));
    let counted = if is_long_known { from_hour..hour } else { i64::MIN..hour };
    let windows: u64 = evidence
        .measures
        .get(&Measure::Connections)
        .into_iter()
        .flat_map(|histogram| histogram.between(counted.clone()))
        .map(|(_, _, counter)| counter.total())
        .sum();
    let from = if is_long_known { from_hour * 3600 } else { seen.first + window_secs };
    let new: BTreeSet<i64> = firsts(evidence, novel)
        .into_values()
        .filter(|(time, _)| (from..before).contains(time))
        .filter(|(time, key)| !was_newborn(baseline, &key.peer, *time))
        .map(|(time, _)| time.div_euclid(window_secs))
        .collect();
    let begun =
        evidence.workloads.unordered().filter(|(_, seen)| seen.first < before).count() as u64;
    let first_windows = if is_long_known { 0 } else { begun };
    Rate { windows: windows.saturating_sub(first_windows), new: new.len() as u64 }
}

/// Whether a service has shown what makes this edge no news: one that was only ever tried is.
///
/// An edge that was only ever flagged becomes known once its flagged windows, at a tenth each, add up
/// to a day's share of clean ones.
pub(crate) fn is_known(evidence: &ServiceEvidence, key: &EdgeKey) -> bool {
    const FLAGGED_WINDOWS_KNOWN: u64 = 288;
    let is_settled = |clean: u64, flagged: u64| clean > 0 || flagged >= FLAGGED_WINDOWS_KNOWN;
    if key.is_inside() {
        let is_used =
            |edge: &EdgeEvidence| is_settled(edge.established.clean, edge.established.flagged);
        let is_dynamic = || {
            let same = |other: &EdgeKey| {
                other.direction == key.direction && lasting_identity(other) == lasting_identity(key)
            };
            let mut edges = evidence.edges.unordered();
            edges.any(|(other, edge)| same(other) && is_used(edge))
        };
        return evidence.edges.get(key).is_some_and(is_used)
            || key.port >= DYNAMIC_PORTS && is_dynamic();
    }
    let port = evidence.edges.port(key.direction, key.port, key.protocol);
    is_settled(port.outside_clean, port.outside_flagged)
}

/// Whether the peer used to call the service by the same port of UDP: where both ends have it, as members of
/// a cluster that gossip do, who called is whoever was heard first.
pub(crate) fn is_answered_call(evidence: &ServiceEvidence, key: &EdgeKey) -> bool {
    const UDP: u8 = 17;
    let back = EdgeKey { direction: Direction::In, ..key.clone() };
    let is_peer = key.protocol == UDP && key.is_inside() && key.direction == Direction::Out;
    is_peer && evidence.edges.get(&back).is_some_and(is_there)
}

/// Whether a service was there before, or meets so many networks that they are not all kept.
pub(crate) fn is_visited(evidence: &ServiceEvidence, key: &EdgeKey) -> bool {
    evidence.edges.overflowed() || evidence.edges.get(key).is_some_and(is_there)
}

/// Whether a service was in the network before, on any port; it takes looking through all edges.
pub(crate) fn is_network_known(evidence: &ServiceEvidence, key: &EdgeKey) -> bool {
    evidence.edges.unordered().any(|(other, edge)| {
        other.direction == key.direction && other.peer == key.peer && is_there(edge)
    })
}

fn is_there(edge: &EdgeEvidence) -> bool {
    edge.established.total() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_have_been_quiet_is_the_least_that_is() {
        for (windows, new) in [(60, 0), (2_000, 0), (16_000, 3)] {
            let rate = Rate { windows, new };
            for ratio in [0.3, 1.0, 40.0] {
                let quiet_from = rate.quiet_from(ratio);
                let with = |new: f64| (new + 0.5) / (windows as f64 + 1.0) / P_MAX_SOMETIMES;
                assert!(quiet_from > new as f64 && with(quiet_from) > ratio, "{rate:?} {ratio}");
                let one_less = quiet_from - 1.0;
                assert!(one_less <= new as f64 || with(one_less) <= ratio, "{rate:?} {ratio}");
            }
        }
    }
}
