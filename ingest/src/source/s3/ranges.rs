//! Parts of an object: what a Parquet reader asks for.
//!
//! Columns that are wanted are fetched whole, several at once and neighbours in one request, before
//! rows are decoded; what else is asked for is fetched then and there.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::S3;
use super::body::{Wanted, of_get};
use crate::files::LogFile;
use crate::source::SourceError;

/// A file's footer and what stands before it mostly fit in one request.
const TAIL_BYTES: u64 = 64 << 10;

/// Wanted parts this close are fetched in one request: a request takes as long as some hundred KiB.
const GAP_BYTES_MAX: u64 = 256 << 10;

/// Requests for one object at once.
const REQUESTS_AT_ONCE: usize = 4;

/// How often a part that comes short is asked for again.
const ATTEMPTS_MAX: u32 = 4;

/// An object that is read in parts.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    s3: S3,
    wanted: Arc<Wanted>,
    n_bytes: u64,
    fetched: Arc<Mutex<Vec<(u64, Bytes)>>>,
}

impl Ranges {
    pub(crate) fn of(s3: &S3, file: &LogFile) -> Option<Self> {
        let wanted = Arc::new(Wanted::of(file)?);
        Some(Self { s3: s3.clone(), wanted, n_bytes: file.bytes, fetched: Arc::default() })
    }

    /// Fetches these parts, `(start, end)` in bytes, so that reading them later costs no request.
    pub(crate) fn fetch_all(&self, parts: &[(u64, u64)]) -> Result<(), SourceError> {
        // A damaged footer may claim any place.
        let inside = parts.iter().map(|&(start, end)| (start, end.min(self.n_bytes)));
        let parts = joined(&inside.filter(|(start, end)| start < end).collect::<Vec<_>>());
        for some in parts.chunks(REQUESTS_AT_ONCE) {
            let requests: Vec<_> = some
                .iter()
                .map(|&(start, end)| {
                    let ranges = self.clone();
                    self.s3.aws.runtime().spawn(async move { ranges.part(start, end).await })
                })
                .collect();
            for request in requests {
                let ended = self.s3.aws.wait(request);
                let part = ended.map_err(|error| self.refused(&error.to_string()))??;
                self.keep(part);
            }
        }
        Ok(())
    }

    fn keep(&self, part: (u64, Bytes)) {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }

    fn known(&self, start: u64) -> Option<Bytes> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, bytes) = fetched
            .iter()
            .find(|(from, bytes)| (*from..*from + bytes.len() as u64).contains(&start))?;
        let skipped = usize::try_from(start - from).ok()?;
        Some(bytes.slice(skipped..))
    }

    async fn part(&self, start: u64, end: u64) -> Result<(u64, Bytes), SourceError> {
        let mut attempt = 1;
        loop {
            match self.part_once(start, end).await {
                Ok(bytes) => return Ok((start, bytes)),
                Err((error, false)) => return Err(error),
                Err((error, true)) if attempt >= ATTEMPTS_MAX => return Err(error),
                Err(_) => {
                    tokio::time::sleep(std::time::Duration::from_millis(100 << attempt)).await;
                    attempt += 1;
                }
            }
        }
    }

    /// The error says whether another attempt may help.
    async fn part_once(&self, start: u64, end: u64) -> Result<Bytes, (SourceError, bool)> {
        let range = format!("bytes={start}-{}", end.saturating_sub(1));
        let output = self
            .s3
            .get(&self.wanted, Some(range))
            .await
            .map_err(|error| (of_get(&self.wanted, &error), false))?;
        let place = self.wanted.place();
        let body = output
            .body
            .collect()
            .await
            .map_err(|error| (SourceError::of_request(&place, "GetObject", &error), true))?
            .into_bytes();
        if body.len() as u64 != end - start {
            let detail = format!("{} bytes of {} came", body.len(), end - start);
            let error = SourceError::Request { place, operation: "GetObject", detail };
            return Err((error, true));
        }
        Ok(body)
    }

    fn refused(&self, detail: &str) -> SourceError {
        SourceError::Refused { place: self.wanted.place(), detail: detail.to_owned() }
    }

    /// The bytes from `start` on, at least `n_bytes` of them if the object has so many.
    fn from(&self, start: u64, n_bytes: u64) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(n_bytes).min(self.n_bytes);
        if start >= end {
            return Ok(Bytes::new());
        }
        if let Some(bytes) = self.known(start).filter(|bytes| bytes.len() as u64 >= end - start) {
            return Ok(bytes);
        }
        // The reader begins at the end, step by step.
        let from_tail = self.n_bytes.saturating_sub(TAIL_BYTES);
        let (from, to) = if start >= from_tail { (from_tail, self.n_bytes) } else { (start, end) };
        let part = self.s3.aws.wait(self.part(from, to)).map_err(external)?;
        let skipped = usize::try_from(start - from).unwrap_or(usize::MAX).min(part.1.len());
        let bytes = part.1.slice(skipped..);
        self.keep(part);
        Ok(bytes)
    }
}

fn external(error: SourceError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Parts in order, those that overlap or nearly touch made one.
fn joined(parts: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, end) in sorted {
        match joined.last_mut() {
            Some((_, last)) if start <= last.saturating_add(GAP_BYTES_MAX) => {
                *last = end.max(*last);
            }
            _ => joined.push((start, end)),
        }
    }
    joined
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.n_bytes
    }
}

impl ChunkReader for Ranges {
    type T = PartReader;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(PartReader { ranges: self.clone(), at: start, bytes: Bytes::new() })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let bytes = self.from(start, length as u64)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!(
                "{length} bytes wanted at {start}, {} are there",
                bytes.len()
            )));
        }
        Ok(bytes.slice(..length))
    }
}

/// Reads on from a place in an object.
#[derive(Debug)]
pub(crate) struct PartReader {
    ranges: Ranges,
    at: u64,
    bytes: Bytes,
}

impl Read for PartReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            self.bytes = self.ranges.from(self.at, into.len() as u64).map_err(io::Error::other)?;
        }
        let n_read = self.bytes.len().min(into.len());
        if let Some(target) = into.get_mut(..n_read) {
            self.bytes.copy_to_slice(target);
        }
        self.at += n_read as u64;
        Ok(n_read)
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn near_parts_are_one_request() {
        let far = 1 << 20;
        let parts = [(far, far + 10), (0, 10), (20, 30), (5, 12), (far + 2, far + 5)];
        assert_eq!(joined(&parts), [(0, 30), (far, far + 10)]);
        assert_eq!(joined(&[]), []);
    }
}
