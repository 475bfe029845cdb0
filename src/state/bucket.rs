//! A state under a prefix of a bucket. Nothing is locked: of two runs that go on from one generation,
//! the one that writes the next one's name first is the one that counts.

use std::hash::{BuildHasher, Hasher, RandomState};

use anyhow::{Result, anyhow};
use ingest::source::SourceError;
use ingest::source::s3::{Put, S3, S3Url};
use model::snapshot::SNAPSHOT_BYTES_MAX;

use super::store::Placed;
use crate::flags::AwsArgs;

/// How often a name is written to that another was writing to at that moment.
const ATTEMPTS_MAX: u32 = 4;

/// A prefix of a bucket, of which only what lies directly under it is looked at.
#[derive(Debug)]
pub(super) struct Bucket {
    s3: S3,
    name: String,
    /// Empty, or with a slash at its end.
    prefix: String,
    /// Tells this run's bytes from another's.
    writer: String,
}

impl Bucket {
    pub(super) fn open(url: &str, aws: &AwsArgs) -> Result<Self> {
        let url = S3Url::parse(url).ok_or_else(|| anyhow!("`{url}` is not in S3"))??;
        let writer = format!("{:016x}", RandomState::new().build_hasher().finish());
        let s3 = S3::new(&aws.connect()?);
        Ok(Self { s3, prefix: url.folder(), name: url.bucket, writer })
    }

    pub(super) fn names(&self) -> Result<Vec<String>> {
        let prefix = format!("{}generation-", self.prefix);
        let keys = self.s3.keys(&S3Url { bucket: self.name.clone(), prefix })?;
        let name = |key: String| key.strip_prefix(&self.prefix).map(str::to_owned);
        Ok(keys.into_iter().filter_map(name).collect())
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let found = self.get(name)?;
        found.ok_or_else(|| anyhow!("it is gone: other runs have gone on meanwhile"))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        self.s3.get_whole(&self.name, &self.key(name), SNAPSHOT_BYTES_MAX as u64)
    }

    /// The SDK makes a request again when its answer is lost, and then meets what it wrote itself.
    pub(super) fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Placed> {
        for _ in 0..ATTEMPTS_MAX {
            if self.s3.put_new(&self.name, &self.key(name), bytes.to_vec())? == Put::Done {
                return Ok(Placed::Done);
            }
            match self.get(name)? {
                Some(there) if there == bytes => return Ok(Placed::Done),
                Some(_) => return Ok(Placed::Taken),
                // What was being written at that moment did not come to be.
                None => {}
            }
        }
        Ok(Placed::Taken)
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        Ok(self.s3.remove(&self.name, &self.key(name))?)
    }

    pub(super) fn writer(&self) -> &str {
        &self.writer
    }

    pub(super) fn url(&self, name: &str) -> String {
        format!("s3://{}/{}", self.name, self.key(name))
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
