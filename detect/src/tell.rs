//! Telling: an episode becomes a finding.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::baseline::Direction;
use model::baseline::is_inside;
use model::identity::Address;

use crate::calibration::CALIBRATED_AFTER_DAYS;
use crate::deviation::{Deviation, DeviationKey, Fact, Kind, RECORDS_LOST};
use crate::episode::Episode;
use crate::finding::{Finding, FoundDeviation, FoundWorkload, SCHEMA, Severity};
use crate::names::{ADMIN_PORTS, protocol};

/// Deviations a finding lists; `n_deviations` counts them all.
const LISTED_MAX: usize = 50;

/// What is so far under its cut is a link of a chain.
pub(crate) const FIRM_RATIO_MAX: f64 = 0.5;

/// How much of the confidence is left where AWS lost records.
const SURE_DESPITE_LOSS: f64 = 0.8;

/// A tactic of ATT&CK's, in the order of a kill chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tactic {
    Discovery,
    LateralMovement,
    CommandAndControl,
    Exfiltration,
}

/// Tells an episode. `held_days` is how much time was held back to calibrate by, days.
pub fn tell(episode: &Episode, held_days: f64) -> Finding {
    let mut ordered: Vec<(&DeviationKey, &Deviation)> = episode.deviations.iter().collect();
    ordered.sort_by(|a, b| {
        (severity_of(b.1), Tactic::of(b.1))
            .cmp(&(severity_of(a.1), Tactic::of(a.1)))
            .then_with(|| a.1.p_value.total_cmp(&b.1.p_value))
            .then_with(|| a.0.cmp(b.0))
    });
    let tactics: BTreeSet<Tactic> = ordered.iter().map(|(_, d)| Tactic::of(d)).collect();
    let kind = kind_of(&ordered, &tactics);
    let first = ordered.iter().map(|(_, d)| d.first).min().unwrap_or(episode.last_window);
    let last = ordered.iter().map(|(_, d)| d.last).max().unwrap_or(episode.last_window);
    let workload = &episode.workload;
    Finding {
        schema: SCHEMA.to_owned(),
        id: episode.id.clone(),
        revision: episode.revision,
        state: episode.state,
        kind,
        severity: severity(&ordered),
        confidence: confidence(&ordered),
        p_value: two_digits(combined(&ordered)),
        calibration: calibration(&ordered, held_days).to_owned(),
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
        summary: summary(episode, &ordered),
        techniques: techniques(&ordered),
        guardduty: ordered.iter().find_map(|(_, d)| guardduty(d)).map(ToOwned::to_owned),
        deviations: ordered
            .iter()
            .take(LISTED_MAX)
            .map(|(key, d)| found(episode, key, d))
            .collect(),
        n_deviations: episode.deviations.len() as u64 + episode.n_dropped,
        merged_into: episode.merged_into.clone(),
        suggestion: None,
    }
}

impl Tactic {
    fn of(deviation: &Deviation) -> Self {
        match deviation.kind {
            Kind::PortScan | Kind::Sweep | Kind::DeniedSpike | Kind::FanOut => Self::Discovery,
            Kind::Volume => Self::Exfiltration,
            Kind::NewPeer | Kind::NewPort if is_inside(&deviation.peer) => Self::LateralMovement,
            Kind::NewPeer | Kind::NewPort | Kind::Beacon | Kind::Incident => {
                Self::CommandAndControl
            }
        }
    }
}

/// An incident is a chain of tactics; otherwise the weightiest deviation names the finding.
fn kind_of(ordered: &[(&DeviationKey, &Deviation)], tactics: &BTreeSet<Tactic>) -> Kind {
    if tactics.len() > 1 {
        return Kind::Incident;
    }
    let rank = |kind: Kind| match kind {
        Kind::Beacon | Kind::PortScan => 3,
        Kind::Sweep | Kind::NewPeer | Kind::Volume => 2,
        Kind::NewPort | Kind::DeniedSpike => 1,
        Kind::FanOut | Kind::Incident => 0,
    };
    ordered
        .iter()
        .map(|(_, d)| d.kind)
        .max_by_key(|&kind| (rank(kind), kind))
        .unwrap_or(Kind::Incident)
}

