//! A finding in one sentence: who did what, in the order of a kill chain's tactics.

use std::collections::BTreeSet;

use super::Tactic;
use crate::deviation::{FIRST_MET, Fact, Kind, SIBLINGS};
use crate::finding::{Finding, FoundDeviation};

/// The sentence for a finding and its deviations, the weightiest first.
pub(super) fn summary(finding: &Finding, ordered: &[FoundDeviation]) -> String {
    let address = &finding.workload.address;
    let who = if finding.service == *address {
        address.clone()
    } else {
        format!("{} ({address})", finding.service)
    };
    let mut tactics = BTreeSet::new();
    // The weightiest deviation of each tactic, in the order they happened.
    let mut told: Vec<&FoundDeviation> =
        ordered.iter().filter(|d| tactics.insert(Tactic::of(d))).collect();
    told.sort_by_key(|d| (&d.first_seen, d.kind));
    let clauses: Vec<String> = told.iter().map(|d| clause(d)).collect();
    let more = ordered.len() - told.len();
    let rest = match more {
        0 => String::new(),
        1 => ", and one more deviation".to_owned(),
        n => format!(", and {n} more deviations"),
    };
    let replicas = match finding.replicas.len() {
        0 => String::new(),
        1 => ", as did one other replica".to_owned(),
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

fn clause(d: &FoundDeviation) -> String {
    let number = |name: &str| match d.evidence.get(name) {
        Some(Fact::Number(number)) => *number,
        _ => 0.0,
    };
    let peer = peer_text(d.peer_address.as_deref(), &d.peer);
    let port = match (d.port, &d.protocol) {
        (Some(0), Some(protocol)) => format!(" over {protocol}"),
        (Some(port), Some(protocol)) => format!(" on port {port}/{protocol}"),
        _ => String::new(),
    };
    match d.kind {
        Kind::NewPeer if d.evidence.contains_key(SIBLINGS) => {
            format!("reached {peer}{port}, which none of its siblings did")
        }
        Kind::NewPeer => format!("reached {peer}{port} for the first time"),
        Kind::NewPort if d.is_inbound() => {
            format!("served {peer}{port}, which it never served before")
        }
        Kind::NewPort => format!("used {peer}{port} for the first time"),
        Kind::Volume if d.evidence.contains_key("rose_by_factor") => format!(
            "sends {} a day to the outside, {} times what its service did weeks ago, most to {peer}{port}",
            bytes(d.observed),
            number("rose_by_factor")
        ),
        Kind::Volume if d.evidence.contains_key(FIRST_MET) => format!(
            "sent {} to {peer}{port} within {}, where nobody had been before",
            bytes(d.observed),
            span(number(FIRST_MET)),
        ),
        Kind::Volume => {
            format!("sent {} to the outside in one window, most to {peer}{port}", bytes(d.observed))
        }
        Kind::DeniedSpike => {
            format!("had {} of its connections rejected in one window", d.observed)
        }
        Kind::FanOut => format!("asked {} servers in one window", d.observed),
        Kind::Flood => {
            format!("opened {} connections to {peer}{port} in one window", d.observed)
        }
        Kind::PortScan if d.peer_address.is_none() => {
            let (ports, hosts) = (number("ports"), number("targets"));
            format!("scanned {ports} ports of {hosts} hosts ({} probes)", d.observed)
        }
        Kind::PortScan => format!("scanned {peer} ({})", n_of(d.observed, "probe")),
        Kind::Sweep => {
            format!(
                "swept {}{port} ({})",
                n_of(number("targets"), "host"),
                n_of(d.observed, "probe")
            )
        }
        Kind::Beacon if d.is_inbound() => {
            format!("was called by {peer}{port} every {} s", number("period_secs"))
        }
        Kind::Beacon => format!("called {peer}{port} every {} s", number("period_secs")),
        Kind::Incident => "deviated".to_owned(),
    }
}

fn n_of(n: f64, what: &str) -> String {
    if n < 2.0 { format!("one {what}") } else { format!("{n} {what}s") }
}

fn peer_text(address: Option<&str>, peer: &str) -> String {
    let name = peer.strip_prefix("svc:").or_else(|| peer.strip_prefix("net:")).unwrap_or(peer);
    match address {
        Some(address) if !peer.contains('/') && name != address => {
            format!("{name} ({address})")
        }
        Some(address) => address.to_owned(),
        None => name.to_owned(),
    }
}

/// A time span as people say it.
fn span(secs: f64) -> String {
    let (unit, secs_each) = match secs {
        ..7200.0 => ("min", 60.0),
        ..172_800.0 => ("h", 3600.0),
        _ => ("days", 86_400.0),
    };
    format!("{} {unit}", (secs / secs_each).ceil())
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
