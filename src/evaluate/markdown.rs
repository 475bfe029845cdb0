//! The evaluation as a document, with the command that made it.

use std::io::Write;

use anyhow::Result;
use ingest::escape::harmless;

use super::compare::Curve;
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
- The interval of the rate is Garwood's exact one for a Poisson count. Scenarios that share a history share
  their ordinary traffic too, so one false finding may count in each of them; the interval of the total is
  narrower than that allows.
- A finding **cuts off** when its plan, as it is told at the end, is `isolate-workload`, `cut-remote` or
  `remove-rule`. That is false where the finding is, or where the plan acts on a host that no attack is of.
- The days before are learned as `learn` does, or with `--warm-up` judged without telling as `detect
  --warmup` does; scenarios share them where they can. The judged days go through the decoder, the fold and
  the judge of `detect`.
";

/// What goes with a document.
pub(crate) struct Made<'a> {
    /// The command that made it.
    pub(crate) command: &'a str,
    /// The name of the file with the picture of the curves.
    pub(crate) picture: &'a str,
    /// The compared methods' curves, if any.
    pub(crate) curves: &'a [Curve],
}

/// Writes all of it.
pub(crate) fn write_markdown(
    evaluation: &Evaluation,
    made: &Made<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    writeln!(out, "# Evaluation\n\nMade by\n\n```\n{}\n```\n", made.command)?;
    writeln!(out, "{}\n\n## By scenario\n", text::premise(evaluation))?;
    write_table(&text::scenarios(evaluation), out)?;
    writeln!(out, "\n{}\n\n## By attack\n", text::LEGEND)?;
    write_table(&text::attacks(&evaluation.total()), out)?;
    if !made.curves.is_empty() {
        write_comparison(evaluation, made, out)?;
    }
    writeln!(out, "\n{RULES}")?;
    let missed = evaluation.missed().map(|(o, attack)| text::missed(o, attack));
    write_list("Missed", &missed.collect::<Vec<_>>(), out)?;
    let told = evaluation.false_findings().map(|(o, found)| text::false_finding(o, found));
    write_list("False", &told.collect::<Vec<_>>(), out)
}

/// How the compared methods were read.
const METHODS: &str = "\
Each method is given the most favourable reading its definition leaves. All judge the same windows, after
the same days. For each, scores from a cut on are alarms, and the cut runs over all scores; an alarm finds an
attack by the rule below, and the alarms of one workload in one run count as one finding, which is false if
no attack explains any of them.

- **RITA beacon score** (version 5): regularity in time, size, hours and duration, of pairs of a host and an
  address outside, over each judged day; answered connections only; without its modifiers for prevalence,
  age and threat lists. Flow logs give no size for each connection: the mean of the window stands for it.
- **Zeek scan rule**: failed connections to 25 hosts on a port or 15 ports of a host in five minutes; the
  score is the multiple of that.
- **first-seen edge**: an answered conversation that one of the estate's hosts opens, and whose ends and port
  never occurred before; by address, and by service or network. There is no score: one point.
- **robust z of volumes**: the highest of the robust z-scores of `log(1 + x)` of a window's bytes to the
  outside and inside, connections, servers and rejections, against all windows of the service before.
- **tidegate** runs at the budget above; cuts are of the deviations' p-values, so its curve ends there.
";

/// How those that judge elsewhere were read.
const READ_METHODS: &str = "\
- **ECOD, HBOS, Isolation Forest** are PyOD's with its defaults, fitted to each run's learned windows by
  `benches/pyod_compare.py`: logarithms of a workload's volumes, connections, failures, servers, ports and
  first-seen edges in each window. Of several ways to use them (one model for the estate, a service or a
  workload; the hour of the day or not; raw scores or beside those of the learned windows) each is given the
  way in which these very attacks show it best.
";

fn write_comparison(
    evaluation: &Evaluation,
    Made { curves, picture, .. }: &Made<'_>,
    out: &mut dyn Write,
) -> Result<()> {
    writeln!(
        out,
        "\n## Beside other methods\n\nRecall at so many false findings a day, at most:\n"
    )?;
    write_table(&text::methods(curves, &evaluation.total()), out)?;
    writeln!(out, "\n![Recall against false findings a day]({picture})\n")?;
    writeln!(out, "Recall of each attack at one false finding a day, at most:\n")?;
    write_table(&text::methods_by_attack(curves, evaluation), out)?;
    let has_read = curves.iter().any(|curve| curve.method.is_read());
    Ok(writeln!(out, "\n{METHODS}{}", if has_read { READ_METHODS } else { "" })?)
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
    for c in harmless(text).chars() {
        if "\\|<>*_`[]#".contains(c) {
            escaped.push('\\');
        }
        escaped.push(if c == '\n' { ' ' } else { c });
    }
    escaped
}
