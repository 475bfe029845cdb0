//! What an open window knows of each observer: which records came, and what they said of themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::Field;

/// An observer's records in one window, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// With traffic that was accepted.
    pub accepted: u64,
    /// With traffic that was rejected.
    pub rejected: u64,
    /// Without traffic.
    pub nodata: u64,
    /// Lost by AWS.
    pub skipdata: u64,
}

impl RecordCounts {
    fn merge(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.nodata += other.nodata;
        self.skipdata += other.skipdata;
    }

    /// Records of all classes.
    pub fn total(&self) -> u64 {
        self.accepted + self.rejected + self.nodata + self.skipdata
    }
}

/// What the records of one observer say in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The account that owns the interface.
    pub account: Arc<str>,
    /// The interface; empty where the log does not name it.
    pub eni: Arc<str>,
    /// The flow log; empty where the file's name does not say.
    pub flow_log_id: Arc<str>,
    /// How many fields the flow log declares, at most.
    pub n_fields: u32,
    /// Records by class.
    pub records: RecordCounts,
    /// What records say of the interface: the smallest text met, by field.
    pub says: BTreeMap<Field, Arc<str>>,
    /// Addresses the flow direction shows to be the interface's own, with their records.
    pub own: BTreeMap<u128, u64>,
}

impl Observed {
    /// An observer of which nothing is known yet.
    pub fn new(account: Arc<str>, eni: Arc<str>, flow_log_id: Arc<str>) -> Self {
        let records = RecordCounts::default();
        let (says, own) = (BTreeMap::new(), BTreeMap::new());
        Self { account, eni, flow_log_id, n_fields: 0, records, says, own }
    }

    /// Notes what a record says; of several texts the smallest stays, whatever came first.
    pub fn note(&mut self, field: Field, text: &str) {
        match self.says.get(&field) {
            Some(known) if known.as_ref() <= text => {}
            _ => {
                self.says.insert(field, text.into());
            }
        }
    }

    /// Notes that a record shows this address to be the interface's own.
    pub fn note_own(&mut self, address: u128) {
        *self.own.entry(address).or_default() += 1;
    }

    /// Adds what another part of the window says.
    pub fn merge(&mut self, other: &Self) {
        self.n_fields = self.n_fields.max(other.n_fields);
        self.records.merge(&other.records);
        other.says.iter().for_each(|(&field, text)| self.note(field, text));
        for (&address, n) in &other.own {
            *self.own.entry(address).or_default() += n;
        }
    }

    /// What the records say of a field.
    pub fn said(&self, field: Field) -> Option<&Arc<str>> {
        self.says.get(&field)
    }
}