/// How bad one deviation by itself would be: never more than medium.
fn severity_of(deviation: &Deviation) -> Severity {
    let is_admin = deviation.port.is_some_and(|port| ADMIN_PORTS.contains(&port));
    let was_learned = deviation.evidence.contains_key("seen_while_learning");
    let has_jitter =
        matches!(deviation.evidence.get("jitter_ratio"), Some(Fact::Number(ratio)) if *ratio > 1.1);
    match deviation.kind {
        Kind::PortScan | Kind::Sweep if was_learned => Severity::Low,
        Kind::PortScan | Kind::Sweep | Kind::Volume => Severity::Medium,
        Kind::NewPeer | Kind::NewPort if is_admin && deviation.direction == Direction::Out => {
            Severity::Medium
        }
        Kind::Beacon if !was_learned && has_jitter && deviation.direction == Direction::Out => {
            Severity::Medium
        }
        _ => Severity::Low,
    }
}

/// A chain of tactics raises the severity; repeating one does not, nor what only just deviates.
fn severity(ordered: &[(&DeviationKey, &Deviation)]) -> Severity {
    let firm = ordered.iter().filter(|(_, d)| d.cut_ratio <= FIRM_RATIO_MAX);
    let tactics: BTreeSet<Tactic> = firm.map(|(_, d)| Tactic::of(d)).collect();
    let worst = ordered.iter().map(|(_, d)| severity_of(d)).max().unwrap_or(Severity::Low);
    match (tactics.len(), worst) {
        (0 | 1, worst) => worst,
        (2, Severity::Low | Severity::Info) => Severity::Medium,
        (2, _) => Severity::High,
        _ => Severity::Critical,
    }
}

/// Each kind's chance to be right, joined as if independent (noisy-or); half as sure where the numbers
/// rest on a lone weak test.
fn confidence(ordered: &[(&DeviationKey, &Deviation)]) -> f64 {
    let mut best: BTreeMap<Kind, f64> = BTreeMap::new();
    for (_, deviation) in ordered {
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
    let sure = if ordered.iter().all(|(_, d)| d.evidence.contains_key(RECORDS_LOST)) {
        SURE_DESPITE_LOSS * (1.0 - doubt)
    } else {
        1.0 - doubt
    };
    // Nothing read off flow logs alone is beyond doubt.
    (sure * 100.0).round().min(99.0) / 100.0
}

/// The smallest p-value, times the number of kinds that were tried.
fn combined(ordered: &[(&DeviationKey, &Deviation)]) -> f64 {
    const KINDS_TRIED: f64 = 8.0;
    let least = ordered.iter().map(|(_, d)| d.p_value).fold(1.0, f64::min);
    (least * KINDS_TRIED).min(1.0)
}

fn calibration(ordered: &[(&DeviationKey, &Deviation)], held_days: f64) -> &'static str {
    let is_shape = |kind| matches!(kind, Kind::PortScan | Kind::Sweep | Kind::Beacon);
    if ordered.iter().all(|(_, d)| is_shape(d.kind)) {
        "shape"
    } else if held_days >= CALIBRATED_AFTER_DAYS {
        "baseline"
    } else {
        "prior"
    }
}

fn techniques(ordered: &[(&DeviationKey, &Deviation)]) -> Vec<String> {
    let of = |d: &Deviation| match (d.kind, Tactic::of(d)) {
        (Kind::PortScan | Kind::DeniedSpike, _) => vec!["T1046"],
        (Kind::Sweep, _) => vec!["T1018", "T1046"],
        (Kind::FanOut, _) => vec!["T1018"],
        (Kind::Volume, _) => vec!["T1041", "T1048"],
        (Kind::Beacon, _) => vec!["T1071", "T1573"],
        (_, Tactic::LateralMovement) => vec!["T1021"],
        (_, _) if d.direction == Direction::In => vec!["T1133"],
        (_, _) => vec!["T1071", "T1571"],
    };
    let ids: BTreeSet<&str> = ordered.iter().flat_map(|(_, d)| of(d)).collect();
    ids.into_iter().map(ToOwned::to_owned).collect()
}

/// The GuardDuty finding type that says the nearest thing.
fn guardduty(deviation: &Deviation) -> Option<&'static str> {
    match deviation.kind {
        Kind::PortScan => Some("Recon:EC2/Portscan"),
        Kind::Sweep => Some("Impact:EC2/PortSweep"),
        Kind::Volume => Some("Behavior:EC2/TrafficVolumeUnusual"),
        Kind::Beacon if deviation.direction == Direction::Out => Some("Backdoor:EC2/C&CActivity.B"),
        Kind::NewPort | Kind::NewPeer if deviation.direction == Direction::Out => {
            Some("Behavior:EC2/NetworkPortUnusual")
        }
        _ => None,
    }
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
        evidence,
        samples: deviation.samples.clone(),
    }
}

