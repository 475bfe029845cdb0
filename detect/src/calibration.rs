//! From a budget of false findings to what is told.
//!
//! Each check says how its p-value compares with the cut it would have by itself: the ratio. What the
//! ratio is worth is learned from held-back time: for each class of checks, how often a service had a
//! window as surprising as this one, per day and over the whole estate. Windows are autocorrelated, so
//! time is cut into blocks of six hours, of which the most surprising window of a service counts. Beyond
//! the twenty most surprising the frequency falls off exponentially (peaks over threshold, Siffer et
//! al., KDD 2017, with shape zero).
//!
//! A prior stands beside what was seen and is worth [`PRIOR_DAYS`]: at a ratio of one a class costs its
//! share of one false finding a day, at a tenth a tenth of it, and above one as much as the ratio's square
//! root, since the cuts are where traffic is rare. It has the word alone until so much time was held back.
//! Beyond a hundred it has no opinion: nothing is told without held-back time, and then that decides. What is
//! told costs at most the class's share of the budget.
//!
//! Shape checks bring their own null, and time held back has no say in them: ten scans in a month make
//! the eleventh no less of one. Their cut goes with the budget alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::budget::Budget;
use crate::deviation::{Deviation, Kind, SIBLINGS};
use crate::novelty;

const DAY_SECS: i64 = 86_400;

/// Held-back time is cut into pieces of this length.
const BLOCK_SECS: i64 = 6 * 3600;

/// Blocks older than this are forgotten.
const KEPT_SECS: i64 = 28 * DAY_SECS;

/// How many days of held-back time the prior is worth.
const PRIOR_DAYS: f64 = 3.0;

/// With held-back time of at least this a class is said to be calibrated by it.
pub(crate) const CALIBRATED_AFTER_DAYS: f64 = 7.0;

/// What is less surprising than this is not even a candidate at any budget.
const RATIO_MAX: f64 = 100_000.0;

/// The same at one false finding a day.
const RATIO_MAX_AT_ONE: f64 = 30.0;

/// What is not even a candidate at a budget.
pub(crate) fn ratio_max(budget: Budget) -> f64 {
    (RATIO_MAX_AT_ONE * budget.of_a_day().max(1.0).powf(3.5)).min(RATIO_MAX)
}

/// By how much a budget moves the cuts that checks have by themselves: [`prior`] the other way round, as far
/// as it knows.
pub(crate) fn cut_scale(budget: Budget) -> f64 {
    let budget = budget.of_a_day();
    if budget <= 1.0 { budget } else { budget * budget }
}

/// The ratio up to which a shape check's deviation is told by itself.
pub(crate) fn shape_cut(budget: Budget) -> f64 {
    cut_scale(budget).min(PRIOR_KNOWS)
}

/// What a ratio costs as a share of what a ratio of one does, as far as the prior has an opinion.
fn prior(ratio: f64) -> f64 {
    if ratio <= 1.0 { ratio } else { ratio.min(PRIOR_KNOWS).sqrt() }
}

/// The ratio up to which the prior says how fast chance rises.
const PRIOR_KNOWS: f64 = 100.0;

/// Nothing is less likely than this, in e-foldings.
const LOG_RATIO_MIN: f64 = -500.0;

/// So often is a cut halved to find it to nine digits.
const HALVINGS: u32 = 48;

/// The most surprising blocks, from which the tail beyond them is drawn.
const TAIL_BLOCKS: usize = 20;

/// With fewer blocks than this nothing is drawn beyond them.
const TAIL_BLOCKS_MIN: usize = 5;

/// The least mean excess, in e-foldings: a few equal values must not make a cliff.
const EXCESS_MIN: f64 = 0.25;

/// Blocks remembered; the oldest go first.
const BLOCKS_MAX: usize = 1 << 16;

/// Profile checks that share a part of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// New peers and ports.
    Novelty,
    /// Volumes and counts.
    Level,
    /// What young workloads do that none like them does: how often depends on how many come and go, and says
    /// nothing of those that stay.
    Siblings,
}

