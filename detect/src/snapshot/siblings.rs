//! What young workloads did, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

use super::time;
use super::workloads::address;
use crate::checks::siblings::{Contact, Member};

const PART: &str = "judge";

#[derive(Serialize, Deserialize)]
pub(super) struct WireMember {
    workload: String,
    service: String,
    role_known: bool,
    first: i64,
    last: i64,
    grown: i64,
    is_told: bool,
    contacts: Vec<WireContact>,
}

#[derive(Serialize, Deserialize)]
struct WireContact {
    /// What of the peer is compared, port and protocol.
    edge: (String, u16, u8),
    address: String,
    peer: String,
    /// Of states that did not note it: none that is told.
    #[serde(default)]
    port: u16,
    first: i64,
    last: i64,
    untold: u64,
    bytes_out: u64,
    bytes_in: u64,
    sample: String,
}

pub(super) fn to_wire((workload, member): (&Arc<str>, &Member)) -> WireMember {
    let contacts = member.edges.iter().flat_map(|((peer, port, protocol), contacts)| {
        contacts.iter().map(|(address, contact)| WireContact {
            edge: (peer.to_string(), *port, *protocol),
            address: address.to_string(),
            peer: contact.peer.to_string(),
            port: contact.port,
            first: contact.first,
            last: contact.last,
            untold: contact.untold,
            bytes_out: contact.bytes_out,
            bytes_in: contact.bytes_in,
            sample: contact.sample.clone(),
        })
    });
    WireMember {
        workload: workload.to_string(),
        service: member.service.to_string(),
        role_known: member.role_known,
        first: member.first,
        last: member.last,
        grown: member.grown,
        is_told: member.is_told,
        contacts: contacts.collect(),
    }
}

pub(super) fn from_wire(wire: WireMember) -> Result<(Arc<str>, Member), SnapshotError> {
    let mut member = Member {
        service: wire.service.into(),
        role_known: wire.role_known,
        first: time(PART, wire.first)?,
        last: time(PART, wire.last)?,
        grown: time(PART, wire.grown)?,
        is_told: wire.is_told,
        edges: BTreeMap::new(),
    };
    for contact in wire.contacts {
        let (peer, port, protocol) = contact.edge;
        let contacts = member.edges.entry((peer.into(), port, protocol)).or_default();
        let read = Contact {
            peer: contact.peer.into(),
            port: contact.port,
            first: time(PART, contact.first)?,
            last: time(PART, contact.last)?,
            untold: contact.untold,
            bytes_out: contact.bytes_out,
            bytes_in: contact.bytes_in,
            sample: contact.sample,
        };
        contacts.insert(address(&contact.address)?, read);
    }
    Ok((wire.workload.into(), member))
}
