//! The state folder: what `detect --state` leaves for its next run.
//!
//! Every run that ends well writes one file, `generation-000012.tidegate`, whole or not at all, and
//! never changes it again; the newest counts and the last few are kept. A generation that cannot be
//! read is an error: going on from the one before would tell some things twice, which is for the user
//! to decide.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use detect::snapshot::{Snapshot, TakenFile};
use ingest::{LogFile, Place};
use model::snapshot::{SNAPSHOT_BYTES_MAX, SnapshotError};

/// Generations kept, the newest included.
const GENERATIONS_KEPT: usize = 3;

/// Names of files remembered; of more, those taken longest ago are forgotten. Given again, their
/// records are late, since windows of their time are closed.
const FILES_MAX: usize = 1 << 17;

/// An open state folder, which no other run can open meanwhile.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    /// The newest generation; 0 if there is none.
    generation: u64,
    taken: Vec<TakenFile>,
    /// Held until the run ends.
    _lock: File,
}

impl State {
    /// Opens a folder, made if it is not there, and reads its newest generation.
    pub(crate) fn open(folder: &Path) -> Result<(Self, Option<Snapshot>)> {
        make_folder(folder)
            .with_context(|| format!("cannot make the state folder {}", folder.display()))?;
        let lock = lock(folder)?;
        let generations = generations(folder)?;
        let newest = generations.last_key_value();
        let snapshot = newest
            .map(|(_, path)| read(path).with_context(|| advice(path, &generations)))
            .transpose()?;
        let state = Self {
            folder: folder.to_owned(),
            generation: newest.map_or(0, |(&number, _)| number),
            taken: snapshot.as_ref().map_or_else(Vec::new, |known| known.run.files.clone()),
            _lock: lock,
        };
        Ok((state, snapshot))
    }

    /// The newest generation's number; 0 if there is none.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells files taken before, by name and size, from new ones, and names those of a known name
    /// that have another size.
    pub(crate) fn sort_out(&self, files: Vec<LogFile>) -> Sorted {
        let mut known: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for file in &self.taken {
            known.entry(&file.name).or_default().push(file.bytes);
        }
        let mut sorted = Sorted::default();
        for file in files {
            match known.get(name_of(&file.place).as_str()) {
                Some(sizes) if sizes.contains(&file.bytes) => sorted.n_known += 1,
                Some(_) => {
                    sorted.changed.push(file.place.clone());
                    sorted.new.push(file);
                }
                None => sorted.new.push(file),
            }
        }
        sorted
    }

    /// Writes the next generation and removes those that are old enough. `files` were read.
    pub(crate) fn save<'a>(
        self,
        mut snapshot: Snapshot,
        files: impl Iterator<Item = &'a LogFile>,
    ) -> Result<()> {
        let generation = self.generation + 1;
        let taken = files.map(|file| TakenFile {
            name: name_of(&file.place),
            bytes: file.bytes,
            time: file.origin.time,
            generation,
        });
        snapshot.run.files = remembered(self.taken, taken);
        let path = self.folder.join(format!("generation-{generation:06}.tidegate"));
        let failed = || format!("cannot write the state {}", path.display());
        let bytes = snapshot.to_bytes().with_context(failed)?;
        write(&self.folder, &path, &bytes).with_context(failed)?;
        prune(&self.folder)
    }
}

/// What [`State::sort_out`] found.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) new: Vec<LogFile>,
    /// Of a known name, but not its size.
    pub(crate) changed: Vec<Place>,
    pub(crate) n_known: u64,
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
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

/// The generations of a folder by number; whatever else lies there is not looked at.
fn generations(folder: &Path) -> Result<BTreeMap<u64, PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut generations = BTreeMap::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name
            .and_then(|name| name.strip_prefix("generation-"))
            .and_then(|name| name.strip_suffix(".tidegate"))
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok());
        if let Some(number) = number {
            generations.insert(number, path);
        }
    }
    Ok(generations)
}

fn read(path: &Path) -> Result<Snapshot> {
    let size = fs::metadata(path)?.len();
    match usize::try_from(size) {
        Ok(bytes) if bytes <= SNAPSHOT_BYTES_MAX => {}
        Ok(bytes) => return Err(SnapshotError::TooLarge { bytes }.into()),
        Err(error) => return Err(error.into()),
    }
    Ok(Snapshot::from_bytes(&fs::read(path)?.into())?)
}

/// What to do about a generation that cannot be read.
fn advice(path: &Path, generations: &BTreeMap<u64, PathBuf>) -> String {
    let way_out = match generations.values().nth_back(1).and_then(|path| path.file_name()) {
        Some(before) => format!(
            "move it away to go on from {}, and give the files since then again",
            before.to_string_lossy()
        ),
        None => "move it away to begin anew".to_owned(),
    };
    format!("cannot go on from the state {} ({way_out})", path.display())
}

/// The name that tells a file from others: an object's key from `AWSLogs` on, wherever the bucket was
/// copied to; else where the file really is.
fn name_of(place: &Place) -> String {
    let text = place.name();
    if let Some(at) = text.rfind("AWSLogs/") {
        return text[at..].to_owned();
    }
    let real = place.path().and_then(|path| path.canonicalize().ok());
    real.map_or_else(|| place.to_string(), |real| real.to_string_lossy().into_owned())
}

/// Those known and those taken now, the ones taken longest ago left out if there are too many.
fn remembered(known: Vec<TakenFile>, taken: impl Iterator<Item = TakenFile>) -> Vec<TakenFile> {
    let mut files: Vec<TakenFile> = known.into_iter().chain(taken).collect();
    files.sort_by(|a, b| {
        (a.generation, a.time, &a.name, a.bytes).cmp(&(b.generation, b.time, &b.name, b.bytes))
    });
    files.split_off(files.len().saturating_sub(FILES_MAX))
}

/// Whole or not at all; readable by its owner only, as temporary files are.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| anyhow!(error.error))?;
    // The name is on the disk when the folder is. Not every system can do this to a folder.
    if let Ok(folder) = File::open(folder) {
        let _synced = folder.sync_all();
    }
    Ok(())
}

fn prune(folder: &Path) -> Result<()> {
    let generations = generations(folder)?;
    for path in generations.values().rev().skip(GENERATIONS_KEPT) {
        fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}
