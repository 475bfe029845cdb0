//! Everything about one finding: what was seen, why it was told, what to do.

use std::io;

use super::escape::{COMMAND_CHARS_MAX, SHOWN_CHARS_MAX, escape, escape_to};
use super::number::{by_name, count, probability, span};
use super::paint::{Color, Page, Style};
use super::text::{measured, peer, place, unit, when};
use crate::names::technique;
use crate::{Alternative, BlastRadius, Fact, Finding, FoundDeviation, Step, Suggestion};

/// Columns of the explanation; commands are never broken.
const WIDTH: usize = 100;

/// Writes all that is known of a finding.
pub fn write_explain(finding: &Finding, out: &mut dyn io::Write, color: Color) -> io::Result<()> {
    let mut page = Page { out, color, width: WIDTH };
    heading(finding, &mut page)?;
    if let Some(suggestion) = &finding.suggestion {
        write_advice(suggestion, &mut page)?;
    }
    title(&mut page, "What was seen")?;
    for deviation in &finding.deviations {
        write_deviation(deviation, &mut page)?;
    }
    let more = finding.n_deviations.saturating_sub(finding.deviations.len() as u64);
    if more > 0 {
        page.line(&format!("  and {more} more that are not listed"))?;
    }
    what_it_could_be(finding, &mut page)?;
    match &finding.suggestion {
        Some(suggestion) => write_commands(suggestion, &mut page),
        None => Ok(()),
    }
}

fn title(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    let title = page.color.paint(Style::Bold, text);
    page.line(&format!("\n{title}"))
}

fn heading(finding: &Finding, page: &mut Page<'_>) -> io::Result<()> {
    let severity = finding.severity.name().to_uppercase();
    let lead = format!("{}  ", page.color.paint(Style::Severity(finding.severity), &severity));
    page.wrapped(&lead, severity.len() + 2, &escape_to(&finding.summary, 4 * SHOWN_CHARS_MAX))?;
    page.line(&place(finding))?;
    page.line(&when(finding))?;
    if let Some(id) = &finding.merged_into {
        page.line(&format!("goes on as {}, which a sibling began", escape(id)))?;
    }
    let rests_on = match finding.calibration.as_str() {
        "baseline" => "how surprising things were in time held back",
        "prior" => "a prior, for too little time was held back to calibrate by",
        "shape" => "the shape of the traffic, which needs no baseline",
        other => &escape(other),
    };
    page.wrapped("", 0, &format!(
        "{} (p {}), resting on {rests_on}; {:.0}\u{a0}% sure that this is no chance or misreading",
        probability(finding.p_value),
        exact(finding.p_value),
        finding.confidence * 100.0,
    ))?;
    page.line(&format!(
        "{} · {} · revision {} · {}",
        escape(&finding.id),
        finding.kind.name(),
        finding.revision,
        escape(&finding.schema),
    ))
}

fn write_deviation(deviation: &FoundDeviation, page: &mut Page<'_>) -> io::Result<()> {
    let what = format!("{} {}", deviation.kind.name(), peer(deviation));
    page.line(&format!("\n  {}", page.color.paint(Style::Bold, &what)))?;
    page.line(&format!("    when      {}", span(&deviation.first_seen, &deviation.last_seen)))?;
    let unit = unit(deviation).map(escape).unwrap_or_default();
    page.line(&format!("    seen      {} {unit}", measured(deviation, deviation.observed)))?;
    page.line(&format!("    expected  {}", measured(deviation, deviation.expected)))?;
    let rare = probability(deviation.p_value);
    page.line(&format!("    p         {}: {rare}", exact(deviation.p_value)))?;
    let (quiet, facts): (Vec<_>, Vec<_>) = deviation
        .evidence
        .iter()
        .filter(|(name, _)| *name != "unit")
        .partition(|(name, _)| name.starts_with("would_not_have_fired"));
    for (name, fact) in facts {
        page.line(&format!("    - {}: {}", words(name), value(name, fact)))?;
    }
    for (name, fact) in quiet {
        page.line(&format!("    - {} {}", words(name), value(name, fact)))?;
    }
    for sample in &deviation.samples {
        page.dimmed(4, &escape(sample))?;
    }
    Ok(())
}

fn what_it_could_be(finding: &Finding, page: &mut Page<'_>) -> io::Result<()> {
    if finding.techniques.is_empty() && finding.guardduty.is_none() {
        return Ok(());
    }
    title(page, "What it could be")?;
    for id in &finding.techniques {
        page.line(&format!("  ATT&CK {} {}", escape(id), technique(id)))?;
    }
    match &finding.guardduty {
        Some(name) => page.line(&format!("  GuardDuty would call it {}", escape(name))),
        None => Ok(()),
    }
}

