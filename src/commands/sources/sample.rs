//! Some of the records at a source, decoded whole.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::Ipv6Addr;
use std::sync::Arc;

use ingest::escape::harmless;
use ingest::{
    DecodeOptions, Decoder, Field, FieldSet, FlowBatch, Kind, LogFile, Origin, ReadError, Reader,
    Tally,
};

/// Decompressed bytes read of a file: some thousand records.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Records shown.
const SHOWN_MAX: usize = 3;

/// Characters shown of a text.
const TEXT_CHARS_MAX: usize = 80;

/// A record that spans more than this was not aggregated over 60 seconds.
const LONGER_THAN_60_SECS: i64 = 75;

/// What some records show.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) n_records: u64,
    pub(super) n_rejected: u64,
    pub(super) rejects: BTreeSet<String>,
    /// Sets of fields that occurred together.
    pub(super) formats: BTreeSet<Vec<&'static str>>,
    pub(super) unknown_fields: BTreeSet<String>,
    pub(super) newest_end: Option<i64>,
    pub(super) shown: Vec<String>,
    longest_secs: i64,
}

impl Sample {
    /// The beginning of a file.
    pub(super) fn add_file(
        &mut self,
        file: &LogFile,
        reader: &Reader,
        decode: &DecodeOptions,
    ) -> Result<(), ReadError> {
        if file.place.is_parquet() {
            let read = reader.read(file, decode, &mut |batch| self.add(&batch));
            self.add_tally(&read.tally);
            return read.error.map_or(Ok(()), Err);
        }
        let io_error = |source| ReadError::Io { place: file.place.clone(), source };
        let mut head = Vec::new();
        let input = reader.open(file).map_err(io_error)?;
        // A file that is cut here ends in half a line, or in half a block: no fault of the file's.
        let cut_at = HEAD_BYTES_MAX as u64;
        let n_read = input.take(cut_at).read_to_end(&mut head).map_err(io_error)?;
        let is_whole = (n_read as u64) < cut_at;
        self.decode(&file.origin, &head, is_whole, decode)
    }

    /// Bytes in any form the decoder takes.
    pub(super) fn decode(
        &mut self,
        origin: &Arc<Origin>,
        bytes: &[u8],
        is_whole: bool,
        decode: &DecodeOptions,
    ) -> Result<(), ReadError> {
        let mut decoder = Decoder::new(Arc::clone(origin), decode.clone());
        let pushed = decoder.decode(bytes);
        self.add_tally(decoder.tally());
        let n_rejected = decoder.tally().ledger.rejected_total();
        let ended = decoder.finish();
        while let Some(batch) = decoder.take_batch() {
            self.add(&batch);
        }
        if is_whole {
            let after = decoder.tally().ledger.rejected_total();
            self.n_rejected += after.saturating_sub(n_rejected);
            return Ok(pushed.and(ended)?);
        }
        Ok(pushed?)
    }

    fn add_tally(&mut self, tally: &Tally) {
        self.n_rejected += tally.ledger.rejected_total();
        self.unknown_fields.extend(tally.unknown_fields.iter().cloned());
        for (reason, samples) in &tally.samples {
            let first = samples.first().map_or("", |sample| &sample.text);
            self.rejects.insert(format!("{}: {first}", reason.name()));
        }
    }

    fn add(&mut self, batch: &FlowBatch) {
        self.n_records += batch.n_records() as u64;
        self.formats.insert(batch.declared().iter().map(Field::name).collect());
        if let Some(ends) = batch.time(Field::End) {
            self.newest_end = self.newest_end.max(ends.iter().flatten().max());
            if let Some(starts) = batch.time(Field::Start) {
                let spans = starts.iter().zip(ends).filter_map(|(start, end)| Some(end? - start?));
                self.longest_secs = self.longest_secs.max(spans.max().unwrap_or(0));
            }
        }
        for row in 0..batch.n_records() {
            if self.shown.len() >= SHOWN_MAX {
                break;
            }
            self.shown.push(shown(batch, row));
        }
    }

    /// The aggregation interval the records show, seconds.
    pub(super) fn interval_secs(&self) -> Option<i64> {
        let interval = if self.longest_secs > LONGER_THAN_60_SECS { 600 } else { 60 };
        (self.n_records > 0).then_some(interval)
    }
}

/// Every field of a record that has a value.
fn shown(batch: &FlowBatch, row: usize) -> String {
    let fields = FieldSet::all().iter();
    let values =
        fields.filter_map(|field| Some(format!("{}={}", field.name(), value(batch, field, row)?)));
    values.collect::<Vec<_>>().join(" ")
}

fn value(batch: &FlowBatch, field: Field, row: usize) -> Option<String> {
    match field.kind() {
        Kind::Text => batch.text(field)?.get(row).map(escaped),
        Kind::Address => {
            let address = Ipv6Addr::from(batch.address(field)?.get(row)?);
            Some(address.to_canonical().to_string())
        }
        Kind::Small => batch.small(field)?.iter().nth(row)?.map(|number| number.to_string()),
        Kind::Port => batch.port(field)?.iter().nth(row)?.map(|number| number.to_string()),
        Kind::Count => batch.count(field)?.iter().nth(row)?.map(|number| number.to_string()),
        Kind::Time => batch.time(field)?.iter().nth(row)?.map(|number| number.to_string()),
    }
}

/// Texts are strangers'.
fn escaped(text: &str) -> String {
    let head: String = text.chars().take(TEXT_CHARS_MAX).collect();
    harmless(&head).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str, is_whole: bool) -> Sample {
        let mut sample = Sample::default();
        let decode = DecodeOptions::of_columns(FieldSet::all());
        let origin = Arc::new(Origin::default());
        sample.decode(&origin, text.as_bytes(), is_whole, &decode).unwrap();
        sample
    }

    #[test]
    fn records_are_shown_escaped() {
        let text = "interface-id start end\neni%0A%1b[31m 1000 1900\neni-2 - nonsense\n";
        let sample = sample(text, true);
        assert_eq!(sample.n_records, 1);
        assert_eq!((sample.n_rejected, sample.interval_secs()), (1, Some(600)));
        assert!(sample.shown.iter().all(|record| !record.contains(char::is_control)));
        assert!(sample.shown[0].ends_with("start=1000 end=1900"), "{}", sample.shown[0]);
    }

    #[test]
    fn a_line_cut_by_the_sample_is_no_reject() {
        let text = "interface-id start end\neni-1 1000 1060\neni-2 10";
        assert_eq!(sample(text, false).n_rejected, 0);
        assert_eq!(sample(text, true).n_rejected, 1);
    }
}
