//! A state file: any bytes give a snapshot or an error, and so does any content of its JSON parts in a
//! container that is whole.

#![no_main]

use std::collections::BTreeMap;

use detect::snapshot::Snapshot;
use libfuzzer_sys::fuzz_target;
use model::baseline::{self, Baseline};
use model::settle::Carried;
use model::snapshot::{Sections, carried_to_bytes, windows_to_bytes};

const JSON_PARTS: [&str; 4] = ["run", "identity", "judge", "undelivered"];

const RUN: &str = r#"{"window_secs":300,"interval_secs":60,"closed_until":null}"#;

/// A container that is whole, with `content` as one of its JSON parts.
fn container(part: &str, content: &[u8]) -> Option<Vec<u8>> {
    let mut evidence = Vec::new();
    baseline::write(&Baseline::default(), &mut evidence).ok()?;
    let mut sections = Sections::default();
    sections.insert("baseline", evidence);
    sections.insert("windows", windows_to_bytes(&BTreeMap::new()).ok()?);
    sections.insert("carried", carried_to_bytes(&Carried::default()).ok()?);
    sections.insert("run", RUN.as_bytes().to_vec());
    sections.insert("identity", b"{}".to_vec());
    sections.insert("judge", br#"{"judged_from":null}"#.to_vec());
    sections.insert(part, content.to_vec());
    sections.to_bytes().ok()
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Snapshot::from_bytes(&bytes.to_vec().into());
    let Some((&first, rest)) = bytes.split_first() else { return };
    let part = JSON_PARTS[usize::from(first) % JSON_PARTS.len()];
    let Some(whole) = container(part, rest) else { return };
    // What is read is written as it was read.
    if let Ok(snapshot) = Snapshot::from_bytes(&whole.into()) {
        let again = snapshot.to_bytes().expect("what was read can be written");
        assert!(Snapshot::from_bytes(&again.into()).is_ok());
    }
});