/// What is to be decided, and what it costs; how it is done comes after what was seen.
fn write_advice(suggestion: &Suggestion, page: &mut Page<'_>) -> io::Result<()> {
    title(page, &format!("What to do: {}", escape(&suggestion.action)))?;
    page.line("  Advice: nothing is changed unless you run it. The commands are below.")?;
    for refusal in &suggestion.refusals {
        page.wrapped("  Refused: ", 4, &escape_to(refusal, 2 * SHOWN_CHARS_MAX))?;
    }
    for target in &suggestion.targets {
        page.line(&format!(
            "  Target {} at {}, still there: {}",
            escape(&target.eni),
            escape(&target.address),
            escape(&target.still_there)
        ))?;
    }
    page.line(&format!("  Lapses {}", escape(&suggestion.expires)))?;
    for alternative in &suggestion.alternatives {
        let lead = format!("  Or {}: ", escape(&alternative.action));
        page.wrapped(&lead, 4, &escape_to(&alternative.why, 2 * SHOWN_CHARS_MAX))?;
    }
    write_blast(&suggestion.blast_radius, page)
}

fn write_commands(suggestion: &Suggestion, page: &mut Page<'_>) -> io::Result<()> {
    title(page, &format!("How to do it: {}", escape(&suggestion.action)))?;
    write_steps(&suggestion.steps, page)?;
    if !suggestion.undo.is_empty() {
        title(page, "How to undo it")?;
        write_steps(&suggestion.undo, page)?;
    }
    for alternative in &suggestion.alternatives {
        write_alternative(alternative, page)?;
    }
    Ok(())
}

fn write_steps(steps: &[Step], page: &mut Page<'_>) -> io::Result<()> {
    for (number, step) in (1..).zip(steps) {
        let lead = format!("  {number:>2}. ");
        page.wrapped(&lead, 6, &escape_to(&step.what, 4 * SHOWN_CHARS_MAX))?;
        for command in &step.commands {
            page.line(&format!("        {}", escape_to(command, COMMAND_CHARS_MAX)))?;
        }
    }
    Ok(())
}

fn write_blast(blast: &BlastRadius, page: &mut Page<'_>) -> io::Result<()> {
    title(page, "Who would notice")?;
    page.wrapped("  ", 2, &escape_to(&blast.summary, 2 * SHOWN_CHARS_MAX))?;
    for edge in &blast.edges {
        let towards = if edge.direction == "inbound" { "from" } else { "to" };
        page.line(&format!(
            "  - {towards} {}, port {}/{}: {} connections a day, {} of {}",
            escape(&edge.peer),
            edge.port,
            escape(&edge.protocol),
            count(edge.connections_per_day),
            by_name("share", edge.share),
            if towards == "from" { "the client's" } else { "the service's own" },
        ))?;
    }
    Ok(())
}

fn write_alternative(alternative: &Alternative, page: &mut Page<'_>) -> io::Result<()> {
    title(page, &format!("Or: {}", escape(&alternative.action)))?;
    write_steps(&alternative.steps, page)?;
    if alternative.undo.is_empty() {
        return Ok(());
    }
    page.line("  To undo:")?;
    write_steps(&alternative.undo, page)
}

/// What names that are short for programs are to people.
const SAID: [(&str, &str); 10] = [
    ("from_this_peer_bytes", "received from this peer"),
    ("inside", "of them inside"),
    ("jitter_ratio", "the longest usual gap over the shortest"),
    ("net_probes", "first contacts that failed less those that succeeded, since it began"),
    ("observations", "compared with so many values"),
    ("siblings_edges", "relations of the siblings"),
    ("siblings_edges_of_one_alone", "relations that only one of them has"),
    ("to_this_peer_bytes", "sent to this peer"),
    ("unexplained_factor", "rose without a reason by a factor of"),
    ("variation", "coefficient of variation of the gaps"),
];

/// The name of a fact as words, without the unit that its value is written with.
fn words(name: &str) -> String {
    if let Some((_, said)) = SAID.iter().find(|(known, _)| *known == name) {
        return (*said).to_owned();
    }
    let units = ["_bytes", "_secs", "_share"];
    let bare = units.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    escape(&bare.replace('_', " "))
}

fn value(name: &str, fact: &Fact) -> String {
    match fact {
        Fact::Number(number) => by_name(name, *number),
        Fact::Text(text) => escape(text),
    }
}

fn exact(p_value: f64) -> String {
    if p_value >= 0.001 { count(p_value) } else { format!("{p_value:.1e}") }
}
