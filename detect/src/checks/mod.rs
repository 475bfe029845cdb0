//! The checks, one file each.
//!
//! Profile checks ask how a workload's window compares with its service's baseline; they are functions
//! in [`PROFILE_CHECKS`]. Shape checks need no baseline but a memory of recent windows: [`scan`] and
//! [`beacon`]. [`siblings`] compares workloads with each other while they have no history.

pub mod beacon;
mod denied_spike;
mod drift;
mod fan_out;
mod flood;
pub(crate) mod history;
mod level;
mod low_and_slow;
mod new_edge;
mod outside_volume;
pub mod regular;
pub mod scan;
mod sentence;
pub mod siblings;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::activity::Conversation;
use model::baseline::{Baseline, Direction, WorkloadWindow};
use model::identity::Workload;

use crate::deviation::{Deviation, Fact, Kind};
use crate::novelty::{Novelty, Openers};
pub(crate) use drift::Rises;
pub(crate) use flood::Peaks;
pub use level::Tails;
pub(crate) use sentence::sample;

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
    /// The most connections of services, kept for the hour.
    pub(crate) peaks: &'a mut Peaks,
    /// How many services opened what, kept for the window.
    pub openers: &'a mut Openers,
    /// By how much the budget moves the prior cuts.
    pub cut_scale: f64,
    /// The ratio up to which a new peer or port is told by itself.
    pub novelty_cut: f64,
    /// The ratio up to which a volume or a count is told by itself: what would not have been follows.
    pub level_cut: f64,
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
    (Kind::Volume, low_and_slow::check),
    (Kind::Volume, drift::check),
    (Kind::DeniedSpike, denied_spike::check),
    (Kind::FanOut, fan_out::check),
    (Kind::Flood, flood::check),
];

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
}
