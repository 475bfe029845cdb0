//! The checks, one file each.
//!
//! Profile checks ask how a workload's window compares with its service's baseline; they are functions
//! in [`PROFILE_CHECKS`]. Shape checks need no baseline but a memory of recent windows: [`scan`] and
//! [`beacon`]. [`siblings`] compares workloads with each other while they have no history.

pub mod beacon;
mod denied_spike;
mod drift;
mod fan_out;
mod history;
mod new_edge;
mod outside_volume;
pub mod regular;
pub mod scan;
mod sentence;
pub mod siblings;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::activity::Conversation;
use model::baseline::{
    Baseline, Direction, HourOfWeek, Measure, Tail, TailModel, WorkloadWindow, volume_tail,
};
use model::identity::Workload;

use crate::deviation::{Deviation, Fact, Kind};
use crate::novelty::{Novelty, Openers};
pub(crate) use drift::Rises;
pub(crate) use sentence::sample;

/// A volume or count check judges no service seen for less than this: the other hours of the day may
/// well look different.
pub const LEVELS_KNOWN_AFTER_SECS: i64 = 24 * 3600;

/// What is newer than this teaches no level yet, so that a slow rise does not make itself usual; unless
/// the service is too young to leave a day out.
const PROBATION_HOURS: i64 = 24;
const PROBATION_AFTER_SECS: i64 = 3 * 24 * 3600;

/// The prior cut for volume and count checks: one workload-window in a hundred thousand, about one a
/// day for 350 workloads at five-minute windows.
pub const LEVEL_P_MAX: f64 = 1e-5;

/// What a profile check sees.
#[derive(Debug)]
pub struct Context<'a> {
    /// The evidence before this window.
    pub baseline: &'a Baseline,
    /// Distributions, kept for the hour.
    pub tails: &'a mut Tails,
    /// Rates of meeting new peers, kept for the hour.
    pub novelty: &'a mut Novelty,
    /// By how much services rose, kept for the day.
    pub(crate) rises: &'a mut Rises,
    /// How many services opened what, kept for the window.
    pub openers: &'a mut Openers,
    /// By how much the budget moves the prior cuts.
    pub cut_scale: f64,
    /// The least surprising candidates' ratio.
    pub ratio_max: f64,
    /// Start of the window, Unix seconds.
    pub start: i64,
    /// Length of the window, seconds.
    pub window_secs: i64,
}

/// A profile check: judges one workload's window.
pub type ProfileCheck = fn(&mut Context<'_>, &WorkloadWindow<'_>) -> Vec<Deviation>;

/// All profile checks, with the kind each is named by.
pub const PROFILE_CHECKS: &[(Kind, ProfileCheck)] = &[
    (Kind::NewPeer, new_edge::check),
    (Kind::Volume, outside_volume::check),
    (Kind::Volume, drift::check),
    (Kind::DeniedSpike, denied_spike::check),
    (Kind::FanOut, fan_out::check),
];

/// Distributions per service and measure, derived once an hour from the hours before it.
#[derive(Debug)]
pub struct Tails {
    hours: HourOfWeek,
    models: HashMap<(Arc<str>, Measure), (i64, Option<TailModel>)>,
}

impl Tails {
    /// None derived yet; hours of the week as `hours` tells them.
    pub fn new(hours: HourOfWeek) -> Self {
        Self { hours, models: HashMap::new() }
    }
}

/// What a volume check makes of an upload: the judgement, without what is read off the conversation.
pub(crate) struct Upload {
    pub(crate) observed: f64,
    pub(crate) expected: f64,
    pub(crate) p_value: f64,
    pub(crate) cut_ratio: f64,
    pub(crate) evidence: BTreeMap<&'static str, Fact>,
}

impl Upload {
    /// As a deviation of the workload, with the conversation that carried most of it.
    pub(crate) fn by(self, workload: &Arc<Workload>, main: &Conversation) -> Deviation {
        Deviation {
            kind: Kind::Volume,
            workload: Arc::clone(workload),
            peer: Arc::clone(&main.server.peer),
            peer_address: Some(main.server.address),
            port: Some(main.port),
            protocol: Some(main.protocol),
            direction: Direction::Out,
            first: main.first,
            last: main.last,
            observed: self.observed,
            expected: self.expected,
            p_value: self.p_value,
            cut_ratio: self.cut_ratio,
            evidence: self.evidence,
            samples: vec![sample(main)],
        }
    }
}

/// A level that stands out, and against what.
pub(crate) struct Level {
    pub(crate) observed: u64,
    pub(crate) tail: Tail,
    /// The p-value over the cut.
    pub(crate) cut_ratio: f64,
    /// The smallest value that would have stood out.
    pub(crate) needed: f64,
    pub(crate) windows_known: f64,
    /// The largest value known before.
    pub(crate) largest: f64,
    /// How many windows came near it.
    pub(crate) n_large: f64,
    /// What came before, drawn.
    pub(crate) history: Fact,
}

impl Context<'_> {
    /// A floor as of the budget: who looks at ten findings a day looks at smaller things.
    pub(crate) fn floor(&self, at_one_a_day: u64) -> u64 {
        let floor = at_one_a_day as f64 / self.cut_scale.max(1.0).sqrt().sqrt();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a small share"
        )]
        let floor = floor as u64;
        floor.max(1)
    }

    /// Judges a measure of a window; `None` if it is usual, below `floor`, or the service too young.
    pub(crate) fn level(
        &mut self,
        window: &WorkloadWindow<'_>,
        measure: Measure,
        floor: u64,
    ) -> Option<Level> {
        let observed = window.measure(measure);
        if observed < floor {
            return None;
        }
        let name = &window.workload.service;
        let service = self.baseline.service(name)?;
        let known_secs = self.start - service.seen()?.first;
        if known_secs < LEVELS_KNOWN_AFTER_SECS {
            return None;
        }
        let hour = self.start.div_euclid(3600);
        let tails = &mut *self.tails;
        let entry = tails.models.entry((Arc::clone(name), measure)).or_insert((i64::MIN, None));
        if entry.0 != hour {
            let histogram = service.measures.get(&measure)?;
            let probation = if known_secs < PROBATION_AFTER_SECS { 0 } else { PROBATION_HOURS };
            *entry = (hour, volume_tail(histogram, hour - probation, &mut tails.hours));
        }
        let model = entry.1.as_ref()?;
        let hour_of_week = tails.hours.of(hour);
        let tail = model.judge(observed, hour_of_week);
        let cut = LEVEL_P_MAX * self.cut_scale;
        let needed = model.value_at(cut, hour_of_week).max(floor as f64);
        let (windows_known, largest, n_large) = (model.n, model.largest, model.n_large);
        let cut_ratio = tail.p_value / LEVEL_P_MAX;
        // Most windows are usual: only what stands out is drawn.
        (cut_ratio <= self.ratio_max).then(|| Level {
            observed,
            tail,
            cut_ratio,
            needed,
            windows_known,
            largest,
            n_large,
            history: history::of_measure(service, measure, self.start, observed),
        })
    }
}
