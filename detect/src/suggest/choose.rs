//! Which plan: what the finding calls for, what is refused, and what costs least.

use super::blast::{Cut, Known, percent};
use super::budget::PlanBudget;
use super::scene::Scene;
use super::{Context, cut_remote, investigate, isolate, managed, remove_rule, seconds, targets};
use crate::{Alternative, Finding, Kind, Severity, Suggestion};

/// What a plan does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    CutRemote,
    RemoveRule,
    Isolate,
    Investigate,
}

/// Why the workload is not isolated.
#[derive(Debug, Default)]
struct Refusals {
    reasons: Vec<String>,
    /// Whether what is refused leaves nothing but looking closer.
    only_look: bool,
}

/// Plans in the order of their collateral, least first.
#[derive(Debug, Default)]
struct Possible {
    cut_remote: Option<Alternative>,
    remove_rule: Option<Alternative>,
    isolate: Option<Alternative>,
}

/// Chooses the plan of a finding that warrants one.
pub(super) fn choose(
    scene: &Scene<'_>,
    context: &Context<'_>,
    budget: &mut PlanBudget,
) -> Suggestion {
    let finding = scene.finding;
    let hour = hour_of(finding);
    let known = Known::new(context.baseline, scene);
    let n_isolated = n_isolated(scene, context, budget);
    let Refusals { mut reasons, only_look } = refusals(scene, context, &known, n_isolated);
    let is_isolable = reasons.is_empty();
    let mut possible = possible(scene, context, is_isolable);
    let wanted = wanted(scene);
    if wanted != Action::Isolate && finding.severity < Severity::High {
        // Nobody asked to isolate, so nobody needs to hear why not.
        reasons.clear();
    }
    let mut action = if only_look || finding.severity < Severity::High {
        Action::Investigate
    } else {
        possible.fallback(wanted)
    };
    if action != Action::Investigate {
        if !budget.has_room(hour, &finding.id, context.options.plans_per_hour_max) {
            return capped(scene, context, reasons);
        }
        budget.note_plan(hour, &finding.id);
    }
    if action == Action::Isolate {
        budget.note_isolated(hour, &finding.service, &workload_name(finding));
    }
    let plan = possible.take(action).unwrap_or_else(|| {
        action = Action::Investigate;
        investigate::plan(scene)
    });
    let cut = match action {
        Action::Isolate => Cut::Workloads(n_isolated),
        Action::CutRemote => Cut::Remotes(&scene.remotes),
        Action::RemoveRule | Action::Investigate => Cut::Nothing,
    };
    let mut blast_radius = known.blast_radius(cut);
    if action == Action::RemoveRule {
        remove_rule::SHARED.clone_into(&mut blast_radius.summary);
    }
    Suggestion {
        action: plan.action,
        targets: targets::targets(scene, context),
        steps: plan.steps,
        undo: plan.undo,
        blast_radius,
        alternatives: possible.rest(),
        expires: scene.expires.clone(),
        refusals: reasons,
    }
}

/// What the finding calls for, if nothing speaks against it.
fn wanted(scene: &Scene<'_>) -> Action {
    let is_chain = scene.has(Kind::Incident)
        || scene.has(Kind::PortScan)
        || scene.has(Kind::Sweep)
        || (scene.has(Kind::Beacon) && scene.has(Kind::Volume));
    if scene.acts() && is_chain {
        Action::Isolate
    } else if !scene.remotes.is_empty() {
        Action::CutRemote
    } else if scene.opened_inbound().next().is_some() {
        Action::RemoveRule
    } else {
        Action::Investigate
    }
}

fn possible(scene: &Scene<'_>, context: &Context<'_>, is_isolable: bool) -> Possible {
    let may_isolate = is_isolable && scene.acts() && scene.finding.severity >= Severity::High;
    Possible {
        cut_remote: cut_remote::plan(scene),
        remove_rule: remove_rule::plan(scene),
        isolate: may_isolate.then(|| {
            managed::plan(scene, context.infrastructure)
                .unwrap_or_else(|| isolate::plan(scene, context.options))
        }),
    }
}

impl Possible {
    /// The plan that is wanted if it is possible, else the one of least collateral that is.
    fn fallback(&self, wanted: Action) -> Action {
        match wanted {
            Action::Isolate if self.isolate.is_some() => Action::Isolate,
            Action::RemoveRule if self.remove_rule.is_some() => Action::RemoveRule,
            Action::Isolate | Action::CutRemote if self.cut_remote.is_some() => Action::CutRemote,
            _ => Action::Investigate,
        }
    }

