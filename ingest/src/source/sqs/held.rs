//! Messages whose objects are on their way into the state: kept from others, then deleted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, Message,
};
use tokio::task::JoinHandle;

use crate::place::Place;
use crate::source::SourceError;
use crate::source::aws::Aws;

/// The messages held, and the task that renews their visibility timeouts.
pub(super) struct Holding {
    aws: Aws,
    requests: Requests,
    shared: Arc<Shared>,
    renewing: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// By message id: a message that comes again is deleted by its last receipt.
    messages: Mutex<BTreeMap<String, Held>>,
    n_missed: AtomicU64,
    n_ever: AtomicU64,
}

#[derive(Clone)]
struct Held {
    receipt: String,
    /// Messages held before this one, since the start.
    number: u64,
    /// What it told of and was handed out.
    objects: Arc<[HandedOut]>,
}

/// An object that was handed out.
#[derive(Clone)]
pub(super) struct HandedOut {
    pub(super) place: Place,
    pub(super) etag: Option<String>,
    /// By which it is known.
    pub(super) hash: u64,
}

#[derive(Clone)]
struct Requests {
    client: Client,
    queue_url: Arc<str>,
    place: Arc<str>,
    visibility_secs: i32,
}

/// The most one request takes.
const BATCH_MAX: usize = 10;

impl Holding {
    pub(super) fn new(
        aws: &Aws,
        client: &Client,
        queue_url: &Arc<str>,
        place: &Arc<str>,
        visibility_secs: i32,
    ) -> Self {
        let requests = Requests {
            client: client.clone(),
            queue_url: Arc::clone(queue_url),
            place: Arc::clone(place),
            visibility_secs: visibility_secs.max(1),
        };
        let shared: Arc<Shared> = Arc::default();
        let renewing = aws.runtime().spawn(renew_for_ever(requests.clone(), Arc::clone(&shared)));
        Self { aws: aws.clone(), requests, shared, renewing }
    }

    /// Keeps a message, of which these objects were handed out, from others until it is deleted.
    pub(super) fn hold(&self, message: Message, mut objects: Vec<HandedOut>) {
        let (Some(id), Some(receipt)) = (message.message_id, message.receipt_handle) else {
            return;
        };
        let number = self.shared.n_ever.fetch_add(1, Ordering::Relaxed);
        let mut messages = self.shared.messages();
        // One that comes again is held for what it brought the first time, too.
        if let Some(before) = messages.get(&id) {
            objects.extend(before.objects.iter().cloned());
        }
        messages.insert(id, Held { receipt, number, objects: objects.into() });
    }

    /// Lets go of the messages that told of this object: they are neither deleted nor hidden for
    /// longer. Gives back by what the object is known, and how many messages there were.
    pub(super) fn release(&self, place: &Place, etag: Option<&str>) -> (Vec<u64>, u64) {
        let (mut hashes, mut n_messages) = (Vec::new(), 0);
        self.shared.messages().retain(|_, held| {
            let of_it = |one: &&HandedOut| one.place == *place && one.etag.as_deref() == etag;
            let n_before = hashes.len();
            hashes.extend(held.objects.iter().filter(of_it).map(|one| one.hash));
            let stays = hashes.len() == n_before;
            n_messages += u64::from(!stays);
            stays
        });
        (hashes, n_messages)
    }

    pub(super) fn len(&self) -> usize {
        self.shared.messages().len()
    }

    /// How many messages were ever held: the number the next one gets.
    pub(super) fn n_held_ever(&self) -> u64 {
        self.shared.n_ever.load(Ordering::Relaxed)
    }

    /// Renewals that failed since this was last asked: those messages may come again.
    pub(super) fn renewals_missed(&self) -> u64 {
        self.shared.n_missed.swap(0, Ordering::Relaxed)
    }

    /// Deletes the messages with smaller numbers. One that cannot be deleted now stays, and is tried
    /// again the next time.
    pub(super) fn delete(&self, below: u64) -> Result<(), SourceError> {
        let due = self.shared.numbered(|number| number < below);
        for batch in due.chunks(BATCH_MAX) {
            let gone = self.aws.wait(self.requests.delete(batch))?;
            let mut messages = self.shared.messages();
            for (id, held) in gone {
                // It may have come again meanwhile, with another receipt.
                if messages.get(&id).is_some_and(|now| now.number == held.number) {
                    messages.remove(&id);
                }
            }
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Shared {
    /// Nothing panics while it holds this, so a poisoned lock holds what it should.
    fn messages(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn numbered(&self, is_wanted: impl Fn(u64) -> bool) -> Vec<(String, Held)> {
        let messages = self.messages();
        let wanted = messages.iter().filter(|(_, held)| is_wanted(held.number));
        wanted.map(|(id, held)| (id.clone(), held.clone())).collect()
    }
}

impl Requests {
    /// The messages of the batch that are gone now.
    async fn delete(&self, batch: &[(String, Held)]) -> Result<Vec<(String, Held)>, SourceError> {
        let of_request = |error: &(dyn std::error::Error + 'static)| {
            SourceError::of_request(&self.place, "DeleteMessageBatch", error)
        };
        let mut entries = Vec::new();
        for (n, (_, held)) in batch.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(&held.receipt)
                .build();
            entries.push(entry.map_err(|error| of_request(&error))?);
        }
        let output = self
            .client
            .delete_message_batch()
            .queue_url(&*self.queue_url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| of_request(&error))?;
        // The service's own trouble passes; a receipt it refuses never gets better, and the message
        // comes again with another.
        let stays: Vec<&str> = output
            .failed()
            .iter()
            .filter(|one| !one.sender_fault())
            .map(BatchResultErrorEntry::id)
            .collect();
        let gone = batch.iter().enumerate();
        let gone = gone.filter(|(n, _)| !stays.contains(&n.to_string().as_str()));
        Ok(gone.map(|(_, one)| one.clone()).collect())
    }

    /// How many could not be renewed.
    async fn renew(&self, batch: &[(String, Held)]) -> u64 {
        let entries = batch.iter().enumerate().map(|(n, (_, held))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(&held.receipt)
                .visibility_timeout(self.visibility_secs)
                .build()
        });
        let Ok(entries) = entries.collect::<Result<Vec<_>, _>>() else { return batch.len() as u64 };
        let request = self.client.change_message_visibility_batch();
        let request = request.queue_url(&*self.queue_url).set_entries(Some(entries));
        match request.send().await {
            Ok(output) => output.failed().len() as u64,
            Err(_) => batch.len() as u64,
        }
    }
}

/// Three times within each timeout, so that one failure loses no message.
async fn renew_for_ever(requests: Requests, shared: Arc<Shared>) {
    let period = Duration::from_secs(u64::from(requests.visibility_secs.unsigned_abs())) / 3;
    loop {
        tokio::time::sleep(period).await;
        for batch in shared.numbered(|_| true).chunks(BATCH_MAX) {
            let n_missed = requests.renew(batch).await;
            shared.n_missed.fetch_add(n_missed, Ordering::Relaxed);
        }
    }
}
