//! Known things that need not be told: rules of a file, applied to findings when they are reported.
//!
//! What a rule hides is still judged, and comes back when the rule runs out, unless it has become usual
//! by then: a rule with `learn: true` says that it may be learned like anything else, where what is told
//! is learned at a small weight. Rules have a reason and an end, and every run says how often each was
//! used, so that a rule that hides an attacker is seen to work.
//!
//! ```yaml
//! version: 1                      # of this format; 1 if absent
//! rules:
//!   - id: vulnerability-scanner
//!     reason: the scanner of the security team, ticket SEC-12
//!     workload: 10.0.7.9          # interface or address
//!     kind: port-scan
//!     until: 2026-03-31           # the whole day, UTC; or a time
//!     learn: true                 # it is as usual as all else; only hidden if absent
//!   - reason: the partner's new data centre
//!     service: payments
//!     peer: 203.0.113.0/24        # service, AWS service, network, address or range
//!     port: 443
//!     protocol: tcp
//!     forever: true
//!   - reason: the weekly backup
//!     service: db
//!     kind: volume
//!     schedule: Sat,Sun 02:00-04:00
//!     timezone: Europe/Berlin     # UTC if absent
//!     forever: true
//! ```
//!
//! All selectors of a rule must match. `*` in a service or peer stands for any text, `\*` for a star. Of
//! a rule with a schedule only what lies wholly within it is hidden. Time is event time: a rule has run
//! out for a finding whose last record is later than its `until`, whatever else is told with it.

pub mod accept;
mod pattern;
mod rule;
mod schedule;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;

use crate::tell::{retell, tell_alone};
use crate::{Deviation, Finding, FoundDeviation, Severity, State};
use rule::Rule;

/// The largest file read, bytes.
pub const SUPPRESS_BYTES_MAX: usize = 4 << 20;

/// Rules a file may have.
pub const SUPPRESS_RULES_MAX: usize = 10_000;

/// The newest version of the format that is read.
pub const SUPPRESS_VERSION: u64 = 1;

/// The rules of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suppressions {
    rules: Vec<Rule>,
}

/// What became of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its id, or `rule 3` by its place in the file.
    pub rule: String,
    /// Why it is there.
    pub reason: String,
    /// Deviations it hid.
    pub n: u64,
    /// Findings it helped to hide entirely.
    pub n_findings: u64,
    /// Of these, the ones of severity high or critical.
    pub n_grave: u64,
    /// Whether it has run out by the newest record, so that it hides nothing more.
    pub is_expired: bool,
}

impl Hit {
    /// Adds what the same rule hid of other findings, told later.
    pub fn merge(&mut self, later: &Self) {
        self.n += later.n;
        self.n_findings += later.n_findings;
        self.n_grave += later.n_grave;
        self.is_expired = later.is_expired;
    }

    /// Whether it hides so much, of `n_deviations` in all, that it must not go unseen: more than half of
    /// them, or what is grave.
    pub fn hides_much(&self, n_deviations: u64) -> bool {
        self.n > n_deviations / 2 || self.n_grave > 0
    }
}

/// A finding after the rules.
#[derive(Clone, Debug, PartialEq)]
pub enum Sifted {
    /// What is left of it is to be told.
    Told(Finding),
    /// All of it is hidden. Who knows it as open is to be told this: it is closed, what was judged of it is
    /// taken out, and its sentence says which rules hide it.
    Hidden(Finding),
}

