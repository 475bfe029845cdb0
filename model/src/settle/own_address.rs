//! Which address is an interface's own, where neither the log's flow direction nor an inventory says.
//!
//! Every record of an interface has the interface's address at one end, so the address that most of
//! its records share is its own.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::fold::{ObserverId, WindowState};
use crate::identity::{Address, Directory};

/// Each observer's own address, as far as this window shows.
pub(super) fn find(
    state: &WindowState,
    directory: &mut Directory,
    time: i64,
) -> BTreeMap<ObserverId, u128> {
    let mut own = BTreeMap::new();
    let mut unknown: HashMap<ObserverId, HashMap<u128, u64>> = HashMap::new();
    for (&id, observed) in &state.observers {
        if let Some(address) = observed.own_address() {
            own.insert(id, address);
        } else if let Some(workload) =
            directory.workload_of_eni(&observed.account, &observed.eni, time)
        {
            own.insert(id, u128::from(workload.address));
        } else {
            unknown.insert(id, HashMap::new());
        }
    }
    if unknown.is_empty() {
        return own;
    }
    count_ends(state, &mut unknown);
    for (id, ends) in unknown {
        let best = ends
            .into_iter()
            .max_by_key(|&(address, n)| (n, Address::from(address).is_private(), Reverse(address)));
        own.extend(best.map(|(address, _)| (id, address)));
    }
    own
}

fn count_ends(state: &WindowState, unknown: &mut HashMap<ObserverId, HashMap<u128, u64>>) {
    for (key, counts) in state.tuples.iter() {
        let Some(ends) = unknown.get_mut(&key.observer) else { continue };
        for end in [key.low, key.high] {
            *ends.entry(end).or_default() += counts.records();
        }
    }
    for (key, counts) in state.folds.iter() {
        let Some(ends) = unknown.get_mut(&key.observer) else { continue };
        for end in [key.client, key.server] {
            *ends.entry(end).or_default() += counts.records();
        }
    }
}
