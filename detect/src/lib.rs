//! Judging: checks, episodes, findings and suggestions. Pure, like `model`.

mod budget;
mod calibration;
pub mod checks;
mod deviation;
mod episode;
mod finding;
mod judge;
mod names;
mod novelty;
pub mod report;
pub mod snapshot;
pub mod suggest;
pub mod suppress;
mod tell;
mod training;

pub use budget::{Budget, NotABudget};
pub use deviation::{Deviation, DeviationKey, Fact, Kind};
pub use episode::{Episode, Episodes, QUIET_SECS};
pub use finding::{
    Alternative, BlastRadius, Finding, FoundDeviation, FoundWorkload, LostEdge, SCHEMA, Severity,
    State, Step, Suggestion, Target,
};
pub use judge::{Judge, JudgeOptions};
pub use names::{protocol, technique};
pub use tell::{tell, two_digits};
pub use training::StoodOut;
