//! The evaluation as a document, with the command that made it.

use std::io::Write;

use anyhow::Result;

use super::score::Evaluation;
use super::text::{self, Table};

/// False findings and missed attacks listed one by one; more are counted.
const LISTED_MAX: usize = 40;

/// What counts as what; the same for every run.
const RULES: &str = "\
## What counts

- An attack is what the generator did from one host under one name. It is **found** when a finding says
  so: one of its deviations is of the attacking host (or of an attacked one, with the attacker as its other
  end), in a window the attack lasted, and names the attacked address and port. What is told of many
  addresses or ports at once, a scan or rejected connections, needs to name none.
- A finding is **false** when no attack explains it: none of its deviations is of an attacking host while
  it attacks. What an attack does to the volumes of its own host is no false finding, but finds nothing
  either. Where nothing was laid in every finding is false.
- **Time to detect** counts five-minute windows of event time, from the window of the attack's first record
  to the first window in which it was found, both included: 1 is the same window. It has no delivery delay
  in it.
- The interval of the rate is Garwood's exact one for a Poisson count.
- A finding **cuts off** when its plan, as it is told at the end, is `isolate-workload`, `cut-remote` or
  `remove-rule`.
- The baseline is learned as `learn` does from the days before, which scenarios share where they can; the
  judged days go through the decoder, the fold and the judge of `detect`.
";

/// Writes all of it; `command` is what made it.
pub(crate) fn write_markdown(
    evaluation: &Evaluation,
    command: &str,
    out: &mut dyn Write,
) -> Result<()> {
    writeln!(out, "# Evaluation\n\nMade by\n\n```\n{command}\n```\n")?;
    writeln!(out, "{}\n\n## By scenario\n", text::premise(evaluation))?;
    write_table(&text::scenarios(evaluation), out)?;
    writeln!(out, "\n{}\n\n## By attack\n", text::LEGEND)?;
    write_table(&text::attacks(&evaluation.total()), out)?;
    writeln!(out, "\n{RULES}")?;
    let missed = evaluation.missed().map(|(o, attack)| text::missed(o, attack));
    write_list("Missed", &missed.collect::<Vec<_>>(), out)?;
    let told = evaluation.false_findings().map(|(o, found)| text::false_finding(o, found));
    write_list("False", &told.collect::<Vec<_>>(), out)
}

fn write_table(table: &Table, out: &mut dyn Write) -> Result<()> {
    for (number, row) in table.iter().enumerate() {
        writeln!(
            out,
            "| {} |",
            row.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" | ")
        )?;
        if number == 0 {
            let rules = (0..row.len()).map(|column| if column == 0 { "---" } else { "---:" });
            writeln!(out, "| {} |", rules.collect::<Vec<_>>().join(" | "))?;
        }
    }
    Ok(())
}

fn write_list(head: &str, lines: &[String], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "## {head}\n")?;
    if lines.is_empty() {
        return Ok(writeln!(out, "None.\n")?);
    }
    for line in lines.iter().take(LISTED_MAX) {
        writeln!(out, "- {}", escaped(line))?;
    }
    match lines.len().saturating_sub(LISTED_MAX) {
        0 => Ok(writeln!(out)?),
        more => Ok(writeln!(out, "- and {more} more; `--output json` has all\n")?),
    }
}

/// Text that marks nothing up.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in ingest::escape::harmless(text).chars() {
        if "\\|<>*_`[]#".contains(c) {
            escaped.push('\\');
        }
        escaped.push(if c == '\n' { ' ' } else { c });
    }
    escaped
}
