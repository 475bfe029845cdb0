//! What was changed in a suppression file, when and by whom: `FILE.audit.jsonl` beside it, one JSON
//! object a line, each with the hash of the one before.
//!
//! The chain shows that a line was changed, taken out or put in. It has no key: who can write the log can
//! write all of it anew, or take lines off its end together with the change they tell of. Against that
//! the last hash, which every change prints, has to be kept where they cannot write.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::output;

/// The largest log read, bytes: half a million changes.
const LOG_BYTES_MAX: u64 = 256 << 20;

/// What an entry's line ends with: the hash of all of the line before this.
const HASH_KEY: &str = ",\"hash\":\"";

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When it was made, RFC 3339.
    pub(crate) time: String,
    /// Who says to have made it.
    pub(crate) author: Option<String>,
    /// What was done.
    pub(crate) action: String,
    /// The finding it is about.
    pub(crate) finding: String,
    /// Why.
    pub(crate) reason: String,
    /// The last second the rules hold, RFC 3339; `None` for ever.
    pub(crate) until: Option<String>,
    /// The rules that were added.
    pub(crate) rules: Vec<String>,
    /// The file's hash before, that of nothing where there was none.
    pub(crate) file_before: String,
    /// The file's hash after.
    pub(crate) file_after: String,
    /// The hash of the entry before; `None` in the first one.
    pub(crate) previous: Option<String>,
}

/// The end of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) n_entries: usize,
    /// The last entry and its hash.
    pub(crate) last: Option<(Entry, String)>,
    /// The entries, from 1, that found the file otherwise than the one before had left it.
    pub(crate) edited_before: Vec<usize>,
    /// The rules that entries made.
    pub(crate) rules: BTreeSet<String>,
}

impl Chain {
    fn add(&mut self, entry: Entry, entry_hash: String) {
        self.n_entries += 1;
        let nothing = hash(b"");
        let left = self.last.as_ref().map_or(&nothing, |(last, _)| &last.file_after);
        if *left != entry.file_before {
            self.edited_before.push(self.n_entries);
        }
        self.rules.extend(entry.rules.iter().cloned());
        self.last = Some((entry, entry_hash));
    }
}

/// The log of a suppression file.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".audit.jsonl");
    name.into()
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A log that is open for one more entry; while it is, no other run changes it.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    pub(crate) chain: Chain,
}

impl Log {
    /// Opens a log, made if it is not there, and checks it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = || format!("cannot open {}", path.display());
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).with_context(failed)?;
        file.lock().with_context(failed)?;
        let chain = read(path, &mut file)?;
        Ok(Self { path: path.to_owned(), file, chain })
    }

    /// Adds an entry; gives its hash.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<String> {
        let previous = self.chain.last.as_ref().map(|(_, hash)| hash.clone());
        let entry = Entry { previous, ..entry };
        let (line, hash) = line(&entry)?;
        let failed = || format!("cannot write {}", self.path.display());
        self.file.write_all(line.as_bytes()).with_context(failed)?;
        self.file.sync_all().with_context(failed)?;
        self.chain.add(entry, hash.clone());
        Ok(hash)
    }
}

/// Reads a log that is there and checks it.
pub(crate) fn check(path: &Path) -> Result<Chain> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    read(path, &mut file)
}

fn read(path: &Path, file: &mut File) -> Result<Chain> {
    let mut text = String::new();
    let n_read = file.take(LOG_BYTES_MAX + 1).read_to_string(&mut text);
    let n_read = n_read.with_context(|| format!("cannot read {}", path.display()))?;
    if n_read as u64 > LOG_BYTES_MAX {
        bail!(
            "{}: more than {LOG_BYTES_MAX} bytes; move it away to begin a new one",
            path.display()
        );
    }
    chain(&text).with_context(|| {
        format!(
            "{}: this is not what was written; find out who changed it, then move it away to begin a \
             new one",
            path.display()
        )
    })
}

