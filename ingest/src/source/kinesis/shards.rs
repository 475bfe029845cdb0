//! Which shards there are, and in which order they may be read. No requests are made in here.
//!
//! A split shard has two children, two merged ones have one in common. A key's records go on in a child,
//! so a child is begun when all its parents are read to their end, and not before.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::aggregate::HashRange;
use super::position::Position;
use crate::source::stream::{Input, Positions};

/// A shard as the service lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: Arc<str>,
    /// None, the shard that was split, or the two that were merged.
    pub(super) parents: Vec<Arc<str>>,
    pub(super) range: HashRange,
}

/// A shard whose turn has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) id: Arc<str>,
    pub(super) from: Position,
    pub(super) range: HashRange,
}

/// The shards known of a stream.
#[derive(Debug)]
pub(super) struct Shards {
    /// Where a shard begins that is not in `saved`.
    start: Position,
    /// What was saved about shards that are not listed yet.
    saved: BTreeMap<Arc<str>, Position>,
    known: BTreeMap<Arc<str>, Shard>,
}

#[derive(Debug)]
struct Shard {
    parents: Vec<Arc<str>>,
    range: HashRange,
    position: Position,
    is_begun: bool,
    /// It ended, and its children are in the next list.
    awaits_children: bool,
    behind_ms: Option<u64>,
    is_answered: bool,
}

impl Shards {
    /// Nothing listed yet. `saved` goes before `start`.
    pub(super) fn new(start: Position, saved: BTreeMap<Arc<str>, Position>) -> Self {
        Self { start, saved, known: BTreeMap::new() }
    }

    /// Learns of the children of a shard that ended, `parent`; says whether they are to be listed instead.
    ///
    /// Of two shards that were merged one may be a stranger still, as a child of a shard that is not read
    /// to its end. Whether such a one is yet to come or has long expired is in the list.
    pub(super) fn learn_children(&mut self, parent: &str, children: Vec<Listed>) -> bool {
        let mut is_missing = children.is_empty();
        for child in children {
            if child.parents.iter().all(|parent| self.known.contains_key(parent)) {
                self.learn(child);
            } else {
                is_missing = true;
            }
        }
        if let Some(parent) = self.known.get_mut(parent) {
            parent.awaits_children = is_missing;
        }
        is_missing
    }

    /// Learns of a shard; one that is known already changes nothing.
    fn learn(&mut self, listed: Listed) {
        let Listed { id, parents, range } = listed;
        if self.known.contains_key(&id) {
            return;
        }
        let position = self.saved.remove(&id).unwrap_or_else(|| self.start.clone());
        let shard = Shard {
            parents,
            range,
            position,
            is_begun: false,
            awaits_children: false,
            behind_ms: None,
            is_answered: false,
        };
        self.known.insert(id, shard);
    }

    /// Takes everything listed now, which is all there is: shards that are finished and not listed have
    /// expired and are forgotten. Gives how many expired before they were read to their end.
    pub(super) fn list(&mut self, listed: Vec<Listed>) -> u64 {
        let is_listed = |id: &Arc<str>| listed.iter().any(|shard| shard.id == *id);
        self.known.retain(|id, shard| shard.position != Position::End || is_listed(id));
        self.saved.retain(|id, position| *position != Position::End || is_listed(id));
        let n_lost = self.saved.keys().filter(|id| !is_listed(id)).count() as u64;
        self.saved.retain(|id, _| is_listed(id));
        self.known.values_mut().for_each(|shard| shard.awaits_children = false);
        for shard in listed {
            self.learn(shard);
        }
        n_lost
    }

    /// The shards whose turn has come since the last call.
    pub(super) fn begin(&mut self) -> Vec<Begun> {
        let is_unread = |parent: &Arc<str>| {
            self.known.get(parent).is_some_and(|shard| shard.position != Position::End)
        };
        let is_due = |shard: &Shard| {
            !shard.is_begun
                && shard.position != Position::End
                && !shard.parents.iter().any(is_unread)
        };
        let due: Vec<Arc<str>> = self
            .known
            .iter()
            .filter(|(_, shard)| is_due(shard))
            .map(|(id, _)| Arc::clone(id))
            .collect();
        due.into_iter().filter_map(|id| self.begin_one(id)).collect()
    }

    fn begin_one(&mut self, id: Arc<str>) -> Option<Begun> {
        let shard = self.known.get_mut(&id)?;
        shard.is_begun = true;
        Some(Begun { id, from: shard.position.clone(), range: shard.range })
    }

    /// A shard was read so far, or to its end.
    pub(super) fn advance(&mut self, id: &str, position: Position) {
        if let Some(shard) = self.known.get_mut(id) {
            shard.position = position;
        }
    }

    /// The service answered for a shard, and said how far reading is behind if it did.
    pub(super) fn set_behind(&mut self, id: &str, behind_ms: Option<u64>) {
        if let Some(shard) = self.known.get_mut(id) {
            shard.behind_ms = behind_ms;
            shard.is_answered = true;
        }
    }

    /// Every shard that is being read, and those that ended and whose children are not known yet. A shard
    /// whose turn has not come brings nothing older than what its parents still do: they stand for it, and
    /// it is not idle for bringing nothing.
    pub(super) fn inputs(&self) -> Vec<Input> {
        let is_read = |shard: &Shard| {
            (shard.is_begun && shard.position != Position::End) || shard.awaits_children
        };
        let read = self.known.iter().filter(|(_, shard)| is_read(shard));
        let input = |(id, shard): (&Arc<str>, &Shard)| Input {
            name: Arc::clone(id),
            behind_ms: shard.behind_ms,
            is_answered: shard.is_answered,
        };
        read.map(input).collect()
    }

    /// Where reading goes on.
    pub(super) fn positions(&self) -> Positions {
        let saved = self.saved.iter();
        let known = self.known.iter().map(|(id, shard)| (id, &shard.position));
        known.chain(saved).map(|(id, position)| (id.to_string(), position.to_string())).collect()
    }
}

#[cfg(test)]
mod tests;
