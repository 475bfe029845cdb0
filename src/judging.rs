//! The judge as the pipeline feeds it, and the telling of what it finds.
//!
//! A finding that closes is told at once, with what was known in that window, so that it reads the
//! same however many runs the records were judged in. Those still open are told at the end of a run.

use std::collections::BTreeMap;

use anyhow::Result;
use detect::suggest::PlanBudget;
use detect::{Episode, Finding, Judge};
use model::activity::Activity;
use model::identity::{Directory, Party};

use crate::advice::{self, Planning};
use crate::closing::Windows;
use crate::silence::{Gaps, Silence};

/// Plans for findings that closed longer ago than this weigh on no other's.
const PLANS_KEPT_SECS: i64 = 30 * 86_400;

/// Judges windows and tells what closes.
pub(crate) struct Judging<'a> {
    pub(crate) judge: Judge,
    /// End of the newest window, Unix seconds.
    pub(crate) newest: i64,
    planning: &'a Planning,
    /// Plans made for findings that are closed.
    budget: PlanBudget,
    closed: Vec<Finding>,
    /// Findings that changed since `news` was last asked, and the start of the window that
    /// changed them last, Unix seconds.
    changed: BTreeMap<String, i64>,
    silence: Silence,
}

impl Windows for Judging<'_> {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        self.judge.baseline().serves(party, port, protocol)
    }

    fn take(&mut self, activity: &Activity, directory: &Directory) -> Result<()> {
        self.newest = self.newest.max(activity.end());
        self.silence.take(activity);
        let changed = self.judge.judge(activity);
        self.changed.extend(changed.into_iter().map(|id| (id, activity.start)));
        let closed = self.judge.episodes().take_closed();
        if !closed.is_empty() {
            self.budget.forget_before(activity.end() - PLANS_KEPT_SECS);
            let told = tell(&self.judge, &closed, directory, self.planning, &mut self.budget);
            self.closed.extend(told);
        }
        Ok(())
    }
}

impl<'a> Judging<'a> {
    /// Goes on after windows up to `newest`, with the plans made for what closed in them.
    pub(crate) fn new(
        judge: Judge,
        newest: i64,
        planning: &'a Planning,
        budget: PlanBudget,
    ) -> Self {
        let (closed, changed, silence) = (Vec::new(), BTreeMap::new(), Silence::default());
        Self { judge, newest, planning, budget, closed, changed, silence }
    }

    /// The last revision of each finding that closed in this run or is open, by first record and id,
    /// with what to do about it.
    pub(crate) fn findings(&mut self, directory: &Directory) -> Vec<Finding> {
        self.changed.clear();
        let told = self.tell_open(directory);
        let mut findings: Vec<Finding> = self.closed.drain(..).chain(told).collect();
        findings.sort_by(in_order);
        findings
    }

    /// The last revision of each finding that closed or changed since this was last asked, in the
    /// order and with the advice that [`Self::findings`] would give now, each with the start of the
    /// window that changed it, Unix seconds.
    #[cfg(feature = "watch")]
    pub(crate) fn news(&mut self, directory: &Directory) -> Vec<(i64, Finding)> {
        let changed = std::mem::take(&mut self.changed);
        let mut findings: Vec<Finding> = self.closed.drain(..).collect();
        if changed.len() > findings.len() {
            // Plans are weighed against each other, so all that is open is planned for.
            let open = self.tell_open(directory);
            findings.extend(open.into_iter().filter(|finding| changed.contains_key(&finding.id)));
        }
        findings.sort_by(in_order);
        let changed_in =
            |finding: &Finding| changed.get(&finding.id).copied().unwrap_or(self.newest);
        findings.into_iter().map(|finding| (changed_in(&finding), finding)).collect()
    }

    /// Follows which flow logs fall silent after the windows that a directory knows.
    pub(crate) fn follow(&mut self, directory: &Directory) {
        self.silence = Silence::after(directory);
    }

    /// The times in which flow logs were silent.
    pub(crate) fn gaps(&self, directory: &Directory) -> Gaps {
        self.silence.gaps(directory)
    }

    fn tell_open(&mut self, directory: &Directory) -> Vec<Finding> {
        let open: Vec<Episode> = self.judge.episodes().open().cloned().collect();
        // What is open is told anew later, so it leaves no mark on the budget.
        let mut budget = self.budget.clone();
        tell(&self.judge, &open, directory, self.planning, &mut budget)
    }

    /// The plans made for what closed.
    #[cfg(feature = "watch")]
    pub(crate) fn budget(&self) -> &PlanBudget {
        &self.budget
    }

    /// The judge, and the plans made for what closed.
    pub(crate) fn into_parts(self) -> (Judge, PlanBudget) {
        (self.judge, self.budget)
    }
}

fn in_order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    (&a.first_seen, &a.id).cmp(&(&b.first_seen, &b.id))
}

/// Tells episodes, by first record and id.
fn tell(
    judge: &Judge,
    episodes: &[Episode],
    directory: &Directory,
    planning: &Planning,
    budget: &mut PlanBudget,
) -> Vec<Finding> {
    let mut findings: Vec<(Finding, _)> = episodes
        .iter()
        .map(|episode| {
            (
                detect::tell(episode, judge.held_days(episode.last_window)),
                episode.workload.infrastructure,
            )
        })
        .collect();
    findings.sort_by(|(a, _), (b, _)| in_order(a, b));
    findings
        .into_iter()
        .map(|(mut finding, infrastructure)| {
            if finding.merged_into.is_some() {
                // What to do stands with what it became part of.
                return finding;
            }
            finding.suggestion = advice::suggest(
                &finding,
                infrastructure,
                judge.baseline(),
                directory,
                planning,
                budget,
            );
            finding
        })
        .collect()
}
