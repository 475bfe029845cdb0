//! What is wrong with a query, and what could have been asked.

use anyhow::{Error, anyhow};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use super::functions;
use crate::flags::QueryArgs;

/// Lists are this wide.
const WIDTH: usize = 96;

/// DataFusion's word for it, without where in its code.
pub(super) fn plain(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(why) => anyhow!(
            "the query needs more memory than it may have; ask for fewer columns or a shorter time \
             ({why})"
        ),
        DataFusionError::External(source) => anyhow!("{source:#}"),
        root => anyhow!("{}", first_sentence(&root.strip_backtrace())),
    }
}

/// As [`plain`], with the tables there are, their columns, and the functions beside SQL's own.
pub(super) async fn explained(
    error: &DataFusionError,
    session: &SessionContext,
    args: &QueryArgs,
) -> Error {
    let mut text = format!("{}\n\nTables and their columns:\n", plain(error));
    let Some(schema) = session.catalog("datafusion").and_then(|all| all.schema("public")) else {
        return anyhow!(text);
    };
    for name in schema.table_names() {
        let Ok(Some(table)) = schema.table(&name).await else { continue };
        let columns = table.schema();
        let columns = columns.fields().iter().map(|field| field.name().as_str());
        text.push_str(&wrapped(&name, columns));
    }
    for (table, is_there, flag) in [
        ("flows and activity", !args.source.sources.is_empty(), "SOURCE…"),
        (
            "baseline, baseline_services and baseline_measures",
            args.baseline.is_some(),
            "--baseline",
        ),
        ("findings and deviations", args.findings.is_some(), "--findings"),
    ] {
        if !is_there {
            text.extend(["  ", table, ": give ", flag, "\n"]);
        }
    }
    text.push_str("Functions beside DataFusion's:\n");
    for usage in functions::USAGE {
        text.extend(["  ", usage, "\n"]);
    }
    anyhow!(text.trim_end().to_owned())
}

/// DataFusion lists every column of every table after its first sentence.
fn first_sentence(text: &str) -> &str {
    text.find("\nValid fields are")
        .or_else(|| text.find(" Valid fields are"))
        .map_or(text, |end| &text[..end])
        .trim_end_matches('.')
}

fn wrapped<'a>(name: &str, columns: impl Iterator<Item = &'a str>) -> String {
    let mut text = format!("  {name}:");
    let mut at = text.len();
    for (number, column) in columns.enumerate() {
        if number > 0 {
            text.push(',');
        }
        if at + column.len() + 2 > WIDTH {
            text.push_str("\n   ");
            at = 3;
        }
        text.push(' ');
        text.push_str(column);
        at += column.len() + 2;
    }
    text.push('\n');
    text
}
