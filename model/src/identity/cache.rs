//! Answers already given, for as long as they hold.

use std::sync::Arc;

use hashbrown::HashMap;

use super::address::Address;
use super::party::{Party, Workload};

/// Answers kept; when there are more, all are given anew.
const ANSWERS_MAX: usize = 1 << 20;

/// What an answer depends on besides the question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    /// How many snapshots are at or before the time.
    pub(super) n_snapshots: usize,
    /// How often records told something new.
    pub(super) generation: u64,
    /// The time itself, where it is before the newest of the records' facts.
    pub(super) past: Option<i64>,
}

/// The answers for one account and VPC.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub(super) parties: HashMap<Address, Party>,
    pub(super) workloads: HashMap<Arc<str>, Option<Arc<Workload>>>,
}

/// All answers of one epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    epoch: Epoch,
    by_account: HashMap<Arc<str>, HashMap<Arc<str>, Answers>>,
    n_answers: usize,
}

impl Cache {
    /// Forgets everything if another epoch has begun or there is too much.
    pub(super) fn turn_to(&mut self, epoch: Epoch) {
        if self.epoch != epoch || self.n_answers > ANSWERS_MAX {
            self.by_account.clear();
            self.n_answers = 0;
            self.epoch = epoch;
        }
    }

    pub(super) fn party(&self, account: &str, vpc: &str, address: Address) -> Option<&Party> {
        self.by_account.get(account)?.get(vpc)?.parties.get(&address)
    }

    pub(super) fn workload(
        &self,
        account: &str,
        vpc: &str,
        eni: &str,
    ) -> Option<&Option<Arc<Workload>>> {
        self.by_account.get(account)?.get(vpc)?.workloads.get(eni)
    }

    /// Where the next answer is to be kept.
    pub(super) fn answers(&mut self, account: &str, vpc: &str) -> &mut Answers {
        self.n_answers += 1;
        self.by_account.entry(account.into()).or_default().entry(vpc.into()).or_default()
    }
}
