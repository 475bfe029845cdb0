//! The evaluation for people: a table, then what was missed and what was false.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use ingest::escape::harmless;
use jiff::Timestamp;

use super::compare::{self, Curve};
use super::score::{Evaluation, Score};
use super::trial::{Attack, Found, Outcome};

/// A table's cells, row by row, the first row its head.
pub(super) type Table = Vec<Vec<String>>;

/// Writes all of it.
pub(crate) fn write_text(evaluation: &Evaluation, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}\n", premise(evaluation))?;
    write_table(&scenarios(evaluation), out)?;
    writeln!(out, "\n{LEGEND}\n")?;
    write_table(&attacks(&evaluation.total()), out)?;
    let missed: Vec<String> = evaluation.missed().map(|(o, attack)| missed(o, attack)).collect();
    write_list("Attacks that were missed", &missed, out)?;
    let told: Vec<String> = evaluation.false_findings().map(|(o, f)| false_finding(o, f)).collect();
    write_list("Findings that no attack explains", &told, out)?;
    let curves = compare::curves(&evaluation.outcomes);
    if curves.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nRecall at so many false findings a day, at most:\n")?;
    write_table(&methods(&curves, &evaluation.total()), out)?;
    writeln!(out, "\nRecall of each attack at one false finding a day, at most:\n")?;
    write_table(&methods_by_attack(&curves, evaluation), out)
}

/// A row for each method: its recall at each rate, what this program's recall would cost, and the most
/// that it finds at any cost.
pub(super) fn methods(curves: &[Curve], total: &Score) -> Table {
    let recall = total.recall().share();
    let mut head = vec!["method".to_owned()];
    head.extend(compare::RATES.map(|rate| format!("{rate}")));
    head.push(format!("false a day at {}", number(recall, 3)));
    head.extend(["most".to_owned(), "false a day".to_owned()]);
    let row = |curve: &Curve| {
        let name = curve.method.name();
        let mut row = vec![if curve.runs == total.runs {
            name.to_owned()
        } else {
            format!("{name}, {} of {} runs", curve.runs, total.runs)
        }];
        row.extend(compare::RATES.map(|rate| format!("{:.3}", curve.recall_at(rate))));
        row.push(number(recall.and_then(|recall| curve.false_at(recall)), 2));
        let most = curve.recall_at(f64::INFINITY);
        row.extend([format!("{most:.3}"), number(curve.false_at(most), 2)]);
        row
    };
    [head].into_iter().chain(curves.iter().map(row)).collect()
}

/// A row for each attack: what each method finds of it at one false finding a day.
pub(super) fn methods_by_attack(curves: &[Curve], evaluation: &Evaluation) -> Table {
    let by_attack = |curve: &Curve| curve.recall_by_attack(&evaluation.outcomes, 1.0);
    let found: Vec<_> = curves.iter().map(by_attack).collect();
    let head = curves.iter().map(|curve| curve.method.name().to_owned());
    let mut table: Table = vec![["attack".to_owned()].into_iter().chain(head).collect()];
    let names = found.first().into_iter().flat_map(|of_first| of_first.keys());
    table.extend(names.map(|name| {
        let share = |of: &BTreeMap<String, f64>| number(of.get(name).copied(), 2);
        [name.clone()].into_iter().chain(found.iter().map(share)).collect()
    }));
    table
}

/// What the columns mean.
pub(super) const LEGEND: &str = "\
False: findings that no attack explains; a day, with the exact 95 % interval of that rate.
Windows: the median of the five-minute windows from an attack's first record until it was found, both
counted. Cut off: findings whose plan cuts something off, and of these those that are false or act on a
host that no attack is of.";

/// What was judged.
pub(super) fn premise(evaluation: &Evaluation) -> String {
    let (terms, total) = (&evaluation.terms, evaluation.total());
    let before = if terms.warms_up { "judged without telling" } else { "learned" };
    let by = if terms.is_unlabelled { ", by the logs alone, without an inventory" } else { "" };
    format!(
        "{} runs over {} judged days and {} records of made-up estates ({}),\nafter {} days that are \
         {before}, at a budget of {}{by}.",
        total.runs,
        total.judged_days,
        total.records,
        terms.topologies.join(", "),
        terms.learn_days,
        terms.budget
    )
}

