//! The judge: closed windows in, episodes out, and the baseline learns, in that order.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use model::activity::Activity;
use model::baseline::{
    Baseline, EdgeKey, Flagged, HourOfWeek, WorkloadWindow, learn_windows, workload_key,
    workload_windows,
};
use model::identity::Infrastructure;

use crate::budget::Budget;
use crate::calibration::{self, Calibration, Class};
use crate::checks::beacon::Beacons;
use crate::checks::scan::Scans;
use crate::checks::siblings::Siblings;
use crate::checks::{Context, PROFILE_CHECKS, Peaks, Rises, Tails, history};
use crate::deviation::{Deviation, Fact, Kind, RECORDS_LOST};
use crate::episode::Episodes;
use crate::novelty::{self, Novelty, Openers};
use crate::suppress::Suppressions;
use crate::training::{StoodOut, Training};

/// How to judge.
#[derive(Clone, Debug)]
pub struct JudgeOptions {
    /// Hours of the week are people's hours in this zone.
    pub zone: TimeZone,
    /// Length of a window, seconds.
    pub window_secs: i64,
    /// The logs' aggregation interval, seconds.
    pub interval_secs: i64,
    /// Windows that start before the first one's start plus this are only learned from, seconds.
    pub warmup_secs: i64,
    /// False findings accepted.
    pub budget: Budget,
    /// Checks the logs cannot decide; they are left out.
    pub blind: BTreeSet<Kind>,
    /// What people said of what is told: some of it is to be learned like anything else.
    pub accepted: Suppressions,
}

/// Judges windows in order.
#[derive(Debug)]
pub struct Judge {
    pub(crate) options: JudgeOptions,
    pub(crate) baseline: Baseline,
    pub(crate) scans: Scans,
    pub(crate) beacons: Beacons,
    pub(crate) siblings: Siblings,
    pub(crate) episodes: Episodes,
    pub(crate) judged_from: Option<i64>,
    tails: Tails,
    rises: Rises,
    peaks: Peaks,
    pub(crate) calibration: Calibration,
    pub(crate) novelty: Novelty,
    training: Training,
}

impl Judge {
    /// A judge with a baseline, empty if there is none.
    pub fn new(options: JudgeOptions, baseline: Baseline) -> Self {
        let mut calibration = Calibration::new(options.budget);
        let ratio_max = calibration::ratio_max(options.budget);
        if let Some((since, past)) = novelty::past(&baseline, options.window_secs, ratio_max) {
            calibration.know(Class::Novelty, since, past);
        }
        Self {
            calibration,
            baseline,
            scans: Scans::default(),
            beacons: Beacons::new(options.interval_secs),
            siblings: Siblings::default(),
            episodes: Episodes::default(),
            judged_from: None,
            rises: Rises::default(),
            peaks: Peaks::default(),
            tails: Tails::new(HourOfWeek::new(options.zone.clone())),
            novelty: Novelty::new(options.window_secs),
            training: Training::default(),
            options,
        }
    }

    /// The evidence so far.
    pub fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// The evidence, at the end.
    pub fn into_baseline(self) -> Baseline {
        self.baseline
    }

    /// The evidence so far, to note what it was learned from.
    pub fn baseline_mut(&mut self) -> &mut Baseline {
        &mut self.baseline
    }

    /// Days of held-back time by which profile checks are calibrated, as of a time in Unix seconds.
    pub fn held_days(&self, now: i64) -> f64 {
        self.calibration.held_days(now)
    }

    /// From when windows are judged and not only learned, Unix seconds; `None` before the first one.
    pub fn judged_from(&self) -> Option<i64> {
        self.judged_from
    }

    /// What stood out in windows that were only learned from, in this run.
    pub fn stood_out_while_learning(&self) -> StoodOut {
        self.training.stood_out()
    }

    /// The episodes so far.
    pub fn episodes(&mut self) -> &mut Episodes {
        &mut self.episodes
    }

    /// Judges one window against the evidence before it, then learns it. Windows must come oldest
    /// first. Returns the ids of the episodes that changed.
    pub fn judge(&mut self, activity: &Activity) -> BTreeSet<String> {
        let from = *self.judged_from.get_or_insert(activity.start + self.options.warmup_secs);
        let windows = workload_windows(activity);
        let mut deviations = self.deviations(activity, &windows);
        self.calibration
            .begin(activity.start, self.baseline.learned.from.unwrap_or(activity.start));
        // What goes on was a surprise once.
        for deviation in deviations.iter().filter(|deviation| !self.episodes.have(deviation)) {
            self.calibration.note(activity.start, deviation);
        }
        let (calibration, episodes) = (&mut self.calibration, &self.episodes);
        deviations.retain(|deviation| {
            calibration.is_news(activity.start, deviation, episodes.lift(deviation))
        });
        for deviation in &mut deviations {
            history::add_edge(deviation, &self.baseline, &windows, activity.start);
        }
        self.siblings.note_told(&deviations);
        let mut changed = BTreeSet::new();
        let mut flagged = Flagged::default();
        if activity.start >= from {
            flagged = flag(&deviations, &self.options.accepted);
            changed = self.episodes.absorb(activity.start, deviations);
        } else {
            let held_days = self.calibration.held_days(activity.start);
            self.training.absorb(activity.start, deviations, held_days);
            self.training.close_quiet(activity.end());
        }
        changed.extend(self.episodes.close_quiet(activity.end()));
        learn_windows(&mut self.baseline, activity, &windows, &flagged);
        if activity.start.rem_euclid(3600) == 0 {
            self.scans.forget_before(activity.start);
            self.beacons.forget_before(activity.start);
            self.siblings.forget_before(activity.start);
            self.calibration.forget_before(activity.start);
        }
        changed
    }

