//! Where a log file lies.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file of this machine, an object of a bucket, or a slice of a log group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// An object in S3.
    Object {
        /// The bucket's name.
        bucket: String,
        /// The object's key.
        key: String,
    },
    /// What a log group has of a time.
    Slice {
        /// The group, as `cwl://GROUP`.
        group: String,
        /// The first second of its events, Unix seconds.
        since: i64,
        /// The first second after them.
        until: i64,
    },
}

impl Place {
    /// The path of a file, the key of an object, the URL of a group: what names are read from.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Object { key, .. } => key.clone(),
            Self::Slice { group, .. } => group.clone(),
        }
    }

    /// The path, if this is a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Object { .. } | Self::Slice { .. } => None,
        }
    }

    /// Whether the name ends as Parquet's does.
    pub fn is_parquet(&self) -> bool {
        let is_slice = matches!(self, Self::Slice { .. });
        !is_slice && Path::new(&self.name()).extension().is_some_and(|end| end == "parquet")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Object { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::Slice { group, since, until } => {
                write!(f, "{group} from {} to {}", time(*since), time(*until))
            }
        }
    }
}

fn time(secs: i64) -> String {
    jiff::Timestamp::from_second(secs).map_or_else(|_| secs.to_string(), |time| time.to_string())
}
