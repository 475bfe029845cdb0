//! Finds the flow logs under a prefix, and leaves out what lies outside a time range without listing it.
//!
//! Layouts are not asked for: wherever a key has `AWSLogs/`, what follows it says account, region and
//! day (see [`Origin::from_key`]). Only where a part of the tree is out of range is it walked level by
//! level; a part that is wanted whole is listed flat, a thousand keys a request.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::Object;

use super::{S3, S3Url};
use crate::batch::Origin;
use crate::files::LogFile;
use crate::place::Place;
use crate::range::TimeRange;
use crate::source::SourceError;

const DAY_SECS: i64 = 86_400;
const HOUR_SECS: i64 = 3600;

/// What is known of a folder's times from its name.
enum Span {
    /// Not deep enough to have a day, or no such layout.
    Unknown,
    /// Its files' times lie between these.
    Between(i64, i64),
}

impl S3 {
    /// The flow logs under a prefix whose times are in range, in the order to read them.
    pub fn list(&self, url: &S3Url, range: TimeRange) -> Result<Vec<LogFile>, SourceError> {
        let mut files = self.aws.wait(self.walk(url, range))?;
        files.sort_by_cached_key(LogFile::reading_order);
        Ok(files)
    }

    async fn walk(&self, url: &S3Url, range: TimeRange) -> Result<Vec<LogFile>, SourceError> {
        let mut files = Vec::new();
        let mut folders = VecDeque::from([url.prefix.clone()]);
        while let Some(folder) = folders.pop_front() {
            let is_flat = match span(&folder) {
                Span::Between(first, last) if !range.overlaps(first, last) => continue,
                Span::Between(first, last) => range.is_whole(first, last),
                Span::Unknown => range == TimeRange::default(),
            };
            self.list_folder(url, &folder, is_flat, &mut |page| {
                for object in page.contents() {
                    files.extend(log_file(&url.bucket, object).filter(|f| range.has(&f.origin)));
                }
                let deeper = page.common_prefixes().iter().filter_map(|prefix| prefix.prefix());
                folders.extend(deeper.map(str::to_owned));
            })
            .await?;
        }
        Ok(files)
    }

    async fn list_folder(
        &self,
        url: &S3Url,
        folder: &str,
        is_flat: bool,
        on_page: &mut (dyn FnMut(&ListObjectsV2Output) + Send),
    ) -> Result<(), SourceError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&url.bucket)
            .prefix(folder)
            .set_delimiter((!is_flat).then(|| "/".to_owned()))
            .set_request_payer(self.payer());
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| {
                SourceError::of_request(&url.to_string(), "ListObjectsV2", &error)
            })?;
            on_page(&page);
        }
        Ok(())
    }
}

/// The times of files in `…/AWSLogs/ACCOUNT/vpcflowlogs/REGION/2025/03/03/14/`.
fn span(folder: &str) -> Span {
    let Some(at) = folder.rfind("AWSLogs/") else { return Span::Unknown };
    // A name that is no file's, so that only the folders speak.
    let origin = Origin::from_key(&format!("{folder}-"));
    let depth = folder[at..].matches('/').count();
    match (origin.time, depth) {
        (Some(first), 7) => Span::Between(first, first + DAY_SECS - 1),
        (Some(first), 8..) => Span::Between(first, first + HOUR_SECS - 1),
        _ => Span::Unknown,
    }
}

/// Objects that are no flow logs by their names (folders' markers, notes, inventories) are left out.
fn log_file(bucket: &str, object: &Object) -> Option<LogFile> {
    let key = object.key()?;
    let name = key.rsplit('/').next().unwrap_or_default();
    let bytes = u64::try_from(object.size().unwrap_or(0)).unwrap_or(0);
    if bytes == 0 || !is_flow_log(name) {
        return None;
    }
    Some(LogFile {
        place: Place::Object { bucket: bucket.to_owned(), key: key.to_owned() },
        origin: Arc::new(Origin::from_key(key)),
        bytes,
        etag: object.e_tag().map(|tag| tag.trim_matches('"').to_owned()),
    })
}

/// By name alone: a look into each object would cost a request each. Objects without an extension
/// are taken, since Firehose writes such.
pub(in crate::source) fn is_flow_log(name: &str) -> bool {
    if name.is_empty() || name.starts_with('.') || name.starts_with('_') {
        return false;
    }
    let name = name.to_ascii_lowercase();
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let is_other = [".json", ".csv", ".txt", ".yaml", ".yml", ".md", ".tidegate", ".delivered"];
    !is_other.iter().any(|ending| bare.ends_with(ending)) && name != "aws-logs-write-test"
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 1_709_164_800;

    #[test]
    fn a_folder_says_its_times_when_it_is_deep_enough() {
        let day = "p/AWSLogs/210987654321/vpcflowlogs/us-east-1/2024/02/29/";
        let Span::Between(first, last) = span(day) else { panic!("{day} has a day") };
        assert_eq!((first, last), (DAY, DAY + 86_399));
        let hive = "AWSLogs/aws-account-id=210987654321/aws-service=vpcflowlogs/aws-region=us-east-1/year=2024/month=02/day=29/hour=23/";
        let Span::Between(first, last) = span(hive) else { panic!("{hive} has an hour") };
        assert_eq!((first, last), (DAY + 82_800, DAY + 86_399));
        for shallow in ["", "p/", "AWSLogs/", "AWSLogs/210987654321/vpcflowlogs/us-east-1/2024/02/"]
        {
            assert!(matches!(span(shallow), Span::Unknown), "{shallow}");
        }
    }

    #[test]
    fn names_decide_what_is_a_flow_log() {
        for name in ["x_20240229T2355Z_1f.log.gz", "a.log.parquet", "stream-1-2024-uuid", "b.GZ"] {
            assert!(is_flow_log(name), "{name}");
        }
        for name in ["", "_SUCCESS", "enis.json", "labels.csv", "g-000001.tidegate", "n.txt.gz"] {
            assert!(!is_flow_log(name), "{name}");
        }
    }
}
