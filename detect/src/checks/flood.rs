//! Flood: far more connections to one server's port in a window than its client ever opened to anybody.
//!
//! Guessed passwords, a list of paths tried one after the other, a server drowned in requests: each
//! connection is answered, on an edge that may well be known, so that no other check minds. It takes five
//! times the most connections that any window of the service had, to all its servers together; of a service
//! seen for less than a day ten times those of the whole estate. Who is itself asked more than ever before
//! may ask as much more. What was flagged counts at its small weight, so a new level becomes usual.
//! ATT&CK T1110, T1499.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::activity::Conversation;
use model::baseline::{
    Baseline, Bucket, Counter, Direction, HOURS_KEPT, Measure, ServiceEvidence, WorkloadWindow,
    bucket_value,
};

use super::history::{self, HOURS};
use super::level::LEVELS_KNOWN_AFTER_SECS;
use super::{Context, sample};
use crate::deviation::{Deviation, Fact, Kind};

const TCP: u8 = 6;

/// Fewer answered connections than this to one port are a busy client's.
const FLOOR: u64 = 300;

/// So many times the most there ever was is told at one false finding a day.
const FACTOR: f64 = 5.0;

/// The same where the service has to borrow what there ever was.
const FACTOR_BORROWED: f64 = 10.0;

/// Less is not even a candidate at any budget.
const FACTOR_MIN: f64 = 2.0;

/// By which power of the factor a flood is less of chance: at ten times the budget, half as much will do.
const STEEPNESS: f64 = 8.0;

/// Beyond the largest value the chance falls off as in the tails of levels: with e-foldings of this length.
const EXCESS: f64 = 0.8;

/// Who never served more than this in a window is asked too little to pass it on.
const SERVED_MIN: u64 = 20;

/// With fewer windows than this the most of them says little.
const WINDOWS_MIN: f64 = 50.0;

/// What windows that are so many had of a measure: half of them, and the most of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Peak {
    windows: f64,
    usual: u64,
    most: u64,
}

/// The most connections of services, as of an hour.
#[derive(Debug, Default)]
pub(crate) struct Peaks {
    hour: i64,
    services: HashMap<Arc<str>, Peak>,
    estate: Option<Peak>,
}

impl Peaks {
    /// What a service has to be compared with, and whether it is the estate's.
    fn of(&mut self, baseline: &Baseline, service: &Arc<str>, start: i64) -> (Peak, bool) {
        let hour = start.div_euclid(3600);
        if self.hour != hour {
            *self = Self { hour, ..Self::default() };
        }
        let own = *self.services.entry(Arc::clone(service)).or_insert_with(|| {
            let evidence = baseline.service(service);
            let settled = evidence.filter(|evidence| is_settled(evidence, hour * 3600));
            peak(settled, Measure::Connections, hour)
        });
        if own.windows >= WINDOWS_MIN {
            return (own, false);
        }
        let estate = *self.estate.get_or_insert_with(|| {
            let services = baseline.services.unordered();
            peak(services.map(|(_, evidence)| evidence), Measure::Connections, hour)
        });
        (estate, true)
    }
}

fn is_settled(evidence: &ServiceEvidence, now: i64) -> bool {
    evidence.seen().is_some_and(|seen| now - seen.first >= LEVELS_KNOWN_AFTER_SECS)
}

/// What the windows of some services before an hour had, of those that had any; flagged ones at their
/// weight: it takes a whole one.
fn peak<'a>(
    services: impl IntoIterator<Item = &'a ServiceEvidence>,
    measure: Measure,
    hour: i64,
) -> Peak {
    let histograms = services.into_iter().filter_map(|service| service.measures.get(&measure));
    let known = histograms.flat_map(|histogram| histogram.between(hour - HOURS_KEPT..hour));
    // By bucket, in whole numbers, so that the order of services does not matter.
    let mut counts: Vec<Counter> = Vec::new();
    for (_, bucket, counter) in known.filter(|(_, bucket, _)| *bucket > 0) {
        let at = usize::from(bucket);
        if at >= counts.len() {
            counts.resize(at + 1, Counter::default());
        }
        counts[at].add(counter.clean, false);
        counts[at].add(counter.flagged, true);
    }
    let windows: f64 = counts.iter().map(Counter::weight).sum();
    let reached_by = |enough: f64| {
        let mut so_far = 0.0;
        let reached = counts.iter().rposition(|counter| {
            so_far += counter.weight();
            so_far >= enough
        });
        let bucket = reached.and_then(|at| Bucket::try_from(at).ok());
        bucket.map_or(0, bucket_value)
    };
    Peak { windows, usual: reached_by(windows / 2.0), most: reached_by(1.0) }
}

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let floor = context.floor(FLOOR);
    let of_tcp = window.as_client.iter().filter(|c| c.protocol == TCP && c.answered >= floor);
    let busiest = of_tcp.max_by_key(|c| (c.answered, c.server.address, c.port));
    busiest.and_then(|main| judge(context, window, main, floor)).into_iter().collect()
}

