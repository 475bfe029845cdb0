//! Text, plain or compressed: the records do not depend on how the bytes are cut, and every line
//! is counted once.

#![no_main]

use std::sync::Arc;

use ingest::{DecodeOptions, Decoder, FieldSet, Limits, Origin, Tally};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let cut_at = bytes.first().map_or(1, |&byte| usize::from(byte).max(1));
    let whole = decode([bytes]);
    assert_eq!(whole, decode(bytes.chunks(cut_at)));
    let (n_records, tally) = whole;
    let classed = n_records + tally.ledger.records + tally.blank_lines + tally.header_lines;
    assert_eq!(classed, tally.lines);
});

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (u64, Tally) {
    let limits = Limits { line_bytes_max: 1000, envelope_bytes_max: 10_000, ..Limits::DEFAULT };
    let options = DecodeOptions { limits, ..DecodeOptions::of_columns(FieldSet::all()) };
    let mut decoder = Decoder::new(Arc::new(Origin::default()), options);
    let _ = chunks.into_iter().try_for_each(|chunk| decoder.decode(chunk));
    let _ = decoder.finish();
    let batches = std::iter::from_fn(|| decoder.take_batch());
    let n_records = batches.map(|batch| batch.n_records() as u64).sum();
    (n_records, decoder.into_tally())
}
