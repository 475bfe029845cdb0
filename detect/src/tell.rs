//! Telling: an episode becomes a finding.

mod sentence;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::baseline::is_inside;

use crate::calibration::CALIBRATED_AFTER_DAYS;
use crate::deviation::{Deviation, DeviationKey, FIRST_MET, Fact, Kind, RECORDS_LOST};
use crate::episode::{Episode, Episodes};
use crate::finding::{Finding, FoundDeviation, FoundWorkload, SCHEMA, Severity};
use crate::names::{ADMIN_PORTS, protocol};
use sentence::summary;

/// Deviations a finding lists; `n_deviations` counts them all.
const LISTED_MAX: usize = 50;

/// What a finding's probability rests on.
const BASELINE: &str = "baseline";
const PRIOR: &str = "prior";
const SHAPE: &str = "shape";

/// What is so far under its cut is a link of a chain.
pub(crate) const FIRM_RATIO_MAX: f64 = 0.5;

/// How much of the confidence is left where AWS lost records.
const SURE_DESPITE_LOSS: f64 = 0.8;

/// A tactic of ATT&CK's, in the order of a kill chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tactic {
    CredentialAccess,
    Discovery,
    LateralMovement,
    CommandAndControl,
    Exfiltration,
}

/// Tells an episode. `held_days` is how much time was held back to calibrate by, days.
pub fn tell(episode: &Episode, held_days: f64) -> Finding {
    let workload = &episode.workload;
    let all = episode.deviations.values();
    let first = all.clone().map(|d| d.first).min().unwrap_or(episode.last_window);
    let last = all.map(|d| d.last).max().unwrap_or(episode.last_window);
    let mut finding = Finding {
        schema: SCHEMA.to_owned(),
        id: episode.id.clone(),
        revision: episode.revision,
        state: episode.state,
        kind: Kind::Incident,
        severity: Severity::Low,
        confidence: 0.0,
        p_value: 1.0,
        calibration: if held_days >= CALIBRATED_AFTER_DAYS { BASELINE } else { PRIOR }.to_owned(),
        first_seen: time(first),
        last_seen: time(last),
        service: workload.service.to_string(),
        workload: FoundWorkload {
            account: workload.account.to_string(),
            vpc: workload.vpc.to_string(),
            eni: workload.eni.as_ref().map(ToString::to_string),
            address: workload.address.to_string(),
            instance: workload.instance.as_ref().map(ToString::to_string),
        },
        replicas: episode.replicas.iter().map(ToString::to_string).collect(),
        summary: String::new(),
        techniques: Vec::new(),
        guardduty: None,
        deviations: Vec::new(),
        n_deviations: episode.deviations.len() as u64 + episode.n_dropped,
        merged_into: episode.merged_into.clone(),
        suggestion: None,
    };
    let mut ordered: Vec<(&DeviationKey, FoundDeviation)> =
        episode.deviations.iter().map(|(key, d)| (key, found(episode, key, d))).collect();
    ordered.sort_by(|a, b| by_weight(&a.1, &b.1).then_with(|| a.0.cmp(b.0)));
    let ordered: Vec<FoundDeviation> = ordered.into_iter().map(|(_, found)| found).collect();
    weigh(&mut finding, &ordered);
    finding.deviations = ordered.into_iter().take(LISTED_MAX).collect();
    finding
}

/// Tells one window's deviation as if it were all there is.
pub(crate) fn tell_alone(deviation: &Deviation) -> Option<Finding> {
    let mut episodes = Episodes::default();
    episodes.absorb(deviation.first, vec![deviation.clone()]);
    episodes.open().next().map(|episode| tell(episode, 0.0))
}

/// Tells a finding anew after some of its deviations were taken out: no trace of them is left in what is
/// said of the others.
pub(crate) fn retell(finding: &mut Finding, left: Vec<FoundDeviation>) {
    weigh(finding, &left);
    finding.deviations = left;
}

