//! `tidegate services`: who is who, and why.

use std::io::Write;

use anyhow::Result;
use ingest::escape::harmless;
use model::activity::Activity;
use model::identity::{Directory, Party};

use crate::closing::Windows;
use crate::flags::ServicesArgs;
use crate::plan::{self, ReadPlan};
use crate::{Ending, output};

/// Settling alone makes the directory know everybody.
struct Unjudged;

impl Windows for Unjudged {
    fn serves(&self, _: &Party, _: u16, _: u8) -> bool {
        false
    }

    fn take(&mut self, _: &Activity, _: &Directory) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn run(args: &ServicesArgs) -> Result<Ending> {
    let mut plan = ReadPlan::of(&args.source, None)?;
    let outcome = plan.read_whole(&mut Unjudged)?;
    plan::report_ledger(&outcome);
    let mut stdout = output::stdout();
    for row in plan.directory.describe() {
        let labels: Vec<&str> =
            [&row.environment, &row.tier].into_iter().flatten().map(AsRef::as_ref).collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!(" [{}]", harmless(&labels.join(", ")))
        };
        writeln!(stdout, "{}{labels}: {} workloads", harmless(&row.service), row.workloads.len())?;
        for workload in &row.workloads {
            writeln!(
                stdout,
                "  {:39} {:24} {:20} {}{}",
                workload.address.to_string(),
                harmless(workload.eni.as_deref().unwrap_or("-")),
                harmless(workload.instance.as_deref().unwrap_or("-")),
                harmless(&workload.why.to_string()),
                workload.infrastructure.map_or_else(String::new, |kind| format!(", {kind}")),
            )?;
        }
    }
    stdout.flush()?;
    Ok(if outcome.unreadable.is_empty() { Ending::Ran } else { Ending::Incomplete })
}