/// Follows a chain to its end.
fn chain(text: &str) -> Result<Chain> {
    let mut chain = Chain::default();
    if !text.is_empty() && !text.ends_with('\n') {
        bail!("line {}: cut short", text.lines().count());
    }
    for (number, line) in (1..).zip(text.lines()) {
        let (entry, hash) = link(line).with_context(|| format!("line {number}"))?;
        let before = chain.last.as_ref().map(|(_, hash)| hash);
        if entry.previous.as_ref() != before {
            bail!("line {number}: it does not follow the line before");
        }
        chain.add(entry, hash);
    }
    Ok(chain)
}

fn link(line: &str) -> Result<(Entry, String)> {
    let (told, end) = line.rsplit_once(HASH_KEY).context("no hash at its end")?;
    let hash_told = end.strip_suffix("\"}").context("no hash at its end")?;
    if hash(told.as_bytes()) != hash_told {
        bail!("its hash is another");
    }
    let entry = serde_json::from_str(&format!("{told}}}")).context("not an entry")?;
    Ok((entry, hash_told.to_owned()))
}

/// An entry's line, and its hash.
fn line(entry: &Entry) -> Result<(String, String)> {
    // Names of strangers stand in it, and people look at it in a terminal.
    let json = output::harmless_json(&serde_json::to_string(entry)?);
    let told = json.strip_suffix('}').context("an entry is an object")?;
    let hash = hash(told.as_bytes());
    Ok((format!("{told}{HASH_KEY}{hash}\"}}\n"), hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(finding: &str) -> Entry {
        Entry {
            time: "1970-01-01T00:00:00Z".to_owned(),
            author: Some("kim \",\"hash\":\"\u{1b}".to_owned()),
            action: "accept".to_owned(),
            finding: finding.to_owned(),
            reason: "a\nb".to_owned(),
            until: None,
            rules: vec!["tg-1-1".to_owned()],
            file_before: hash(b""),
            file_after: hash(b"x"),
            previous: None,
        }
    }

    fn three() -> (tempfile::TempDir, PathBuf, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("known.yaml"));
        for finding in ["tg-1", "tg-2", "tg-3"] {
            Log::open(&path).unwrap().add(entry(finding)).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        (folder, path, text)
    }

    #[test]
    fn a_chain_reads_back_to_its_last_entry() {
        let (_folder, path, text) = three();
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains('\u{1b}'));
        let chain = check(&path).unwrap();
        let (last, hash) = chain.last.unwrap();
        assert_eq!((chain.n_entries, last.finding.as_str()), (3, "tg-3"));
        assert_eq!(chain.edited_before, [2, 3], "each says it began with nothing");
        assert!(text.contains(&hash) && last.author == entry("").author);
        assert_eq!(super::chain("").unwrap(), Chain::default());
    }

    #[test]
    fn a_line_changed_taken_out_or_put_in_breaks_the_chain() {
        let (_folder, path, text) = three();
        let lines: Vec<&str> = text.lines().collect();
        let join = |lines: &[&str]| format!("{}\n", lines.join("\n"));
        for changed in [
            text.replacen("kim", "eve", 1),
            text.replacen("tg-3", "tg-4", 1),
            join(&lines[1..]),
            join(&[lines[0], lines[2]]),
            join(&[lines[0], lines[2], lines[1]]),
            join(&[lines[0], lines[0], lines[1], lines[2]]),
            text.trim_end().to_owned(),
            format!("{text}{{}}\n"),
            format!("{text}\n"),
        ] {
            std::fs::write(&path, &changed).unwrap();
            assert!(check(&path).is_err(), "{changed}");
            assert!(Log::open(&path).is_err(), "nothing is added to a broken chain");
        }
    }

    /// FIPS 180-2, appendix B.1.
    #[test]
    fn the_hash_is_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash(b"abc"), abc);
    }
}
