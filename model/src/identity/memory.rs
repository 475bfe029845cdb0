//! What a directory learned from records, apart from it: what the next run has to know to answer as
//! this one would.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address::Address;
use super::directory::Directory;
use super::facts::EniFacts;

/// Everything records taught a directory; inventories, labels and ranges are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The newest window facts were taken from, Unix seconds.
    pub newest: Option<i64>,
    /// What records said of interfaces, by id.
    pub enis: Vec<RememberedEni>,
    /// The account whose records tell of a VPC.
    pub accounts: BTreeMap<Arc<str>, Arc<str>>,
    /// Which interfaces were seen with which addresses.
    pub holders: Vec<SeenHolder>,
}

/// What records said of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedEni {
    /// The latest window that told of it, Unix seconds.
    pub at: i64,
    /// What was known before that window.
    pub before: EniFacts,
    /// What that window's records say.
    pub current: EniFacts,
    /// How often each address was seen to be its own.
    pub own: BTreeMap<Address, u64>,
}

/// An interface that records showed with an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenHolder {
    /// The VPC, or the account where none is known.
    pub scope: Arc<str>,
    /// The address.
    pub address: Address,
    /// The interface.
    pub eni: Arc<str>,
    /// First window, Unix seconds.
    pub first: i64,
    /// Last window, Unix seconds.
    pub last: i64,
    /// Windows in all.
    pub n_times: u64,
}

impl Directory {
    /// What records taught it, in a fixed order.
    pub fn remembered(&self) -> Remembered {
        let recorded = &self.sources.recorded;
        Remembered {
            newest: (self.newest_fact > i64::MIN).then_some(self.newest_fact),
            enis: recorded.remembered().collect(),
            accounts: recorded.accounts().clone(),
            holders: self.book.seen(),
        }
    }

    /// Takes up what records taught another one; to be called before anything is observed.
    pub fn remember(&mut self, remembered: Remembered) {
        self.newest_fact = self.newest_fact.max(remembered.newest.unwrap_or(i64::MIN));
        self.sources.recorded.restore(remembered.enis, remembered.accounts);
        for holder in remembered.holders {
            self.book.restore_seen(&holder);
        }
        self.generation += 1;
    }
}
