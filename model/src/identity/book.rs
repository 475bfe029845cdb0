//! The address book: which interface has an address, in which VPC, and when.
//!
//! Two kinds of claim meet here. A snapshot's claim begins with the first snapshot that lists the
//! interface and ends with the next one of the same account and VPC that does not. A claim from
//! records says when the interface was first and last seen with the address. Of the claims that hold
//! at a time, the one confirmed last before it wins, and records win a tie: the records tell of the
//! very window asked about.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use ingest::ip_ranges::Prefix;

use super::address::Address;
use super::facts::Change;
use super::memory::SeenHolder;

/// Interfaces remembered per address from records; an address passes on more rarely than this
/// within a baseline's reach.
const SEEN_PER_ADDRESS_MAX: usize = 8;

/// Where an address means something: a VPC, or the Internet. A number for quick lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Scope(u32);

impl Scope {
    /// Addresses that mean the same everywhere.
    pub(super) const INTERNET: Self = Self(0);
}

/// How an interface comes to have an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    /// The address is assigned to it.
    Assigned,
    /// The address is in a prefix delegated to it.
    Delegated,
}

#[derive(Clone, Debug)]
enum Claim {
    Listed { eni: Arc<str>, from: i64, until: i64, series: usize },
    Seen { eni: Arc<str>, first: i64, last: i64, n_times: u64 },
}

impl Claim {
    fn eni(&self) -> &Arc<str> {
        match self {
            Self::Listed { eni, .. } | Self::Seen { eni, .. } => eni,
        }
    }
}

/// All claims.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    scopes: HashMap<Arc<str>, Scope>,
    claims: HashMap<(Scope, Prefix), Vec<Claim>>,
    /// The scopes in which an address is claimed at all.
    scopes_of: HashMap<Address, Vec<Scope>>,
    /// The addresses claimed in a scope.
    extents: HashMap<Scope, BTreeSet<Address>>,
    /// Lengths of delegated prefixes, in 128 bits.
    delegated_lengths: BTreeSet<u8>,
    /// Times of the snapshots of each account and VPC, ascending.
    series: Vec<Vec<i64>>,
}

fn host(address: Address) -> Prefix {
    Prefix::new(address.octets(), 128)
}

impl Book {
    /// The scope of this name, made if need be.
    pub(super) fn scope(&mut self, name: &str) -> Scope {
        if let Some(&scope) = self.scopes.get(name) {
            return scope;
        }
        let scope = Scope(u32::try_from(self.scopes.len() + 1).unwrap_or(u32::MAX));
        self.scopes.insert(name.into(), scope);
        scope
    }

    /// The scope of this name, if anything is claimed in it.
    pub(super) fn known_scope(&self, name: &str) -> Option<Scope> {
        self.scopes.get(name).copied()
    }

    /// Adds a series of snapshots, their times ascending, and returns its number.
    pub(super) fn add_series(&mut self, times: Vec<i64>) -> usize {
        self.series.push(times);
        self.series.len() - 1
    }

    /// Adds what a series of snapshots says of one prefix or address of an interface: `present` are
    /// the times of the snapshots that list it, ascending.
    pub(super) fn list(
        &mut self,
        scope: Scope,
        prefix: Prefix,
        eni: &Arc<str>,
        series: usize,
        present: &[i64],
    ) {
        let times = self.series.get(series).map_or(&[][..], Vec::as_slice);
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for &time in present {
            let next = times.get(times.partition_point(|&t| t <= time)).copied();
            let until = next.unwrap_or(i64::MAX);
            match runs.last_mut() {
                Some(last) if last.1 == time => last.1 = until,
                _ => runs.push((time, until)),
            }
        }
        let listed = |(from, until)| Claim::Listed { eni: Arc::clone(eni), from, until, series };
        self.claims.entry((scope, prefix)).or_default().extend(runs.into_iter().map(listed));
        self.note(scope, prefix);
    }

    /// Adds that records show the interface with this address at this time.
    pub(super) fn see(
        &mut self,
        scope: Scope,
        address: Address,
        eni: &Arc<str>,
        time: i64,
    ) -> Change {
        self.note(scope, host(address));
        let claims = self.claims.entry((scope, host(address))).or_default();
        let disputed = claims.iter().any(|claim| claim.eni() != eni);
        let disputed = if disputed { Change::Some } else { Change::None };
        for claim in claims.iter_mut() {
            if let Claim::Seen { eni: known, first, last, n_times } = claim
                && known == eni
            {
                *first = time.min(*first);
                *last = time.max(*last);
                *n_times += 1;
                return disputed;
            }
        }
        claims.push(Claim::Seen { eni: Arc::clone(eni), first: time, last: time, n_times: 1 });
        forget_oldest(claims);
        Change::Some
    }

    /// All that records showed, in a fixed order.
    pub(super) fn seen(&self) -> Vec<SeenHolder> {
        let names: HashMap<Scope, &Arc<str>> =
            self.scopes.iter().map(|(name, &scope)| (scope, name)).collect();
        let mut all = Vec::new();
        for (&(scope, prefix), claims) in &self.claims {
            let Some(&name) = names.get(&scope) else { continue };
            let address = Address::from(prefix.network());
            all.extend(claims.iter().filter_map(|claim| match claim {
                Claim::Listed { .. } => None,
                Claim::Seen { eni, first, last, n_times } => Some(SeenHolder {
                    scope: Arc::clone(name),
                    address,
                    eni: Arc::clone(eni),
                    first: *first,
                    last: *last,
                    n_times: *n_times,
                }),
            }));
        }
        all.sort_unstable();
        all
    }

