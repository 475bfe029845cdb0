//! Overlapping flow logs: an interface told by several is counted once.
//!
//! Per interface, window and verdict the log with most fields is used. The verdict matters because
//! two logs, one of accepted and one of rejected traffic, do not overlap at all.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ingest::Ledger;

use super::observers::Observers;
use crate::fold::Observed;

/// Which of an observer's records count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    accepted: bool,
    rejected: bool,
}

impl Use {
    pub(super) fn verdict(self, rejected: bool) -> bool {
        if rejected { self.rejected } else { self.accepted }
    }
}

/// Chooses among overlapping flow logs and classes every record of the window. By observer's number.
pub(super) fn choose(observers: &Observers<'_>, ledger: &mut Ledger) -> Vec<Use> {
    let mut by_eni: BTreeMap<(&str, &str), Vec<(usize, &Observed)>> = BTreeMap::new();
    for (number, observed) in observers.iter() {
        by_eni.entry((&observed.account, &observed.eni)).or_default().push((number, observed));
    }
    let mut uses = vec![Use::default(); observers.len()];
    for logs in by_eni.values() {
        let accepted = best(logs, |observed| observed.records.accepted);
        let rejected = best(logs, |observed| observed.records.rejected);
        for &(number, observed) in logs {
            let [accepted, rejected] = [accepted, rejected].map(|best| best == Some(number));
            uses[number] = Use { accepted, rejected };
            count(observed, uses[number], ledger);
        }
    }
    uses
}

fn best(logs: &[(usize, &Observed)], n: impl Fn(&Observed) -> u64) -> Option<usize> {
    logs.iter()
        .filter(|(_, observed)| n(observed) > 0)
        .max_by_key(|(_, observed)| (observed.n_fields, Reverse(&observed.flow_log_id)))
        .map(|&(number, _)| number)
}

fn count(observed: &Observed, used: Use, ledger: &mut Ledger) {
    let records = &observed.records;
    for (n, is_used) in [(records.accepted, used.accepted), (records.rejected, used.rejected)] {
        if is_used {
            ledger.used += n;
        } else {
            ledger.duplicate += n;
        }
    }
    ledger.nodata += records.nodata;
    ledger.skipdata += records.skipdata;
}
