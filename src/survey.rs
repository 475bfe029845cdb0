//! What the log cannot carry, found out from its first records and said once, at the start.

use std::collections::BTreeSet;
use std::io::Read;

use ingest::{DecodeOptions, Decoder, Field, FieldSet, FlowBatch, LogFile, Reader};

use crate::output;
use crate::sources::Reach;

/// Records looked at; enough to meet every interface of a large VPC once.
const RECORDS_MAX: u64 = 50_000;

/// Files looked at.
const FILES_MAX: usize = 8;

/// A record that spans more than this was not aggregated over 60 seconds. AWS lets a record exceed
/// its interval by a few.
const LONGER_THAN_60_SECS: i64 = 75;

/// With fewer records, that none was rejected, or long, says nothing.
const VERDICT_AFTER_RECORDS: u64 = 1000;

/// What the first records show.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) declared: FieldSet,
    n_records: u64,
    longest_secs: i64,
    actions: BTreeSet<String>,
    has_flags: bool,
}

/// Looks at the first records of the first files.
pub(crate) fn of_files(files: &[LogFile], reach: &Reach, options: &DecodeOptions) -> Survey {
    let mut survey = Survey::default();
    let looked_at = &files[..files.len().min(FILES_MAX)];
    let reader = reach.reader(looked_at);
    for file in looked_at {
        look(file, &reader, options, &mut survey);
        if survey.n_records >= RECORDS_MAX {
            break;
        }
    }
    survey
}

/// A file that cannot be read is named when its turn comes, not here.
pub(crate) fn look(file: &LogFile, reader: &Reader, options: &DecodeOptions, survey: &mut Survey) {
    if file.place.is_parquet() {
        reader.read(file, options, &mut |batch| survey.add(&batch));
        return;
    }
    let Ok(mut input) = reader.open(file) else { return };
    let mut decoder = Decoder::new(file.origin.clone(), options.clone());
    let mut chunk = vec![0; 64 << 10];
    while survey.n_records < RECORDS_MAX {
        match input.read(&mut chunk) {
            Ok(n) if n > 0 && decoder.decode(&chunk[..n]).is_ok() => {}
            _ => break,
        }
        while let Some(batch) = decoder.take_batch() {
            survey.add(&batch);
        }
    }
    let _ended = decoder.finish();
    while let Some(batch) = decoder.take_batch() {
        survey.add(&batch);
    }
}

impl Survey {
    /// Looks at more records.
    pub(crate) fn add(&mut self, batch: &FlowBatch) {
        self.declared = self.declared.union(batch.declared());
        self.n_records += batch.n_records() as u64;
        if let (Some(start), Some(end)) = (batch.time(Field::Start), batch.time(Field::End)) {
            let spans = start.iter().zip(end.iter()).filter_map(|(s, e)| Some(e? - s?));
            self.longest_secs = self.longest_secs.max(spans.max().unwrap_or(0));
        }
        if let Some(actions) = batch.text(Field::Action) {
            self.actions.extend(actions.values().iter().flatten().map(ToOwned::to_owned));
        }
        self.has_flags |= batch
            .small(Field::TcpFlags)
            .is_some_and(|flags| flags.iter().flatten().any(|flags| flags & 2 != 0));
    }

    /// Whether more records would hardly show another interval: one that is long settles it.
    #[cfg(feature = "watch")]
    pub(crate) fn is_settled(&self) -> bool {
        self.n_records >= RECORDS_MAX || self.longest_secs > LONGER_THAN_60_SECS
    }

    /// Whether there was anything to look at.
    #[cfg(feature = "watch")]
    pub(crate) fn has_records(&self) -> bool {
        self.n_records > 0
    }

    /// The aggregation interval the records show, seconds; `None` if there are too few to tell: an
    /// hour in which little happens may have short records only.
    pub(crate) fn interval_secs(&self) -> Option<i64> {
        match (self.n_records, self.longest_secs) {
            (_, longest) if longest > LONGER_THAN_60_SECS => Some(600),
            (n_records, _) if n_records < VERDICT_AFTER_RECORDS => None,
            _ => Some(60),
        }
    }

    /// Says what the log cannot carry.
    pub(crate) fn report(&self, interval_secs: i64, given: bool, has_ranges: bool) {
        let how = if given { "as given" } else { "found from the first records" };
        output::note(&format!("aggregation interval: {interval_secs} s ({how})"));
        for blind_spot in self.blind_spots() {
            output::note(&blind_spot);
        }
        if self.n_records > 0 && !has_ranges && !self.names_services() {
            output::note(
                "neither pkt-src-aws-service and pkt-dst-aws-service in these logs nor --ip-ranges: AWS's \
                 own services are strangers outside, and what reports to them by the clock may look like \
                 a beacon; give AWS's ip-ranges.json",
            );
        }
    }

    fn names_services(&self) -> bool {
        let has = |field| self.declared.contains(field);
        has(Field::PktSrcAwsService) && has(Field::PktDstAwsService)
    }

    fn blind_spots(&self) -> Vec<String> {
        let mut spots = Vec::new();
        let lacks = |field| self.n_records > 0 && !self.declared.contains(field);
        if lacks(Field::TcpFlags) {
            spots.push(
                "no tcp-flags in these logs: who is client is inferred from who listens and from \
                 ports, and a connection is counted per five-tuple"
                    .to_owned(),
            );
        } else if self.n_records >= VERDICT_AFTER_RECORDS && !self.has_flags {
            spots.push(
                "tcp-flags never has a SYN: connections are counted per five-tuple".to_owned(),
            );
        }
        if lacks(Field::PktSrcAddr) || lacks(Field::PktDstAddr) {
            spots.push(
                "no pkt-srcaddr and pkt-dstaddr: what goes through a NAT gateway, a transit gateway \
                 or a node's pods shows the address of the interface, not the real end"
                    .to_owned(),
            );
        }
        for (field, checks) in [
            (Field::Bytes, "volume"),
            (Field::Packets, "port-scan, sweep and beacon of short connections"),
            (Field::Action, "denied-spike"),
            (Field::DstPort, "new-port and port-scan"),
        ] {
            if lacks(field) {
                spots.push(format!("no {} in these logs: undecidable: {checks}", field.name()));
            }
        }
        spots.extend(self.verdict_spot());
        spots
    }

    /// A flow log may be set to accepted or rejected traffic alone, and no field says so.
    fn verdict_spot(&self) -> Option<String> {
        if self.n_records < VERDICT_AFTER_RECORDS || !self.declared.contains(Field::Action) {
            return None;
        }
        let has = |action: &str| self.actions.contains(action);
        match (has("ACCEPT"), has("REJECT")) {
            (true, false) => Some(format!(
                "none of the first {} records is REJECT: if the flow log records accepted traffic \
                 only, denied-spike is undecidable and scans show by their answers alone",
                self.n_records
            )),
            (false, true) => Some(format!(
                "none of the first {} records is ACCEPT: if the flow log records rejected traffic \
                 only, new-peer, new-port, volume, fan-out, flood and beacon are undecidable",
                self.n_records
            )),
            _ => None,
        }
    }
}
