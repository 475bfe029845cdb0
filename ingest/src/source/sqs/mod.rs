//! A queue that tells of new objects in S3, as a stream of them.
//!
//! A message is kept from other readers while what it told is on its way into the state, and deleted
//! when that is safe. One that cannot be read, or whose object cannot be, is left alone: it comes back
//! after its visibility timeout, until the queue's own redrive policy moves it to a dead-letter queue,
//! which is the user's.

mod body;
mod held;
mod known;
mod place;
mod receive;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{Builder, Region};
use aws_sdk_sqs::types::Message;
use tokio::task::JoinHandle;

use super::SourceError;
use super::aws::Aws;
use super::s3::is_flow_log;
use super::stream::{Content, Delivery, Input, Polled, Positions, Stream};
use crate::batch::Origin;
use crate::files::LogFile;
use crate::place::Place;
use body::{NewObject, Told};
use held::{HandedOut, Holding};
use known::Known;
use receive::Received;

pub use place::SqsUrl;
pub use receive::QueueLook;

/// How a queue is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsOptions {
    /// How long a message stays hidden if this process dies, seconds; it is renewed while it is held.
    pub visibility_secs: i32,
    /// Messages held at once; no more are received until some are saved.
    pub held_max: usize,
    /// Objects remembered, in memory and in positions, so that what is told twice is read once.
    pub known_max: usize,
}

impl Default for SqsOptions {
    fn default() -> Self {
        Self { visibility_secs: 300, held_max: 5000, known_max: 20_000 }
    }
}

/// A queue that is being read.
pub struct Sqs {
    aws: Aws,
    client: Client,
    queue_url: Arc<str>,
    input: Arc<str>,
    options: SqsOptions,
    known: Known,
    holding: Holding,
    /// Messages received up to the last call of `positions`.
    marked: Cell<u64>,
    receiving: Option<JoinHandle<Received>>,
    /// Failed requests in a row.
    failures: u32,
    /// Messages let go of since the last poll.
    n_released: u64,
}

/// Together with the waits between them: about two minutes in which the service may be away.
const FAILURES_MAX: u32 = 12;

impl Sqs {
    /// Finds the queue, and goes on from `positions`.
    pub fn open(
        aws: &Aws,
        url: &SqsUrl,
        options: SqsOptions,
        positions: &Positions,
    ) -> Result<Self, SourceError> {
        let input: Arc<str> = url.to_string().into();
        let known = match positions.get(&*input) {
            None => Known::new(options.known_max),
            Some(text) => Known::from_position(text, options.known_max).ok_or_else(|| {
                SourceError::Refused {
                    place: input.to_string(),
                    detail: "the saved position is damaged, or of a newer version".to_owned(),
                }
            })?,
        };
        let client = client(aws, url);
        let queue_url: Arc<str> = receive::queue_url(aws, &client, url)?.into();
        let holding = Holding::new(aws, &client, &queue_url, &input, options.visibility_secs);
        Ok(Self {
            aws: aws.clone(),
            client,
            queue_url,
            input,
            options,
            known,
            holding,
            marked: Cell::new(0),
            receiving: None,
            failures: 0,
            n_released: 0,
        })
    }

    fn receive(&mut self) {
        if self.receiving.is_some() {
            return;
        }
        let (client, queue_url) = (self.client.clone(), Arc::clone(&self.queue_url));
        let (input, visibility_secs) = (Arc::clone(&self.input), self.options.visibility_secs);
        let after = match self.failures {
            0 => Duration::ZERO,
            n => receive::wait_after(n),
        };
        self.receiving = Some(self.aws.runtime().spawn(async move {
            tokio::time::sleep(after).await;
            receive::once(&client, &queue_url, &input, visibility_secs).await
        }));
    }

    /// Waits for what is being received; `None` if it takes longer.
    fn answer(&mut self, wait: Duration) -> Option<Received> {
        let answered = self.aws.arrived(&mut self.receiving, wait)?;
        Some(answered.unwrap_or_else(|error| Received::lost(&self.input, &error)))
    }

    fn take(&mut self, received: Received, polled: &mut Polled) -> Result<(), SourceError> {
        match received {
            Received::Messages(messages) => {
                self.failures = 0;
                // A queue that gives nothing has nothing, but for the moment it takes to spread.
                let behind_ms = messages.is_empty().then_some(0);
                polled.inputs =
                    vec![Input { name: Arc::clone(&self.input), behind_ms, is_answered: true }];
                for message in messages {
                    self.take_message(message, polled);
                }
                Ok(())
            }
            Received::Again(reason, error) => {
                self.failures += 1;
                *polled.retries.entry(reason).or_default() += 1;
                if self.failures > FAILURES_MAX { Err(error) } else { Ok(()) }
            }
            Received::Failed(error) => Err(error),
        }
    }

