//! Everything that happens in the covered time, one aggregation interval after the other.

use crate::churn::{Churn, Plan};
use crate::estate::Estate;
use crate::files::Sink;
use crate::inventory::SNAPSHOT_SECS;
use crate::scenario::{Scenario, Setup, victims};
use crate::traffic::{self, Pace, Source};
use crate::wire::{Moment, Wire};
use crate::{Error, Options};

/// An estate, what changes it, what makes its traffic, and what reports it.
pub(crate) struct World {
    pub(crate) estate: Estate,
    pub(crate) churn: Churn,
    pub(crate) sources: Vec<Box<dyn Source>>,
    pub(crate) wire: Wire,
    pub(crate) scale: f64,
    /// The first second not covered yet, Unix seconds.
    pub(crate) from: i64,
    /// Whether the scenario is laid in.
    pub(crate) is_laid: bool,
    /// Whether interfaces came or went since the last snapshot of the inventory.
    is_stale: bool,
}

impl World {
    /// A world without a scenario, as of a time.
    pub(crate) fn bare(estate: Estate, sources: Vec<Box<dyn Source>>, from: i64, to: Sink) -> Self {
        Self {
            estate,
            churn: Churn::default(),
            sources,
            wire: Wire::new(to),
            scale: 1.0,
            from,
            is_laid: true,
            is_stale: false,
        }
    }

    /// A world at the start, with what the scenario needs there.
    pub(crate) fn new(
        options: &Options,
        scenario: &'static Scenario,
        pace: Pace,
        scale: f64,
        sink: Sink,
    ) -> Self {
        let estate = options.estate();
        let mut world = Self::bare(estate, Vec::new(), options.start, sink);
        let mut plan = Plan::default();
        let victims = victims(&world.estate, options.seed);
        plan.everyday(&world.estate, options, &victims);
        world.churn.add(plan);
        let prepared = scenario.prepare.map(|prepare| world.set_up(options, prepare));
        world.sources = traffic::sources(&world.estate, options.seed, pace);
        world.sources.extend(prepared.into_iter().flatten());
        Self { scale, is_laid: false, ..world }
    }

    /// Lets a scenario plan, and gives the sources of its own.
    fn set_up(&mut self, options: &Options, lay: fn(&mut Setup)) -> Vec<Box<dyn Source>> {
        let victims = victims(&self.estate, options.seed);
        if victims.is_empty() {
            return Vec::new();
        }
        let mut plan = Plan::default();
        let (estate, sources) = (&mut self.estate, Vec::new());
        let mut setup = Setup { options, estate, plan: &mut plan, sources, victims };
        lay(&mut setup);
        let sources = setup.sources;
        self.churn.add(plan);
        sources
    }

    /// One that goes on as this one would, and reports elsewhere.
    pub(crate) fn branch(&self, sink: Sink) -> Self {
        Self {
            estate: self.estate.clone(),
            churn: self.churn.clone(),
            sources: self.sources.iter().map(|source| source.branch()).collect(),
            wire: self.wire.branch(sink),
            ..*self
        }
    }

    /// Lets what changes the estate happen before the next interval: the scenario is laid in when the
    /// judged days begin, replicas come and go. Says whether a snapshot of the inventory is due.
    pub(crate) fn turn(&mut self, options: &Options, scenario: &Scenario) -> bool {
        if !self.is_laid && self.from >= options.learn_until() {
            self.is_laid = true;
            let laid = self.set_up(options, scenario.lay);
            self.sources.extend(laid);
        }
        self.is_stale |= self.churn.apply(&mut self.estate, self.from + 1);
        let is_due = self.is_stale && self.from % SNAPSHOT_SECS == 0;
        self.is_stale &= !is_due;
        is_due
    }

    /// Covers one aggregation interval.
    pub(crate) fn step(&mut self, interval_secs: i64) -> Result<(), Error> {
        let (from, until) = (self.from, self.from + interval_secs);
        let now = Moment {
            from,
            until,
            activity: self.estate.activity(from + interval_secs / 2),
            scale: self.scale,
            estate: &self.estate,
        };
        self.wire.resume(&now);
        for source in &mut self.sources {
            source.step(&now, &mut self.wire);
        }
        self.wire.close(&now);
        self.from = until;
        match &mut self.wire.sink {
            Sink::Bucket(bucket) => bucket.close_before(until),
            Sink::Pages(_) | Sink::Count(_) => Ok(()),
        }
    }
}
