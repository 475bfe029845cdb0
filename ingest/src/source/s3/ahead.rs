//! Fetches the objects that are read next while others are decoded.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;

use super::S3;
use super::body::{Body, CHUNKS_WAITING_MAX, Wanted};
use crate::files::LogFile;

/// Objects that are fetched at once. Each holds at most its small buffer, so memory is bounded
/// however large the objects are.
const OBJECTS_AT_ONCE: usize = 16;

/// Objects on their way, in the order they are read.
///
/// An object that is asked for before its turn is fetched at once and left out later, so no order of
/// asking makes anybody wait for ever.
#[derive(Debug)]
pub struct Ahead {
    s3: S3,
    shared: Arc<Mutex<Shared>>,
    queue: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    under_way: HashMap<Wanted, Receiver<io::Result<Bytes>>>,
    /// Asked for before their turn.
    overtaken: HashSet<Wanted>,
}

impl S3 {
    /// Begins to fetch the objects among `files`. Those read by ranges are not fetched ahead.
    pub fn ahead(&self, files: &[LogFile]) -> Ahead {
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let wanted: Vec<Wanted> =
            files.iter().filter(|file| !file.place.is_parquet()).filter_map(Wanted::of).collect();
        let queue = self.aws.runtime().spawn(work_off(self.clone(), wanted, Arc::clone(&shared)));
        Ahead { s3: self.clone(), shared, queue }
    }
}

impl Ahead {
    /// The bytes of an object, announced or not.
    pub(crate) fn body(&self, file: &LogFile) -> Option<Body> {
        let wanted = Wanted::of(file)?;
        let mut shared = held(&self.shared);
        if let Some(chunks) = shared.under_way.remove(&wanted) {
            return Some(Body::of(chunks));
        }
        shared.overtaken.insert(wanted.clone());
        drop(shared);
        Some(self.s3.body(wanted))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.queue.abort();
    }
}

async fn work_off(s3: S3, wanted: Vec<Wanted>, shared: Arc<Mutex<Shared>>) {
    let places = Arc::new(Semaphore::new(OBJECTS_AT_ONCE));
    for wanted in wanted {
        // Never closed, so there is always a place some time.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (sender, chunks) = channel(CHUNKS_WAITING_MAX);
        {
            let mut shared = held(&shared);
            if shared.overtaken.remove(&wanted) {
                continue;
            }
            shared.under_way.insert(wanted.clone(), chunks);
        }
        let s3 = s3.clone();
        tokio::spawn(async move {
            s3.fetch(&wanted, &sender).await;
            drop(place);
        });
    }
}

/// Nothing panics while it holds this, so a poisoned lock holds what it should.
fn held(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