    fn take_message(&mut self, message: Message, polled: &mut Polled) {
        let told = body::read(message.body().unwrap_or_default());
        let told = match told {
            // What cannot be found by ranges cannot be read.
            Told::Objects(objects, _) if objects.iter().any(lacks_size) => Told::Unreadable,
            told => told,
        };
        let mut set_aside = |reason: &'static str, n: u64| {
            if n > 0 {
                *polled.set_aside.entry(reason).or_default() += n;
            }
        };
        let mut handed_out = Vec::new();
        match told {
            // Neither held nor deleted: it is the redrive policy's.
            Told::Unreadable => return set_aside("unreadable message", 1),
            Told::Test => set_aside("test event", 1),
            Told::Objects(objects, n_others) => {
                set_aside("other event", n_others);
                for object in objects {
                    if !is_flow_log(object.key.rsplit('/').next().unwrap_or_default()) {
                        set_aside("no flow log by its name", 1);
                    } else if object.bytes == Some(0) {
                        set_aside("empty object", 1);
                    } else if !self.known.admit(&object) {
                        set_aside("told before", 1);
                    } else {
                        let hash = known::hash(&object);
                        let file = log_file(object);
                        let (place, etag) = (file.place.clone(), file.etag.clone());
                        handed_out.push(HandedOut { place, etag, hash });
                        let (input, content) = (Arc::clone(&self.input), Content::Object(file));
                        polled.deliveries.push(Delivery { input, content });
                    }
                }
            }
        }
        self.holding.hold(message, handed_out);
    }
}

/// Counted for each message that is left to the queue because of what it told of.
const UNREAD: &str = "message of an unreadable object, left to the queue";

/// Parquet is read from its end.
fn lacks_size(object: &NewObject) -> bool {
    let is_parquet = std::path::Path::new(&object.key).extension().is_some_and(|e| e == "parquet");
    object.bytes.is_none() && is_parquet
}

fn log_file(object: NewObject) -> LogFile {
    LogFile {
        origin: Arc::new(Origin::from_key(&object.key)),
        bytes: object.bytes.unwrap_or(0),
        etag: object.etag,
        place: Place::Object { bucket: object.bucket, key: object.key },
    }
}

fn client(aws: &Aws, url: &SqsUrl) -> Client {
    let mut config = Builder::from(aws.config());
    if let Some(region) = url.region() {
        config = config.region(Region::new(region.to_owned()));
    }
    Client::from_conf(config.build())
}

impl Stream for Sqs {
    fn poll(&mut self, wait: Duration) -> Result<Polled, SourceError> {
        let mut polled = Polled {
            inputs: vec![Input {
                name: Arc::clone(&self.input),
                behind_ms: None,
                is_answered: true,
            }],
            ..Polled::default()
        };
        let n_missed = self.holding.renewals_missed();
        if n_missed > 0 {
            polled.retries.insert("visibility not renewed", n_missed);
        }
        if self.n_released > 0 {
            polled.set_aside.insert(UNREAD, std::mem::take(&mut self.n_released));
        }
        if self.holding.len() >= self.options.held_max {
            // Not asked for: what comes would only wait here.
            self.aws.wait(tokio::time::sleep(wait));
            return Ok(polled);
        }
        self.receive();
        if let Some(received) = self.answer(wait) {
            self.take(received, &mut polled)?;
        }
        Ok(polled)
    }

    fn positions(&self) -> Positions {
        self.marked.set(self.holding.n_held_ever());
        Positions::from([(self.input.to_string(), self.known.position())])
    }

    fn saved(&mut self) -> Result<(), SourceError> {
        self.holding.delete(self.marked.get())
    }

    fn unread(&mut self, object: &LogFile) {
        let (hashes, n_messages) = self.holding.release(&object.place, object.etag.as_deref());
        for hash in hashes {
            self.known.forget(hash);
        }
        self.n_released += n_messages;
    }
}

impl Drop for Sqs {
    fn drop(&mut self) {
        if let Some(receiving) = &self.receiving {
            receiving.abort();
        }
    }
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs").field("queue_url", &self.queue_url).finish_non_exhaustive()
    }
}