/// All that follows from deviations, the weightiest first.
fn weigh(finding: &mut Finding, ordered: &[FoundDeviation]) {
    let tactics = tactics(ordered.iter());
    finding.kind = kind_of(ordered, &tactics);
    finding.severity = severity(ordered);
    finding.confidence = confidence(ordered);
    finding.p_value = two_digits(combined(ordered));
    let is_shape = |kind| matches!(kind, Kind::PortScan | Kind::Sweep | Kind::Beacon);
    if ordered.iter().all(|d| is_shape(d.kind)) {
        SHAPE.clone_into(&mut finding.calibration);
    }
    finding.summary = summary(finding, ordered);
    finding.techniques = techniques(ordered);
    finding.guardduty = ordered.iter().find_map(guardduty).map(ToOwned::to_owned);
}

fn by_weight(a: &FoundDeviation, b: &FoundDeviation) -> Ordering {
    (severity_of(b), Tactic::of(b))
        .cmp(&(severity_of(a), Tactic::of(a)))
        .then_with(|| a.p_value.total_cmp(&b.p_value))
}

impl Tactic {
    fn of(deviation: &FoundDeviation) -> Self {
        match deviation.kind {
            Kind::PortScan | Kind::Sweep | Kind::DeniedSpike | Kind::FanOut => Self::Discovery,
            Kind::Flood => Self::CredentialAccess,
            Kind::Volume => Self::Exfiltration,
            Kind::NewPeer | Kind::NewPort if is_inside(&deviation.peer) => Self::LateralMovement,
            Kind::NewPeer | Kind::NewPort | Kind::Beacon | Kind::Incident => {
                Self::CommandAndControl
            }
        }
    }
}

/// The tactics of deviations. A flood where something else was told of the same port of the same server is
/// how that was done, and no step of its own; and calls by which much was uploaded are the upload.
fn tactics<'a>(of: impl Iterator<Item = &'a FoundDeviation> + Clone) -> BTreeSet<Tactic> {
    let place = |d: &FoundDeviation| (d.peer_address.clone(), d.port);
    let others: BTreeSet<_> = of.clone().filter(|d| d.kind != Kind::Flood).map(place).collect();
    let uploads: BTreeSet<_> = of.clone().filter(|d| d.kind == Kind::Volume).map(place).collect();
    let steps = of.filter(|d| match d.kind {
        Kind::Flood => !others.contains(&place(d)),
        Kind::Beacon => !uploads.contains(&place(d)),
        _ => true,
    });
    steps.map(Tactic::of).collect()
}

/// An incident is a chain of tactics; otherwise the weightiest deviation names the finding.
fn kind_of(ordered: &[FoundDeviation], tactics: &BTreeSet<Tactic>) -> Kind {
    if tactics.len() > 1 {
        return Kind::Incident;
    }
    let rank = |kind: Kind| match kind {
        Kind::Beacon | Kind::PortScan => 3,
        Kind::Sweep | Kind::NewPeer | Kind::Volume => 2,
        Kind::NewPort | Kind::DeniedSpike | Kind::Flood => 1,
        Kind::FanOut | Kind::Incident => 0,
    };
    ordered.iter().map(|d| d.kind).max_by_key(|&kind| (rank(kind), kind)).unwrap_or(Kind::Incident)
}

/// How bad one deviation by itself would be: never more than medium.
fn severity_of(deviation: &FoundDeviation) -> Severity {
    let is_admin = is_admin(deviation);
    let was_learned = deviation.evidence.contains_key("seen_while_learning");
    let has_jitter =
        matches!(deviation.evidence.get("jitter_ratio"), Some(Fact::Number(ratio)) if *ratio > 1.1);
    match deviation.kind {
        Kind::PortScan | Kind::Sweep if was_learned => Severity::Low,
        Kind::PortScan | Kind::Sweep | Kind::Volume | Kind::Flood => Severity::Medium,
        Kind::NewPeer | Kind::NewPort if is_admin && !deviation.is_inbound() => Severity::Medium,
        Kind::Beacon if !was_learned && has_jitter && !deviation.is_inbound() => Severity::Medium,
        _ => Severity::Low,
    }
}

