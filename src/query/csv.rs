//! CSV that a spreadsheet takes for what it is: text, not formulas.

use std::io::Write;

use anyhow::Result;
use datafusion::arrow::datatypes::SchemaRef;
use ingest::escape::harmless;

use super::cell;
use super::rows::Next;

/// A header line, then a line a row.
pub(super) fn write(schema: &SchemaRef, next: &mut Next<'_>, out: &mut dyn Write) -> Result<()> {
    let names: Vec<String> =
        schema.fields().iter().map(|field| text(&harmless(field.name()))).collect();
    writeln!(out, "{}", names.join(","))?;
    let is_text: Vec<bool> =
        schema.fields().iter().map(|field| cell::is_text(field.data_type())).collect();
    while let Some(batch) = next()? {
        cell::each_row(&batch, "", &mut |cells| {
            let cells = cells.iter().zip(&is_text);
            let cells: Vec<String> = cells
                .map(|(cell, &is_text)| if is_text { text(cell) } else { quoted(cell) })
                .collect();
            writeln!(out, "{}", cells.join(","))?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Text as text: what a spreadsheet would take for a formula begins with an apostrophe.
fn text(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if is_formula { quoted(&format!("'{cell}")) } else { quoted(cell) }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text_and_numbers_stay_numbers() {
        assert_eq!(text("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(text("@SUM(1,2)"), "\"'@SUM(1,2)\"");
        assert_eq!(text("-"), "'-");
        assert_eq!(text("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("-5"), "-5");
        assert_eq!(text("10.0.0.1"), "10.0.0.1");
    }
}