impl Class {
    const ALL: [Self; 3] = [Self::Novelty, Self::Level, Self::Siblings];

    /// The part of the budget; shape checks have the rest.
    fn share(self) -> f64 {
        match self {
            Self::Novelty | Self::Level => 0.4,
            Self::Siblings => 0.1,
        }
    }

    fn of(deviation: &Deviation) -> Option<Self> {
        if deviation.evidence.contains_key(SIBLINGS) {
            return Some(Self::Siblings);
        }
        match deviation.kind {
            Kind::NewPeer | Kind::NewPort => Some(Self::Novelty),
            Kind::Volume | Kind::DeniedSpike | Kind::FanOut | Kind::Flood => Some(Self::Level),
            Kind::PortScan | Kind::Sweep | Kind::Beacon | Kind::Incident => None,
        }
    }
}

/// The least ratio of a service in a block.
pub(crate) type BlockRow = (i64, Class, Arc<str>, f64);

/// How surprising things were in held-back time.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    budget: Budget,
    /// When held-back time began, per class, Unix seconds.
    since: BTreeMap<Class, i64>,
    blocks: BTreeMap<(i64, Class, Arc<str>), f64>,
    /// The scores of each class before a block, highest first.
    scores: BTreeMap<Class, (i64, Vec<f64>)>,
}

impl Calibration {
    /// Nothing held back yet.
    pub(crate) fn new(budget: Budget) -> Self {
        let (since, blocks, scores) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { budget, since, blocks, scores }
    }

    /// A window begins; from the first on time is held back, and for novelty from when the estate, known
    /// since `known_from`, is no longer new: in its first days all is met for the first time, which says
    /// nothing of how much of that there is later.
    pub(crate) fn begin(&mut self, start: i64, known_from: i64) {
        let settled = start.max(known_from.saturating_add(novelty::LONG_KNOWN_SECS));
        for class in Class::ALL {
            let since = if class == Class::Level { start } else { settled };
            self.since.entry(class).or_insert(since);
        }
    }

    /// What a baseline tells of a class: how surprising it would have been at these times.
    pub(crate) fn know(&mut self, class: Class, since: i64, past: Vec<(i64, Arc<str>, f64)>) {
        self.since.insert(class, since);
        for (time, service, ratio) in past {
            self.add((time.div_euclid(BLOCK_SECS), class, service, ratio));
        }
    }

    /// A window had this in it.
    pub(crate) fn note(&mut self, start: i64, deviation: &Deviation) {
        let Some(class) = Class::of(deviation) else { return };
        if self.since.get(&class).is_some_and(|&since| start < since) {
            return;
        }
        let service = Arc::clone(&deviation.workload.service);
        self.add((start.div_euclid(BLOCK_SECS), class, service, deviation.cut_ratio));
    }

    fn add(&mut self, (block, class, service, ratio): BlockRow) {
        let least = self.blocks.entry((block, class, service)).or_insert(f64::INFINITY);
        *least = least.min(ratio);
        if self.blocks.len() > BLOCKS_MAX {
            self.blocks.pop_first();
        }
    }

    /// Forgets what is too old to say anything.
    pub(crate) fn forget_before(&mut self, start: i64) {
        let oldest = (start - KEPT_SECS).div_euclid(BLOCK_SECS);
        self.blocks = self.blocks.split_off(&(oldest, Class::Novelty, Arc::from("")));
    }

    /// Whether a deviation is worth its share of the budget. `lift` is by how much likelier what is known
    /// besides makes it.
    pub(crate) fn is_news(&mut self, start: i64, deviation: &Deviation, lift: f64) -> bool {
        let ratio = deviation.cut_ratio / lift;
        let budget = self.budget.of_a_day();
        match Class::of(deviation) {
            Some(class) => self.rate_per_day(start, class, ratio) <= class.share() * budget,
            None => ratio <= PRIOR_KNOWS && prior(ratio) <= budget,
        }
    }