/// A chain of tactics raises the severity; repeating one does not, nor what only just deviates.
fn severity(ordered: &[FoundDeviation]) -> Severity {
    let tactics = tactics(ordered.iter().filter(|d| d.is_firm));
    let worst = ordered.iter().map(severity_of).max().unwrap_or(Severity::Low);
    match (tactics.len(), worst) {
        (0 | 1, worst) => worst,
        (2, Severity::Low | Severity::Info) => Severity::Medium,
        (2, _) => Severity::High,
        _ => Severity::Critical,
    }
}

/// Each kind's chance to be right, joined as if independent (noisy-or); half as sure where the numbers
/// rest on a lone weak test.
fn confidence(ordered: &[FoundDeviation]) -> f64 {
    let mut best: BTreeMap<Kind, f64> = BTreeMap::new();
    for deviation in ordered {
        let sure = match deviation.p_value {
            p if p <= 1e-9 => 0.9,
            p if p <= 1e-6 => 0.8,
            p if p <= 1e-4 => 0.65,
            p if p <= 1e-3 => 0.5,
            _ => 0.3,
        };
        let known = best.entry(deviation.kind).or_insert(0.0);
        *known = known.max(sure);
    }
    let doubt: f64 = best.values().map(|sure| 1.0 - sure).product();
    let sure = if ordered.iter().all(|d| d.evidence.contains_key(RECORDS_LOST)) {
        SURE_DESPITE_LOSS * (1.0 - doubt)
    } else {
        1.0 - doubt
    };
    // Nothing read off flow logs alone is beyond doubt.
    (sure * 100.0).round().min(99.0) / 100.0
}

/// The smallest p-value, times the number of kinds that were tried.
fn combined(ordered: &[FoundDeviation]) -> f64 {
    const KINDS_TRIED: f64 = 9.0;
    let least = ordered.iter().map(|d| d.p_value).fold(1.0, f64::min);
    (least * KINDS_TRIED).min(1.0)
}

fn techniques(ordered: &[FoundDeviation]) -> Vec<String> {
    let of = |d: &FoundDeviation| match (d.kind, Tactic::of(d)) {
        (Kind::PortScan | Kind::DeniedSpike, _) => vec!["T1046"],
        (Kind::Sweep, _) => vec!["T1018", "T1046"],
        (Kind::FanOut, _) => vec!["T1018"],
        (Kind::Flood, _) if is_admin(d) => vec!["T1110"],
        (Kind::Flood, _) => vec!["T1110", "T1499"],
        (Kind::Volume, _) if is_slow(d) => {
            vec!["T1030", "T1041", "T1048"]
        }
        (Kind::Volume, _) => vec!["T1041", "T1048"],
        (Kind::Beacon, _) => vec!["T1071", "T1573"],
        (_, Tactic::LateralMovement) => vec!["T1021"],
        (_, _) if d.is_inbound() => vec!["T1133"],
        (_, _) if is_web(d) => vec!["T1071"],
        (_, _) => vec!["T1071", "T1571"],
    };
    let ids: BTreeSet<&str> = ordered.iter().flat_map(of).collect();
    ids.into_iter().map(ToOwned::to_owned).collect()
}

/// Whether it took so long that no window of it need stand out.
fn is_slow(deviation: &FoundDeviation) -> bool {
    const SLOW_SECS: f64 = 6.0 * 3600.0;
    let evidence = &deviation.evidence;
    let is_long = |fact: &Fact| matches!(fact, Fact::Number(secs) if *secs >= SLOW_SECS);
    evidence.contains_key("rose_by_factor") || evidence.get(FIRST_MET).is_some_and(is_long)
}

