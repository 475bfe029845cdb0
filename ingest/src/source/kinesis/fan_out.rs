//! Enhanced fan-out: a registered consumer has records sent to it, as fast as a shard gives them.

use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{
    ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
    SubscribeToShardEventStream,
};
use tokio::time::{sleep, timeout};

use super::REFUSED;
use super::ask::{Asker, Failed, Patience};
use super::list::children;
use super::position::Position;
use super::read::{Event, Task, Unheard, size_kb};
use crate::source::SourceError;

const SUBSCRIBE: &str = "SubscribeToShard";
const DESCRIBE_STREAM: &str = "DescribeStreamSummary";
const DESCRIBE_CONSUMER: &str = "DescribeStreamConsumer";
const REGISTER: &str = "RegisterStreamConsumer";
const DEREGISTER: &str = "DeregisterStreamConsumer";
/// A subscription that is not over yet, or was made a moment ago, keeps others out for so long.
const IN_USE_FOR: Duration = Duration::from_secs(5);
/// One subscription a second may be asked for, of each shard.
const SUBSCRIBE_EVERY: Duration = Duration::from_secs(1);
/// An idle shard sends something every few seconds; one that does not has lost its connection.
const SILENT_MAX: Duration = Duration::from_secs(30);
/// Of so many events in a row without records, the second makes sure that the shard goes on: some
/// minute's worth. The service says so itself when a shard ends; stand-ins do not.
const QUIET_EVENTS: u32 = 12;
/// How long a new consumer may take to become active.
const REGISTER_CHECKS_MAX: u32 = 120;
const REGISTER_CHECK_EVERY: Duration = Duration::from_millis(500);
/// Subscriptions refused as in use, one after the other, before somebody else must be reading.
const IN_USE_MAX: u32 = 70;

/// A consumer of a stream.
#[derive(Clone, Debug)]
pub(super) struct Consumer {
    pub(super) arn: String,
    /// Whether it was registered here.
    pub(super) is_new: bool,
}

impl Asker {
    /// The consumer of this name, registered if there is none.
    pub(super) async fn consumer(&self, name: &str) -> Result<Consumer, SourceError> {
        let stream_arn = self.stream_arn().await?;
        let mut is_new = false;
        for _ in 0..REGISTER_CHECKS_MAX {
            let described = self
                .patiently(DESCRIBE_CONSUMER, || {
                    let request = self.client.describe_stream_consumer();
                    request.stream_arn(&stream_arn).consumer_name(name).send()
                })
                .await;
            match described.map(|answer| answer.consumer_description) {
                Ok(Some(found)) if found.consumer_status == ConsumerStatus::Active => {
                    return Ok(Consumer { arn: found.consumer_arn, is_new });
                }
                Err(Failed::Absent(_)) if !is_new => {
                    self.register(&stream_arn, name).await?;
                    is_new = true;
                }
                Ok(_) | Err(Failed::Absent(_)) => sleep(REGISTER_CHECK_EVERY).await,
                Err(failed) => return Err(failed.into_error(&self.url, DESCRIBE_CONSUMER)),
            }
        }
        Err(SourceError::Refused {
            place: self.url.to_string(),
            detail: "the consumer for enhanced fan-out does not become active".to_owned(),
        })
    }

    async fn register(&self, stream_arn: &str, name: &str) -> Result<(), SourceError> {
        let registered = self
            .patiently(REGISTER, || {
                let request = self.client.register_stream_consumer();
                request.stream_arn(stream_arn).consumer_name(name).send()
            })
            .await;
        match registered {
            // Another one registers it at the same time.
            Ok(_) | Err(Failed::InUse) => Ok(()),
            Err(failed) => Err(failed.into_error(&self.url, REGISTER)),
        }
    }

    /// Takes a consumer away.
    pub(super) async fn deregister(&self, consumer_arn: &str) -> Result<(), SourceError> {
        let gone = self
            .patiently(DEREGISTER, || {
                self.client.deregister_stream_consumer().consumer_arn(consumer_arn).send()
            })
            .await;
        match gone {
            Ok(_) | Err(Failed::Absent(_)) => Ok(()),
            Err(failed) => Err(failed.into_error(&self.url, DEREGISTER)),
        }
    }

    async fn stream_arn(&self) -> Result<String, SourceError> {
        if let Some(arn) = self.url.arn() {
            return Ok(arn);
        }
        let described = self
            .patiently(DESCRIBE_STREAM, || {
                let request = self.client.describe_stream_summary();
                request.set_stream_name(self.url.name()).send()
            })
            .await
            .map_err(|failed| failed.into_error(&self.url, DESCRIBE_STREAM))?;
        let arn = described.stream_description_summary.map(|summary| summary.stream_arn);
        arn.ok_or_else(|| SourceError::Refused {
            place: self.url.to_string(),
            detail: "the service does not say the stream's ARN".to_owned(),
        })
    }
}