    /// The ratio up to which a deviation of a class is worth its share by itself. It costs the more the
    /// higher it is, so halving finds it.
    pub(crate) fn cut(&mut self, start: i64, class: Class) -> f64 {
        let budget = class.share() * self.budget.of_a_day();
        let (mut told, mut quiet) = (LOG_RATIO_MIN, ratio_max(self.budget).ln());
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(told, quiet);
            let is_told = self.rate_per_day(start, class, middle.exp()) <= budget;
            *if is_told { &mut told } else { &mut quiet } = middle;
        }
        told.exp()
    }

    /// Days of held-back time behind every judgement of a profile check.
    pub(crate) fn held_days(&self, start: i64) -> f64 {
        let begun = self.since.values().copied().max().unwrap_or(start);
        (start - begun).clamp(0, KEPT_SECS) as f64 / DAY_SECS as f64
    }

    /// How many services a day have something as surprising.
    fn rate_per_day(&mut self, start: i64, class: Class, ratio: f64) -> f64 {
        let block = start.div_euclid(BLOCK_SECS);
        let begun = self.since.get(&class).copied().unwrap_or(start);
        let until = (block * BLOCK_SECS).max(begun);
        let days = (until - begun).min(KEPT_SECS) as f64 / DAY_SECS as f64;
        if days < PRIOR_DAYS {
            let is_known = ratio <= PRIOR_KNOWS;
            return if is_known { class.share() * prior(ratio) } else { f64::INFINITY };
        }
        let seen = exceeding(self.scores_before(block, class), -ratio.ln());
        (seen + PRIOR_DAYS * class.share() * prior(ratio)) / (days + PRIOR_DAYS)
    }

    /// The scores of a class in the blocks before one, highest first.
    fn scores_before(&mut self, block: i64, class: Class) -> &[f64] {
        let (of, scores) = self.scores.entry(class).or_insert((i64::MIN, Vec::new()));
        if *of != block {
            *of = block;
            let first_of = |block: i64| (block, Class::Novelty, Arc::from(""));
            let oldest = block - KEPT_SECS / BLOCK_SECS;
            let before = self.blocks.range(first_of(oldest)..first_of(block));
            let of_class = before.filter(|((_, other, _), _)| *other == class);
            *scores = of_class.map(|(_, ratio)| -ratio.ln()).collect();
            scores.sort_by(|a, b| b.total_cmp(a));
        }
        scores
    }

    /// Everything it knows, in order: when held-back time began, and the blocks.
    pub(crate) fn rows(&self) -> (Vec<(Class, i64)>, Vec<BlockRow>) {
        let since = self.since.iter().map(|(&class, &time)| (class, time)).collect();
        let row = |((block, class, service), ratio): (&(i64, Class, Arc<str>), &f64)| {
            (*block, *class, Arc::clone(service), *ratio)
        };
        (since, self.blocks.iter().map(row).collect())
    }

    /// What [`Self::rows`] told, for a run with this budget.
    pub(crate) fn restore(
        since: impl IntoIterator<Item = (Class, i64)>,
        rows: impl IntoIterator<Item = BlockRow>,
    ) -> Self {
        let mut calibration = Self::new(Budget::default());
        calibration.since = since.into_iter().collect();
        rows.into_iter().for_each(|row| calibration.add(row));
        calibration
    }

    /// The same with another budget.
    #[must_use]
    pub(crate) fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }
}

/// How many of the scores, which descend, reach a score; beyond those seen, how many would.
fn exceeding(scores: &[f64], score: f64) -> f64 {
    let n_above = scores.partition_point(|&other| other >= score);
    let n_tail = scores.len().min(TAIL_BLOCKS);
    if n_above >= n_tail || n_tail < TAIL_BLOCKS_MIN {
        return n_above as f64;
    }
    let threshold = scores[n_tail - 1];
    let excess: f64 = scores[..n_tail].iter().map(|other| other - threshold).sum();
    let mean = (excess / n_tail as f64).max(EXCESS_MIN);
    n_tail as f64 * (-(score - threshold) / mean).exp()
}

#[cfg(test)]
mod tests;
