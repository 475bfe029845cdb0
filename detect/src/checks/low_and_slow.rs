//! Low and slow: much uploaded, little by little, to a destination that nobody in the estate went to before.
//!
//! No window of it stands out, and no day of the service need to. So everything counts that went to a
//! destination since it was first met, as bytes a day, against what the service's other destinations on the
//! Internet get; with too few of them, against the estate's. How rare it is to meet a network counts in, as it
//! does in [`super::outside_volume`], and how rare that what gets so much is one service's alone (Krichevsky
//! and Trofimov). It asks of a destination what it got and of a workload nothing, so who has no history yet is
//! judged too. ATT&CK T1030, T1041, T1048.

use std::collections::BTreeMap;

use model::activity::Conversation;
use model::baseline::{
    Baseline, Direction, EdgeEvidence, EdgeKey, Measure, ServiceEvidence, TailModel, WorkloadWindow,
};

use super::history::{self, HOURS};
use super::level::{LEVEL_P_MAX, Level, Question};
use super::outside_volume::{OWN_EDGES_MIN, UNFAMILIAR_P, is_internet};
use super::{Context, Upload};
use crate::deviation::{Deviation, FIRST_MET, Fact};
use crate::novelty::{self, FirstMet, LONG_KNOWN_SECS, Novel};

const DAY_SECS: i64 = 24 * 3600;

/// Less than this a day is not worth a person's time, whatever other destinations get.
const FLOOR_BYTES_PER_DAY: u64 = 50_000_000;

/// A destination that has been there for longer than this is what it is.
const NEW_SECS: i64 = 4 * DAY_SECS;

/// One that others went to so long before is the estate's, and so is one that so many others take to at
/// once, with such a share of what goes there: a vendor that is new, or has another family of addresses.
const ESTATES_SECS: i64 = DAY_SECS;
const OTHERS_MIN: usize = 2;
const OTHERS_SHARE: f64 = 0.1;

/// So much of what it gets is nearly as much.
const NEARLY: f64 = 0.1;

/// What went to a new destination so far.
struct Trickle<'a> {
    key: &'a EdgeKey,
    main: &'a Conversation,
    /// When it was first met, Unix seconds.
    first: i64,
    /// In days; a part of a day is a whole one.
    days: f64,
    sent: u64,
    received: u64,
}

impl Trickle<'_> {
    fn per_day(&self) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
        let per_day = (self.sent as f64 / self.days) as u64;
        per_day
    }
}

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let floor = context.floor(FLOOR_BYTES_PER_DAY);
    let Some(service) = context.baseline.service(&window.workload.service) else {
        return Vec::new();
    };
    let trickles = window
        .edges()
        .filter_map(|(key, talks)| trickle(context, service, key, talks))
        .filter(|trickle| trickle.sent > trickle.received && trickle.per_day() >= floor)
        .filter(|trickle| !is_the_estates(context.baseline, window, trickle));
    let Some(trickle) = trickles.max_by_key(|trickle| (trickle.sent, trickle.key)) else {
        return Vec::new();
    };
    let level = judge(context, (window, service), &trickle, floor);
    level.map(|level| deviation(window, &trickle, &level)).into_iter().collect()
}

/// What went to a destination on the Internet since it was first met, if that was lately, in an estate that is
/// no longer new.
fn trickle<'a>(
    context: &Context<'_>,
    service: &ServiceEvidence,
    key: &'a EdgeKey,
    talks: &[&'a Conversation],
) -> Option<Trickle<'a>> {
    let &main = talks.iter().max_by_key(|c| (c.bytes_out, c.server.address))?;
    if key.direction != Direction::Out || !is_internet(main) {
        return None;
    }
    let edge = service.edges.get(key)?;
    let age_secs = context.start + context.window_secs - edge.first;
    let settled = context.baseline.learned.from?.saturating_add(LONG_KNOWN_SECS);
    let is_new = (1..=NEW_SECS).contains(&age_secs) && edge.first >= settled;
    if !is_new || edge.established.total() == 0 {
        return None;
    }
    let sum = |of: fn(&Conversation) -> u64| talks.iter().map(|c| of(c)).sum::<u64>();
    Some(Trickle {
        key,
        main,
        first: edge.first,
        days: days(age_secs),
        sent: edge.bytes_out.total().saturating_add(sum(|c| c.bytes_out)),
        received: edge.bytes_in.total().saturating_add(sum(|c| c.bytes_in)),
    })
}

fn days(secs: i64) -> f64 {
    (secs as f64 / DAY_SECS as f64).max(1.0)
}

/// Whether others went there well before, or take to it as this one does.
fn is_the_estates(baseline: &Baseline, window: &WorkloadWindow<'_>, trickle: &Trickle<'_>) -> bool {
    let well_before = trickle.first.saturating_sub(ESTATES_SECS);
    let mut n_others = 0;
    for (name, service) in baseline.services.unordered() {
        let Some(edge) = service.edges.get(trickle.key) else { continue };
        if *name == window.workload.service || edge.established.clean == 0 {
            continue;
        }
        if edge.settled <= well_before {
            return true;
        }
        n_others += usize::from(edge.bytes_out.clean as f64 >= OTHERS_SHARE * trickle.sent as f64);
    }
    n_others >= OTHERS_MIN
}

