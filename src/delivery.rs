//! Brings findings to whom they are for: the findings file and standard output, less what is hidden.

use std::io::Write;

use anyhow::{Context, Result};
use detect::Finding;
use detect::report;
use detect::suggest::PlanOptions;
use detect::suppress::{Hit, Suppressions};

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

    /// Writes and prints findings, as of `newest`, Unix seconds, and says how a run that told them
    /// ends.
    pub(crate) fn deliver(&self, findings: Vec<Finding>, newest: i64) -> Result<Ending> {
        let (findings, hits) = self.planning.suppressions.apply(findings, newest);
        hits.iter().for_each(note_hit);
        if let Some(path) = &self.args.findings {
            output::write_file(path, |file| Ok(report::write_json_lines(&findings, file)?))?;
        }
        print(self.args, &findings)?;
        let is_told = self.args.exit_code && !findings.is_empty();
        Ok(if is_told { Ending::Findings } else { Ending::Ran })
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

/// Says what a suppression hid: what is hidden must not be forgotten.
pub(crate) fn note_hit(hit: &Hit) {
    let expired = if hit.is_expired { ", expired: hides nothing later" } else { "" };
    output::note(&format!(
        "suppression {}: hid {} deviations, {} whole findings{expired} ({})",
        hit.rule, hit.n, hit.n_findings, hit.reason
    ));
}
