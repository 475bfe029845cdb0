//! Lists the shards of a stream.

use std::sync::Arc;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ChildShard, HashKeyRange, Shard, ShardFilter, ShardFilterType};

use super::aggregate::HashRange;
use super::ask::{Asker, Failed};
use super::shards::Listed;
use crate::source::SourceError;

const LIST_SHARDS: &str = "ListShards";
/// A token lives five minutes; a listing that meets an old one begins anew.
const LISTINGS_MAX: u32 = 3;

impl Asker {
    /// Every shard that has not expired; or only those that hold something from a time on.
    pub(super) async fn shards(&self, since_ms: Option<i64>) -> Result<Vec<Listed>, SourceError> {
        let mut result = Err(Failed::Expired);
        for _ in 0..LISTINGS_MAX {
            result = self.list_once(since_ms).await;
            if !matches!(result, Err(Failed::Expired)) {
                break;
            }
            self.count("expired", 1);
        }
        let shards = result.map_err(|failed| failed.into_error(&self.url, LIST_SHARDS))?;
        Ok(shards.into_iter().map(listed).collect())
    }

    async fn list_once(&self, since_ms: Option<i64>) -> Result<Vec<Shard>, Failed> {
        let filter = since_ms.and_then(|since_ms| {
            let of_time = ShardFilter::builder().r#type(ShardFilterType::FromTimestamp);
            of_time.timestamp(DateTime::from_millis(since_ms)).build().ok()
        });
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let page = self
                .patiently(LIST_SHARDS, || {
                    let request = self.client.list_shards();
                    // A token stands for all that was asked with it.
                    let request = match token.clone() {
                        Some(token) => request.next_token(token),
                        None => request
                            .set_stream_name(self.url.name())
                            .set_stream_arn(self.url.arn())
                            .set_shard_filter(filter.clone()),
                    };
                    request.send()
                })
                .await?;
            found.extend(page.shards.unwrap_or_default());
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

fn listed(shard: Shard) -> Listed {
    let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id];
    Listed {
        id: shard.shard_id.into(),
        parents: named(parents.into_iter().flatten()),
        range: hash_range(shard.hash_key_range.as_ref()),
    }
}

/// What the end of a shard tells of the shards that go on.
pub(super) fn children(shards: Vec<ChildShard>) -> Vec<Listed> {
    let listed = |child: ChildShard| Listed {
        id: child.shard_id.into(),
        parents: named(child.parent_shards.into_iter()),
        range: hash_range(child.hash_key_range.as_ref()),
    };
    shards.into_iter().map(listed).collect()
}

fn named(parents: impl Iterator<Item = String>) -> Vec<Arc<str>> {
    parents.filter(|parent| !parent.is_empty()).map(Arc::from).collect()
}

/// A range that cannot be read is every key: no record is left out because of it.
fn hash_range(range: Option<&HashKeyRange>) -> HashRange {
    let read = |range: &HashKeyRange| {
        let first = range.starting_hash_key.parse().ok()?;
        Some(HashRange { first, last: range.ending_hash_key.parse().ok()? })
    };
    range.and_then(read).unwrap_or(HashRange::ALL)
}
