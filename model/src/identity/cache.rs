//! Answers already given, for as long as they hold.

use std::cell::Cell;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::address::Address;
use super::party::Workload;
use crate::activity::Endpoint;

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
    pub(super) endpoints: HashMap<Address, Arc<Endpoint>>,
    pub(super) workloads: HashMap<Arc<str>, Option<Arc<Workload>>>,
}

/// All answers of one epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    epoch: Epoch,
    by_account: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
    list: Vec<(Arc<str>, Arc<str>, Answers)>,
    /// The place in the list last found: who asks once mostly asks again.
    last: Cell<usize>,
    n_answers: usize,
    names: HashSet<Arc<str>>,
}

impl Cache {
    /// Forgets everything if another epoch has begun or there is too much.
    pub(super) fn turn_to(&mut self, epoch: Epoch) {
        if self.epoch != epoch || self.n_answers > ANSWERS_MAX {
            self.by_account.clear();
            self.list.clear();
            // The names outlive an epoch: what is judged and learned next has them already.
            if self.names.len() > ANSWERS_MAX {
                self.names.clear();
            }
            self.n_answers = 0;
            self.epoch = epoch;
        }
    }

    pub(super) fn endpoint(
        &self,
        account: &str,
        vpc: &str,
        address: Address,
    ) -> Option<&Arc<Endpoint>> {
        self.known(account, vpc)?.endpoints.get(&address)
    }

    /// A name as it is kept: the endpoints of one peer share it.
    pub(super) fn interned(&mut self, name: Arc<str>) -> Arc<str> {
        if let Some(known) = self.names.get(&name) {
            return Arc::clone(known);
        }
        self.names.insert(Arc::clone(&name));
        name
    }

    pub(super) fn workload(
        &self,
        account: &str,
        vpc: &str,
        eni: &str,
    ) -> Option<&Option<Arc<Workload>>> {
        self.known(account, vpc)?.workloads.get(eni)
    }

    /// Where the next answer is to be kept.
    pub(super) fn answers(&mut self, account: &str, vpc: &str) -> &mut Answers {
        self.n_answers += 1;
        let known = self.by_account.entry(account.into()).or_default();
        let at = *known.entry(vpc.into()).or_insert_with(|| {
            self.list.push((account.into(), vpc.into(), Answers::default()));
            self.list.len() - 1
        });
        &mut self.list[at].2
    }

    fn known(&self, account: &str, vpc: &str) -> Option<&Answers> {
        if let Some((of, at, answers)) = self.list.get(self.last.get())
            && **of == *account
            && **at == *vpc
        {
            return Some(answers);
        }
        let at = *self.by_account.get(account)?.get(vpc)?;
        self.last.set(at);
        self.list.get(at).map(|(_, _, answers)| answers)
    }
}
