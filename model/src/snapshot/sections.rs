//! The container: named parts one after the other behind a header that says where each is and what
//! its bytes hash to.
//!
//! ```text
//! tidegate state
//! {"format_version":1,"sections":[{"name":"windows","bytes":4711,"hash":"9ae16a3b2f90404f"}, …]}
//! bytes of the first section, of the second, …
//! ```

use std::collections::BTreeMap;
use std::hash::Hasher;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use super::SnapshotError;

/// The version this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// More bytes than this are not read: two million open five-tuples are a twentieth of it.
pub const SNAPSHOT_BYTES_MAX: usize = 1 << 31;

const MAGIC: &[u8] = b"tidegate state\n";

const HEADER_BYTES_MAX: usize = 64 << 10;

const PART: &str = "header";

#[derive(Serialize, Deserialize)]
struct Header {
    format_version: u32,
    sections: Vec<Place>,
}

/// Only the version: all a reader may expect of a later format.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

#[derive(Serialize, Deserialize)]
struct Place {
    name: String,
    bytes: u64,
    hash: String,
}

/// Named parts of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    parts: BTreeMap<String, Bytes>,
}

impl Sections {
    /// Adds a part.
    pub fn insert(&mut self, name: &str, content: impl Into<Bytes>) {
        self.parts.insert(name.to_owned(), content.into());
    }

    /// The bytes of a part; none if it is not there.
    pub fn part(&self, name: &str) -> Option<Bytes> {
        self.parts.get(name).cloned()
    }

    /// All parts as one run of bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SnapshotError> {
        let place = |(name, content): (&String, &Bytes)| Place {
            name: name.clone(),
            bytes: content.len() as u64,
            hash: hash(content),
        };
        let header = Header {
            format_version: FORMAT_VERSION,
            sections: self.parts.iter().map(place).collect(),
        };
        let header =
            serde_json::to_vec(&header).map_err(|error| SnapshotError::unwritable(PART, error))?;
        let mut all = MAGIC.to_vec();
        all.extend(header);
        all.push(b'\n');
        self.parts.values().for_each(|content| all.extend_from_slice(content));
        if all.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge { bytes: all.len() });
        }
        Ok(all)
    }

    /// Takes the parts apart and checks that each is as it was written.
    pub fn from_bytes(bytes: &Bytes) -> Result<Self, SnapshotError> {
        if bytes.len() > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge { bytes: bytes.len() });
        }
        let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::NotASnapshot)?;
        let line = rest.iter().take(HEADER_BYTES_MAX).position(|&byte| byte == b'\n');
        let line = line.ok_or_else(|| SnapshotError::damaged(PART, "it has no end"))?;
        let damaged = |error| SnapshotError::damaged(PART, error);
        let Version { format_version: found } =
            serde_json::from_slice(&rest[..line]).map_err(damaged)?;
        if found > FORMAT_VERSION {
            return Err(SnapshotError::TooNew { found });
        }
        let header: Header = serde_json::from_slice(&rest[..line]).map_err(damaged)?;
        Self::cut(&header, bytes, MAGIC.len() + line + 1)
    }

    fn cut(header: &Header, bytes: &Bytes, first: usize) -> Result<Self, SnapshotError> {
        let mut parts = BTreeMap::new();
        let mut from = first;
        for place in &header.sections {
            let end = usize::try_from(place.bytes).ok().and_then(|len| from.checked_add(len));
            let end = end.filter(|&end| end <= bytes.len()).ok_or_else(|| {
                SnapshotError::damaged(PART, format!("the file ends within `{}`", place.name))
            })?;
            let content = bytes.slice(from..end);
            if hash(&content) != place.hash {
                let name = &place.name;
                return Err(SnapshotError::damaged(
                    PART,
                    format!("`{name}` is not as it was written"),
                ));
            }
            parts.insert(place.name.clone(), content);
            from = end;
        }
        if from != bytes.len() {
            return Err(SnapshotError::damaged(PART, "there are bytes after the last section"));
        }
        Ok(Self { parts })
    }
}

fn hash(content: &[u8]) -> String {
    let mut hasher = XxHash64::with_seed(5);
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}
