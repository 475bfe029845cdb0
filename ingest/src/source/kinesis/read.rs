//! What a task that reads one shard hands over, and what may be under way at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_kinesis::types::Record;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::aggregate::{HashRange, Unpacked, unpacked};
use super::ask::Asker;
use super::position::Position;
use super::shards::{Begun, Listed};
use crate::source::SourceError;

/// Something for the loop to know.
#[derive(Debug)]
pub(super) enum Event {
    /// A shard was read on.
    Read(Read),
    /// A shard is read to its end.
    End { shard: Arc<str>, children: Vec<Listed> },
    /// All shards there are.
    Listed(Vec<Listed>),
    /// Reading has failed for good.
    Failed(SourceError),
}

/// What was read of a shard at once.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) shard: Arc<str>,
    pub(super) messages: Vec<Vec<u8>>,
    /// Where reading goes on after the messages, if they go past anything.
    pub(super) position: Option<Position>,
    pub(super) behind_ms: Option<u64>,
    /// Room that is free again when this is dropped.
    _room: Option<OwnedSemaphorePermit>,
}

/// How much the tasks may have read, all together, that nobody has taken yet.
const ROOM_KB: usize = 256 << 10;
/// The most a shard gives at once.
pub(super) const ANSWER_KB_MAX: usize = 10 << 10;

/// Room for what is read ahead. A task waits for it, so memory is bounded whatever the number of shards.
#[derive(Clone, Debug)]
pub(super) struct Room {
    free_kb: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { free_kb: Arc::new(Semaphore::new(ROOM_KB)) }
    }

    /// Waits for room. The semaphore is never closed, so there is some sooner or later.
    pub(super) async fn take(&self, n_kb: usize) -> Option<OwnedSemaphorePermit> {
        let n_kb = u32::try_from(n_kb.min(ROOM_KB)).unwrap_or(u32::MAX);
        Arc::clone(&self.free_kb).acquire_many_owned(n_kb).await.ok()
    }
}

/// Shards that are not to be read on for now.
#[derive(Clone, Debug)]
pub(super) struct Held {
    shards: Arc<watch::Sender<BTreeSet<Arc<str>>>>,
}

impl Held {
    pub(super) fn new() -> Self {
        Self { shards: Arc::new(watch::Sender::new(BTreeSet::new())) }
    }

    /// These, and no others.
    pub(super) fn set(&self, shards: &[Arc<str>]) {
        self.shards.send_if_modified(|held| {
            let changes = held.len() != shards.len() || shards.iter().any(|id| !held.contains(id));
            if changes {
                *held = shards.iter().map(Arc::clone).collect();
            }
            changes
        });
    }

    /// Waits until this shard may be read on.
    pub(super) async fn released(&self, shard: &str) {
        let mut held = self.shards.subscribe();
        // It cannot close while this one is there.
        let _ = held.wait_for(|held| !held.contains(shard)).await;
    }
}

/// One shard being read.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) asker: Asker,
    pub(super) shard: Begun,
    pub(super) room: Room,
    pub(super) held: Held,
    pub(super) events: Sender<Event>,
}

/// Nobody listens any more.
#[derive(Debug)]
pub(super) struct Unheard;

impl Task {
    pub(super) async fn tell(&self, event: Event) -> Result<(), Unheard> {
        self.events.send(event).await.map_err(|_| Unheard)
    }

    /// Tells of records, and of how far behind reading is even if there are none.
    pub(super) async fn tell_records(
        &self,
        records: Vec<Record>,
        behind_ms: Option<i64>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Unheard> {
        let last = records.last().map(|record| Position::After(record.sequence_number.clone()));
        let range = self.shard.range;
        let messages = records
            .into_iter()
            .flat_map(|record| self.messages(record.data.into_inner(), range))
            .collect();
        let read = Read {
            shard: Arc::clone(&self.shard.id),
            messages,
            position: last,
            behind_ms: behind_ms.and_then(|behind_ms| u64::try_from(behind_ms).ok()),
            _room: room,
        };
        self.tell(Event::Read(read)).await
    }

    fn messages(&self, record: Vec<u8>, range: HashRange) -> Vec<Vec<u8>> {
        match unpacked(&record, range) {
            Unpacked::Plain => vec![record],
            Unpacked::Packed(records) => records,
            Unpacked::Elsewhere => {
                self.asker.count("packed for another shard", 1);
                Vec::new()
            }
        }
    }
}

/// The size of records, rounded up.
pub(super) fn size_kb(records: &[Record]) -> usize {
    records.iter().map(|record| record.data.as_ref().len()).sum::<usize>().div_ceil(1 << 10)
}