impl Task {
    /// Has the shard sent, to its end.
    pub(super) async fn subscribe(mut self, consumer_arn: String) {
        let mut patience = self.asker.patience(&self.shard.id);
        let mut n_in_use = 0;
        loop {
            self.held.released(&self.shard.id).await;
            match self.subscription(&consumer_arn, &mut patience).await {
                Ok(Subscription::Over) => {
                    n_in_use = 0;
                    sleep(SUBSCRIBE_EVERY).await;
                }
                Ok(Subscription::ShardEnded) | Err(Trouble::Unheard) => return,
                Err(Trouble::Failed(failed)) => {
                    n_in_use += u32::from(matches!(failed, Failed::InUse));
                    if self.resume(failed, n_in_use, &mut patience).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn resume(
        &mut self,
        failed: Failed,
        n_in_use: u32,
        patience: &mut Patience,
    ) -> Result<(), Unheard> {
        let failed = match failed {
            Failed::InUse if n_in_use < IN_USE_MAX => {
                self.asker.count("subscription in use", 1);
                sleep(IN_USE_FOR).await;
                return Ok(());
            }
            Failed::Invalid(_) if matches!(self.shard.from, Position::After(_)) => {
                self.asker.count(REFUSED, 1);
                self.shard.from = Position::TrimHorizon;
                Failed::Throttled
            }
            failed => failed,
        };
        match patience.again(failed).await {
            Ok(()) => Ok(()),
            Err(failed) => {
                let error = failed.into_error(&self.asker.url, SUBSCRIBE);
                self.tell(Event::Failed(error)).await?;
                Err(Unheard)
            }
        }
    }

    /// One subscription, which lasts five minutes at most.
    async fn subscription(
        &mut self,
        consumer_arn: &str,
        patience: &mut Patience,
    ) -> Result<Subscription, Trouble> {
        let request = self
            .asker
            .client
            .subscribe_to_shard()
            .consumer_arn(consumer_arn)
            .shard_id(&*self.shard.id)
            .set_starting_position(starting_position(&self.shard.from));
        let answer = request.send().await.map_err(|error| {
            let failed = self.asker.failed(SUBSCRIBE, &error);
            Trouble::Failed(failed)
        })?;
        let mut stream = answer.event_stream;
        let mut n_quiet = 0;
        loop {
            // The service waits as well, for as long as the subscription lasts.
            self.held.released(&self.shard.id).await;
            let Ok(received) = timeout(SILENT_MAX, stream.recv()).await else {
                self.asker.count("subscription silent", 1);
                return Ok(Subscription::Over);
            };
            match received {
                Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(event))) => {
                    patience.restore();
                    n_quiet = if event.records.is_empty() { n_quiet + 1 } else { 0 };
                    if self.tell_event(event).await?
                        || n_quiet % QUIET_EVENTS == 2 && self.tell_if_ended().await?
                    {
                        return Ok(Subscription::ShardEnded);
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Subscription::Over),
                Err(error) => {
                    return Err(Trouble::Failed(self.asker.cut_short(SUBSCRIBE, &error)));
                }
            }
        }
    }

    /// Hands an event over; says whether the shard ends with it.
    async fn tell_event(&mut self, event: SubscribeToShardEvent) -> Result<bool, Unheard> {
        // One event per shard is in hand before there is room for it: a megabyte or two.
        let room = self.room.take(size_kb(&event.records)).await;
        let children = children(event.child_shards.unwrap_or_default());
        let ends = event.continuation_sequence_number.is_empty() || !children.is_empty();
        let last = event.records.last().map(|record| record.sequence_number.clone());
        let next = Some(event.continuation_sequence_number).filter(|next| !next.is_empty());
        if let Some(sequence) = next.or(last) {
            self.shard.from = Position::After(sequence);
        }
        self.tell_records(event.records, Some(event.millis_behind_latest), room).await?;
        if ends {
            self.tell(Event::End { shard: self.shard.id.clone(), children }).await?;
        }
        Ok(ends)
    }
}

/// `None` only if a type is missing, and it is not.
fn starting_position(from: &Position) -> Option<StartingPosition> {
    let builder = StartingPosition::builder();
    let builder = match from {
        Position::At(unix_ms) => builder
            .r#type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_millis(*unix_ms)),
        Position::After(sequence) => {
            builder.r#type(ShardIteratorType::AfterSequenceNumber).sequence_number(sequence)
        }
        Position::TrimHorizon | Position::End => builder.r#type(ShardIteratorType::TrimHorizon),
    };
    builder.build().ok()
}

enum Subscription {
    Over,
    ShardEnded,
}

enum Trouble {
    Unheard,
    Failed(Failed),
}

impl From<Unheard> for Trouble {
    fn from(Unheard: Unheard) -> Self {
        Self::Unheard
    }
}
