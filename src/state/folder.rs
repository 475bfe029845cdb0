//! A state in a folder, which one run at a time has open.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use model::snapshot::{SNAPSHOT_BYTES_MAX, SnapshotError};

use super::store::Placed;

/// How files that are not whole yet begin: what a run that was ended leaves of them is removed.
const UNFINISHED: &str = ".unfinished-";

/// An open folder, which no other run can open meanwhile.
#[derive(Debug)]
pub(super) struct Folder {
    folder: PathBuf,
    /// Held until the run ends.
    _lock: File,
}

impl Folder {
    /// Opens a folder, made if it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        make(folder)
            .with_context(|| format!("cannot make the state folder {}", folder.display()))?;
        let opened = Self { folder: folder.to_owned(), _lock: lock(folder)? };
        for name in opened.names()?.iter().filter(|name| name.starts_with(UNFINISHED)) {
            opened.remove(name)?;
        }
        Ok(opened)
    }

    pub(super) fn names(&self) -> Result<Vec<String>> {
        let failed = || format!("cannot read {}", self.folder.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(failed)? {
            names.extend(entry.with_context(failed)?.file_name().into_string());
        }
        Ok(names)
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        let size = fs::metadata(&path)?.len();
        match usize::try_from(size) {
            Ok(bytes) if bytes <= SNAPSHOT_BYTES_MAX => Ok(fs::read(path)?),
            Ok(bytes) => Err(SnapshotError::TooLarge { bytes }.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whole or not at all; readable by its owner only, as temporary files are.
    pub(super) fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Placed> {
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(self.path(name)) {
            Ok(_) => {}
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                return Ok(Placed::Taken);
            }
            Err(error) => return Err(anyhow!(error.error)),
        }
        // The name is on the disk when the folder is. Not every system can do this to a folder.
        if let Ok(folder) = File::open(&self.folder) {
            let _synced = folder.sync_all();
        }
        Ok(Placed::Done)
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn make(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Two runs that go on from one generation would both tell the same.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another run is using the state {}: wait until it has ended", folder.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
