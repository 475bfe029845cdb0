//! Zeek's scan rule: a host with failed connections to 25 hosts on one port, or to 15 ports of one host,
//! within five minutes, which is a window.

use std::collections::{BTreeMap, BTreeSet};

use model::activity::Activity;
use model::identity::Address;

use super::{About, Alarm, Method, opened};

const HOSTS: f64 = 25.0;
const PORTS: f64 = 15.0;

/// Every host with failures; a score of 1 is the rule's threshold.
pub(super) fn alarms(activity: &Activity) -> Vec<Alarm> {
    let mut hosts: BTreeMap<(Address, u16), BTreeSet<Address>> = BTreeMap::new();
    let mut ports: BTreeMap<(Address, Address), BTreeSet<u16>> = BTreeMap::new();
    let mut spans: BTreeMap<Address, (i64, i64)> = BTreeMap::new();
    for c in opened(activity).filter(|c| !c.is_established()) {
        let (client, server) = (c.client.address, c.server.address);
        hosts.entry((client, c.port)).or_default().insert(server);
        ports.entry((client, server)).or_default().insert(c.port);
        let span = spans.entry(client).or_insert((c.first, c.last));
        *span = (span.0.min(c.first), span.1.max(c.last));
    }
    let mut scores: BTreeMap<Address, f64> = BTreeMap::new();
    let of_hosts = hosts.iter().map(|((client, _), known)| (*client, known.len() as f64 / HOSTS));
    let of_ports = ports.iter().map(|((client, _), known)| (*client, known.len() as f64 / PORTS));
    for (client, score) in of_hosts.chain(of_ports) {
        let known = scores.entry(client).or_insert(0.0);
        *known = known.max(score);
    }
    scores
        .into_iter()
        .map(|(client, score)| {
            let span = spans.get(&client).copied().unwrap_or_default();
            let client = client.to_string();
            let (peer, port, window) = (None, None, activity.start);
            About { client: &client, peer, port, span, window }.alarm(Method::Zeek, score)
        })
        .collect()
}
