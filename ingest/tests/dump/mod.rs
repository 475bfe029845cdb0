//! Decodes bytes and writes the outcome down as text, for goldens and for comparing.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::fmt::Write;
use std::net::Ipv6Addr;
use std::sync::Arc;

use arrow_array::Array;
use ingest::{DecodeOptions, Decoder, Field, FlowBatch, Kind, Origin, Tally};

/// All that came of decoding one stream.
pub(crate) struct Decoded {
    pub(crate) batches: Vec<FlowBatch>,
    pub(crate) tally: Tally,
    pub(crate) error: Option<String>,
}

impl Decoded {
    pub(crate) fn n_records(&self) -> u64 {
        self.batches.iter().map(|batch| batch.n_records() as u64).sum()
    }
}

pub(crate) fn decode<'a>(
    options: &DecodeOptions,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Decoded {
    let origin = Origin { name: "stream".to_owned(), ..Origin::default() };
    let mut decoder = Decoder::new(Arc::new(origin), options.clone());
    let pushed = chunks.into_iter().try_for_each(|chunk| decoder.decode(chunk));
    let ended = decoder.finish();
    let error = pushed.and(ended).err().map(|error| error.to_string());
    let batches = std::iter::from_fn(|| decoder.take_batch()).collect();
    Decoded { batches, tally: decoder.into_tally(), error }
}

pub(crate) fn dump(decoded: &Decoded) -> String {
    let mut text = String::new();
    for batch in &decoded.batches {
        dump_batch(batch, &mut text);
    }
    dump_tally(&decoded.tally, &mut text);
    decoded.error.iter().for_each(|error| writeln!(text, "error: {error}").unwrap());
    text
}

fn dump_batch(batch: &FlowBatch, text: &mut String) {
    let names: Vec<&str> =
        batch.rows().schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    writeln!(text, "{} records of {}", batch.n_records(), names.join(" ")).unwrap();
    for row in 0..batch.n_records() {
        let values: Vec<String> = names.iter().map(|name| shown(batch, name, row)).collect();
        writeln!(text, "  {}", values.join(" ")).unwrap();
    }
}

fn shown(batch: &FlowBatch, name: &str, row: usize) -> String {
    let field = Field::from_name(name).unwrap();
    let value = match field.kind() {
        Kind::Text => batch.text(field).unwrap().get(row).map(|value| format!("{value:?}")),
        Kind::Address => batch.address(field).unwrap().get(row).map(|bytes| {
            let address = Ipv6Addr::from(bytes);
            address.to_ipv4_mapped().map_or(address.to_string(), |mapped| mapped.to_string())
        }),
        Kind::Small => {
            let column = batch.small(field).unwrap();
            column.is_valid(row).then(|| column.value(row).to_string())
        }
        Kind::Port => {
            let column = batch.port(field).unwrap();
            column.is_valid(row).then(|| column.value(row).to_string())
        }
        Kind::Count => {
            let column = batch.count(field).unwrap();
            column.is_valid(row).then(|| column.value(row).to_string())
        }
        Kind::Time => {
            let column = batch.time(field).unwrap();
            column.is_valid(row).then(|| column.value(row).to_string())
        }
    };
    value.unwrap_or_else(|| "-".to_owned())
}

fn dump_tally(tally: &Tally, text: &mut String) {
    writeln!(
        text,
        "{} lines: {} blank, {} header, {} control, {} rejected",
        tally.lines,
        tally.blank_lines,
        tally.header_lines,
        tally.ledger.control,
        tally.ledger.rejected_total()
    )
    .unwrap();
    if !tally.unknown_fields.is_empty() {
        writeln!(text, "unknown fields: {}", tally.unknown_fields.join(" ")).unwrap();
    }
    for (reason, n) in &tally.ledger.rejected {
        writeln!(text, "rejected as {}: {n}", reason.name()).unwrap();
        for sample in &tally.samples[reason] {
            writeln!(text, "  line {}: {}", sample.line_number, sample.text).unwrap();
        }
    }
}
