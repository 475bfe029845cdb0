//! Small objects that are kept beside the logs: read whole, written once, listed and removed.

use aws_sdk_s3::primitives::ByteStream;

use super::body::{RESUMES_MAX, Wanted, pause};
use super::{S3, S3Url};
use crate::source::SourceError;

/// What came of writing an object that must not be there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is written.
    Done,
    /// Another was first.
    Exists,
}

impl S3 {
    /// Writes an object only if there is none of its key, all at once.
    pub fn put_new(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<Put, SourceError> {
        let request = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .if_none_match("*")
            .set_request_payer(self.payer())
            .body(ByteStream::from(bytes));
        let Err(error) = self.aws.wait(request.send()) else { return Ok(Put::Done) };
        let status = error.raw_response().map(|response| response.status().as_u16());
        match status {
            // 412: it is there. 409: another is being written at this moment.
            Some(409 | 412) => Ok(Put::Exists),
            _ => Err(SourceError::of_request(&format!("s3://{bucket}/{key}"), "PutObject", &error)),
        }
    }

    /// An object whole, if it is there and not larger than `bytes_max`. An answer that breaks off is asked
    /// for again: of a request the SDK does that itself, of a body it does not.
    pub fn get_whole(
        &self,
        bucket: &str,
        key: &str,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let wanted = Wanted { bucket: bucket.to_owned(), key: key.to_owned(), etag: None };
        self.aws.wait(async {
            let mut resumes = 0;
            loop {
                let Some(body) = self.body_within(&wanted, bytes_max).await? else {
                    return Ok(None);
                };
                match body.collect().await {
                    Ok(bytes) => return Ok(Some(bytes.to_vec())),
                    Err(error) if resumes == RESUMES_MAX => {
                        return Err(SourceError::of_request(&wanted.place(), "GetObject", &error));
                    }
                    Err(_) => resumes += 1,
                }
                tokio::time::sleep(pause(resumes)).await;
            }
        })
    }

    /// What an object's bytes come by, if it is there and not larger than `bytes_max`.
    async fn body_within(
        &self,
        wanted: &Wanted,
        bytes_max: u64,
    ) -> Result<Option<ByteStream>, SourceError> {
        let output = match self.get(wanted, None).await {
            Ok(output) => output,
            Err(error) if error.raw_response().is_some_and(|r| r.status().as_u16() == 404) => {
                return Ok(None);
            }
            Err(error) => {
                return Err(SourceError::of_request(&wanted.place(), "GetObject", &error));
            }
        };
        let n_bytes = output.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        if n_bytes > bytes_max {
            let detail = format!("{n_bytes} bytes, of which at most {bytes_max} are read");
            return Err(SourceError::Refused { place: wanted.place(), detail });
        }
        Ok(Some(output.body))
    }

    /// The keys with a prefix, in order.
    pub fn keys(&self, url: &S3Url) -> Result<Vec<String>, SourceError> {
        self.aws.wait(async {
            let request = self.client.list_objects_v2().bucket(&url.bucket).prefix(&url.prefix);
            let mut pages = request.set_request_payer(self.payer()).into_paginator().send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| {
                    SourceError::of_request(&url.to_string(), "ListObjectsV2", &error)
                })?;
                keys.extend(
                    page.contents().iter().filter_map(|object| object.key()).map(str::to_owned),
                );
            }
            Ok(keys)
        })
    }

    /// Removes an object; one that is not there is no error.
    pub fn remove(&self, bucket: &str, key: &str) -> Result<(), SourceError> {
        let request = self.client.delete_object().bucket(bucket).key(key);
        self.aws.wait(request.send()).map(drop).map_err(|error| {
            SourceError::of_request(&format!("s3://{bucket}/{key}"), "DeleteObject", &error)
        })
    }
}
