//! Parquet: any bytes give records or an error.

#![no_main]

use std::fs;
use std::sync::Arc;

use ingest::{DecodeOptions, FieldSet, LogFile, Origin, Place, read_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("flows.parquet");
    let content = [b"PAR1", bytes, b"PAR1"].concat();
    if fs::write(&path, &content).is_err() {
        return;
    }
    let file = LogFile { place: Place::File(path), etag: None, origin: Arc::new(Origin::default()), bytes: content.len() as u64 };
    let outcome = read_file(&file, &DecodeOptions::of_columns(FieldSet::all()), &mut |_| {});
    assert!(outcome.tally.ledger.balances());
});