fn summary(episode: &Episode, ordered: &[(&DeviationKey, &Deviation)]) -> String {
    let workload = &episode.workload;
    let who = if *workload.service == *workload.address.to_string() {
        workload.address.to_string()
    } else {
        format!("{} ({})", workload.service, workload.address)
    };
    let mut tactics = BTreeSet::new();
    // The weightiest deviation of each tactic, in the order they happened.
    let mut told: Vec<&Deviation> =
        ordered.iter().filter(|(_, d)| tactics.insert(Tactic::of(d))).map(|(_, d)| *d).collect();
    told.sort_by_key(|d| (d.first, d.kind));
    let clauses: Vec<String> = told.iter().map(|d| clause(d)).collect();
    let more = ordered.len() - told.len();
    let rest = if more == 0 { String::new() } else { format!(", and {more} more deviations") };
    let replicas = match episode.replicas.len() {
        0 => String::new(),
        n => format!(", as did {n} other replicas"),
    };
    format!("{who} {}{rest}{replicas}", join(&clauses))
}

fn join(clauses: &[String]) -> String {
    match clauses {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{}, then {last}", first.join(", then ")),
    }
}

fn clause(d: &Deviation) -> String {
    let number = |name: &str| match d.evidence.get(name) {
        Some(Fact::Number(number)) => *number,
        _ => 0.0,
    };
    let peer = peer_text(d.peer_address, &d.peer);
    let port = match (d.port, d.protocol) {
        (Some(0), Some(number)) => format!(" over {}", protocol(number)),
        (Some(port), Some(number)) => format!(" on port {port}/{}", protocol(number)),
        _ => String::new(),
    };
    match d.kind {
        Kind::NewPeer if d.evidence.contains_key("siblings") => {
            format!("reached {peer}{port}, which none of its siblings did")
        }
        Kind::NewPeer => format!("reached {peer}{port} for the first time"),
        Kind::NewPort if d.direction == Direction::In => {
            format!("served {peer}{port}, which it never served before")
        }
        Kind::NewPort => format!("used {peer}{port} for the first time"),
        Kind::Volume if d.evidence.contains_key("rose_by_factor") => format!(
            "sends {} a day to the outside, {} times what its service did weeks ago, most to {peer}{port}",
            bytes(d.observed),
            number("rose_by_factor")
        ),
        Kind::Volume => {
            format!("sent {} to the outside in one window, most to {peer}{port}", bytes(d.observed))
        }
        Kind::DeniedSpike => {
            format!("had {} of its connections rejected in one window", d.observed)
        }
        Kind::FanOut => format!("asked {} servers in one window", d.observed),
        Kind::PortScan if d.peer_address.is_none() => {
            let (ports, hosts) = (number("ports"), number("targets"));
            format!("scanned {ports} ports of {hosts} hosts ({} probes)", d.observed)
        }
        Kind::PortScan => format!("scanned {peer} ({} probes)", d.observed),
        Kind::Sweep => format!("swept {} hosts{port} ({} probes)", number("targets"), d.observed),
        Kind::Beacon if d.direction == Direction::In => {
            format!("was called by {peer}{port} every {} s", number("period_secs"))
        }
        Kind::Beacon => format!("called {peer}{port} every {} s", number("period_secs")),
        Kind::Incident => "deviated".to_owned(),
    }
}

fn peer_text(address: Option<Address>, peer: &str) -> String {
    let name = peer.strip_prefix("svc:").or_else(|| peer.strip_prefix("net:")).unwrap_or(peer);
    match address {
        Some(address) if !peer.contains('/') && name != address.to_string() => {
            format!("{name} ({address})")
        }
        Some(address) => address.to_string(),
        None => name.to_owned(),
    }
}

/// Bytes as people say them, powers of a thousand.
fn bytes(n: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = n;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{value} B") } else { format!("{value:.1} {}", units[unit]) }
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// A p-value as it is compared and printed: two significant digits.
pub fn two_digits(p: f64) -> f64 {
    format!("{p:.1e}").parse().unwrap_or(p)
}
