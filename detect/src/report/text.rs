//! The list of findings as an analyst reads it in the night: the worst first, each in a few lines.

use std::io;

use super::escape::escape;
use super::number::{by_name, bytes, count, probability, span};
use super::paint::{Color, Page, Style};
use super::worst_first;
use crate::{Fact, Finding, FoundDeviation, Kind, State, Suggestion};

/// Deviations of one finding in the list; `explain` has all.
const DEVIATIONS_SHOWN_MAX: usize = 5;

/// Columns before the text of a finding.
const INDENT: usize = 10;

/// How to write the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextOptions {
    /// Findings to write at most.
    pub top: usize,
    /// Whether to colour.
    pub color: Color,
    /// Columns of the terminal; 0 is no limit.
    pub width: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { top: 20, color: Color::Plain, width: 100 }
    }
}

/// Writes findings as text, the worst first.
pub fn write_text(
    findings: &[Finding],
    options: &TextOptions,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page { out, color: options.color, width: options.width };
    if findings.is_empty() {
        return page.line("No findings.");
    }
    for finding in worst_first(findings).into_iter().take(options.top) {
        write_finding(finding, &mut page)?;
        page.line("")?;
    }
    match findings.len().saturating_sub(options.top) {
        0 => Ok(()),
        n => page.line(&format!("{n} more (--top {} shows all)", findings.len())),
    }
}

fn write_finding(finding: &Finding, page: &mut Page<'_>) -> io::Result<()> {
    let severity = format!("{:8}", finding.severity.name().to_uppercase());
    let lead = format!("{}  ", page.color.paint(Style::Severity(finding.severity), &severity));
    page.wrapped(&lead, INDENT, &escape(&finding.summary))?;
    page.dimmed(INDENT, &place(finding))?;
    page.dimmed(INDENT, &when(finding))?;
    for deviation in finding.deviations.iter().take(DEVIATIONS_SHOWN_MAX) {
        let lead = format!("{}- ", " ".repeat(INDENT));
        page.wrapped(&lead, INDENT + 2, &deviation_line(deviation))?;
    }
    let shown = finding.deviations.len().min(DEVIATIONS_SHOWN_MAX) as u64;
    let more = finding.n_deviations.saturating_sub(shown);
    if more > 0 {
        page.dimmed(INDENT, &format!("and {more} more"))?;
    }
    if let Some(suggestion) = &finding.suggestion {
        write_suggestion(suggestion, page)?;
    }
    let hint = format!("tidegate explain {}", escape(&finding.id));
    page.line(&format!("{}{}", " ".repeat(INDENT), page.color.paint(Style::Bold, &hint)))
}

/// Service, interface, address, instance, account and VPC, as far as known.
pub(super) fn place(finding: &Finding) -> String {
    let workload = &finding.workload;
    let mut parts = vec![escape(&finding.service)];
    let known = [&workload.eni, &workload.instance].into_iter().flatten();
    if workload.address != finding.service {
        parts.push(escape(&workload.address));
    }
    parts.extend(known.filter(|name| **name != finding.service).map(|name| escape(name)));
    if !workload.account.is_empty() {
        parts.push(format!("account {}", escape(&workload.account)));
    }
    if !workload.vpc.is_empty() {
        parts.push(escape(&workload.vpc));
    }
    parts.join(" · ")
}

/// Since when, and what has become of it.
pub(super) fn when(finding: &Finding) -> String {
    let state = match finding.state {
        State::Open => "open",
        State::Updated => "going on",
        State::Closed => "over",
    };
    format!("{}, {state}", span(&finding.first_seen, &finding.last_seen))
}

/// One deviation: what, whom, how much, how rare.
fn deviation_line(deviation: &FoundDeviation) -> String {
    format!(
        "{} {}: {} {}, {} expected; {}",
        deviation.kind.name(),
        peer(deviation),
        measured(deviation, deviation.observed),
        unit(deviation).map_or_else(|| "seen".to_owned(), escape),
        measured(deviation, deviation.expected),
        probability(deviation.p_value)
    )
}

/// What its numbers count; of bytes and seconds, which the numbers name themselves, what follows.
pub(super) fn unit(deviation: &FoundDeviation) -> Option<&str> {
    let Some(Fact::Text(unit)) = deviation.evidence.get("unit") else { return None };
    Some(unit.strip_prefix("bytes ").or_else(|| unit.strip_prefix("seconds ")).unwrap_or(unit))
}

/// `to payments:5432/tcp`, `from 203.0.113.9`.
pub(super) fn peer(deviation: &FoundDeviation) -> String {
    let towards = if deviation.direction == "inbound" { "from" } else { "to" };
    let bare = deviation.peer.strip_prefix("svc:").unwrap_or(&deviation.peer);
    let bare = bare.strip_prefix("aws:").or_else(|| bare.strip_prefix("net:")).unwrap_or(bare);
    let name = match &deviation.peer_address {
        Some(address) if address == bare => escape(bare),
        Some(address) if bare.contains('/') => escape(address),
        Some(address) => format!("{} ({})", escape(bare), escape(address)),
        None => escape(bare),
    };
    let protocol = deviation.protocol.as_deref().map(escape);
    match (deviation.port.filter(|&port| port != 0), protocol) {
        (Some(port), Some(protocol)) => format!("{towards} {name}, port {port}/{protocol}"),
        (Some(port), None) => format!("{towards} {name}, port {port}"),
        (None, Some(protocol)) => format!("{towards} {name}, {protocol}"),
        (None, None) => format!("{towards} {name}"),
    }
}

/// A number of a deviation with its unit: what the evidence says, else what its kind counts.
pub(super) fn measured(deviation: &FoundDeviation, value: f64) -> String {
    let unit = match deviation.evidence.get("unit") {
        Some(Fact::Text(unit)) => Some(unit.as_str()),
        _ => None,
    };
    match (unit, deviation.kind) {
        (Some(unit), _) if unit.starts_with("bytes") => bytes(value),
        (Some(unit), _) if unit.starts_with("seconds") => by_name("secs", value),
        (None, Kind::Volume) => bytes(value),
        _ => count(value),
    }
}

fn write_suggestion(suggestion: &Suggestion, page: &mut Page<'_>) -> io::Result<()> {
    let lead = format!("{}{}", " ".repeat(INDENT), page.color.paint(Style::Bold, "=> "));
    page.wrapped(&lead, INDENT + 3, &suggestion_line(suggestion))?;
    for refusal in &suggestion.refusals {
        page.dimmed(INDENT + 3, &format!("Refused: {}", escape(refusal)))?;
    }
    Ok(())
}

fn suggestion_line(suggestion: &Suggestion) -> String {
    let mut text = match (suggestion.action.as_str(), suggestion.steps.len()) {
        ("none", _) => return "no plan".to_owned(),
        (action, 1) => format!("{}, 1 step", escape(action)),
        (action, n) => format!("{}, {n} steps", escape(action)),
    };
    if !suggestion.blast_radius.summary.is_empty() {
        text.push_str(": ");
        text.push_str(&escape(&suggestion.blast_radius.summary));
    }
    let others: Vec<String> = suggestion.alternatives.iter().map(|a| escape(&a.action)).collect();
    if !others.is_empty() {
        text.push_str("; or ");
        text.push_str(&others.join(", "));
    }
    text
}
