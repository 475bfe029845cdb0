//! A finding: an episode as told to a person, and as written to JSON lines.
//!
//! `docs/findings.md` documents the JSON; the field names here are its names.

use std::collections::BTreeMap;

use model::baseline::Direction;
use serde::{Deserialize, Serialize};

use crate::deviation::{Fact, Kind};

/// The schema's name and version.
pub const SCHEMA: &str = "tidegate.finding/1";

/// Where a finding is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Told for the first time.
    Open,
    /// Went on, or changed.
    Updated,
    /// Quiet for long enough to be over.
    Closed,
}

/// How bad it would be if it is what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look some time.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Worth waking somebody.
    Critical,
}

impl Severity {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The workload a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundWorkload {
    /// The account.
    pub account: String,
    /// The VPC; empty if unknown.
    pub vpc: String,
    /// The network interface, if known.
    pub eni: Option<String>,
    /// Its address.
    pub address: String,
    /// The instance, if known.
    pub instance: Option<String>,
}

/// One deviation as told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundDeviation {
    /// What kind it is.
    pub kind: Kind,
    /// The other end: a service, an AWS service, a named network or a prefix.
    pub peer: String,
    /// The other end's address, where it is one.
    pub peer_address: Option<String>,
    /// The server's port, where it is one.
    pub port: Option<u16>,
    /// The protocol's name, where it is one.
    pub protocol: Option<String>,
    /// `outbound` or `inbound`, from the workload.
    pub direction: String,
    /// First record of it, RFC 3339.
    pub first_seen: String,
    /// Last record of it, RFC 3339.
    pub last_seen: String,
    /// The number that was seen; `evidence` has its unit.
    pub observed: f64,
    /// The number that was expected.
    pub expected: f64,
    /// The probability of such a thing in normal traffic, two significant digits.
    pub p_value: f64,
    /// Whether it is far under its cut: a link of a chain, that counts for the severity.
    #[serde(default)]
    pub is_firm: bool,
    /// What the judgement rests on.
    pub evidence: BTreeMap<String, Fact>,
    /// A few conversations.
    pub samples: Vec<String>,
}

impl FoundDeviation {
    /// Whether somebody opened it to the workload.
    pub(crate) fn is_inbound(&self) -> bool {
        self.direction == Direction::In.name()
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it does and why, a sentence.
    pub what: String,
    /// AWS CLI commands, each quoted for a POSIX shell; empty for a step a person takes.
    pub commands: Vec<String>,
}

/// A workload a plan would act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The account.
    pub account: String,
    /// The VPC.
    pub vpc: String,
    /// The network interface.
    pub eni: String,
    /// Its address at the event.
    pub address: String,
    /// The instance it was attached to.
    pub instance: Option<String>,
    /// Whether the newest inventory still has the interface at that workload: `yes`, `no`, `unknown`.
    pub still_there: String,
}

/// One relation that a plan would cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LostEdge {
    /// The service at the other end.
    pub peer: String,
    /// `outbound` or `inbound`, from the target's service.
    pub direction: String,
    /// The server's port.
    pub port: u16,
    /// The protocol's name.
    pub protocol: String,
    /// The share of the peer's (for inbound) or the service's own (for outbound) connections that would be lost.
    pub share: f64,
    /// Connections per day in the baseline.
    pub connections_per_day: f64,
}

/// Who would notice a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// One sentence.
    pub summary: String,
    /// Workloads of the service seen in the last day of the baseline.
    pub replicas: u64,
    /// The share of the service's replicas that the plan takes away.
    pub replica_share: f64,
    /// What would be cut, most connections first; at most 20.
    pub edges: Vec<LostEdge>,
}

/// Another plan, with less or more collateral.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// `cut-remote`, `remove-rule`, `isolate-workload`, ….
    pub action: String,
    /// Why one would take it, and what it costs.
    pub why: String,
    /// Its steps.
    pub steps: Vec<Step>,
    /// How to undo it.
    pub undo: Vec<Step>,
}

/// What to do about a finding. Advice: nothing is changed unless the user runs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// `isolate-workload`, `cut-remote`, `remove-rule`, `investigate`, or `none` where refused.
    pub action: String,
    /// What it would act on.
    pub targets: Vec<Target>,
    /// In order.
    pub steps: Vec<Step>,
    /// In order.
    pub undo: Vec<Step>,
    /// Who would notice.
    pub blast_radius: BlastRadius,
    /// Least collateral first.
    pub alternatives: Vec<Alternative>,
    /// When the plan lapses, RFC 3339: the event's time plus the time to live.
    pub expires: String,
    /// Why something is not suggested.
    pub refusals: Vec<String>,
}

/// An episode as told to a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Stable over the episode's life.
    pub id: String,
    /// Counts changes from 1.
    pub revision: u32,
    /// Where it is in its life.
    pub state: State,
    /// The kind of its deviations, or `incident`.
    pub kind: Kind,
    /// How bad it would be.
    pub severity: Severity,
    /// How sure it is that this is not chance or a misreading, 0 to 1.
    pub confidence: f64,
    /// The combined probability in normal traffic, two significant digits.
    pub p_value: f64,
    /// What the probability rests on: `baseline`, `prior` or `shape`.
    pub calibration: String,
    /// First record, RFC 3339.
    pub first_seen: String,
    /// Last record, RFC 3339.
    pub last_seen: String,
    /// The workload's service.
    pub service: String,
    /// The workload.
    pub workload: FoundWorkload,
    /// Other replicas that did some of the same: interfaces, or addresses where none is known. What they do
    /// beyond it is a finding of theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<String>,
    /// One sentence.
    pub summary: String,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// The GuardDuty finding type it corresponds to, if any.
    pub guardduty: Option<String>,
    /// What was seen, most surprising first; at most 50, `evidence` of the finding's summary counts the rest.
    pub deviations: Vec<FoundDeviation>,
    /// How many deviations there are in all.
    pub n_deviations: u64,
    /// The id of the finding it turned out to be part of, when it closed for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
    /// What to do about it.
    pub suggestion: Option<Suggestion>,
}
