//! One open window.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::aggregator::FoldOptions;
use super::counts::FoldCounts;
use super::keep::{Sampled, SampledMap};
use super::key::{FoldKey, ObserverId, TupleKey};
use super::observer::Observed;
use super::tuples::Tuples;

impl Sampled for TupleKey {
    fn sample_hash(&self) -> u64 {
        self.stable_hash()
    }
}

impl Sampled for FoldKey {
    fn sample_hash(&self) -> u64 {
        self.stable_hash()
    }
}

/// Everything gathered for one window.
#[derive(Clone, Debug)]
pub struct WindowState {
    /// Inconclusive five-tuples.
    pub tuples: Tuples,
    /// Conclusive conversations.
    pub folds: SampledMap<FoldKey, FoldCounts>,
    /// Who observed.
    pub observers: BTreeMap<ObserverId, Observed>,
    /// AWS services the log names for addresses; the smallest name of each stays.
    pub aws_services: HashMap<u128, Arc<str>>,
}

impl WindowState {
    /// An empty window.
    pub fn new(options: &FoldOptions) -> Self {
        Self::with_room(options, 0)
    }

    /// An empty window with room for so many five-tuples.
    pub(super) fn with_room(options: &FoldOptions, n_tuples: usize) -> Self {
        Self {
            tuples: Tuples::new(options.tuples_per_window_max, n_tuples),
            folds: SampledMap::new(options.conversations_per_window_max),
            observers: BTreeMap::new(),
            aws_services: HashMap::new(),
        }
    }

    /// Adds what was gathered elsewhere for the same window.
    pub fn merge(&mut self, other: Self) {
        self.tuples.merge(other.tuples);
        self.folds.merge(other.folds, FoldCounts::records, FoldCounts::merge);
        for (id, observed) in other.observers {
            self.observers.entry(id).and_modify(|known| known.merge(&observed)).or_insert(observed);
        }
        for (address, name) in other.aws_services {
            self.name_aws_service(address, &name);
        }
    }

    /// Notes that the log calls an address's owner by this name.
    pub fn name_aws_service(&mut self, address: u128, name: &str) {
        match self.aws_services.get(&address) {
            Some(known) if known.as_ref() <= name => {}
            _ => {
                self.aws_services.insert(address, name.into());
            }
        }
    }

    /// Records of all classes.
    pub fn n_records(&self) -> u64 {
        self.observers.values().map(|observed| observed.records.total()).sum()
    }

    /// Memory held, in bytes, without the few texts.
    pub fn size_bytes(&self) -> usize {
        self.tuples.size_bytes()
            + self.folds.size_bytes()
            + self.observers.len() * size_of::<Observed>()
            + self.aws_services.allocation_size()
    }
}
