//! First-seen edges: an answered conversation between two that never talked on that port before.
//!
//! There is no score but yes; edges that our own open are looked at only, or every visitor from
//! outside would be one.

use std::collections::HashSet;

use model::activity::{Activity, Conversation};

use super::{About, Alarm, Method, opened};

/// How two ends and a port are told apart.
pub(super) type Naming = fn(&Conversation) -> (String, String, u16);

/// Address by address.
pub(super) fn by_address(c: &Conversation) -> (String, String, u16) {
    (c.client.address.to_string(), c.server.address.to_string(), c.port)
}

/// Service by service; outside, network by network.
pub(super) fn by_service(c: &Conversation) -> (String, String, u16) {
    (c.client.peer.to_string(), c.server.peer.to_string(), c.port)
}

/// Edges that are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges(HashSet<(String, String, u16)>);

impl Edges {
    /// Takes in a window's edges.
    pub(super) fn learn(&mut self, activity: &Activity, naming: Naming) {
        self.0.extend(opened(activity).filter(|c| c.is_established()).map(naming));
    }

    /// The edges of a window that are not known; then they are.
    pub(super) fn alarms(
        &mut self,
        activity: &Activity,
        naming: Naming,
        method: Method,
    ) -> Vec<Alarm> {
        let fresh = opened(activity).filter(|c| c.is_established() && self.0.insert(naming(c)));
        fresh
            .map(|c| {
                let client = c.client.address.to_string();
                let (peer, port) = (Some(c.server.address.to_string()), Some(c.port));
                let (span, window) = ((c.first, c.last), activity.start);
                About { client: &client, peer, port, span, window }.alarm(method, 1.0)
            })
            .collect()
    }
}