fn judge(
    context: &mut Context<'_>,
    (window, service): (&WorkloadWindow<'_>, &ServiceEvidence),
    trickle: &Trickle<'_>,
    floor: u64,
) -> Option<Level> {
    let usual = usual(context.baseline, service, trickle);
    let model = TailModel::of_values(usual.per_day)?;
    let question = Question {
        observed: trickle.per_day(),
        hour_of_week: 0,
        p_max: LEVEL_P_MAX / (rarity(context, (window, service), trickle) * usual.alone),
        floor: floor as f64,
    };
    let now = window.measure(Measure::BytesOutside);
    question.ask(&model, context.cuts(), || {
        history::of_measure(service, Measure::BytesOutside, context.start, now)
    })
}

/// How likely it was that the service would meet a network then.
fn rarity(
    context: &mut Context<'_>,
    (window, service): (&WorkloadWindow<'_>, &ServiceEvidence),
    trickle: &Trickle<'_>,
) -> f64 {
    if service.edges.overflowed() {
        return UNFAMILIAR_P;
    }
    let (name, key, time) = (&window.workload.service, trickle.key, trickle.first);
    let novel = Novel::OutsideNetwork;
    let rate = context.novelty.rate(context.baseline, name, novel, context.start);
    let is_near = novelty::is_neighbour_known(service, key);
    let met = FirstMet { service: name, novel, key, time, is_near };
    let expected = novelty::how_expected(context.openers, context.baseline, &met);
    (rate.p_value() * expected).min(UNFAMILIAR_P)
}

/// What other destinations get.
struct Usual {
    /// Bytes a day.
    per_day: Vec<u64>,
    /// The chance that one that gets as much or nearly so is one service's alone, as this one is: it is mostly
    /// vendors that get much, and they are many services'.
    alone: f64,
}

/// What the service's other destinations get, or with too few of them the estate's.
fn usual(baseline: &Baseline, service: &ServiceEvidence, trickle: &Trickle<'_>) -> Usual {
    let mut others: Vec<_> = destinations(service, trickle.key).collect();
    if others.len() < OWN_EDGES_MIN {
        let services = baseline.services.unordered();
        others = services.flat_map(|(_, service)| destinations(service, trickle.key)).collect();
    }
    let nearly = NEARLY * trickle.per_day() as f64;
    let large = others.iter().filter(|(_, edge)| per_day(edge) as f64 >= nearly);
    let (mut n_large, mut n_alone) = (0, 0);
    for (key, _) in large {
        n_large += 1;
        n_alone += u32::from(is_of_one(baseline, key));
    }
    Usual {
        per_day: others.iter().map(|(_, edge)| per_day(edge)).collect(),
        alone: (f64::from(n_alone) + 0.5) / (f64::from(n_large) + 1.0),
    }
}

/// Whether one service alone goes somewhere.
fn is_of_one(baseline: &Baseline, key: &EdgeKey) -> bool {
    let goes = |service: &ServiceEvidence| {
        service.edges.get(key).is_some_and(|edge| edge.established.clean > 0)
    };
    baseline.services.unordered().filter(|(_, service)| goes(service)).take(2).count() < 2
}

/// A service's other destinations on the Internet.
fn destinations<'a>(
    service: &'a ServiceEvidence,
    but: &EdgeKey,
) -> impl Iterator<Item = (&'a EdgeKey, &'a EdgeEvidence)> {
    service.edges.unordered().filter(|(key, edge)| {
        key.direction == Direction::Out
            && key.peer.contains('/')
            && key.peer != but.peer
            && edge.established.clean > 0
    })
}

/// What was sent there a day.
fn per_day(edge: &EdgeEvidence) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
    let bytes = (edge.bytes_out.clean as f64 / days(edge.last - edge.first)) as u64;
    bytes
}

fn deviation(window: &WorkloadWindow<'_>, trickle: &Trickle<'_>, level: &Level) -> Deviation {
    let in_all = |per_day: f64| (per_day * trickle.days).round();
    let evidence = BTreeMap::from([
        ("unit", Fact::Text("bytes sent there since it was first met".into())),
        (FIRST_MET, Fact::Number((trickle.main.last - trickle.first) as f64)),
        ("to_this_peer_bytes", Fact::Number(trickle.sent as f64)),
        ("from_this_peer_bytes", Fact::Number(trickle.received as f64)),
        ("one_destination_in_twenty_gets_bytes", Fact::Number(in_all(level.tail.high))),
        (HOURS, level.history.clone()),
        ("observations", Fact::Number(level.windows_known.round())),
        ("would_not_have_fired_below_bytes", Fact::Number(in_all(level.needed))),
    ]);
    let upload = Upload {
        observed: trickle.sent as f64,
        expected: in_all(level.tail.expected),
        p_value: level.tail.p_value,
        cut_ratio: level.cut_ratio,
        evidence,
    };
    upload.by(&window.workload, trickle.main)
}
