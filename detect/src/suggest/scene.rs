//! What all plans for one finding look at, its names checked before they get into a command.

use std::collections::BTreeSet;

use model::baseline::Direction;
use model::identity::Address;

use super::Context;
use super::eni::EniDetails;
use super::shell::{Aws, is_id, token};
use crate::{Finding, FoundDeviation, Kind, Step};

/// Remote addresses one plan cuts at most: a network ACL holds 20 rules per direction.
const REMOTES_MAX: usize = 5;

/// One finding and its place.
#[derive(Clone, Debug)]
pub(super) struct Scene<'a> {
    pub(super) finding: &'a Finding,
    /// The finding's id as it may stand in names of files, groups and tags.
    pub(super) id: String,
    /// The interface, if it is known and its id looks like one.
    pub(super) eni: Option<&'a str>,
    pub(super) instance: Option<&'a str>,
    pub(super) details: Option<EniDetails>,
    /// Addresses outside that the finding is about, as written in rules.
    pub(super) remotes: Vec<Remote>,
    /// When the plan lapses, RFC 3339.
    pub(super) expires: String,
    /// How long to wait for records that show an effect, seconds.
    pub(super) settle_secs: i64,
}

/// An address outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Remote {
    pub(super) address: Address,
    /// The name the baseline has for it.
    pub(super) peer: String,
}

impl Remote {
    /// The option and the range that name just this address in a network ACL's rule.
    pub(super) fn rule_range(&self) -> (&'static str, String) {
        if self.address.is_v4() {
            ("--cidr-block", format!("{}/32", self.address))
        } else {
            ("--ipv6-cidr-block", format!("{}/128", self.address))
        }
    }
}

impl<'a> Scene<'a> {
    pub(super) fn new(finding: &'a Finding, context: &Context<'_>, last_seen: i64) -> Self {
        let eni = finding.workload.eni.as_deref().filter(|eni| is_id(eni, "eni-"));
        let instance = finding.workload.instance.as_deref().filter(|id| is_id(id, "i-"));
        let interval_secs = context.baseline.learned.interval_secs.unwrap_or(600);
        Self {
            finding,
            id: file_safe(&finding.id),
            eni,
            instance,
            details: eni.and_then(|eni| (context.inventory_eni)(eni)),
            remotes: remotes(finding),
            expires: super::rfc3339(last_seen.saturating_add(context.options.ttl_secs)),
            settle_secs: interval_secs.clamp(0, 3600) + 600,
        }
    }

    /// Commands in the workload's region.
    pub(super) fn aws(&self) -> Aws<'_> {
        Aws::new(self.details.as_ref().and_then(|details| details.region.as_deref()))
    }

    /// The name of a file that the plan writes: `tidegate-ID-WHAT`.
    pub(super) fn file(&self, what: &str) -> String {
        format!("tidegate-{}-{what}", self.id)
    }

    /// The VPC, from the finding or the inventory.
    pub(super) fn vpc(&self) -> Option<&str> {
        let inventory = self.details.as_ref().and_then(|details| details.vpc.as_deref());
        let found = Some(self.finding.workload.vpc.as_str());
        [inventory, found].into_iter().flatten().find(|vpc| is_id(vpc, "vpc-"))
    }

    /// The subnet, from the inventory.
    pub(super) fn subnet(&self) -> Option<&str> {
        let subnet = self.details.as_ref().and_then(|details| details.subnet.as_deref());
        subnet.filter(|subnet| is_id(subnet, "subnet-"))
    }

    /// The workload's address, if it is one.
    pub(super) fn address(&self) -> Option<Address> {
        self.finding.workload.address.parse().ok()
    }

    /// Security groups of the interface whose ids look like ids.
    pub(super) fn security_groups(&self) -> Vec<&str> {
        let groups = self.details.iter().flat_map(|details| &details.security_groups);
        groups.map(String::as_str).filter(|group| is_id(group, "sg-")).collect()
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.finding.kind == kind || self.finding.deviations.iter().any(|d| d.kind == kind)
    }

    /// Whether the workload did any of it, rather than suffered it.
    pub(super) fn acts(&self) -> bool {
        self.finding.deviations.iter().any(|d| d.direction == Direction::Out.name())
    }

    /// New peers and ports that somebody opened to the workload.
    pub(super) fn opened_inbound(&self) -> impl Iterator<Item = &'a FoundDeviation> {
        self.finding.deviations.iter().filter(|d| {
            d.direction == Direction::In.name() && matches!(d.kind, Kind::NewPeer | Kind::NewPort)
        })
    }
}

/// A step.
pub(super) fn step<I>(what: impl Into<String>, commands: I) -> Step
where
    I: IntoIterator<Item: Into<String>>,
{
    Step { what: what.into(), commands: commands.into_iter().map(Into::into).collect() }
}

/// A step a person takes.
pub(super) fn note(what: impl Into<String>) -> Step {
    Step { what: what.into(), commands: Vec::new() }
}

fn file_safe(id: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = id.chars().take(64).map(safe).collect();
    token(&name).map_or_else(|| "finding".to_owned(), str::to_owned)
}

/// The addresses that are surely not ours: public, and not an AWS service's, whose addresses change
/// and serve everybody.
fn remotes(finding: &Finding) -> Vec<Remote> {
    let outside = finding.deviations.iter().filter_map(|d| {
        let address: Address = d.peer_address.as_deref()?.parse().ok()?;
        let is_ours = d.peer.starts_with("svc:") || address.is_private() || address.is_group();
        let is_shared = d.peer.starts_with("aws:");
        (!is_ours && !is_shared).then(|| Remote { address, peer: d.peer.clone() })
    });
    let mut seen = BTreeSet::new();
    outside.filter(|remote| seen.insert(remote.address)).take(REMOTES_MAX).collect()
}
