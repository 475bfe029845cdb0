//! Overlapping flow logs: an interface told by several is counted once.
//!
//! Per interface, window and verdict the log with most fields is used. The verdict matters because
//! two logs, one of accepted and one of rejected traffic, do not overlap at all.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ingest::Ledger;

use crate::fold::{Observed, ObserverId};

/// Which of an observer's records count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    accepted: bool,
    rejected: bool,
}

impl Use {
    pub(super) fn verdict(self, rejected: bool) -> bool {
        if rejected { self.rejected } else { self.accepted }
    }
}

/// Chooses among overlapping flow logs and classes every record of the window.
pub(super) fn choose(
    observers: &BTreeMap<ObserverId, Observed>,
    ledger: &mut Ledger,
) -> BTreeMap<ObserverId, Use> {
    let mut by_eni: BTreeMap<(&str, &str), Vec<(ObserverId, &Observed)>> = BTreeMap::new();
    for (&id, observed) in observers {
        by_eni.entry((&observed.account, &observed.eni)).or_default().push((id, observed));
    }
    let mut uses = BTreeMap::new();
    for logs in by_eni.values() {
        let accepted = best(logs, |observed| observed.records.accepted);
        let rejected = best(logs, |observed| observed.records.rejected);
        for &(id, observed) in logs {
            let used = Use { accepted: accepted == Some(id), rejected: rejected == Some(id) };
            count(observed, used, ledger);
            uses.insert(id, used);
        }
    }
    uses
}

fn best(logs: &[(ObserverId, &Observed)], n: impl Fn(&Observed) -> u64) -> Option<ObserverId> {
    logs.iter()
        .filter(|(_, observed)| n(observed) > 0)
        .max_by_key(|(_, observed)| (observed.n_fields, Reverse(&observed.flow_log_id)))
        .map(|&(id, _)| id)
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
