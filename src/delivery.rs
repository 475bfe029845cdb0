//! Brings findings to whom they are for: the findings file and standard output, less what is hidden.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result};
use detect::suggest::PlanOptions;
use detect::suppress::{Hit, Sifted, Suppressions};
use detect::{Finding, State, report};
use ingest::escape::harmless;

use crate::advice::Planning;
use crate::flags::{OutputFormat, TellArgs};
use crate::{Ending, output};

/// Where findings go, and what is hidden of them.
pub(crate) struct Delivery<'a> {
    args: &'a TellArgs,
    planning: Planning,
}

impl<'a> Delivery<'a> {
    /// Reads what is to be hidden.
    pub(crate) fn of(args: &'a TellArgs) -> Result<Self> {
        Ok(Self { args, planning: planning(args)? })
    }

    /// How plans are made.
    pub(crate) fn planning(&self) -> &Planning {
        &self.planning
    }

    /// Leaves out of findings what is hidden, as of `newest`, Unix seconds.
    pub(crate) fn sift(&self, findings: Vec<Finding>, newest: i64, known: &mut Known) -> News {
        News::of(&self.planning.suppressions, findings, newest, known)
    }

    /// Writes and prints findings, and says how a run that told them ends.
    pub(crate) fn deliver(&self, news: &News) -> Result<Ending> {
        note_hits(&news.hits, news.n_deviations);
        let findings = &news.findings;
        if let Some(path) = &self.args.findings {
            output::write_file(path, |file| Ok(report::write_json_lines(findings, file)?))?;
        }
        print(self.args, findings)?;
        let is_told = self.args.exit_code && news.has_told;
        Ok(if is_told { Ending::Findings } else { Ending::Ran })
    }
}

/// What those who are told know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The ids of findings that were told and are not over.
    pub(crate) open: BTreeSet<String>,
    /// Those among what is told now that were open and are withdrawn.
    pub(crate) withdrawn: BTreeSet<String>,
}

/// What is to be told, less what is hidden.
pub(crate) struct News {
    /// In the order they came in, those withdrawn that were told before among them.
    pub(crate) findings: Vec<Finding>,
    /// What became of each suppression.
    pub(crate) hits: Vec<Hit>,
    /// Deviations in all that there was.
    pub(crate) n_deviations: u64,
    /// Whether there is more to tell than what is withdrawn.
    pub(crate) has_told: bool,
}

impl News {
    /// Of findings, revision after revision. Who was told of one that is hidden now is told that it is
    /// over.
    pub(crate) fn of(
        suppressions: &Suppressions,
        findings: Vec<Finding>,
        newest: i64,
        known: &mut Known,
    ) -> Self {
        known.withdrawn.clear();
        let n_deviations = findings.iter().map(|finding| finding.n_deviations).sum();
        let (sifted, hits) = suppressions.apply(findings, newest);
        let mut news = Self { findings: Vec::new(), hits, n_deviations, has_told: false };
        for finding in sifted {
            match finding {
                Sifted::Told(finding) => {
                    known.told(&finding);
                    news.has_told = true;
                    news.findings.push(finding);
                }
                Sifted::Hidden(finding) if known.withdraw(&finding.id) => {
                    news.findings.push(finding);
                }
                Sifted::Hidden(_) => {}
            }
        }
        news
    }
}

impl Known {
    fn told(&mut self, finding: &Finding) {
        if finding.state == State::Closed {
            self.open.remove(&finding.id);
        } else {
            self.open.insert(finding.id.clone());
        }
    }

    /// Whether it was open; it is no more.
    fn withdraw(&mut self, id: &str) -> bool {
        let was_open = self.open.take(id);
        let is_known = was_open.is_some();
        self.withdrawn.extend(was_open);
        is_known
    }
}

/// Prints findings, as asked for.
pub(crate) fn print(args: &TellArgs, findings: &[Finding]) -> Result<()> {
    let mut stdout = output::stdout();
    match args.output {
        OutputFormat::Json => report::write_json_lines(findings, &mut stdout)?,
        OutputFormat::Text => {
            report::write_text(findings, &output::text_options(args.top), &mut stdout)?;
        }
    }
    Ok(stdout.flush()?)
}

/// How plans are made for what is not to be hidden.
pub(crate) fn planning(args: &TellArgs) -> Result<Planning> {
    let options = PlanOptions { ttl_secs: args.plan_ttl, ..PlanOptions::DEFAULT };
    Ok(Planning { options, suppressions: suppressions(args)? })
}

/// Reads what is to be hidden.
fn suppressions(args: &TellArgs) -> Result<Suppressions> {
    let Some(path) = &args.suppress else { return Ok(Suppressions::default()) };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Suppressions::parse(&path.display().to_string(), &text)?)
}

/// Rules that are named one by one because they hide much; of more it is said how many.
const MUCH_MAX: usize = 9;

/// Says what suppressions hid, of so many deviations: what is hidden must not be forgotten, least of all
/// where it is much.
pub(crate) fn note_hits(hits: &[Hit], n_deviations: u64) {
    for hit in hits {
        let expired = if hit.is_expired { ", expired: hides nothing later" } else { "" };
        output::note(&format!(
            "suppression {}: hid {}, {}{expired} ({})",
            harmless(&hit.rule),
            n_of(hit.n, "deviation"),
            n_of(hit.n_findings, "whole finding"),
            harmless(&hit.reason)
        ));
    }
    for line in much(hits, n_deviations) {
        output::note(&line);
    }
}