/// The GuardDuty finding type that says the nearest thing.
fn guardduty(deviation: &FoundDeviation) -> Option<&'static str> {
    match deviation.kind {
        Kind::PortScan => Some("Recon:EC2/Portscan"),
        Kind::Sweep => Some("Impact:EC2/PortSweep"),
        Kind::Volume => Some("Behavior:EC2/TrafficVolumeUnusual"),
        Kind::Beacon if !deviation.is_inbound() => Some("Backdoor:EC2/C&CActivity.B"),
        Kind::Flood => Some(match deviation.port {
            Some(22) => "UnauthorizedAccess:EC2/SSHBruteForce",
            Some(3389) => "UnauthorizedAccess:EC2/RDPBruteForce",
            Some(5985 | 5986) => "Impact:EC2/WinRMBruteForce",
            // GuardDuty looks at floods of public addresses alone.
            _ if is_inside(&deviation.peer) => return None,
            _ => "Backdoor:EC2/DenialOfService.Tcp",
        }),
        Kind::NewPort | Kind::NewPeer if !deviation.is_inbound() && !is_web(deviation) => {
            Some("Behavior:EC2/NetworkPortUnusual")
        }
        _ => None,
    }
}

/// Whether the port is one that administers hosts.
fn is_admin(deviation: &FoundDeviation) -> bool {
    deviation.port.is_some_and(|port| ADMIN_PORTS.contains(&port))
}

/// Whether the port is one that nobody wonders about on the Internet.
fn is_web(deviation: &FoundDeviation) -> bool {
    !is_inside(&deviation.peer) && deviation.port.is_some_and(|port| [80, 443].contains(&port))
}

fn found(episode: &Episode, key: &DeviationKey, deviation: &Deviation) -> FoundDeviation {
    let mut evidence: BTreeMap<String, Fact> =
        deviation.evidence.iter().map(|(&name, fact)| (name.to_owned(), fact.clone())).collect();
    let windows = episode.windows.get(key).copied().unwrap_or(1);
    evidence.insert("windows".to_owned(), Fact::Number(windows as f64));
    FoundDeviation {
        kind: deviation.kind,
        peer: deviation.peer.to_string(),
        peer_address: deviation.peer_address.map(|address| address.to_string()),
        port: deviation.port,
        protocol: deviation.protocol.map(|number| protocol(number).into_owned()),
        direction: deviation.direction.name().to_owned(),
        first_seen: time(deviation.first),
        last_seen: time(deviation.last),
        observed: deviation.observed,
        expected: deviation.expected,
        p_value: two_digits(deviation.p_value),
        is_firm: deviation.cut_ratio <= FIRM_RATIO_MAX,
        evidence,
        samples: deviation.samples.clone(),
    }
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// A p-value as it is compared and printed: two significant digits.
pub fn two_digits(p: f64) -> f64 {
    format!("{p:.1e}").parse().unwrap_or(p)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::episode::Episodes;
    use crate::episode::tests::{deviation, replica};

    /// What is told of these kinds, all towards one port of one server.
    fn told(kinds: &[Kind]) -> Finding {
        let workload = replica("shipper", 1);
        let mut episodes = Episodes::default();
        let all = kinds.iter().map(|&kind| deviation(&workload, kind, "203.0.113.0/24", 1));
        episodes.absorb(0, all.collect());
        tell(episodes.open().next().unwrap(), 0.0)
    }

    #[test]
    fn many_connections_are_how_an_upload_is_done_and_no_step_before_it() {
        let upload = told(&[Kind::Volume, Kind::Flood]);
        assert_eq!((upload.kind, upload.severity), (Kind::Volume, Severity::Medium));
        let by_the_clock = told(&[Kind::Volume, Kind::Beacon]);
        assert_eq!(by_the_clock.severity, Severity::Medium, "its calls are the upload");
        let alone = told(&[Kind::Flood]);
        assert_eq!((alone.kind, alone.techniques), (Kind::Flood, vec!["T1110".to_owned()]));
        let chain = told(&[Kind::Volume, Kind::NewPeer]);
        assert_eq!((chain.kind, chain.severity), (Kind::Incident, Severity::High));
    }
}
