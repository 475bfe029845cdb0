//! What would have been told of the days that are only learned from.
//!
//! An attack in them is learned as normal, and what it did stays unseen from then on. Nobody can take it
//! out again by rule, so it is said: what was as surprising as a finding, by the time before it.

use crate::deviation::{Deviation, Kind};
use crate::episode::Episodes;
use crate::finding::{Finding, Severity};
use crate::tell::{FIRM_RATIO_MAX, tell};

/// With less history than this nearly everything is new.
const KNOWN_AFTER_DAYS: f64 = 3.0;

/// Findings kept; the rest are counted.
const TOLD_MAX: usize = 20;

/// What stood out while learning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Training {
    episodes: Episodes,
    over: Vec<Finding>,
    n_more: u64,
}

/// What stood out while learning, and how much more of it there was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoodOut {
    /// Findings as they would have been told, oldest first: those of medium severity or more.
    pub findings: Vec<Finding>,
    /// How many more there were.
    pub n_more: u64,
}

impl Training {
    /// Takes in a window's deviations that would be news; `held_days` is how much was known before.
    pub(crate) fn absorb(&mut self, start: i64, deviations: Vec<Deviation>, held_days: f64) {
        let is_known = held_days >= KNOWN_AFTER_DAYS;
        let stands_out = |deviation: &Deviation| {
            deviation.cut_ratio <= FIRM_RATIO_MAX && (is_known || has_own_null(deviation.kind))
        };
        self.episodes.absorb(start, deviations.into_iter().filter(stands_out).collect());
    }

    /// Closes what has been quiet for long.
    pub(crate) fn close_quiet(&mut self, now: i64) {
        self.episodes.close_quiet(now);
        for episode in self.episodes.take_closed() {
            let finding = tell(&episode, 0.0);
            if !is_worth_telling(&finding) {
                continue;
            }
            if self.over.len() < TOLD_MAX { self.over.push(finding) } else { self.n_more += 1 }
        }
    }

    /// All that stood out.
    pub(crate) fn stood_out(&self) -> StoodOut {
        let open = self.episodes.open().map(|episode| tell(episode, 0.0));
        let mut findings = self.over.clone();
        findings.extend(open.filter(is_worth_telling));
        findings.sort_by(|a, b| (&a.first_seen, &a.id).cmp(&(&b.first_seen, &b.id)));
        let n_over = findings.len().saturating_sub(TOLD_MAX);
        findings.truncate(TOLD_MAX);
        StoodOut { findings, n_more: self.n_more + n_over as u64 }
    }
}

/// Whether a check needs no history to know what is normal.
fn has_own_null(kind: Kind) -> bool {
    matches!(kind, Kind::PortScan | Kind::Sweep | Kind::Beacon)
}

/// What was merged into another is told there.
fn is_worth_telling(finding: &Finding) -> bool {
    finding.severity >= Severity::Medium && finding.merged_into.is_none()
}