fn n_of(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// What is said of suppressions that hide much.
fn much(hits: &[Hit], n_deviations: u64) -> Vec<String> {
    let mut much: Vec<&Hit> = hits.iter().filter(|hit| hit.hides_much(n_deviations)).collect();
    much.sort_by_key(|hit| (Reverse(hit.n_grave), Reverse(hit.n)));
    let told = much.iter().take(MUCH_MAX);
    let mut lines: Vec<String> = told.map(|hit| much_line(hit, n_deviations)).collect();
    if let Some(more) = much.len().checked_sub(MUCH_MAX).filter(|&n| n > 0) {
        lines.push(format!("{more} more suppressions hide much"));
    }
    let n_hidden: u64 = hits.iter().map(|hit| hit.n).sum();
    if much.is_empty() && n_hidden > n_deviations / 2 {
        lines.push(format!(
            "suppressions together hide much: {n_hidden} of {n_deviations} deviations; look whether that \
             is still meant"
        ));
    }
    lines
}

/// What is said of a suppression that hides much.
pub(crate) fn much_line(hit: &Hit, n_deviations: u64) -> String {
    format!(
        "suppression {} hides much: {} of {n_deviations} deviations, {} findings of severity high or \
         critical; look whether that is still meant ({})",
        harmless(&hit.rule),
        hit.n,
        hit.n_grave,
        harmless(&hit.reason)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_makes_no_line_of_its_own() {
        let forged = Hit { reason: "x\nledger: 0 records".to_owned(), ..hit(9, 1) };
        assert!(much(&[forged], 9).iter().all(|line| !line.contains('\n')));
    }

    fn finding(revision: u32, last_seen: &str, first_seen: &str) -> Finding {
        let one = serde_json::json!({
            "schema": "tidegate.finding/1", "id": "tg-1", "revision": revision, "state": "updated",
            "kind": "beacon", "severity": "low", "confidence": 0.5, "p_value": 0.1,
            "calibration": "shape", "first_seen": first_seen, "last_seen": last_seen,
            "service": "carts", "workload": {
                "account": "1", "vpc": "v", "eni": null, "address": "10.0.0.1", "instance": null
            },
            "summary": "x", "techniques": [], "guardduty": null, "deviations": [],
            "n_deviations": 1, "suggestion": null
        });
        serde_json::from_value(one).unwrap()
    }

    /// Several revisions of one finding wait for one save.
    #[test]
    fn revisions_are_told_in_their_order_and_what_was_never_told_is_not_withdrawn() {
        let rule = "rules: [{ reason: x, service: carts, until: 2026-03-01 }]";
        let rules = Suppressions::parse("f", rule).unwrap();
        let hidden = || finding(1, "2026-03-01T09:00:00Z", "2026-03-01T08:00:00Z");
        let later = || finding(2, "2026-03-02T09:00:00Z", "2026-03-01T07:00:00Z");
        let mut known = Known::default();
        let told = |findings: Vec<Finding>, known: &mut Known| -> Vec<(u32, State)> {
            let news = News::of(&rules, findings, 0, known);
            news.findings.iter().map(|told| (told.revision, told.state)).collect()
        };
        assert_eq!(told(vec![hidden(), later()], &mut known), [(2, State::Updated)]);
        assert!(known.open.contains("tg-1") && known.withdrawn.is_empty());
        let third = finding(3, "2026-03-01T10:00:00Z", "2026-03-01T06:00:00Z");
        assert_eq!(
            told(vec![later(), third], &mut known),
            [(2, State::Updated), (4, State::Closed)],
            "as they came, whatever their first record"
        );
        assert!(known.open.is_empty() && known.withdrawn.contains("tg-1"));
        assert_eq!(told(vec![hidden()], &mut known), [], "it is said once");
    }

    fn hit(n: u64, n_grave: u64) -> Hit {
        Hit {
            rule: format!("r{n}"),
            reason: "why".to_owned(),
            n,
            n_findings: 1,
            n_grave,
            is_expired: false,
        }
    }

    #[test]
    fn rules_that_hide_much_are_told() {
        assert!(much(&[hit(5, 0)], 10).is_empty() && much(&[], 0).is_empty());
        let half = much(&[hit(6, 0), hit(1, 0)], 10);
        assert_eq!(half.len(), 1);
        assert!(half[0].starts_with("suppression r6 hides much: 6 of 10"), "{half:?}");
        let grave = much(&[hit(1, 0), hit(2, 1)], 100);
        assert!(grave.len() == 1 && grave[0].starts_with("suppression r2"), "{grave:?}");
        let many = much(&[hit(3, 0), hit(4, 0)], 10);
        assert!(many.len() == 1 && many[0].contains("together"), "{many:?}");
        let all: Vec<Hit> = (0..20).map(|_| hit(1, 1)).collect();
        assert_eq!(much(&all, 20).len(), 10);
    }
}