    fn take(&mut self, action: Action) -> Option<Alternative> {
        match action {
            Action::CutRemote => self.cut_remote.take(),
            Action::RemoveRule => self.remove_rule.take(),
            Action::Isolate => self.isolate.take(),
            Action::Investigate => None,
        }
    }

    fn rest(self) -> Vec<Alternative> {
        [self.cut_remote, self.remove_rule, self.isolate].into_iter().flatten().collect()
    }
}

/// Everything that speaks against isolating the workload.
fn refusals(
    scene: &Scene<'_>,
    context: &Context<'_>,
    known: &Known<'_>,
    n_isolated: u64,
) -> Refusals {
    let mut refusals = Refusals::default();
    refusals.place(scene, context);
    let (days, days_min) = (context.baseline.learned.days(), context.options.baseline_days_min);
    if days < days_min {
        refusals.only_look = true;
        refusals.reasons.push(format!(
            "the baseline covers {days:.1} days, and isolating needs {days_min:.1}: what looks new \
             may be what always happens on the days it has not seen"
        ));
    }
    let share = known.share_of(n_isolated);
    let share_max = context.options.service_share_max;
    if share > share_max && known.is_depended_upon() {
        let service = &scene.finding.service;
        refusals.reasons.push(format!(
            "isolating would take away {} of the workloads of {service}, which others depend on; at \
             most {} may go",
            percent(share),
            percent(share_max)
        ));
    }
    refusals
}

impl Refusals {
    /// What speaks against it in where the workload is and what it is to others.
    fn place(&mut self, scene: &Scene<'_>, context: &Context<'_>) {
        let workload = &scene.finding.workload;
        if let Some(infrastructure) = context.infrastructure.filter(|i| i.refuses_quarantine()) {
            self.reasons.push(format!(
                "{} is infrastructure ({infrastructure}) that others depend on: cutting it off would \
                 be an outage; block the peer instead",
                workload.eni.as_deref().unwrap_or(&workload.address),
            ));
        }
        match (&workload.eni, scene.eni) {
            (None, _) => self.reasons.push(
                "the network interface is not known, so there is nothing to isolate: give an \
                 inventory (--inventory) that has the address"
                    .to_owned(),
            ),
            (Some(_), None) => self.reasons.push(
                "the interface's id in the logs is not one that AWS makes, so no command names it"
                    .to_owned(),
            ),
            (Some(eni), Some(_)) if (context.still_there)(workload) == Some(false) => {
                self.only_look = true;
                self.reasons.push(format!(
                    "the interface now belongs to another workload: in the newest inventory {eni} is \
                     not at {} any more",
                    workload.address
                ));
            }
            _ => {}
        }
    }
}

/// The answer to one plan too many in an hour: what is at stake, but nothing to run.
fn capped(scene: &Scene<'_>, context: &Context<'_>, mut reasons: Vec<String>) -> Suggestion {
    let hour = super::rfc3339(hour_of(scene.finding).saturating_mul(3600));
    reasons.push(format!(
        "{} plans were already made for events in the hour from {hour}: carrying out more at once is \
         an outage of one's own making; look at what the first ones have in common",
        context.options.plans_per_hour_max
    ));
    Suggestion {
        action: "none".to_owned(),
        targets: targets::targets(scene, context),
        steps: Vec::new(),
        undo: Vec::new(),
        blast_radius: Known::new(context.baseline, scene).blast_radius(Cut::Nothing),
        alternatives: Vec::new(),
        expires: scene.expires.clone(),
        refusals: reasons,
    }
}

/// How many workloads of the service would be cut off, those of earlier plans that hold included.
fn n_isolated(scene: &Scene<'_>, context: &Context<'_>, budget: &PlanBudget) -> u64 {
    let finding = scene.finding;
    let lapsed = hour_of(finding).saturating_sub(context.options.ttl_secs.div_euclid(3600));
    budget.isolated_with(&finding.service, &workload_name(finding), lapsed)
}

/// The hour a finding counts in: of its first record, which no later revision changes.
fn hour_of(finding: &Finding) -> i64 {
    seconds(&finding.first_seen).unwrap_or_default().div_euclid(3600)
}

fn workload_name(finding: &Finding) -> String {
    let workload = &finding.workload;
    let place = workload.eni.as_deref().unwrap_or(&workload.vpc);
    format!("{}/{place}/{}", workload.account, workload.address)
}
