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

/// Each observer's own addresses, by its number, as far as one window and those before it show. An
/// interface with both families has one of each.
pub(super) struct OwnAddresses {
    v4: Vec<Option<Own>>,
    /// Empty where the window has no IPv6.
    v6: Vec<Option<Own>>,
}

impl OwnAddresses {
    /// What is known of an observer, IPv4 before IPv6.
    pub(super) fn of(&self, observer: usize) -> impl Iterator<Item = Own> {
        let own = [&self.v4, &self.v6].map(|own| own.get(observer).copied().flatten());
        own.into_iter().flatten()
    }
}

/// Finds the observers' own addresses.
pub(super) fn find(
    state: &WindowState,
    observers: &Observers<'_>,
    directory: &mut Directory,
    time: i64,
) -> OwnAddresses {
    let mut told = |family: Family| {
        let of = |(_, observed): (usize, &Observed)| {
            let told = family.own_address(observed).or_else(|| {
                let workload = directory.workload_of_eni(&observed.account, &observed.eni, time)?;
                Some(u128::from(workload.address)).filter(|&address| family.has(address))
            });
            told.map(Own::known)
        };
        observers.iter().map(of).collect()
    };
    let v4 = complete(told(Family::V4), state, observers, Family::V4, |_| true);
    if !has_v6(state) {
        return OwnAddresses { v4, v6: Vec::new() };
    }
    // What forwards has no address in common with all that it forwards, but may have one with most.
    let is_only_v6 = |n: usize| v4[n].is_none();
    let v6 = complete(told(Family::V6), state, observers, Family::V6, is_only_v6);
    OwnAddresses { v4, v6 }
}

/// Finds the addresses that nothing told; what most records share only for those that `may_be_most`.
fn complete(
    mut own: Vec<Option<Own>>,
    state: &WindowState,
    observers: &Observers<'_>,
    family: Family,
    may_be_most: impl Fn(usize) -> bool,
) -> Vec<Option<Own>> {
    let mut unknown: Vec<bool> =
        observers.iter().map(|(n, seen)| own[n].is_none() && !family.is_told_of(seen)).collect();
    if !unknown.contains(&true) {
        return own;
    }
    let pairs = find_shared(ends(state, observers, family), &mut unknown, &mut own);
    if !pairs.is_empty() {
        choose_of_pairs(&pairs, observers, &mut own);
    }
    for (n, unknown) in unknown.iter_mut().enumerate() {
        *unknown = *unknown && may_be_most(n);
    }
    if unknown.contains(&true) {
        find_most(ends(state, observers, family), &unknown, &mut own);
    }
    own
}

/// An address family. Both ends of a record are of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn has(self, address: u128) -> bool {
        Address::from(address).is_v4() == (self == Self::V4)
    }

    /// Whether records show any of its addresses to be the interface's own.
    fn is_told_of(self, observed: &Observed) -> bool {
        observed.own.keys().any(|&address| self.has(address))
    }

    /// The address of this family that most records show to be the interface's own; the smallest of
    /// equals. Of IPv6 more than half of them must: of an appliance that forwards, no address has more.
    fn own_address(self, observed: &Observed) -> Option<u128> {
        let own = || observed.own.iter().filter(|&(&address, _)| self.has(address));
        let (&address, &most) = own().max_by_key(|&(&address, &n)| (n, Reverse(address)))?;
        let total: u64 = own().map(|(_, n)| n).sum();
        (self == Self::V4 || 2 * most > total).then_some(address)
    }
}

fn has_v6(state: &WindowState) -> bool {
    let is_v6 = |address| Family::V6.has(address);
    state.tuples.iter_wide().any(|(key, _)| is_v6(key.low))
        || state.folds.iter().any(|(key, _)| is_v6(key.client))
}

/// What one observer's records of a family have at their ends: observer's number, ends, records.
fn ends<'a>(
    state: &'a WindowState,
    observers: &'a Observers<'_>,
    family: Family,
) -> impl Iterator<Item = End> + 'a {
    let number = |id: ObserverId| observers.number(id);
    let tuples = state.tuples.iter().filter_map(move |(key, counts)| {
        Some((number(key.observer)?, [key.low, key.high], counts.records()))
    });
    let folds = state.folds.iter().filter_map(move |(key, counts)| {
        Some((number(key.observer)?, [key.client, key.server], counts.records()))
    });
    tuples.chain(folds).filter(move |(_, [end, _], _)| family.has(*end))
}

type End = (usize, [u128; 2], u64);

/// What most interfaces show: of the two ends of any record, which one all records share. Gives the
/// observers whose records share both.
fn find_shared(
    ends: impl Iterator<Item = End>,
    unknown: &mut [bool],
    own: &mut [Option<Own>],
) -> Vec<(usize, [u128; 2])> {
    let mut candidates: Vec<Option<[Option<u128>; 2]>> = vec![None; unknown.len()];
    for (n, [a, b], _) in ends {
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
fn find_most(ends: impl Iterator<Item = End>, unknown: &[bool], own: &mut [Option<Own>]) {
    let mut counts: HashMap<usize, HashMap<u128, u64>> = HashMap::new();
    for (n, both, n_records) in ends.filter(|&(n, ..)| unknown[n]) {
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