impl Sifted {
    /// The finding, if it is to be told.
    pub fn told(self) -> Option<Finding> {
        match self {
            Self::Told(finding) => Some(finding),
            Self::Hidden(_) => None,
        }
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuppressError {
    /// Larger than the cap.
    #[error("{name}: {bytes} bytes, at most {SUPPRESS_BYTES_MAX} are read")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// More rules than the cap.
    #[error("{name}: {rules} rules, at most {SUPPRESS_RULES_MAX} are read")]
    TooMany {
        /// The file.
        name: String,
        /// How many it has.
        rules: usize,
    },
    /// Two rules have the same id, so that their hits could not be told apart.
    #[error("{name}: two rules have the id `{id}`; give each its own")]
    Twice {
        /// The file.
        name: String,
        /// The id.
        id: String,
    },
    /// Of a version that is not known here.
    #[error(
        "{name}: version {version} of the format, and this program reads {SUPPRESS_VERSION}: use a newer \
         tidegate, or write the file as `version: {SUPPRESS_VERSION}`"
    )]
    Version {
        /// The file.
        name: String,
        /// What it says it is.
        version: u64,
    },
    /// Not the YAML it should be.
    #[error(
        "{name}:{line}: {message}; expected `version: 1` and `rules:`, each with `reason`, `until` (or `forever: true`) \
         and at least one of `service`, `workload`, `peer`, `port`, `protocol`, `kind`"
    )]
    Malformed {
        /// The file.
        name: String,
        /// The line, from 1; 0 where the reader cannot tell.
        line: u64,
        /// What is wrong there.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    version: Option<u64>,
    /// Nothing written is no rule.
    rules: Option<Vec<Rule>>,
}

/// What every version of the format has.
#[derive(Deserialize)]
struct Head {
    version: Option<u64>,
}

impl Head {
    /// The version, where it is not one that is read.
    fn unknown(&self) -> Option<u64> {
        self.version.filter(|&version| version != SUPPRESS_VERSION)
    }
}

impl Suppressions {
    /// Reads the text of a file; `name` serves error messages only.
    pub fn parse(name: &str, text: &str) -> Result<Self, SuppressError> {
        if text.len() > SUPPRESS_BYTES_MAX {
            return Err(SuppressError::TooLarge { name: name.into(), bytes: text.len() });
        }
        let is_nothing = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if text.lines().all(is_nothing) {
            return Ok(Self::default());
        }
        let of_version = |version| SuppressError::Version { name: name.into(), version };
        let file: WireFile = serde_saphyr::from_str(text).map_err(|error| {
            // What a later version may say is not known here, so its rules come as nonsense.
            let head = serde_saphyr::from_str::<Head>(text).ok();
            if let Some(version) = head.and_then(|head| head.unknown()) {
                return of_version(version);
            }
            let error = error.without_snippet();
            let line = error.location().map_or(0, |location| location.line());
            SuppressError::Malformed { name: name.into(), line, message: error.to_string() }
        })?;
        if let Some(version) = (Head { version: file.version }).unknown() {
            return Err(of_version(version));
        }
        let mut rules = file.rules.unwrap_or_default();
        if rules.len() > SUPPRESS_RULES_MAX {
            return Err(SuppressError::TooMany { name: name.into(), rules: rules.len() });
        }
        for (number, rule) in (1..).zip(&mut rules) {
            rule.number(number);
        }
        let mut ids = BTreeSet::new();
        if let Some(rule) = rules.iter().find(|rule| !ids.insert(rule.name.clone())) {
            return Err(SuppressError::Twice { name: name.into(), id: rule.name.clone() });
        }
        Ok(Self { rules })
    }

    /// What the rules are called, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// Hides what the rules match. `now_event_time` is the newest record's time, Unix seconds, by which
    /// rules are said to have run out; what is hidden does not depend on it.
    ///
    /// A finding of which all deviations are hidden disappears; one of which some are is told without
    /// them and says so in its summary; its suggestion has to be made for what [`Self::left`] leaves.
    /// Of deviations beyond those a finding lists nothing is known, so such a finding disappears only
    /// by a rule that needs to know nothing of them.
    pub fn apply(&self, findings: Vec<Finding>, now_event_time: i64) -> (Vec<Sifted>, Vec<Hit>) {
        let mut hits: Vec<Hit> =
            self.rules.iter().map(|rule| rule.no_hit(now_event_time)).collect();
        let sifted = findings.into_iter().map(|finding| self.sift(finding, &mut hits)).collect();
        (sifted, hits)
    }

