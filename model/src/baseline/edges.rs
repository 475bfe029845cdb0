//! A service's edges, and what they say together of each port.

use std::sync::OnceLock;

use hashbrown::HashMap;

use super::bounded::Bounded;
use super::evidence::{Direction, EDGES_PER_SERVICE_MAX, EdgeEvidence, EdgeKey};

/// What a service's edges say of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortEvidence {
    /// Whether it was established with anybody.
    pub established: bool,
    /// Of its edges with the outside: the most clean windows in which one was established.
    pub outside_clean: u64,
    /// Of its edges with the outside: the most flagged windows in which one was established.
    pub outside_flagged: u64,
    /// Whether connections with the outside were tried.
    pub outside_tried: bool,
}

impl PortEvidence {
    fn add(&mut self, key: &EdgeKey, edge: &EdgeEvidence) {
        self.established |= edge.established.total() > 0;
        if !key.is_inside() {
            self.outside_clean = self.outside_clean.max(edge.established.clean);
            self.outside_flagged = self.outside_flagged.max(edge.established.flagged);
            self.outside_tried |= edge.connections.total() > 0;
        }
    }
}

type Ports = HashMap<(Direction, u16, u8), PortEvidence>;

/// The relations of one service.
#[derive(Clone, Debug, Default)]
pub struct Edges {
    kept: Bounded<EdgeKey, EdgeEvidence, EDGES_PER_SERVICE_MAX>,
    /// Drawn from `kept` when first asked for; whatever may change that clears it.
    ports: OnceLock<Ports>,
}

/// What is drawn from the edges is no part of them.
impl PartialEq for Edges {
    fn eq(&self, other: &Self) -> bool {
        self.kept == other.kept
    }
}

impl Edges {
    /// Changes the evidence of an edge, made if new, unless the cap cuts it. Evidence only grows.
    pub(super) fn grow(&mut self, key: &EdgeKey, change: impl FnOnce(&mut EdgeEvidence)) {
        let is_full = self.kept.len() >= EDGES_PER_SERVICE_MAX;
        let takes_a_place = is_full && self.kept.get(key).is_none();
        let Some(edge) = self.kept.slot(key) else { return };
        change(edge);
        let edge = *edge;
        if takes_a_place {
            // Another edge gave way to it, and what that one said of its port goes with it.
            self.ports.take();
        } else if let Some(ports) = self.ports.get_mut() {
            ports.entry((key.direction, key.port, key.protocol)).or_default().add(key, &edge);
        }
    }

    /// The evidence of an edge, made if new; `None` if the cap cuts it.
    pub fn slot(&mut self, key: &EdgeKey) -> Option<&mut EdgeEvidence> {
        self.ports.take();
        self.kept.slot(key)
    }

    /// The evidence of an edge.
    pub fn get(&self, key: &EdgeKey) -> Option<&EdgeEvidence> {
        self.kept.get(key)
    }

    /// What the edges of one direction say of a port.
    pub fn port(&self, direction: Direction, port: u16, protocol: u8) -> PortEvidence {
        let draw = || {
            let mut ports = Ports::new();
            for (key, edge) in self.kept.unordered() {
                ports.entry((key.direction, key.port, key.protocol)).or_default().add(key, edge);
            }
            ports
        };
        let ports = self.ports.get_or_init(draw);
        ports.get(&(direction, port, protocol)).copied().unwrap_or_default()
    }

    /// All edges in order; it takes sorting.
    pub fn iter(&self) -> impl Iterator<Item = (&EdgeKey, &EdgeEvidence)> {
        self.kept.iter()
    }

    /// All edges, for what no order can change.
    pub fn unordered(&self) -> impl Iterator<Item = (&EdgeKey, &EdgeEvidence)> {
        self.kept.unordered()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether the cap has cut edges.
    pub fn overflowed(&self) -> bool {
        self.kept.overflowed()
    }

    /// Whether an edge that is not there never was, and was not cut by the cap.
    pub fn covers(&self, key: &EdgeKey) -> bool {
        self.kept.covers(key)
    }

    /// Restores whether the cap had cut edges before a snapshot.
    pub fn set_overflowed(&mut self) {
        self.kept.set_overflowed();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.ports.take();
        self.kept.merge(&other.kept, EdgeEvidence::merge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u16) -> EdgeKey {
        let peer =
            if n.is_multiple_of(3) { format!("svc:{n}") } else { format!("10.{}.0.0/24", n % 7) };
        let direction = if n.is_multiple_of(2) { Direction::Out } else { Direction::In };
        EdgeKey { direction, peer: peer.into(), port: n % 5000, protocol: 6 }
    }

    /// More than the cap holds, so that edges give way to others.
    #[test]
    fn what_ports_say_is_the_same_however_often_it_is_asked() {
        let (mut asked, mut fresh) = (Edges::default(), Edges::default());
        for n in 0..6000_u16 {
            let flagged = n.is_multiple_of(11);
            for edges in [&mut asked, &mut fresh] {
                edges.grow(&key(n), |edge| {
                    edge.established.add(u64::from(n % 4), flagged);
                    edge.connections.add(u64::from(n % 2), flagged);
                });
            }
            let EdgeKey { direction, port, protocol, .. } = key(n);
            asked.port(direction, port, protocol);
        }
        assert!(asked.overflowed() && asked == fresh);
        for n in 0..6000 {
            let EdgeKey { direction, port, protocol, .. } = key(n);
            let [a, b] = [&asked, &fresh].map(|edges| edges.port(direction, port, protocol));
            assert_eq!(a, b, "{n}");
        }
    }
}
