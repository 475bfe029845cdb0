//! Rows as CSV.

use std::io::Write;

use anyhow::Result;
use datafusion::arrow::datatypes::SchemaRef;
use ingest::escape::harmless;

use super::cell;
use super::rows::Next;
use crate::csv::{quoted, text};

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