    /// Whether a window's deviation is to be learned like anything else, though it is told.
    pub fn teaches(&self, deviation: &Deviation) -> bool {
        if !self.rules.iter().any(|rule| rule.learns) {
            return false;
        }
        let Some(alone) = tell_alone(deviation) else { return false };
        let hides = |rule: &Rule| alone.deviations.iter().any(|found| rule.hides(&alone, found));
        self.first(&alone, |rule| rule.learns && hides(rule)).is_some()
    }

    /// What is left of a finding to be told, and so to be planned for; `None` where all of it is hidden.
    pub fn left(&self, finding: &Finding) -> Option<Finding> {
        let mut hits: Vec<Hit> = self.rules.iter().map(|rule| rule.no_hit(i64::MIN)).collect();
        self.sift(finding.clone(), &mut hits).told()
    }

    fn sift(&self, finding: Finding, hits: &mut [Hit]) -> Sifted {
        if let Some(at) = self.first(&finding, |rule| rule.hides_all(&finding)) {
            count(hits, at, finding.n_deviations.max(1));
            count_finding(hits, &BTreeSet::from([at]), finding.severity);
            return Sifted::Hidden(withdrawn(finding, &self.rules[at].name));
        }
        let listed = finding.deviations.len() as u64;
        let mut used = BTreeSet::new();
        let mut left = Vec::new();
        for deviation in &finding.deviations {
            match self.first(&finding, |rule| rule.hides(&finding, deviation)) {
                Some(at) => {
                    used.insert(at);
                    count(hits, at, 1);
                }
                None => left.push(deviation.clone()),
            }
        }
        let n_hidden = listed - left.len() as u64;
        if n_hidden == 0 {
            return Sifted::Told(finding);
        }
        let names: Vec<&str> = used.iter().map(|&at| self.rules[at].name.as_str()).collect();
        let names = names.join(", ");
        if left.is_empty() && finding.n_deviations <= listed {
            count_finding(hits, &used, finding.severity);
            return Sifted::Hidden(withdrawn(finding, &names));
        }
        Sifted::Told(without(finding, left, n_hidden, &names))
    }

    /// The first rule in force at a finding's last record that holds.
    fn first(&self, finding: &Finding, holds: impl Fn(&Rule) -> bool) -> Option<usize> {
        let time = finding.last_seen.parse::<Timestamp>().map_or(i64::MAX, Timestamp::as_second);
        self.rules.iter().position(|rule| !rule.is_over(time) && holds(rule))
    }
}

fn count(hits: &mut [Hit], at: usize, n: u64) {
    if let Some(hit) = hits.get_mut(at) {
        hit.n += n;
    }
}

fn count_finding(hits: &mut [Hit], used: &BTreeSet<usize>, severity: Severity) {
    for &at in used {
        if let Some(hit) = hits.get_mut(at) {
            hit.n_findings += 1;
            hit.n_grave += u64::from(severity >= Severity::High);
        }
    }
}

/// A finding of which all is hidden, for those who know it as open.
fn withdrawn(finding: Finding, rules: &str) -> Finding {
    Finding {
        // What was told last keeps its number; this is news of it.
        revision: finding.revision.saturating_add(1),
        state: State::Closed,
        severity: Severity::Info,
        confidence: 0.0,
        p_value: 1.0,
        summary: format!("hidden by {rules} since it was told"),
        replicas: Vec::new(),
        techniques: Vec::new(),
        guardduty: None,
        deviations: Vec::new(),
        n_deviations: 0,
        suggestion: None,
        ..finding
    }
}

/// The finding without what is hidden: as it would be told had the rest been all.
fn without(mut finding: Finding, left: Vec<FoundDeviation>, n_hidden: u64, rules: &str) -> Finding {
    let n_all = finding.n_deviations;
    finding.n_deviations = n_all.saturating_sub(n_hidden);
    if finding.n_deviations == left.len() as u64 {
        retell(&mut finding, left);
    } else {
        // Of those that are not listed nothing is known.
        finding.deviations = left;
    }
    finding.summary = format!("({n_hidden} of {n_all} hidden by {rules}) {}", finding.summary);
    finding
}

#[cfg(test)]
mod tests;
