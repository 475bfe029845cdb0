//! What one workload did in one window: the unit that is judged and learned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::evidence::{Direction, EdgeKey, Measure};
use crate::activity::{Activity, Conversation, Endpoint};
use crate::identity::{Outside, Party, Workload};

/// The name a party has as a peer: `svc:payments`, `aws:S3`, `net:partner`, `203.0.113.0/24`.
pub fn peer_key(party: &Party) -> Arc<str> {
    match party {
        Party::Workload(workload) => format!("svc:{}", workload.service).into(),
        Party::Outside(Outside::AwsService(name)) => format!("aws:{name}").into(),
        Party::Outside(Outside::Network(name)) => format!("net:{name}").into(),
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
                let servers: BTreeSet<_> = client.map(|c| c.server.address).collect();
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
    let mut by_workload: BTreeMap<(Arc<str>, Arc<str>), WorkloadWindow<'_>> = BTreeMap::new();
    let mut of = |workload: &Arc<Workload>, conversation, direction| {
        let key = (Arc::clone(&workload.service), workload_key(workload));
        let window = by_workload.entry(key).or_insert_with(|| WorkloadWindow {
            workload: Arc::clone(workload),
            as_client: Vec::new(),
            as_server: Vec::new(),
        });
        match direction {
            Direction::Out => window.as_client.push(conversation),
            Direction::In => window.as_server.push(conversation),
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
    by_workload.into_values().collect()
}
