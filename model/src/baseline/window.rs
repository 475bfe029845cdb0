//! What one workload did in one window: the unit that is judged and learned.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::evidence::{Direction, EdgeKey, Measure};
use crate::activity::{Activity, Conversation, Endpoint};
use crate::identity::{Outside, Party, Workload};

/// The name a party has as a peer: `svc:payments`, `aws:S3`, `net:partner`, `203.0.113.0/24`.
pub fn peer_key(party: &Party) -> Arc<str> {
    match party {
        Party::Workload(workload) => ["svc:", &workload.service].concat().into(),
        Party::Outside(Outside::AwsService(name)) => ["aws:", name].concat().into(),
        Party::Outside(Outside::Network(name)) => ["net:", name].concat().into(),
        Party::Outside(Outside::Prefix { network, bits }) => format!("{network}/{bits}").into(),
        Party::Outside(Outside::Group) => "multicast".into(),
    }
}

/// The name a workload goes by within its service: its interface, or its address.
pub fn workload_key(workload: &Workload) -> Arc<str> {
    match &workload.eni {
        Some(eni) => format!("{}/{eni}/{}", workload.account, workload.address).into(),
        None => format!("{}/{}/{}", workload.account, workload.vpc, workload.address).into(),
    }
}

/// One workload's window.
#[derive(Clone, Debug)]
pub struct WorkloadWindow<'a> {
    /// Who.
    pub workload: Arc<Workload>,
    /// What it opened.
    pub as_client: Vec<&'a Conversation>,
    /// What was opened to it.
    pub as_server: Vec<&'a Conversation>,
}

impl WorkloadWindow<'_> {
    /// What is measured in this window; `None` where the measure does not apply.
    pub fn measure(&self, measure: Measure) -> u64 {
        let client = self.as_client.iter();
        match measure {
            Measure::BytesOutside => {
                client.filter(|c| c.server.workload().is_none()).map(|c| c.bytes_out).sum()
            }
            Measure::BytesInside => {
                client.filter(|c| c.server.workload().is_some()).map(|c| c.bytes_out).sum()
            }
            Measure::Fanout => {
                let mut servers: Vec<_> = client.map(|c| c.server.address).collect();
                servers.sort_unstable();
                servers.dedup();
                servers.len() as u64
            }
            Measure::RejectedOut => client.map(|c| c.rejected()).sum(),
            Measure::RejectedIn => self.as_server.iter().map(|c| c.rejected()).sum(),
            Measure::Connections => client.map(|c| c.attempts).sum(),
            Measure::NewPeers => 0,
        }
    }

    /// The edges of this window, with each one's conversations.
    pub fn edges(&self) -> BTreeMap<EdgeKey, Vec<&Conversation>> {
        let mut edges: BTreeMap<EdgeKey, Vec<&Conversation>> = BTreeMap::new();
        let out = self.as_client.iter().map(|c| (Direction::Out, &c.server, c));
        let inward = self.as_server.iter().map(|c| (Direction::In, &c.client, c));
        for (direction, other, conversation) in out.chain(inward) {
            let key = edge_key(direction, other, conversation);
            edges.entry(key).or_default().push(conversation);
        }
        edges
    }
}

fn edge_key(direction: Direction, other: &Endpoint, conversation: &Conversation) -> EdgeKey {
    let peer = peer_key(&other.party);
    EdgeKey { direction, peer, port: conversation.port, protocol: conversation.protocol }
}

/// The window's conversations by workload, in a fixed order.
pub fn workload_windows(activity: &Activity) -> Vec<WorkloadWindow<'_>> {
    let mut windows: Vec<WorkloadWindow<'_>> = Vec::new();
    let mut by_name: BTreeMap<(Arc<str>, Arc<str>), usize> = BTreeMap::new();
    // A workload is mostly met as the same one in memory, and then need not be named again.
    let mut by_pointer: HashMap<*const Workload, usize> = HashMap::new();
    let mut of = |workload: &Arc<Workload>, conversation, direction| {
        let at = *by_pointer.entry(Arc::as_ptr(workload)).or_insert_with(|| {
            let name = (Arc::clone(&workload.service), workload_key(workload));
            *by_name.entry(name).or_insert_with(|| {
                let workload = Arc::clone(workload);
                let (as_client, as_server) = (Vec::new(), Vec::new());
                windows.push(WorkloadWindow { workload, as_client, as_server });
                windows.len() - 1
            })
        });
        match direction {
            Direction::Out => windows[at].as_client.push(conversation),
            Direction::In => windows[at].as_server.push(conversation),
        }
    };
    for conversation in &activity.conversations {
        if let Some(client) = conversation.client.workload() {
            of(client, conversation, Direction::Out);
        }
        if let Some(server) = conversation.server.workload() {
            of(server, conversation, Direction::In);
        }
    }
    let mut windows: Vec<_> = windows.into_iter().map(Some).collect();
    by_name.into_values().filter_map(|at| windows[at].take()).collect()
}
