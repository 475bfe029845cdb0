//! Findings as people and programs read them. Everything goes to an [`io::Write`].
//!
//! Names in findings come from logs and tags, written by strangers: they are escaped here, at the last
//! step, and nowhere else.

mod escape;
mod explain;
mod number;
mod paint;
mod text;

use std::io;

pub use explain::write_explain;
pub use paint::Color;
pub use text::{TextOptions, write_text};

use crate::Finding;

/// Writes findings as JSON lines, by first record and id: the same findings give the same bytes.
pub fn write_json_lines(findings: &[Finding], out: &mut dyn io::Write) -> io::Result<()> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| in_order(a, b));
    for finding in sorted {
        serde_json::to_writer(&mut *out, finding)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes the `top` worst findings as one JSON object, `{"findings": […], "more": n}`, worst first.
pub fn write_json(findings: &[Finding], top: usize, out: &mut dyn io::Write) -> io::Result<()> {
    #[derive(serde::Serialize)]
    struct Page<'a> {
        findings: Vec<&'a Finding>,
        more: usize,
    }
    let findings_all = worst_first(findings);
    let more = findings_all.len().saturating_sub(top);
    let page = Page { findings: findings_all.into_iter().take(top).collect(), more };
    serde_json::to_writer_pretty(&mut *out, &page)?;
    out.write_all(b"\n")
}

/// By first record and id, as the findings file has them.
fn in_order(a: &Finding, b: &Finding) -> std::cmp::Ordering {
    let time = |finding: &Finding| finding.first_seen.parse::<jiff::Timestamp>().ok();
    time(a).cmp(&time(b)).then_with(|| a.id.cmp(&b.id))
}

/// The most severe first, then the surest.
fn worst_first(findings: &[Finding]) -> Vec<&Finding> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| b.confidence.total_cmp(&a.confidence))
            .then_with(|| in_order(a, b))
    });
    sorted
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
