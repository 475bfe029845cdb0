//! Outbound volume: much more sent to the outside than usual, the shape of exfiltration.
//!
//! Uploads only: most of the bytes must go out, since a download's acknowledgements grow with it. Two
//! questions, of which the more surprising answer counts:
//! - All a workload sent to the outside in one window, against its service's windows at that hour of the
//!   week.
//! - What it sent to an unfamiliar address, against what the service sends to addresses of the Internet
//!   in a window; with too few of them, against what the estate does. How rare the address is counts in: the
//!   less often the service meets new networks, the less it may send to one. A service that exports gigabytes
//!   to its bucket every hour is judged by this one. ATT&CK T1041, T1048.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::activity::Conversation;
use model::baseline::{
    Direction, EdgeKey, Measure, ServiceEvidence, TailModel, WorkloadWindow, bucket_value,
};
use model::identity::{Outside, Party};

use super::history::{self, HOURS};
use super::level::{LEVEL_P_MAX, LEVELS_KNOWN_AFTER_SECS, Level, Question};
use super::{Context, Upload};
use crate::deviation::{Deviation, Fact};
use crate::novelty::{self, FirstMet, Novel};

/// Less than this per window is not worth a person's time, whatever the service's habits.
const FLOOR_BYTES: u64 = 20_000_000;

/// An address the service has gone to in as many windows as an hour has, over a day, is familiar.
const FAMILIAR_WINDOWS: u64 = 12;
const FAMILIAR_SECS: i64 = 24 * 3600;

/// A service needs this many edges to the Internet to be compared with itself.
pub(super) const OWN_EDGES_MIN: usize = 20;

/// How likely an unfamiliar address is at most taken to be: that it is one is evidence of its own.
pub(super) const UNFAMILIAR_P: f64 = 0.01;

/// What was told this long ago is over, or has become usual.
const TOLD_SECS: i64 = 7 * 24 * 3600;

/// To a destination the service is used to, it has to send this much more than ever before: backups and
/// batches come at odd hours, and grow.
const OUTGROWN: f64 = 3.0;

/// The largest of few is soon outgrown: with so many windows near it, it takes twice as much more.
const FEW_LARGE: f64 = 3.0;

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let floor_bytes = context.floor(FLOOR_BYTES);
    if window.measure(Measure::BytesOutside) < floor_bytes {
        return Vec::new();
    }
    let uploads = window.as_client.iter().filter(|c| {
        c.server.workload().is_none() && c.bytes_out > c.bytes_in && c.bytes_out >= floor_bytes / 2
    });
    let Some(&main) = uploads.max_by_key(|c| (c.bytes_out, c.server.address, c.port)) else {
        return Vec::new();
    };
    let is_familiar = is_familiar(context, window, main);
    let overall = context.level(window, Measure::BytesOutside, floor_bytes);
    let overall =
        overall.and_then(|level| if is_familiar { level.outgrown() } else { Some(level) });
    let to_it = if is_familiar { None } else { unfamiliar(context, window, main) };
    let answers: Vec<Level> = overall.into_iter().chain(to_it).collect();
    if answers.is_empty() || was_told(context, window, main) {
        return Vec::new();
    }
    // What would have been silent for every question, or too little for any to be asked.
    let needed = answers.iter().map(|level| level.needed).fold(f64::INFINITY, f64::min);
    let needed = needed.max(floor_bytes as f64);
    let worst = answers.into_iter().min_by(|a, b| a.cut_ratio.total_cmp(&b.cut_ratio));
    let told = worst.map(|level| Level { needed: needed.min(level.observed as f64), ..level });
    told.map(|level| deviation(window, main, &level)).into_iter().collect()
}

impl Level {
    /// What backups and batches may grow to is usual.
    fn outgrown(mut self) -> Option<Self> {
        let usual = OUTGROWN * (1.0 + FEW_LARGE / self.n_large.max(1.0)) * self.largest;
        self.needed = self.needed.max(usual);
        (self.observed as f64 >= usual).then_some(self)
    }
}

/// Whether as much was sent there, and told, a week ago or earlier: a monthly job is no alarm the second
/// time, whatever was made of the first.
fn was_told(context: &Context<'_>, window: &WorkloadWindow<'_>, main: &Conversation) -> bool {
    let Some(service) = context.baseline.service(&window.workload.service) else { return false };
    let peer = Arc::clone(&main.server.peer);
    let key = EdgeKey { direction: Direction::Out, peer, port: main.port, protocol: main.protocol };
    let (edge, histogram) = (service.edges.get(&key), service.measures.get(&Measure::BytesOutside));
    let Some((edge, histogram)) = edge.zip(histogram) else { return false };
    let is_like = |told: f64, now: u64| OUTGROWN * told >= now as f64;
    let told_of_it = edge.bytes_out.flagged as f64 / edge.windows.flagged.max(1) as f64;
    let long_ago = i64::MIN..(context.start - TOLD_SECS).div_euclid(3600);
    let sent = window.measure(Measure::BytesOutside);
    is_like(told_of_it, main.bytes_out)
        && histogram.between(long_ago).any(|(_, bucket, counter)| {
            counter.flagged > 0 && is_like(bucket_value(bucket) as f64, sent)
        })
}

