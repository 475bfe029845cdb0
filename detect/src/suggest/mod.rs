//! What to do about a finding: a plan with its commands, its undo and who would notice it.
//!
//! Advice only: nothing here calls AWS, and nothing is changed unless the user runs the commands. A
//! plan names an interface only as of the event, so its first step checks that the interface is still
//! what it was; it records before it changes; and its undo restores what was recorded, not what some
//! inventory said. Where a plan would do more harm than good it is refused, with the reason.

mod blast;
mod budget;
mod choose;
mod cut_remote;
mod eni;
mod investigate;
mod isolate;
mod managed;
mod record;
mod release;
mod remove_rule;
mod scene;
mod shell;
mod targets;
mod withdraw;

use jiff::Timestamp;
use model::baseline::Baseline;
use model::identity::Infrastructure;

pub use budget::PlanBudget;
pub use eni::{AttachedEni, EniDetails, Owner};
pub use shell::quote;

use crate::{Finding, FoundWorkload, Severity, Suggestion};
use scene::Scene;

/// When plans are made.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// How long after the event a plan holds, seconds.
    pub ttl_secs: i64,
    /// Plans per hour of event time.
    pub plans_per_hour_max: u32,
    /// The share of a service's replicas that plans may take away, where others depend on it.
    pub service_share_max: f64,
    /// Days a baseline must cover before its word is enough to isolate a workload.
    pub baseline_days_min: f64,
    /// A security group without rules to isolate into; else the plan makes one.
    pub isolation_security_group: Option<String>,
}

impl PlanOptions {
    /// A day to act; three plans an hour, for more at once is a storm; at most half of a service; three
    /// days of baseline, for two may be a weekend.
    pub const DEFAULT: Self = Self {
        ttl_secs: 86_400,
        plans_per_hour_max: 3,
        service_share_max: 0.5,
        baseline_days_min: 3.0,
        isolation_security_group: None,
    };
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What is known around a finding.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What is normal, for the blast radius.
    pub baseline: &'a Baseline,
    /// When plans are made.
    pub options: &'a PlanOptions,
    /// Whether the newest inventory has the interface at that workload; `None` if it does not say.
    pub still_there: &'a dyn Fn(&FoundWorkload) -> Option<bool>,
    /// The newest inventory's interface of an id.
    pub inventory_eni: &'a dyn Fn(&str) -> Option<EniDetails>,
    /// What the workload is to others.
    pub infrastructure: Option<Infrastructure>,
}

/// Plans what to do about a finding; `None` where it is not bad enough to need a plan.
///
/// High and critical findings get one, medium ones get steps to look closer and what could be cut.
/// `budget` carries the plans made before, in the order of the findings.
pub fn suggest(
    finding: &Finding,
    context: &Context<'_>,
    budget: &mut PlanBudget,
) -> Option<Suggestion> {
    if finding.severity < Severity::Medium {
        return None;
    }
    let last_seen = seconds(&finding.last_seen).or_else(|| seconds(&finding.first_seen))?;
    let scene = Scene::new(finding, context, last_seen);
    Some(choose::choose(&scene, context, budget))
}

/// The Unix seconds of an RFC 3339 time.
fn seconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// RFC 3339, UTC; times beyond what a calendar holds are held at its ends.
fn rfc3339(time: i64) -> String {
    let bounded = time.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(bounded).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests;