    fn deviations(
        &mut self,
        activity: &Activity,
        windows: &[WorkloadWindow<'_>],
    ) -> Vec<Deviation> {
        let cuts =
            [Class::Novelty, Class::Level].map(|class| self.calibration.cut(activity.start, class));
        self.siblings.note(&self.baseline, windows, activity.start);
        let mut all = Vec::new();
        let mut openers = Openers::of_windows(windows);
        for window in windows {
            // What a relay does is its clients' doing, and theirs is seen at them.
            if window.workload.infrastructure.is_some_and(Infrastructure::relays) {
                continue;
            }
            all.extend(self.of_workload(activity, window, &mut openers, cuts));
        }
        all.retain(|deviation| !self.options.blind.contains(&deviation.kind));
        all
    }

    fn of_workload(
        &mut self,
        activity: &Activity,
        window: &WorkloadWindow<'_>,
        openers: &mut Openers,
        [novelty_cut, level_cut]: [f64; 2],
    ) -> Vec<Deviation> {
        let (start, window_secs) = (activity.start, activity.window_secs);
        let shape_cut = calibration::shape_cut(self.options.budget);
        let scan = self.scans.check(&self.baseline, window, start, shape_cut);
        // A walk that was learned, and goes no further, is what this workload does.
        let is_usual = scan.as_ref().is_some_and(|scan| scan.is_usual);
        let scan = scan.map(|scan| scan.deviation);
        let beacons = self.beacons.check(&self.baseline, window, start, window_secs);
        let mut context = Context {
            baseline: &self.baseline,
            tails: &mut self.tails,
            novelty: &mut self.novelty,
            rises: &mut self.rises,
            peaks: &mut self.peaks,
            openers,
            cut_scale: calibration::cut_scale(self.options.budget),
            novelty_cut,
            level_cut,
            ratio_max: calibration::ratio_max(self.options.budget),
            start,
            window_secs,
        };
        let mut found: Vec<Deviation> =
            PROFILE_CHECKS.iter().flat_map(|(_, check)| check(&mut context, window)).collect();
        found.extend(self.siblings.check(&self.baseline, window, start));
        let is_scanner = scan.as_ref().is_some_and(|scan| scan.cut_ratio <= 1.0);
        if is_scanner {
            // What a scan touches is the scan's: it is told once.
            found.retain(|deviation| !is_touched(window, deviation));
        }
        let scan = scan.filter(|_| !is_usual);
        let mut found: Vec<Deviation> = found.into_iter().chain(scan).chain(beacons).collect();
        if window.as_client.iter().chain(&window.as_server).any(|c| c.incomplete) {
            for deviation in &mut found {
                let note = "AWS lost records of this interface in this window".to_owned();
                deviation.evidence.insert(RECORDS_LOST, Fact::Text(note));
            }
        }
        found
    }
}

/// Whether a new edge is nothing but a scanner's knock.
fn is_touched(window: &WorkloadWindow<'_>, deviation: &Deviation) -> bool {
    match deviation.kind {
        Kind::DeniedSpike | Kind::FanOut => true,
        Kind::NewPeer | Kind::NewPort => window
            .as_client
            .iter()
            .filter(|c| {
                Some(c.server.address) == deviation.peer_address && Some(c.port) == deviation.port
            })
            .all(|c| c.is_bare()),
        _ => false,
    }
}

/// What must not be learned at full weight.
fn flag(deviations: &[Deviation], accepted: &Suppressions) -> Flagged {
    let mut flagged = Flagged::default();
    for deviation in deviations.iter().filter(|deviation| !accepted.teaches(deviation)) {
        let name = workload_key(&deviation.workload);
        if let (Some(port), Some(protocol)) = (deviation.port, deviation.protocol) {
            let peer = deviation.peer.clone();
            let key = EdgeKey { direction: deviation.direction, peer, port, protocol };
            flagged.edges.entry(name.clone()).or_default().insert(key);
        }
        match deviation.kind {
            Kind::Volume | Kind::DeniedSpike | Kind::FanOut | Kind::Flood => {
                flagged.workloads.insert(name);
            }
            Kind::PortScan | Kind::Sweep => {
                flagged.scanners.insert(name.clone());
                flagged.workloads.insert(name);
            }
            _ => {}
        }
    }
    flagged
}