    /// Takes up one of what [`Self::seen`] told.
    pub(super) fn restore_seen(&mut self, holder: &SeenHolder) {
        let scope = self.scope(&holder.scope);
        self.note(scope, host(holder.address));
        let claims = self.claims.entry((scope, host(holder.address))).or_default();
        let SeenHolder { eni, first, last, n_times, .. } = holder;
        let (eni, first, last, n_times) = (Arc::clone(eni), *first, *last, *n_times);
        claims.push(Claim::Seen { eni, first, last, n_times });
        forget_oldest(claims);
    }

    fn note(&mut self, scope: Scope, prefix: Prefix) {
        if prefix.bits_mapped() < 128 {
            self.delegated_lengths.insert(prefix.bits_mapped());
            return;
        }
        let address = Address::from(prefix.network());
        self.extents.entry(scope).or_default().insert(address);
        let scopes = self.scopes_of.entry(address).or_default();
        if let Err(at) = scopes.binary_search(&scope) {
            scopes.insert(at, scope);
        }
    }

    /// The interface that has an address at a time: of those known to have it then, the one
    /// confirmed last; if there is none, the next to get it.
    pub(super) fn holder(
        &self,
        scope: Scope,
        address: Address,
        time: i64,
    ) -> Option<(&Arc<str>, Hold)> {
        let longest_first = self.delegated_lengths.iter().rev();
        let assigned = self.holder_of_prefix(scope, host(address), time);
        assigned.map(|eni| (eni, Hold::Assigned)).or_else(|| {
            let within = |&bits: &u8| Prefix::new(address.octets(), bits);
            longest_first
                .map(within)
                .find_map(|prefix| self.holder_of_prefix(scope, prefix, time))
                .map(|eni| (eni, Hold::Delegated))
        })
    }

    fn holder_of_prefix(&self, scope: Scope, prefix: Prefix, time: i64) -> Option<&Arc<str>> {
        let claims = self.claims.get(&(scope, prefix))?;
        let ranked = claims.iter().filter_map(|claim| Some((self.rank(claim, time)?, claim)));
        ranked
            .max_by(|(a, x), (b, y)| a.cmp(b).then_with(|| y.eni().cmp(x.eni())))
            .map(|(_, claim)| claim.eni())
    }

    /// How well a claim answers for a time: claims that hold then before those to come; the later
    /// confirmed before the earlier, and of those to come the nearest; records before snapshots.
    fn rank(&self, claim: &Claim, time: i64) -> Option<(bool, i64, u64)> {
        match *claim {
            Claim::Seen { first, last, n_times, .. } if first <= time => {
                Some((true, last.min(time), n_times))
            }
            Claim::Seen { first, n_times, .. } => Some((false, first.saturating_neg(), n_times)),
            Claim::Listed { from, until, series, .. } if from <= time && time < until => {
                let times = self.series.get(series)?;
                let n_before = times.partition_point(|&at| at <= time);
                Some((true, *times.get(n_before.checked_sub(1)?)?, 0))
            }
            Claim::Listed { from, .. } if from > time => Some((false, from.saturating_neg(), 0)),
            Claim::Listed { .. } => None,
        }
    }

    /// The interface that has an address in the only other scope where one has it: a peered VPC's,
    /// since peered VPCs do not overlap.
    pub(super) fn elsewhere(
        &self,
        scope: Option<Scope>,
        address: Address,
        time: i64,
    ) -> Option<&Arc<str>> {
        if scope.is_some_and(|scope| self.spans(scope, address)) {
            return None;
        }
        let others = self.scopes_of.get(&address)?.iter();
        let others = others.filter(|&&other| Some(other) != scope && other != Scope::INTERNET);
        let mut holders = others.filter_map(|&other| self.holder(other, address, time));
        let (eni, _) = holders.next()?;
        holders.next().is_none().then_some(eni)
    }

    /// Whether an address looks like one of the scope's own that nothing claims: it lies between two
    /// claimed addresses of one VPC-sized block (/16, or /56), or shares a small subnet (/24, or /64)
    /// with one. A VPC's own address must not be taken for that of an overlapping VPC.
    fn spans(&self, scope: Scope, address: Address) -> bool {
        let Some(claimed) = self.extents.get(&scope) else {
            return false;
        };
        let (block, subnet) = if address.is_v4() { (16, 24) } else { (56, 64) };
        let near = |bits: u8| move |a: &&Address| a.prefix(bits) == address.prefix(bits);
        let below = claimed.range(..=address).next_back();
        let above = claimed.range(address..).next();
        let between = below.filter(near(block)).is_some() && above.filter(near(block)).is_some();
        between || below.filter(near(subnet)).is_some() || above.filter(near(subnet)).is_some()
    }

    /// Whether an IPv6 address that nothing claims is of a subnet of the scope, which is a /64 that
    /// nobody else has.
    pub(super) fn is_in_subnet(&self, scope: Scope, address: Address) -> bool {
        let subnet = address.prefix(64);
        let claimed = self.extents.get(&scope).filter(|_| !address.is_v4());
        let first = claimed.and_then(|claimed| claimed.range(subnet..).next());
        first.is_some_and(|first| first.prefix(64) == subnet)
    }
}

/// Keeps the claims from records within the cap.
fn forget_oldest(claims: &mut Vec<Claim>) {
    let seen = |claim: &Claim| match claim {
        Claim::Seen { last, eni, .. } => Some((*last, Arc::clone(eni))),
        Claim::Listed { .. } => None,
    };
    if claims.iter().filter_map(seen).count() <= SEEN_PER_ADDRESS_MAX {
        return;
    }
    if let Some(oldest) = claims.iter().filter_map(seen).min() {
        claims.retain(|claim| seen(claim).as_ref() != Some(&oldest));
    }
}
