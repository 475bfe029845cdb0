//! Flow logs in Kinesis Data Streams: every shard, parents before children, by polling or by enhanced
//! fan-out.
//!
//! A task reads each shard whose turn has come and waits when nobody takes what it read. What is
//! [polled](Stream::poll) counts as handed out, whole records of the stream at a time; positions tell of
//! nothing else.

mod aggregate;
mod ask;
mod fan_out;
mod list;
mod place;
mod polling;
mod position;
mod read;
mod shards;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::ask::Asker;
use self::fan_out::Consumer;
use self::position::Position;
use self::read::{Event, Held, Read, Room, Task};
use self::shards::{Begun, Shards};
use super::SourceError;
use super::aws::Aws;
use super::stream::{Content, Delivery, Polled, Positions, Stream};
use crate::batch::Origin;

pub use place::KinesisUrl;

/// How to read a stream.
#[derive(Clone, Debug)]
pub struct KinesisOptions {
    /// Where to begin.
    pub start: KinesisStart,
    /// How to have records.
    pub reading: KinesisReading,
}

/// Where to begin in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KinesisStart {
    /// The oldest records there are.
    TrimHorizon,
    /// Records that came at this time or later, Unix milliseconds.
    ///
    /// The present moment stands for the service's `LATEST`, which would begin anew after a restart in
    /// every shard that brought nothing before.
    At(i64),
    /// After what was read before; shards that are not in it from their oldest record on.
    Saved(Positions),
}

/// How to have records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KinesisReading {
    /// By asking, five times a second at most. All who poll a shard share its 2 MB/s.
    Polling,
    /// Sent to a registered consumer, with 2 MB/s of its own; costs by the hour and by the gigabyte.
    FanOut {
        /// The consumer's name. It is registered if there is none; two who use one name take each
        /// other's records away.
        consumer: String,
    },
}

/// A stream being read.
pub struct Kinesis {
    aws: Aws,
    asker: Asker,
    consumer: Option<Consumer>,
    origin: Arc<Origin>,
    shards: Shards,
    room: Room,
    held: Held,
    sender: Sender<Event>,
    events: Receiver<Event>,
    relist: Arc<Notify>,
    /// Ended when this is dropped.
    tasks: JoinSet<()>,
    failed: Option<SourceError>,
}

/// Events that wait to be taken; each shard waits with one more.
const EVENTS_WAITING_MAX: usize = 64;
/// A poll ends when it has so many bytes, though more wait.
const POLL_BYTES_MAX: usize = 32 << 20;
/// The end of a shard tells of its children; the list is there for what that misses.
const LIST_EVERY: Duration = Duration::from_mins(1);
/// Shards are listed no more often than this, however many end without telling of children.
const LIST_PAUSE: Duration = Duration::from_secs(1);

impl Kinesis {
    /// Lists the shards and begins to read.
    pub fn open(aws: &Aws, url: &KinesisUrl, options: KinesisOptions) -> Result<Self, SourceError> {
        let asker = Asker::new(aws, url);
        let shards = first_shards(aws, &asker, options.start)?;
        let consumer = match options.reading {
            KinesisReading::Polling => None,
            KinesisReading::FanOut { consumer } => Some(aws.wait(asker.consumer(&consumer))?),
        };
        let (sender, events) = channel(EVENTS_WAITING_MAX);
        let mut stream = Self {
            aws: aws.clone(),
            origin: Arc::new(Origin { name: url.to_string(), ..Origin::default() }),
            asker,
            consumer,
            shards,
            room: Room::new(),
            held: Held::new(),
            sender,
            events,
            relist: Arc::default(),
            tasks: JoinSet::new(),
            failed: None,
        };
        let (asker, sender) = (stream.asker.clone(), stream.sender.clone());
        stream.spawn(keep_listing(asker, Arc::clone(&stream.relist), sender));
        stream.begin_shards();
        Ok(stream)
    }

