//! What detectors of outliers are given: every workload's window in numbers.
//!
//! Nothing is judged here. Other people's detectors are fitted to these rows elsewhere, as
//! `benches/pyod_compare.py` does, and `also.rs` reads what came of it.

mod sheet;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use model::activity::{Activity, Conversation};
use model::baseline::{Measure, WorkloadWindow};
use model::identity::Address;

use super::rivals::working_windows;

pub(crate) use sheet::Sheet;
pub(super) use sheet::{Chapter, write_judged, write_learned};

/// What is measured, in the order of a row's values.
const MEASURED: [&str; 24] = [
    "conversations",
    "attempts",
    "answered",
    "failed",
    "continued",
    "rejected",
    "bytes_outside",
    "bytes_inside",
    "bytes_in",
    "packets_out",
    "packets_in",
    "servers",
    "servers_outside",
    "servers_failed",
    "ports",
    "ports_failed",
    "new_addresses",
    "new_peers",
    "new_edges",
    "served",
    "clients",
    "rejected_in",
    "bytes_served",
    "bytes_received",
];

/// A workload's window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    service: Arc<str>,
    address: Address,
    /// Unix seconds.
    start: i64,
    values: [u64; MEASURED.len()],
}

/// Takes note of windows.
#[derive(Clone, Debug, Default)]
pub(super) struct Features {
    known: Known,
    rows: Vec<Row>,
}

impl Features {
    /// Takes note of a window.
    pub(super) fn take(&mut self, activity: &Activity) {
        for window in working_windows(activity) {
            let fresh = self.known.fresh(&window.as_client);
            self.rows.push(Row {
                service: Arc::clone(&window.workload.service),
                address: window.workload.address,
                start: activity.start,
                values: values(&window, fresh),
            });
        }
    }

    /// The rows so far; what is known stays.
    pub(super) fn take_rows(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }
}

/// Who has talked to whom, as answered conversations show it.
#[derive(Clone, Debug, Default)]
struct Known {
    addresses: HashSet<(Address, Address)>,
    /// A service and whom its replicas talk to, by the names that the first-seen edges have.
    peers: HashSet<(Arc<str>, Arc<str>)>,
    edges: HashSet<(Arc<str>, Arc<str>, u16)>,
}

impl Known {
    /// How many addresses, peers and edges were not known; then they are.
    fn fresh(&mut self, conversations: &[&Conversation]) -> [u64; 3] {
        let mut fresh = [0; 3];
        for c in conversations.iter().filter(|c| c.is_established()) {
            let (client, server) = (&c.client.peer, &c.server.peer);
            let is_new = [
                self.addresses.insert((c.client.address, c.server.address)),
                self.peers.insert((Arc::clone(client), Arc::clone(server))),
                self.edges.insert((Arc::clone(client), Arc::clone(server), c.port)),
            ];
            for (count, is_new) in fresh.iter_mut().zip(is_new) {
                *count += u64::from(is_new);
            }
        }
        fresh
    }
}

fn values(window: &WorkloadWindow<'_>, fresh: [u64; 3]) -> [u64; MEASURED.len()] {
    let (opened, taken) = (&window.as_client, &window.as_server);
    let failed: Vec<&Conversation> =
        opened.iter().copied().filter(|c| !c.is_established()).collect();
    let outside: Vec<&Conversation> =
        opened.iter().copied().filter(|c| c.server.workload().is_none()).collect();
    let [new_addresses, new_peers, new_edges] = fresh;
    [
        opened.len() as u64,
        window.measure(Measure::Connections),
        sum(opened, |c| c.answered),
        sum(opened, |c| c.attempts.saturating_sub(c.answered)),
        sum(opened, |c| c.continued),
        window.measure(Measure::RejectedOut),
        window.measure(Measure::BytesOutside),
        window.measure(Measure::BytesInside),
        sum(opened, |c| c.bytes_in),
        sum(opened, |c| c.packets_out),
        sum(opened, |c| c.packets_in),
        window.measure(Measure::Fanout),
        distinct(&outside, |c| c.server.address),
        distinct(&failed, |c| c.server.address),
        distinct(opened, |c| c.port),
        distinct(&failed, |c| c.port),
        new_addresses,
        new_peers,
        new_edges,
        window.measure(Measure::Served),
        distinct(taken, |c| c.client.address),
        window.measure(Measure::RejectedIn),
        sum(taken, |c| c.bytes_in),
        sum(taken, |c| c.bytes_out),
    ]
}

fn sum(conversations: &[&Conversation], of: impl Fn(&Conversation) -> u64) -> u64 {
    conversations.iter().map(|c| of(c)).fold(0, u64::saturating_add)
}

fn distinct<T: Ord>(conversations: &[&Conversation], of: impl Fn(&Conversation) -> T) -> u64 {
    conversations.iter().map(|c| of(c)).collect::<BTreeSet<T>>().len() as u64
}