fn judge(
    context: &mut Context<'_>,
    window: &WorkloadWindow<'_>,
    main: &Conversation,
    floor: u64,
) -> Option<Deviation> {
    let service = &window.workload.service;
    let (peak, is_estate) = context.peaks.of(context.baseline, service, context.start);
    if peak.windows < WINDOWS_MIN {
        return None;
    }
    let evidence = context.baseline.service(service);
    let is_enough = |most: f64| main.answered as f64 >= FACTOR_MIN * most;
    let most = peak.most.max(1) as f64;
    // Looking up what it is asked is dear; mostly there is no need.
    let more = is_enough(most).then(|| asked_more(evidence, window, context.start))?;
    let most = most * more;
    let factor = is_enough(most).then_some(main.answered as f64 / most)?;
    let told_from = if is_estate { FACTOR_BORROWED } else { FACTOR };
    let cut_ratio = (told_from / factor).powf(STEEPNESS);
    if cut_ratio > context.ratio_max {
        return None;
    }
    let needed = most * told_from / context.level_cut.powf(1.0 / STEEPNESS);
    let needed = needed.max(floor as f64).min(main.answered as f64);
    let p_value = 0.5 / (peak.windows + 1.0) * factor.powf(-1.0 / EXCESS);
    let mut facts = BTreeMap::from([
        ("unit", Fact::Text("answered connections to one server's port in one window".into())),
        ("most_connections_of_a_window_before", Fact::Number(peak.most as f64)),
        ("windows_observed", Fact::Number(peak.windows.round())),
        ("bytes_out", Fact::Number(main.bytes_out as f64)),
        ("bytes_in", Fact::Number(main.bytes_in as f64)),
        ("would_not_have_fired_below", Fact::Number(needed.ceil())),
    ]);
    let compared_with = if is_estate {
        "all connections of a window of any service: its own has too little history"
    } else {
        "all connections of a window of its service"
    };
    facts.insert("compared_with", Fact::Text(compared_with.into()));
    if more > 1.0 {
        facts.insert("asked_more_by_factor", Fact::Number((more * 100.0).round() / 100.0));
    }
    if let Some(evidence) = evidence {
        let now = window.measure(Measure::Connections);
        let drawn = history::of_measure(evidence, Measure::Connections, context.start, now);
        facts.insert(HOURS, drawn);
    }
    Some(deviation(window, main, (peak.usual as f64 * more, p_value, cut_ratio), facts))
}

/// By how much more than ever before the workload is asked, and answers, itself, at least 1. Who is hardly
/// ever asked has no such reason.
fn asked_more(evidence: Option<&ServiceEvidence>, window: &WorkloadWindow<'_>, start: i64) -> f64 {
    let served: u64 = window.as_server.iter().map(|c| c.answered).sum();
    let known = peak(evidence, Measure::Served, start.div_euclid(3600));
    let is_usual = known.windows >= WINDOWS_MIN && known.most >= SERVED_MIN;
    if is_usual { (served as f64 / known.most as f64).max(1.0) } else { 1.0 }
}

fn deviation(
    window: &WorkloadWindow<'_>,
    main: &Conversation,
    (usual, p_value, cut_ratio): (f64, f64, f64),
    evidence: BTreeMap<&'static str, Fact>,
) -> Deviation {
    Deviation {
        kind: Kind::Flood,
        workload: Arc::clone(&window.workload),
        peer: Arc::clone(&main.server.peer),
        peer_address: Some(main.server.address),
        port: Some(main.port),
        protocol: Some(main.protocol),
        direction: Direction::Out,
        first: main.first,
        last: main.last,
        observed: main.answered as f64,
        expected: usual.round(),
        p_value,
        cut_ratio,
        evidence,
        samples: vec![sample(main)],
    }
}
