//! An object's bytes as they come, asked for again from where they broke off.

use std::io::{self, Read};
use std::time::Duration;

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use bytes::{Buf, Bytes};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::S3;
use crate::files::LogFile;
use crate::place::Place;
use crate::source::SourceError;

/// Chunks of one object that wait to be taken; a chunk is some 10 to 100 KiB.
pub(super) const CHUNKS_WAITING_MAX: usize = 16;

/// How often in a row a body is asked for again that breaks off without having brought anything, beside
/// what the SDK does for a request.
pub(super) const RESUMES_MAX: u32 = 5;

/// How long to wait before a body is asked for again for so many times in a row.
pub(super) fn pause(resumes: u32) -> Duration {
    Duration::from_millis(100 << resumes)
}

/// One object's bytes, read as a file's are.
#[derive(Debug)]
pub struct Body {
    chunks: Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Body {
    pub(super) fn of(chunks: Receiver<io::Result<Bytes>>) -> Self {
        Self { chunks, current: Bytes::new() }
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let n_read = self.current.len().min(into.len());
        if let Some(target) = into.get_mut(..n_read) {
            self.current.copy_to_slice(target);
        }
        Ok(n_read)
    }
}

/// An object as it was listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) bucket: String,
    pub(super) key: String,
    /// If it has changed since, it is another file.
    pub(super) etag: Option<String>,
}

impl Wanted {
    pub(super) fn of(file: &LogFile) -> Option<Self> {
        match &file.place {
            Place::File(_) | Place::Slice { .. } => None,
            Place::Object { bucket, key } => {
                Some(Self { bucket: bucket.clone(), key: key.clone(), etag: file.etag.clone() })
            }
        }
    }

    pub(super) fn place(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

impl S3 {
    /// Begins to fetch an object; what it brings waits in a small buffer.
    pub(super) fn body(&self, wanted: Wanted) -> Body {
        let (sender, chunks) = channel(CHUNKS_WAITING_MAX);
        let s3 = self.clone();
        self.aws.runtime().spawn(async move { s3.fetch(&wanted, &sender).await });
        Body::of(chunks)
    }

    /// Hands over a whole object, or an error as the last thing. Ends when nobody listens.
    pub(super) async fn fetch(&self, wanted: &Wanted, sender: &Sender<io::Result<Bytes>>) {
        let mut n_done = 0;
        let mut resumes = 0;
        loop {
            let n_before = n_done;
            let broke = match self.fetch_from(wanted, &mut n_done, sender).await {
                Ok(()) => return,
                Err(broke) => broke,
            };
            resumes = if n_done > n_before { 1 } else { resumes + 1 };
            if resumes > RESUMES_MAX || !broke.is_worth_resuming {
                let _nobody = sender.send(Err(io::Error::other(broke.error))).await;
                return;
            }
            tokio::time::sleep(pause(resumes)).await;
        }
    }

    async fn fetch_from(
        &self,
        wanted: &Wanted,
        n_done: &mut u64,
        sender: &Sender<io::Result<Bytes>>,
    ) -> Result<(), Broke> {
        let range = (*n_done > 0).then(|| format!("bytes={n_done}-"));
        let output = self.get(wanted, range).await.map_err(|error| Broke {
            // The SDK has tried its best on the request itself.
            is_worth_resuming: false,
            error: of_get(wanted, &error),
        })?;
        let n_bytes = output.content_length().and_then(|n| u64::try_from(n).ok());
        let end = n_bytes.map(|n_bytes| *n_done + n_bytes);
        let mut body = output.body;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| Broke {
                is_worth_resuming: true,
                error: SourceError::of_request(&wanted.place(), "GetObject", &error),
            })?;
            *n_done += chunk.len() as u64;
            if sender.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
        if end.is_some_and(|end| *n_done < end) {
            let detail = format!("the body ends after {n_done} bytes");
            let error =
                SourceError::Request { place: wanted.place(), operation: "GetObject", detail };
            return Err(Broke { is_worth_resuming: true, error });
        }
        Ok(())
    }

    pub(super) async fn get(
        &self,
        wanted: &Wanted,
        range: Option<String>,
    ) -> Result<GetObjectOutput, SdkError<GetObjectError>> {
        self.client
            .get_object()
            .bucket(&wanted.bucket)
            .key(&wanted.key)
            .set_if_match(wanted.etag.as_ref().map(|tag| format!("\"{tag}\"")))
            .set_range(range)
            .set_request_payer(self.payer())
            .send()
            .await
    }
}

/// Why a body was not read to its end.
struct Broke {
    is_worth_resuming: bool,
    error: SourceError,
}

pub(super) fn of_get(wanted: &Wanted, error: &SdkError<GetObjectError>) -> SourceError {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let detail = match status {
        Some(404) => "the object is gone since it was listed",
        Some(412) => "the object was written anew since it was listed",
        _ => return SourceError::of_request(&wanted.place(), "GetObject", error),
    };
    SourceError::Refused { place: wanted.place(), detail: detail.to_owned() }
}
