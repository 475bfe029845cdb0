//! A table for people.

use std::io::Write;

use anyhow::Result;
use datafusion::arrow::datatypes::SchemaRef;
use ingest::escape::harmless;

use super::cell;
use super::rows::Next;

/// Characters of a cell shown at most.
const CELL_CHARS_MAX: usize = 120;

/// Columns as wide as their widest cell, numbers to the right.
pub(super) fn write(schema: &SchemaRef, next: &mut Next<'_>, out: &mut dyn Write) -> Result<()> {
    let fields = schema.fields();
    if fields.iter().map(|field| field.name()).eq(["plan_type", "plan"]) {
        return write_plan(next, out);
    }
    let is_number: Vec<bool> =
        fields.iter().map(|field| cell::is_number(field.data_type())).collect();
    let mut lines: Vec<Vec<String>> =
        vec![fields.iter().map(|field| cut(&harmless(field.name()))).collect()];
    while let Some(batch) = next()? {
        cell::each_row(&batch, "-", &mut |cells| {
            lines.push(cells.iter().map(|cell| cut(cell)).collect());
            Ok(())
        })?;
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..fields.len()).map(|column| width(column).unwrap_or(0)).collect();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).zip(&is_number).map(|((cell, width), is_number)| {
            if *is_number { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            writeln!(out, "{}", rules.join("  "))?;
        }
    }
    Ok(())
}

/// What `explain` says is a tree over many lines.
fn write_plan(next: &mut Next<'_>, out: &mut dyn Write) -> Result<()> {
    while let Some(batch) = next()? {
        cell::each_row(&batch, "-", &mut |cells| {
            writeln!(out, "{}", cells.join("\n").replace("\\n", "\n"))?;
            Ok(())
        })?;
    }
    Ok(())
}

fn cut(cell: &str) -> String {
    if cell.chars().count() <= CELL_CHARS_MAX {
        return cell.to_owned();
    }
    cell.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect()
}
