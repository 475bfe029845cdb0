//! Where a log file lies.

use std::fmt;
use std::path::{Path, PathBuf};

/// A file of this machine, or an object of a bucket.
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
}

impl Place {
    /// The path of a file, the key of an object: what names are read from.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Object { key, .. } => key.clone(),
        }
    }

    /// The path, if this is a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Object { .. } => None,
        }
    }

    /// Whether the name ends as Parquet's does.
    pub fn is_parquet(&self) -> bool {
        Path::new(&self.name()).extension().is_some_and(|extension| extension == "parquet")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Object { bucket, key } => write!(f, "s3://{bucket}/{key}"),
        }
    }
}