/// A row for each scenario, and one for all.
pub(super) fn scenarios(evaluation: &Evaluation) -> Table {
    let head =
        ["scenario", "days", "found", "recall", "false", "a day", "95 %", "windows", "cut off"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    table.extend(evaluation.scenarios().map(|(name, _, score)| row(name, &score)));
    table.push(row("total", &evaluation.total()));
    table
}

fn row(name: &str, score: &Score) -> Vec<String> {
    let recall = score.recall();
    let found = match recall.laid_in {
        0 => "-".to_owned(),
        laid_in => format!("{} of {laid_in}", recall.windows.len()),
    };
    let interval = score.false_per_day_interval();
    vec![
        name.to_owned(),
        score.judged_days.to_string(),
        found,
        number(recall.share(), 3),
        score.false_findings.to_string(),
        number(score.false_per_day(), 2),
        interval.map_or_else(dash, |(low, high)| format!("{low:.2} to {high:.2}")),
        number(recall.median_windows(), 1),
        format!("{} ({})", score.quarantines, score.false_quarantines),
    ]
}

/// A row for each attack.
pub(super) fn attacks(score: &Score) -> Table {
    let head = ["attack", "laid in", "found", "recall", "windows", "at most", "periods"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    table.extend(score.attacks.iter().map(|(name, recall)| {
        vec![
            name.clone(),
            recall.laid_in.to_string(),
            recall.windows.len().to_string(),
            number(recall.share(), 3),
            number(recall.median_windows(), 1),
            recall.windows.last().map_or_else(dash, u64::to_string),
            number(recall.median_periods(), 1),
        ]
    }));
    table
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.digits$}"))
}

fn dash() -> String {
    "-".to_owned()
}

/// A missed attack in one line.
pub(super) fn missed(outcome: &Outcome, Attack { stage, .. }: &Attack) -> String {
    let server = match (&stage.server, stage.servers.len()) {
        (Some(server), _) => server.clone(),
        (None, n) => format!("{n} servers"),
    };
    let port = match (stage.port, stage.ports.len()) {
        (Some(port), _) => format!(" on port {port}"),
        (None, n) => format!(" on {n} ports"),
    };
    format!(
        "{} seed {}: {} of {} at {server}{port}, {} connections from {} to {}",
        outcome.scenario,
        outcome.seed,
        stage.name,
        stage.client,
        stage.connections,
        time(stage.first_seen),
        time(stage.last_seen)
    )
}

/// A false finding in one line.
pub(super) fn false_finding(outcome: &Outcome, found: &Found) -> String {
    let (name, seed) = (outcome.scenario, outcome.seed);
    let action = match &found.action {
        Some(action) if found.acts_on_bystander => format!(" [{action} of another host]"),
        Some(action) if found.is_quarantine() => format!(" [{action}]"),
        _ => String::new(),
    };
    format!(
        "{name} seed {seed}: {} {} at {}: {}{action}",
        found.severity.name(),
        found.kind,
        found.first_seen,
        found.summary
    )
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

fn write_table(table: &Table, out: &mut dyn Write) -> Result<()> {
    let n_columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..n_columns).filter_map(width).collect();
    for (number, row) in table.iter().enumerate() {
        let cells =
            row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            writeln!(out, "{}", rules.join("  "))?;
        }
    }
    Ok(())
}

fn write_list(head: &str, lines: &[String], out: &mut dyn Write) -> Result<()> {
    if lines.is_empty() {
        return Ok(writeln!(out, "\n{head}: none.")?);
    }
    writeln!(out, "\n{head}: {}", lines.len())?;
    for line in lines {
        writeln!(out, "  {}", harmless(line))?;
    }
    Ok(())
}
