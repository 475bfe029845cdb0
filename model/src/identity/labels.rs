//! The labels file: a person's word on who is who, which outranks every other source.
//!
//! ```yaml
//! rules:               # the first rule that matches a workload speaks for it
//!   - match: { tag: { team: payments }, cidr: 10.0.3.0/24, security-group: db-*, account: "111122223333" }
//!     service: payments
//!     environment: prod
//!     tier: backend
//!   - match: { description: "ELB app/*" }
//!     infrastructure: load-balancer
//! networks:            # names for what is not in any VPC
//!   - { cidr: 203.0.113.0/24, name: partner-bank }
//! ```
//!
//! All conditions of a rule must hold. `*` in a tag's value, a security group or a description stands
//! for any text; tag keys are compared without regard to case. A rule without `service` leaves the
//! name to the other sources. A pod, or an address no interface has, is named only by rules with `cidr`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingest::ip_ranges::Prefix;
use serde::Deserialize;

use super::address::Address;
use super::party::Infrastructure;

/// The largest labels file read, bytes.
pub const LABELS_BYTES_MAX: usize = 4 << 20;

/// A labels file.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    rules: Vec<Rule>,
    networks: Vec<Network>,
}

/// Why a labels file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// Larger than the cap.
    #[error("{}: {bytes} bytes, at most {LABELS_BYTES_MAX} are read", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// Not the YAML it should be.
    #[error(
        "{}:{line}: {message}; expected `rules:` with `match` and `service`, and `networks:` with \
         `cidr` and `name`",
        file.display()
    )]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, from 1; 0 where the reader cannot tell.
        line: u64,
        /// What is wrong there.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireLabels {
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    networks: Vec<Network>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "WireRule")]
pub(super) struct Rule {
    conditions: Conditions,
    pub(super) service: Option<Arc<str>>,
    pub(super) environment: Option<Arc<str>>,
    pub(super) tier: Option<Arc<str>>,
    pub(super) infrastructure: Option<Infrastructure>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRule {
    #[serde(rename = "match")]
    conditions: Conditions,
    service: Option<String>,
    environment: Option<String>,
    tier: Option<String>,
    infrastructure: Option<Kind>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Conditions {
    #[serde(default)]
    tag: BTreeMap<String, String>,
    cidr: Option<Prefix>,
    security_group: Option<String>,
    description: Option<String>,
    account: Option<String>,
    vpc: Option<String>,
}

/// The infrastructure a person may declare.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Bastion,
    Directory,
    Dns,
    LoadBalancer,
    Nat,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    cidr: Prefix,
    name: String,
}

impl From<Kind> for Infrastructure {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bastion => Self::Bastion,
            Kind::Directory => Self::Directory,
            Kind::Dns => Self::Dns,
            Kind::LoadBalancer => Self::LoadBalancer,
            Kind::Nat => Self::NatGateway,
        }
    }
}

impl TryFrom<WireRule> for Rule {
    type Error = &'static str;

    fn try_from(wire: WireRule) -> Result<Self, Self::Error> {
        if wire.conditions == Conditions::default() {
            return Err("a rule's `match` needs at least one condition");
        }
        let text = |value: Option<String>| match value {
            Some(value) if value.trim().is_empty() => Err("a rule's names must not be empty"),
            Some(value) => Ok(Some(Arc::from(value.trim()))),
            None => Ok(None),
        };
        let (service, environment, tier) =
            (text(wire.service)?, text(wire.environment)?, text(wire.tier)?);
        let infrastructure = wire.infrastructure.map(Infrastructure::from);
        if service.is_none() && environment.is_none() && tier.is_none() && infrastructure.is_none()
        {
            return Err("a rule needs `service`, `environment`, `tier` or `infrastructure`");
        }
        Ok(Self { conditions: wire.conditions, service, environment, tier, infrastructure })
    }
}

/// What rules are matched against.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject<'a> {
    pub(super) account: &'a str,
    pub(super) vpc: &'a str,
    pub(super) addresses: &'a [Address],
    /// `None` for an address of which no interface is known.
    pub(super) description: Option<&'a str>,
    /// Ids and names.
    pub(super) security_groups: &'a [(String, String)],
    pub(super) tags: &'a [&'a BTreeMap<String, String>],
}

impl Labels {
    /// Reads the text of a labels file; `file` serves error messages only.
    pub fn parse(file: &Path, text: &str) -> Result<Self, LabelsError> {
        if text.len() > LABELS_BYTES_MAX {
            return Err(LabelsError::TooLarge { file: file.into(), bytes: text.len() });
        }
        if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) {
            return Ok(Self::default());
        }
        let wire: WireLabels = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.without_snippet();
            let line = error.location().map_or(0, |location| location.line());
            let told = error.to_string();
            let message = told.rsplit_once(" at line ").map_or(told.as_str(), |(what, _)| what);
            LabelsError::Malformed { file: file.into(), line, message: message.to_owned() }
        })?;
        Ok(Self { rules: wire.rules, networks: wire.networks })
    }

    /// The first rule that matches, with its number from 1.
    pub(super) fn rule(&self, subject: &Subject<'_>) -> Option<(usize, &Rule)> {
        let numbered = (1..).zip(&self.rules);
        numbered.into_iter().find(|(_, rule)| rule.conditions.hold(subject))
    }

    /// The name of the first network an address is in.
    pub(super) fn network(&self, address: Address) -> Option<&str> {
        let network = self.networks.iter().find(|n| n.cidr.contains(address.octets()))?;
        Some(&network.name)
    }
}

impl Conditions {
    fn hold(&self, subject: &Subject<'_>) -> bool {
        let cidr = self.cidr.is_none_or(|cidr| {
            subject.addresses.iter().any(|address| cidr.contains(address.octets()))
        });
        let tags = self.tag.iter().all(|(key, pattern)| has_tag(subject.tags, key, pattern));
        let group = self.security_group.as_deref().is_none_or(|pattern| {
            let mut groups = subject.security_groups.iter();
            groups.any(|(id, name)| id == pattern || glob(pattern, name))
        });
        // A bare address must be meant: `vpc` alone would claim all the Internet its workloads talk to.
        let meant = subject.description.is_some() || self.cidr.is_some();
        let description = self
            .description
            .as_deref()
            .is_none_or(|pattern| subject.description.is_some_and(|text| glob(pattern, text)));
        let equals = |want: &Option<String>, text| want.as_deref().is_none_or(|w| w == text);
        meant
            && cidr
            && tags
            && group
            && description
            && equals(&self.account, subject.account)
            && equals(&self.vpc, subject.vpc)
    }
}

fn has_tag(tags: &[&BTreeMap<String, String>], key: &str, pattern: &str) -> bool {
    let mut all = tags.iter().flat_map(|tags| tags.iter());
    all.any(|(k, value)| k.eq_ignore_ascii_case(key) && glob(pattern, value))
}

/// Whether the text is the pattern, in which `*` stands for any text. Linear in practice: each part
/// is found leftmost, which cannot miss a match.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = match rest.rsplit_once('*') {
        Some((middle, last)) => (middle, last),
        None => ("", rest),
    };
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = left.split_once(part) else {
            return false;
        };
        left = after;
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [
            ("*", ""),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*c", "ac"),
            ("a*b*c", "aXbYbZc"),
            ("x", "x"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a*a", "a"), ("a*b*c", "acb"), ("*b", "abc"), ("x", "xy")]
        {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}
