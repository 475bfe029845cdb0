//! Who passes others' packets on to the outside, as its own records show.
//!
//! A NAT gateway's interface shows each connection twice: between the client and the outside, neither of
//! which it is, and between itself and the outside. The first of these, which takes `pkt-srcaddr` and
//! `pkt-dstaddr`, no other kind of interface shows: of a node's pods the addresses are the node's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::observers::Observers;
use crate::activity::{Conversation, Endpoint, Vantage};
use crate::identity::{Directory, EniFacts};

/// So many of an interface's conversations in one window are others' going out, and such a share of all it
/// sees: the rest are its own to the outside, and strangers knocking at it.
const PASSED_ON_MIN: u32 = 3;
const PASSED_ON_SHARE: f64 = 0.1;

/// What AWS calls an interface that does this.
const NAT_GATEWAY: &str = "nat_gateway";

/// What each observer of one window saw.
pub(super) struct Relays(Vec<Seen>);

#[derive(Clone, Copy, Default)]
struct Seen {
    conversations: u32,
    passed_on: u32,
}

impl Relays {
    pub(super) fn new(n_observers: usize) -> Self {
        Self(vec![Seen::default(); n_observers])
    }

    /// Notes an observer's view of a conversation.
    #[inline]
    pub(super) fn note(
        &mut self,
        number: usize,
        vantage: Vantage,
        client: &Endpoint,
        server: &Endpoint,
    ) {
        let Some(seen) = self.0.get_mut(number) else { return };
        seen.conversations += 1;
        if vantage == Vantage::Between {
            let is_other = client.workload().is_some_and(|workload| workload.eni.is_some());
            seen.passed_on += u32::from(is_other && server.workload().is_none());
        }
    }

    /// Tells the directory who relays. Gives the interfaces of which that is new.
    pub(super) fn tell(
        &self,
        observers: &Observers<'_>,
        directory: &mut Directory,
        time: i64,
    ) -> BTreeSet<Arc<str>> {
        let mut new = BTreeSet::new();
        for (number, observed) in observers.by_name() {
            if !self.0.get(number).copied().is_some_and(Seen::relays) {
                continue;
            }
            let facts = EniFacts {
                interface_type: Some(NAT_GATEWAY.into()),
                ..EniFacts::new(Arc::clone(&observed.account), Arc::clone(&observed.eni))
            };
            if directory.suppose(&facts, time) {
                new.insert(Arc::clone(&observed.eni));
            }
        }
        new
    }
}

impl Seen {
    fn relays(self) -> bool {
        let share = f64::from(self.passed_on) / f64::from(self.conversations.max(1));
        self.passed_on >= PASSED_ON_MIN && share >= PASSED_ON_SHARE
    }
}

/// Names the ends of a window's conversations anew that are these interfaces.
pub(super) fn rename(
    conversations: &mut [Conversation],
    enis: &BTreeSet<Arc<str>>,
    directory: &mut Directory,
    time: i64,
) {
    if enis.is_empty() {
        return;
    }
    for conversation in conversations {
        for end in [&mut conversation.client, &mut conversation.server] {
            let Some(workload) = end.workload() else { continue };
            if workload.eni.as_ref().is_some_and(|eni| enis.contains(eni)) {
                let (account, vpc) = (Arc::clone(&workload.account), Arc::clone(&workload.vpc));
                *end = directory.endpoint(&account, &vpc, end.address, None, time);
            }
        }
    }
}