/// Whether the service is used to a destination: a named one it went to before, or an address it went to
/// often, a day ago or earlier.
fn is_familiar(context: &Context<'_>, window: &WorkloadWindow<'_>, main: &Conversation) -> bool {
    let peer = &main.server.peer;
    let windows_min = if is_internet(main) { FAMILIAR_WINDOWS } else { 1 };
    context.baseline.service(&window.workload.service).is_some_and(|service| {
        service.edges.unordered().any(|(key, edge)| {
            key.direction == Direction::Out
                && key.peer == *peer
                && edge.established.clean >= windows_min
                && context.start.saturating_sub(edge.settled) >= FAMILIAR_SECS
        })
    })
}

pub(super) fn is_internet(conversation: &Conversation) -> bool {
    matches!(conversation.server.party, Party::Outside(Outside::Prefix { .. }))
}

/// Judges what went to an unfamiliar address.
fn unfamiliar(
    context: &mut Context<'_>,
    window: &WorkloadWindow<'_>,
    main: &Conversation,
) -> Option<Level> {
    let service = context.baseline.service(&window.workload.service)?;
    let peer = &main.server.peer;
    let known_secs = context.start - service.seen()?.first;
    if !is_internet(main) || known_secs < LEVELS_KNOWN_AFTER_SECS {
        return None;
    }
    let mut usual = bytes_per_window(service, peer);
    if usual.len() < OWN_EDGES_MIN {
        let services = context.baseline.services.unordered();
        usual = services.flat_map(|(_, service)| bytes_per_window(service, peer)).collect();
    }
    let model = TailModel::of_values(usual)?;
    let question = Question {
        observed: main.bytes_out,
        hour_of_week: 0,
        // Both together are judged: the rarer the address, the more usual the size may be.
        p_max: LEVEL_P_MAX / rarity(context, window, main),
        floor: context.floor(FLOOR_BYTES) as f64 / 2.0,
    };
    question.ask(&model, context.cuts(), || {
        let now = window.measure(Measure::BytesOutside);
        history::of_measure(service, Measure::BytesOutside, context.start, now)
    })
}

/// How likely it is that the service goes to an address as unfamiliar as this one: of a network that is new
/// to it its own rate of meeting those tells.
fn rarity(context: &mut Context<'_>, window: &WorkloadWindow<'_>, main: &Conversation) -> f64 {
    let name = &window.workload.service;
    let (baseline, time) = (context.baseline, context.start);
    let Some(service) = baseline.service(name) else { return UNFAMILIAR_P };
    let peer = Arc::clone(&main.server.peer);
    let key =
        &EdgeKey { direction: Direction::Out, peer, port: main.port, protocol: main.protocol };
    if service.edges.overflowed() || novelty::is_network_known(service, key) {
        return UNFAMILIAR_P;
    }
    let novel = Novel::OutsideNetwork;
    let rate = context.novelty.rate(baseline, name, novel, time);
    let is_near = novelty::is_neighbour_known(service, key);
    let met = FirstMet { service: name, novel, key, time, is_near };
    let expected = novelty::how_expected(context.openers, baseline, &met);
    (rate.p_value() * expected).min(UNFAMILIAR_P)
}

/// What a service sends to each other address of the Internet in a window in which it goes there.
fn bytes_per_window(service: &ServiceEvidence, but: &str) -> Vec<u64> {
    service
        .edges
        .unordered()
        .filter(|(key, edge)| {
            key.direction == Direction::Out
                && key.peer.contains('/')
                && &*key.peer != but
                && !key.is_inside()
                && edge.established.clean > 0
        })
        .map(|(_, edge)| edge.bytes_out.clean / edge.windows.clean.max(1))
        .collect()
}

fn deviation(window: &WorkloadWindow<'_>, main: &Conversation, level: &Level) -> Deviation {
    let evidence = BTreeMap::from([
        ("unit", Fact::Text("bytes sent to the outside in one window".into())),
        ("sent_in_these_windows_bytes", Fact::Number(level.observed as f64)),
        ("to_this_peer_bytes", Fact::Number(main.bytes_out as f64)),
        ("from_this_peer_bytes", Fact::Number(main.bytes_in as f64)),
        ("one_window_in_twenty_reaches_bytes", Fact::Number(level.tail.high.round())),
        (HOURS, level.history.clone()),
        ("observations", Fact::Number(level.windows_known.round())),
        ("would_not_have_fired_below_bytes", Fact::Number(level.needed.round())),
    ]);
    let upload = Upload {
        observed: level.observed as f64,
        expected: level.tail.expected.round(),
        p_value: level.tail.p_value,
        cut_ratio: level.cut_ratio,
        evidence,
    };
    upload.by(&window.workload, main)
}
