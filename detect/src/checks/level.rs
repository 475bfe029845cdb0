//! A number of a window against what is usual: what the checks of volumes and counts have in common.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::activity::Conversation;
use model::baseline::{
    Direction, HOURS_KEPT, HourOfWeek, Measure, ServiceEvidence, Tail, TailModel, WorkloadWindow,
    volume_tail,
};

use super::history::{self, HOURS};
use super::{Context, sample};
use crate::deviation::{Deviation, Fact, Kind};

/// A volume or count check judges no service seen for less than this: the other hours of the day may
/// well look different.
pub(super) const LEVELS_KNOWN_AFTER_SECS: i64 = 24 * 3600;

/// What is newer than this teaches no level yet, so that a slow rise does not make itself usual; unless
/// the service is too young to leave a day out.
const PROBATION_HOURS: i64 = 24;
const PROBATION_AFTER_SECS: i64 = 3 * 24 * 3600;

/// The prior cut for volume and count checks: one workload-window in a hundred thousand, about one a
/// day for 350 workloads at five-minute windows.
pub(super) const LEVEL_P_MAX: f64 = 1e-5;

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

    /// The distribution of a measure as of an hour, and which hour of the week that is.
    fn of(
        &mut self,
        service: &ServiceEvidence,
        name: &Arc<str>,
        measure: Measure,
        (hour, probation): (i64, i64),
    ) -> Option<(&TailModel, usize)> {
        let Self { hours, models } = self;
        let known = models.entry((Arc::clone(name), measure)).or_insert((i64::MIN, None));
        if known.0 != hour {
            let histogram = service.measures.get(&measure)?;
            *known = (hour, volume_tail(histogram, hour - HOURS_KEPT..hour - probation, hours));
        }
        Some((known.1.as_ref()?, hours.of(hour)))
    }
}

/// What is asked of a distribution.
pub(super) struct Question {
    pub(super) observed: u64,
    pub(super) hour_of_week: usize,
    /// The prior cut.
    pub(super) p_max: f64,
    /// What is smaller never stands out.
    pub(super) floor: f64,
}

/// Ratios to the prior cut: up to one a level is a candidate, up to the other it is told.
#[derive(Clone, Copy)]
pub(super) struct Cuts {
    candidate: f64,
    told: f64,
}

/// A level that stands out, and against what.
pub(super) struct Level {
    pub(super) observed: u64,
    pub(super) tail: Tail,
    /// The p-value over the cut.
    pub(super) cut_ratio: f64,
    /// The smallest value that would have been told by itself. In an incident less will do: then it is
    /// what was seen.
    pub(super) needed: f64,
    pub(super) windows_known: f64,
    /// The largest value known before.
    pub(super) largest: f64,
    /// How many windows came near it.
    pub(super) n_large: f64,
    /// What came before, drawn.
    pub(super) history: Fact,
}

impl Level {
    /// As a deviation of the workload in these conversations, the most telling first.
    pub(super) fn deviation(
        self,
        kind: Kind,
        window: &WorkloadWindow<'_>,
        about: &[&Conversation],
        mut evidence: BTreeMap<&'static str, Fact>,
    ) -> Deviation {
        evidence.insert(HOURS, self.history);
        evidence.insert("windows_observed", Fact::Number(self.windows_known.round()));
        evidence.insert("would_not_have_fired_below", Fact::Number(self.needed.round()));
        let single = match about {
            [one] => Some(one),
            _ => None,
        };
        Deviation {
            kind,
            workload: Arc::clone(&window.workload),
            peer: single.map_or_else(|| "many".into(), |c| Arc::clone(&c.server.peer)),
            peer_address: single.map(|c| c.server.address),
            port: single.map(|c| c.port),
            protocol: single.map(|c| c.protocol),
            direction: Direction::Out,
            first: about.iter().map(|c| c.first).min().unwrap_or(0),
            last: about.iter().map(|c| c.last).max().unwrap_or(0),
            observed: self.observed as f64,
            expected: self.tail.expected.round(),
            p_value: self.tail.p_value,
            cut_ratio: self.cut_ratio,
            evidence,
            samples: about.iter().take(3).map(|c| sample(c)).collect(),
        }
    }
}

impl Context<'_> {
    pub(super) fn cuts(&self) -> Cuts {
        Cuts { candidate: self.ratio_max, told: self.level_cut }
    }

    /// Judges a measure of a window; `None` if it is usual, below `floor`, or the service too young.
    pub(super) fn level(
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
        let first = service.seen()?.first;
        if self.start - first < LEVELS_KNOWN_AFTER_SECS {
            return None;
        }
        let hour = self.start.div_euclid(3600);
        // As of the hour, for which it is kept: whichever of its windows asks first.
        let is_young = hour * 3600 - first < PROBATION_AFTER_SECS;
        let as_of = (hour, if is_young { 0 } else { PROBATION_HOURS });
        let (cuts, start) = (self.cuts(), self.start);
        let (model, hour_of_week) = self.tails.of(service, name, measure, as_of)?;
        let question = Question { observed, hour_of_week, p_max: LEVEL_P_MAX, floor: floor as f64 };
        question.ask(model, cuts, || history::of_measure(service, measure, start, observed))
    }
}

impl Question {
    /// What a distribution says; `None` if it is usual. Most windows are: only what stands out is drawn.
    pub(super) fn ask(
        self,
        model: &TailModel,
        cuts: Cuts,
        draw: impl FnOnce() -> Fact,
    ) -> Option<Level> {
        let tail = model.judge(self.observed, self.hour_of_week);
        let cut_ratio = tail.p_value / self.p_max;
        (cut_ratio <= cuts.candidate).then(|| Level {
            observed: self.observed,
            tail,
            cut_ratio,
            needed: model
                .value_at(self.p_max * cuts.told, self.hour_of_week)
                .max(self.floor)
                .min(self.observed as f64),
            windows_known: model.n,
            largest: model.largest,
            n_large: model.n_large,
            history: draw(),
        })
    }
}
