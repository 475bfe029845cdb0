//! Finds the flow logs a path, folder or glob stands for.
//!
//! A file that is named, or matched by a glob, is taken whatever its name. In a folder, searched to its depths,
//! lie other things too (inventories, labels, notes), so names decide first: `.log`, `.parquet`,
//! `.gz` and `.zst` are taken, unless what stands before `.gz` or `.zst` is `.json`, `.csv` or
//! `.txt`. Those, and names without an extension, are taken if they begin as a flow log does: a
//! header line, a record with its two times, or an envelope. Hidden files are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::batch::Origin;
use crate::place::Place;
use crate::sniff::begins_as_flow_log;

/// A file to read.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// Where it is.
    pub place: Place,
    /// What its name says.
    pub origin: Arc<Origin>,
    /// Its size.
    pub bytes: u64,
    /// An object's entity tag: what changes when its content does.
    pub etag: Option<String>,
}

impl LogFile {
    /// What files are sorted by to be read: those whose names tell a time first, in the order of their
    /// times; then by name.
    pub fn reading_order(&self) -> (i64, Place) {
        (self.origin.time.unwrap_or(i64::MAX), self.place.clone())
    }
}

/// Why no files were found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Nothing is there.
    #[error("`{0}`: no such file or folder, and no file matches it as a glob")]
    NotFound(String),
    /// A folder without flow logs.
    #[error(
        "`{0}`: no flow logs in this folder; looked for .log, .gz, .zst and .parquet files at any depth, and for .txt, .csv and .json files that begin as a flow log does"
    )]
    NoneInFolder(String),
    /// A glob that cannot be one.
    #[error("`{pattern}`: {detail}")]
    BadGlob {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A URL, which is no file.
    #[error("`{0}`: a URL where files are due")]
    NotAFile(String),
    /// The operating system refused.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Folders deeper than this are not searched: S3 layouts are about 15 deep.
const DEPTH_MAX: usize = 64;

/// The files a source stands for, in the order to read them: see [`find_all_files`].
pub fn find_files(source: &str) -> Result<Vec<LogFile>, FindError> {
    find_all_files(&[source])
}

/// The files several sources stand for, each once.
///
/// Files whose names tell a time come first, in the order of their times; then the others, by name.
pub fn find_all_files<S: AsRef<str>>(sources: &[S]) -> Result<Vec<LogFile>, FindError> {
    let mut found = Found::default();
    for source in sources {
        found.add_source(source.as_ref())?;
    }
    let mut files: Vec<LogFile> = found.by_real_path.into_values().collect();
    files.sort_by_cached_key(LogFile::reading_order);
    Ok(files)
}

/// Files by where they really are, so that links and overlapping sources count once.
#[derive(Default)]
struct Found {
    by_real_path: BTreeMap<PathBuf, LogFile>,
    folders_seen: BTreeSet<PathBuf>,
}

impl Found {
    fn add_source(&mut self, source: &str) -> Result<(), FindError> {
        if source.contains("://") {
            return Err(FindError::NotAFile(source.to_owned()));
        }
        let path = Path::new(source);
        if path.try_exists().map_err(|error| io_error(path, error))? {
            return self.add_path(path);
        }
        let matches = glob::glob(source).map_err(|error| FindError::BadGlob {
            pattern: source.to_owned(),
            detail: error.to_string(),
        })?;
        let mut n_matches = 0;
        for entry in matches {
            let path = entry.map_err(|error| {
                let path = error.path().to_owned();
                FindError::Io { path, cause: error.into() }
            })?;
            self.add_path(&path)?;
            n_matches += 1;
        }
        if n_matches == 0 { Err(FindError::NotFound(source.to_owned())) } else { Ok(()) }
    }

    /// A file, or a folder with at least one.
    fn add_path(&mut self, path: &Path) -> Result<(), FindError> {
        if !path.is_dir() {
            self.add_file(path);
            return Ok(());
        }
        let n_before = self.by_real_path.len();
        let is_new = self.add_folder(path, 0)?;
        if is_new && self.by_real_path.len() == n_before {
            return Err(FindError::NoneInFolder(path.display().to_string()));
        }
        Ok(())
    }

    /// Says whether the folder had not been searched before; links can lead in circles.
    fn add_folder(&mut self, folder: &Path, depth: usize) -> Result<bool, FindError> {
        let real_path = folder.canonicalize().map_err(|error| io_error(folder, error))?;
        if depth > DEPTH_MAX || !self.folders_seen.insert(real_path) {
            return Ok(false);
        }
        let entries = fs::read_dir(folder).map_err(|error| io_error(folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| io_error(folder, error))?.path();
            if is_hidden(&path) {
                continue;
            }
            self.add_entry(&path, depth)?;
        }
        Ok(true)
    }

    /// What cannot be looked at is taken as a file, so that reading it fails and names it, while
    /// the rest of the folder is read.
    fn add_entry(&mut self, path: &Path, depth: usize) -> Result<(), FindError> {
        let Ok(metadata) = fs::metadata(path) else {
            self.add_file(path);
            return Ok(());
        };
        if metadata.is_dir() && fs::read_dir(path).is_ok() {
            return self.add_folder(path, depth + 1).map(drop);
        }
        // A pipe or device in a folder would be waited for, maybe for ever.
        if metadata.is_dir() || (metadata.is_file() && is_flow_log(path)) {
            self.add_file(path);
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) {
        // A pipe given by name has no real path.
        let real_path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let origin = Arc::new(Origin::from_key(&path.to_string_lossy()));
        let place = Place::File(path.to_owned());
        let file = LogFile { place, origin, bytes, etag: None };
        // Of several paths to one file the least is kept, whatever the order they were found in.
        let kept = self.by_real_path.entry(real_path).or_insert_with(|| file.clone());
        if file.place < kept.place {
            *kept = file;
        }
    }
}

fn io_error(path: &Path, cause: io::Error) -> FindError {
    FindError::Io { path: path.to_owned(), cause }
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") || name.starts_with(b"_")
}

/// By name where the name is clear, else by the file's beginning.
fn is_flow_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst"));
    let by_content = [".json", ".jsonl", ".csv", ".txt"];
    let inner = bare.unwrap_or(&name);
    if by_content.iter().any(|ending| inner.ends_with(ending)) || !name.contains('.') {
        return begins_as_flow_log(path).unwrap_or(true);
    }
    bare.is_some() || [".log", ".parquet"].iter().any(|ending| name.ends_with(ending))
}
