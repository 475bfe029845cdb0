//! Which address is an interface's own, where neither the log's flow direction nor an inventory says.
//!
//! Every record of an interface has the interface's address at one end, so the address that most of
//! its records share is its own. Where all of them are of one pair of addresses they share both: then
//! it is the private one, else the one that no other interface has, else a guess, which serves in this
//! window and is not remembered. What is no guess the directory carries to later windows.

use std::cmp::Reverse;

use hashbrown::{HashMap, HashSet};
use ingest::Field;

use super::observers::Observers;
use crate::fold::{Observed, ObserverId, WindowState};
use crate::identity::{Address, Directory};

/// An observer's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) address: u128,
    /// Whether nothing but chance speaks for it.
    pub(super) is_guess: bool,
}

impl Own {
    fn known(address: u128) -> Self {
        Self { address, is_guess: false }
    }
}

/// Each observer's own address, by its number, as far as this window and those before it show.
pub(super) fn find(
    state: &WindowState,
    observers: &Observers<'_>,
    directory: &mut Directory,
    time: i64,
) -> Vec<Option<Own>> {
    let mut own = vec![None; observers.len()];
    let mut unknown = vec![false; observers.len()];
    for (n, observed) in observers.iter() {
        let told = observed.own_address().or_else(|| {
            let workload = directory.workload_of_eni(&observed.account, &observed.eni, time);
            workload.map(|workload| u128::from(workload.address))
        });
        own[n] = told.map(Own::known);
        unknown[n] = told.is_none();
    }
    if !unknown.contains(&true) {
        return own;
    }
    let pairs = find_shared(state, observers, &mut unknown, &mut own);
    if !pairs.is_empty() {
        choose_of_pairs(&pairs, observers, &mut own);
    }
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

/// What most interfaces show: of the two ends of any record, which one all records share. Gives the
/// observers whose records share both.
fn find_shared(
    state: &WindowState,
    observers: &Observers<'_>,
    unknown: &mut [bool],
    own: &mut [Option<Own>],
) -> Vec<(usize, [u128; 2])> {
    let mut candidates: Vec<Option<[Option<u128>; 2]>> = vec![None; unknown.len()];
    for (n, [a, b], _) in ends(state, observers) {
        let both = candidates[n].get_or_insert([Some(a), Some(b)]);
        for end in both.iter_mut() {
            *end = end.filter(|&end| a != b && (end == a || end == b));
        }
    }
    let mut pairs = Vec::new();
    for (n, candidate) in candidates.into_iter().enumerate() {
        if !unknown[n] {
            continue;
        }
        match candidate {
            Some([Some(a), Some(b)]) => match [a, b].map(|end| Address::from(end).is_private()) {
                [true, false] => own[n] = Some(Own::known(a)),
                [false, true] => own[n] = Some(Own::known(b)),
                _ => pairs.push((n, [a, b])),
            },
            Some([a, b]) => own[n] = a.or(b).map(Own::known),
            None => {}
        }
        // One without records is not looked at again.
        unknown[n] = matches!(candidate, Some([None, None]));
    }
    pairs
}

/// Of two addresses the one another flow log shows to be the interface's; else the one that is no
/// other interface's, for in one VPC an address has one interface; else the smaller.
fn choose_of_pairs(
    pairs: &[(usize, [u128; 2])],
    observers: &Observers<'_>,
    own: &mut [Option<Own>],
) {
    let mut of_eni = HashSet::new();
    let mut taken = HashSet::new();
    for (n, observed) in observers.iter() {
        if let Some(Own { address, .. }) = own[n] {
            of_eni.insert((scope(observed), observed.eni.as_ref(), address));
            taken.insert((scope(observed), address));
        }
    }
    for &(n, pair) in pairs {
        let observed = observers.get(n);
        let is_own = |end: &u128| of_eni.contains(&(scope(observed), observed.eni.as_ref(), *end));
        let is_free = |end: &u128| !taken.contains(&(scope(observed), *end));
        let mut free = pair.into_iter().filter(is_free);
        own[n] = match (pair.into_iter().find(is_own), free.next(), free.next()) {
            (Some(known), ..) | (None, Some(known), None) => Some(Own::known(known)),
            _ => pair.into_iter().min().map(|address| Own { address, is_guess: true }),
        };
    }
}

/// Where an address has one interface, as far as records say.
fn scope(observed: &Observed) -> (&str, Option<&str>) {
    (observed.account.as_ref(), observed.said(Field::VpcId).map(AsRef::as_ref))
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
    own: &mut [Option<Own>],
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
        own[n] = best.map(|(address, _)| Own::known(address));
    }
}