    /// Ends reading and takes the consumer for enhanced fan-out away, if it was registered here. One that
    /// was there before is left alone.
    pub fn deregister(self) -> Result<(), SourceError> {
        let Self { aws, asker, consumer, tasks, .. } = self;
        drop(tasks);
        match consumer.filter(|consumer| consumer.is_new) {
            Some(consumer) => aws.wait(asker.deregister(&consumer.arn)),
            None => Ok(()),
        }
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, self.aws.runtime().handle());
    }

    /// Reads the shards whose turn has come.
    fn begin_shards(&mut self) {
        for shard in self.shards.begin() {
            self.read_shard(shard);
        }
    }

    fn read_shard(&mut self, shard: Begun) {
        let (asker, room, held) = (self.asker.clone(), self.room.clone(), self.held.clone());
        let task = Task { asker, shard, room, held, events: self.sender.clone() };
        match self.consumer.clone() {
            None => self.spawn(task.poll()),
            Some(consumer) => self.spawn(task.subscribe(consumer.arn)),
        }
    }

    /// The events that are there, at least one that brings something unless the time is over.
    fn wait_for_events(&mut self, wait: Duration) -> Vec<Event> {
        let events = &mut self.events;
        let mut taken = Vec::new();
        self.aws.wait(async {
            // When the time is over what was taken so far is there all the same.
            let _ = timeout(wait, async {
                while let Some(event) = events.recv().await {
                    let brings_something = event.n_bytes().is_none_or(|n_bytes| n_bytes > 0);
                    taken.push(event);
                    if brings_something {
                        break;
                    }
                }
            })
            .await;
        });
        let mut n_bytes: usize = taken.iter().filter_map(Event::n_bytes).sum();
        while n_bytes < POLL_BYTES_MAX
            && let Ok(event) = self.events.try_recv()
        {
            n_bytes += event.n_bytes().unwrap_or_default();
            taken.push(event);
        }
        taken
    }

    fn apply(&mut self, event: Event, deliveries: &mut Vec<Delivery>) {
        match event {
            Event::Read(Read { shard, messages, position, behind_ms, .. }) => {
                if let Some(position) = position {
                    self.shards.advance(&shard, position);
                }
                self.shards.set_behind(&shard, behind_ms);
                deliveries.extend(messages.into_iter().map(|bytes| Delivery {
                    input: Arc::clone(&shard),
                    content: Content::Bytes { origin: Arc::clone(&self.origin), bytes },
                }));
            }
            Event::End { shard, children } => {
                if self.shards.learn_children(&shard, children) {
                    self.relist.notify_one();
                }
                self.shards.advance(&shard, Position::End);
                self.begin_shards();
            }
            Event::Listed(listed) => {
                self.asker.count(LOST, self.shards.list(listed));
                self.begin_shards();
            }
            Event::Failed(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }
}

/// Counted for each shard that is gone though it was not read to its end.
const LOST: &str = "shard expired before it was read";
/// Counted for each saved position the service does not take: records that came before it are read
/// again, or it was of another stream.
const REFUSED: &str = "position refused, begun at the oldest record";

impl Stream for Kinesis {
    fn poll(&mut self, wait: Duration) -> Result<Polled, SourceError> {
        while self.tasks.try_join_next().is_some() {}
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut deliveries = Vec::new();
        for event in self.wait_for_events(wait) {
            self.apply(event, &mut deliveries);
        }
        // What was taken before a failure is handed out; the failure comes with the next poll.
        if deliveries.is_empty()
            && let Some(error) = self.failed.take()
        {
            return Err(error);
        }
        let counts = self.asker.take_counts();
        let (given_up, retries) =
            counts.into_iter().partition(|(reason, _)| [LOST, REFUSED].contains(reason));
        let inputs = self.shards.inputs();
        Ok(Polled { deliveries, inputs, retries, given_up, ..Polled::default() })
    }

    fn positions(&self) -> Positions {
        self.shards.positions()
    }

    /// Kinesis keeps what it has for as long as it is set to.
    fn saved(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    /// What was read of them before still comes.
    fn hold(&mut self, inputs: &[Arc<str>]) {
        self.held.set(inputs);
    }
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kinesis").field("url", &self.asker.url).finish_non_exhaustive()
    }
}

impl Event {
    /// The bytes of records in it; `None` if it is about something else.
    fn n_bytes(&self) -> Option<usize> {
        match self {
            Self::Read(read) => Some(read.messages.iter().map(Vec::len).sum()),
            Self::End { .. } | Self::Listed(_) | Self::Failed(_) => None,
        }
    }
}

/// The shards there are, and where to begin in them.
fn first_shards(aws: &Aws, asker: &Asker, start: KinesisStart) -> Result<Shards, SourceError> {
    let (start, saved) = match start {
        KinesisStart::TrimHorizon => (Position::TrimHorizon, BTreeMap::new()),
        KinesisStart::At(unix_ms) => (Position::At(unix_ms), BTreeMap::new()),
        KinesisStart::Saved(saved) => (Position::TrimHorizon, parsed(asker, saved)?),
    };
    let since_ms = if let Position::At(unix_ms) = start { Some(unix_ms) } else { None };
    let mut shards = Shards::new(start, saved);
    let all = aws.wait(asker.shards(None))?;
    let ids: Vec<Arc<str>> = all.iter().map(|shard| Arc::clone(&shard.id)).collect();
    asker.count(LOST, shards.list(all));
    if let Some(since_ms) = since_ms {
        let wanted = aws.wait(asker.shards(Some(since_ms)))?;
        // What was closed before is not read at all, now or after a restart.
        for id in ids.iter().filter(|id| !wanted.iter().any(|shard| shard.id == **id)) {
            shards.advance(id, Position::End);
        }
    }
    Ok(shards)
}

fn parsed(asker: &Asker, saved: Positions) -> Result<BTreeMap<Arc<str>, Position>, SourceError> {
    let parse = |(shard, text): (String, String)| match Position::parse(&text) {
        Some(position) => Ok((Arc::from(shard), position)),
        None => Err(SourceError::Refused {
            place: asker.url.to_string(),
            detail: format!(
                "the saved position of shard {} is none: {}",
                crate::escape::printable(shard.as_bytes(), 100),
                crate::escape::printable(text.as_bytes(), 100)
            ),
        }),
    };
    saved.into_iter().map(parse).collect()
}

/// Lists the shards from time to time, and when asked to.
async fn keep_listing(asker: Asker, relist: Arc<Notify>, events: Sender<Event>) {
    loop {
        // Either is a reason to list.
        let _ = timeout(LIST_EVERY, relist.notified()).await;
        let event = match asker.shards(None).await {
            Ok(listed) => Event::Listed(listed),
            Err(error) => Event::Failed(error),
        };
        if events.send(event).await.is_err() {
            return;
        }
        sleep(LIST_PAUSE).await;
    }
}
