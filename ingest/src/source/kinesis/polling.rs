//! Reads a shard by asking for records again and again.

use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ChildShard, ShardIteratorType};
use tokio::time::sleep;

use super::REFUSED;
use super::ask::{Failed, Patience};
use super::list::children;
use super::position::Position;
use super::read::{ANSWER_KB_MAX, Event, Task, Unheard, size_kb};

const GET_RECORDS: &str = "GetRecords";
const GET_SHARD_ITERATOR: &str = "GetShardIterator";
/// A shard may be read five times a second, by all who read it.
const READ_EVERY: Duration = Duration::from_millis(220);
/// Where nothing is ahead, others may want to read.
const READ_IDLE_EVERY: Duration = Duration::from_secs(1);
/// The service's own cap.
const RECORDS_MAX: i32 = 10_000;

impl Task {
    /// Reads the shard to its end.
    pub(super) async fn poll(mut self) {
        let mut patience = self.asker.patience(&self.shard.id);
        let mut iterator = None;
        loop {
            self.held.released(&self.shard.id).await;
            let next = match iterator.take() {
                Some(iterator) => self.read_once(iterator).await,
                None => self.iterator().await.map(Next::ReadOn),
            };
            match next {
                Err(Trouble::Unheard) | Ok(Next::Ended) => return,
                Ok(Next::ReadOn(next)) => iterator = Some(next),
                Ok(Next::ReadOnIn(next, pause)) => {
                    patience.restore();
                    iterator = Some(next);
                    sleep(pause).await;
                }
                Err(Trouble::Failed(failed, kept)) => {
                    iterator = kept;
                    if self.recover(failed, &mut patience).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn recover(&mut self, failed: Failed, patience: &mut Patience) -> Result<(), Unheard> {
        if matches!(failed, Failed::Expired) {
            self.asker.count("expired", 1);
            return Ok(());
        }
        match patience.again(failed).await {
            Ok(()) => Ok(()),
            Err(failed) => {
                let error = failed.into_error(&self.asker.url, GET_RECORDS);
                self.tell(Event::Failed(error)).await?;
                Err(Unheard)
            }
        }
    }

    async fn iterator(&mut self) -> Result<String, Trouble> {
        let request = self
            .asker
            .client
            .get_shard_iterator()
            .set_stream_name(self.asker.url.name())
            .set_stream_arn(self.asker.url.arn())
            .shard_id(&*self.shard.id);
        let request = match &self.shard.from {
            Position::At(unix_ms) => request
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(*unix_ms)),
            Position::After(sequence) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(sequence),
            Position::TrimHorizon | Position::End => {
                request.shard_iterator_type(ShardIteratorType::TrimHorizon)
            }
        };
        match request.send().await {
            Ok(answer) => answer.shard_iterator.ok_or(Trouble::Failed(Failed::Expired, None)),
            Err(error) => match self.asker.failed(GET_SHARD_ITERATOR, &error) {
                Failed::Invalid(_) if matches!(self.shard.from, Position::After(_)) => {
                    self.asker.count(REFUSED, 1);
                    self.shard.from = Position::TrimHorizon;
                    Err(Trouble::Failed(Failed::Throttled, None))
                }
                failed => Err(Trouble::Failed(failed, None)),
            },
        }
    }

    /// Asks whether the shard ends where reading has come to, and tells if it does. No answer means no.
    pub(super) async fn tell_if_ended(&mut self) -> Result<bool, Unheard> {
        let Ok(iterator) = self.iterator().await else { return Ok(false) };
        let request = self.asker.client.get_records().limit(1).shard_iterator(iterator);
        let Ok(answer) = request.send().await else { return Ok(false) };
        if answer.next_shard_iterator.is_some() || !answer.records.is_empty() {
            return Ok(false);
        }
        self.tell_end(answer.child_shards).await?;
        Ok(true)
    }

    async fn read_once(&mut self, iterator: String) -> Result<Next, Trouble> {
        let mut room = self.room.take(ANSWER_KB_MAX).await;
        let request = self.asker.client.get_records().limit(RECORDS_MAX);
        let answer = match request.shard_iterator(iterator.clone()).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let failed = self.asker.failed(GET_RECORDS, &error);
                // After anything but throttling the iterator itself may be what is wrong.
                let kept = matches!(failed, Failed::Throttled).then_some(iterator);
                return Err(Trouble::Failed(failed, kept));
            }
        };
        let GetRecordsOutput { records, next_shard_iterator, millis_behind_latest, .. } = answer;
        // What the answer does not need is free for others.
        let needed_kb = size_kb(&records).min(ANSWER_KB_MAX);
        drop(room.as_mut().and_then(|room| room.split(ANSWER_KB_MAX - needed_kb)));
        if let Some(last) = records.last() {
            self.shard.from = Position::After(last.sequence_number.clone());
        }
        let is_idle = records.is_empty() && millis_behind_latest.is_none_or(|behind| behind == 0);
        self.tell_records(records, millis_behind_latest, room).await?;
        if let Some(next) = next_shard_iterator {
            return Ok(Next::ReadOnIn(next, if is_idle { READ_IDLE_EVERY } else { READ_EVERY }));
        }
        self.tell_end(answer.child_shards).await?;
        Ok(Next::Ended)
    }

    async fn tell_end(&self, child_shards: Option<Vec<ChildShard>>) -> Result<(), Unheard> {
        let children = children(child_shards.unwrap_or_default());
        self.tell(Event::End { shard: self.shard.id.clone(), children }).await
    }
}

/// What reading goes on with.
enum Next {
    ReadOn(String),
    ReadOnIn(String, Duration),
    Ended,
}

enum Trouble {
    Unheard,
    /// A request failed; the iterator, if it is still good.
    Failed(Failed, Option<String>),
}

impl From<Unheard> for Trouble {
    fn from(Unheard: Unheard) -> Self {
        Self::Unheard
    }
}
