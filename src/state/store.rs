//! Where generations are kept: a folder, or a prefix of a bucket. Each is one thing of a name, written
//! whole or not at all and never over another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Result, bail};

#[cfg(feature = "s3")]
use super::bucket::Bucket;
use super::folder::Folder;
use crate::flags::AwsArgs;

/// What came of writing something under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is there.
    Done,
    /// Something else of that name is.
    Taken,
}

/// Where generations are kept.
#[derive(Debug)]
pub(super) enum Store {
    Folder(Folder),
    #[cfg(feature = "s3")]
    Bucket(Bucket),
}

impl Store {
    /// Opens a folder or `s3://BUCKET/PREFIX`.
    pub(super) fn open(at: &str, aws: &AwsArgs) -> Result<Self> {
        if !at.contains("://") {
            return Ok(Self::Folder(Folder::open(at.as_ref())?));
        }
        if !at.starts_with("s3://") {
            bail!("`{at}`: a state lies in a folder or under s3://BUCKET/PREFIX");
        }
        Self::bucket(at, aws)
    }

    #[cfg(feature = "s3")]
    fn bucket(at: &str, aws: &AwsArgs) -> Result<Self> {
        Ok(Self::Bucket(Bucket::open(at, aws)?))
    }

    #[cfg(not(feature = "s3"))]
    fn bucket(at: &str, _: &AwsArgs) -> Result<Self> {
        bail!("`{at}`: this build reads no S3; build it with `--features s3`");
    }

    /// The names of all that is kept.
    pub(super) fn names(&self) -> Result<Kept> {
        let names = match self {
            Self::Folder(folder) => folder.names()?,
            #[cfg(feature = "s3")]
            Self::Bucket(bucket) => bucket.names()?,
        };
        Ok(Kept::of(names))
    }

    /// What lies under a name.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            Self::Folder(folder) => folder.read(name),
            #[cfg(feature = "s3")]
            Self::Bucket(bucket) => bucket.read(name),
        }
    }

    /// Writes under a name nothing has yet.
    pub(super) fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Placed> {
        match self {
            Self::Folder(folder) => folder.put_new(name, bytes),
            #[cfg(feature = "s3")]
            Self::Bucket(bucket) => bucket.put_new(name, bytes),
        }
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.remove(name),
            #[cfg(feature = "s3")]
            Self::Bucket(bucket) => bucket.remove(name),
        }
    }

    /// A mark of this run where nothing but the bytes says who wrote them: a request that was made
    /// again by itself finds its own bytes, another run's are another's. A folder is locked instead.
    pub(super) fn writer(&self) -> Option<String> {
        match self {
            Self::Folder(_) => None,
            #[cfg(feature = "s3")]
            Self::Bucket(bucket) => Some(bucket.writer().to_owned()),
        }
    }

    /// How a thing in it is named to people.
    pub(super) fn place(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.path(name).display().to_string(),
            #[cfg(feature = "s3")]
            Self::Bucket(bucket) => bucket.url(name),
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place("").trim_end_matches('/'))
    }
}

/// Generations and marks by number, with their names; whatever else lies there is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) generations: BTreeMap<u64, String>,
    pub(super) delivered: BTreeMap<u64, String>,
}

impl Kept {
    fn of(names: impl IntoIterator<Item = String>) -> Self {
        let mut kept = Self::default();
        for name in names {
            if let Some(number) = number(&name, ".tidegate") {
                kept.generations.insert(number, name);
            } else if let Some(number) = number(&name, ".delivered") {
                kept.delivered.insert(number, name);
            }
        }
        kept
    }

    /// All but the last `n` generations, and the marks of those that are not there.
    pub(super) fn outdated(&self, n: usize) -> BTreeSet<&String> {
        let old = self.generations.values().rev().skip(n);
        let oldest = self.generations.keys().nth_back(n.saturating_sub(1)).copied().unwrap_or(0);
        let marks = self.delivered.range(..oldest).map(|(_, name)| name);
        old.chain(marks).collect()
    }
}

/// The name of a generation, which says its number.
pub(super) fn generation_name(number: u64) -> String {
    format!("generation-{number:06}.tidegate")
}

/// The name of the mark that a generation's findings were delivered.
pub(super) fn delivered_name(number: u64) -> String {
    format!("generation-{number:06}.delivered")
}

fn number(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_prefix("generation-")?.strip_suffix(ending)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(names: &[&str]) -> Kept {
        Kept::of(names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn only_generations_and_marks_are_looked_at() {
        let names = ["lock", "generation-x.tidegate", "generation-000002.delivered", "notes.txt"];
        let kept =
            kept(&[&names[..], &[&generation_name(2), "generation-1000000.tidegate"]].concat());
        assert_eq!(kept.generations.keys().copied().collect::<Vec<_>>(), [2, 1_000_000]);
        assert_eq!(kept.delivered.keys().copied().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn the_last_generations_are_kept_with_their_marks() {
        let all: Vec<String> =
            (1..=5).flat_map(|n| [generation_name(n), delivered_name(n)]).collect();
        let all = kept(&all.iter().map(String::as_str).collect::<Vec<_>>());
        let outdated: Vec<_> = all.outdated(3).into_iter().map(String::as_str).collect();
        let expected =
            [delivered_name(1), generation_name(1), delivered_name(2), generation_name(2)];
        assert_eq!(outdated, expected);
        assert_eq!(kept(&[&generation_name(1)]).outdated(3).len(), 0);
    }
}
