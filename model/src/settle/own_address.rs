//! Which address is an interface's own, where neither the log's flow direction nor an inventory says.
//!
//! Every record of an interface has the interface's address at one end, so the address that most of
//! its records share is its own.

use std::cmp::Reverse;

use hashbrown::HashMap;

use super::observers::Observers;
use crate::fold::{ObserverId, WindowState};
use crate::identity::{Address, Directory};

/// Each observer's own address, by its number, as far as this window shows.
pub(super) fn find(
    state: &WindowState,
    observers: &Observers<'_>,
    directory: &mut Directory,
    time: i64,
) -> Vec<Option<u128>> {
    let mut own = vec![None; observers.len()];
    let mut unknown = vec![false; observers.len()];
    for (n, observed) in observers.iter() {
        own[n] = observed.own_address().or_else(|| {
            let workload = directory.workload_of_eni(&observed.account, &observed.eni, time);
            workload.map(|workload| u128::from(workload.address))
        });
        unknown[n] = own[n].is_none();
    }
    if !unknown.contains(&true) {
        return own;
    }
    find_shared(state, observers, &mut unknown, &mut own);
    if unknown.contains(&true) {
        find_most(state, observers, &unknown, &mut own);
    }
    own
}

/// What one observer's records have at their ends: observer's number, ends, records.
fn ends<'a>(
    state: &'a WindowState,
    observers: &'a Observers<'_>,
) -> impl Iterator<Item = (usize, [u128; 2], u64)> + 'a {
    let number = |id: ObserverId| observers.number(id);
    let tuples = state.tuples.iter().filter_map(move |(key, counts)| {
        Some((number(key.observer)?, [key.low, key.high], counts.records()))
    });
    let folds = state.folds.iter().filter_map(move |(key, counts)| {
        Some((number(key.observer)?, [key.client, key.server], counts.records()))
    });
    tuples.chain(folds)
}

/// What most interfaces show: of the two ends of any record, which one all records share.
fn find_shared(
    state: &WindowState,
    observers: &Observers<'_>,
    unknown: &mut [bool],
    own: &mut [Option<u128>],
) {
    let mut candidates: Vec<Option<[Option<u128>; 2]>> = vec![None; unknown.len()];
    for (n, [a, b], _) in ends(state, observers) {
        let both = candidates[n].get_or_insert([Some(a), Some(b)]);
        for end in both.iter_mut() {
            *end = end.filter(|&end| a != b && (end == a || end == b));
        }
    }
    for (n, candidate) in candidates.into_iter().enumerate() {
        if unknown[n] {
            let shared = candidate
                .and_then(|both| both.into_iter().flatten().max_by_key(|&end| rank(end, 0)));
            own[n] = shared;
            // One without records is not looked at again.
            unknown[n] = candidate.is_some() && shared.is_none();
        }
    }
}

/// The address with most records, of private ones first, then the smallest.
fn rank(address: u128, n_records: u64) -> (u64, bool, Reverse<u128>) {
    (n_records, Address::from(address).is_private(), Reverse(address))
}

/// Where no address is shared by all records: the one that most of them share.
fn find_most(
    state: &WindowState,
    observers: &Observers<'_>,
    unknown: &[bool],
    own: &mut [Option<u128>],
) {
    let mut counts: HashMap<usize, HashMap<u128, u64>> = HashMap::new();
    for (n, both, n_records) in ends(state, observers).filter(|&(n, ..)| unknown[n]) {
        let counts = counts.entry(n).or_default();
        for end in both {
            *counts.entry(end).or_default() += n_records;
        }
    }
    for (n, counts) in counts {
        let best = counts.into_iter().max_by_key(|&(address, n)| rank(address, n));
        own[n] = best.map(|(address, _)| address);
    }
}
