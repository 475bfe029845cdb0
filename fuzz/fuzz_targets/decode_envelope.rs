//! JSON envelopes: every stream is taken as one, whatever its first byte.

#![no_main]

use std::sync::Arc;

use ingest::{DecodeOptions, Decoder, FieldSet, Origin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = DecodeOptions::of_columns(FieldSet::all());
    let mut decoder = Decoder::new(Arc::new(Origin::default()), options);
    let _ = decoder.decode(b"{\"message\":\"\"}");
    let _ = decoder.decode(bytes);
    let _ = decoder.finish();
    let batches = std::iter::from_fn(|| decoder.take_batch());
    let n_records: u64 = batches.map(|batch| batch.n_records() as u64).sum();
    let tally = decoder.tally();
    let classed = n_records + tally.ledger.records + tally.blank_lines + tally.header_lines;
    assert_eq!(classed, tally.lines);
});
