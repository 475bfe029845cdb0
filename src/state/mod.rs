//! What a run leaves for the next one: `--state`, a folder or a prefix in S3.
//!
//! Every run that ends well writes one generation, `generation-000012.tidegate`, whole or not at all,
//! under a name nothing has yet, and never changes it again; the newest counts and the last few are
//! kept. The findings it told are part of it. Once they reached somebody, `generation-000012.delivered`
//! says so; as long as it does not, the next run tells them again, so that whoever keeps the last
//! revision of each id misses none. A generation that cannot be read is an error: going on from the
//! one before would tell some things twice, which is for the user to decide.

#[cfg(feature = "s3")]
mod bucket;
mod folder;
mod store;
mod taken;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use detect::Finding;
use detect::snapshot::Snapshot;
use ingest::LogFile;

use self::store::{Kept, Placed, Store, delivered_name, generation_name};
use self::taken::{Sorted, Taken};
use crate::flags::AwsArgs;
use crate::output;

/// Generations kept, the newest included.
const GENERATIONS_KEPT: usize = 3;

/// An open state.
#[derive(Debug)]
pub(crate) struct State {
    store: Store,
    /// The newest generation; 0 if there is none.
    generation: u64,
    taken: Taken,
}

impl State {
    /// Opens a folder, made if it is not there, or `s3://BUCKET/PREFIX`, and reads its newest
    /// generation. Its `undelivered` findings are those nobody may have seen, and what was withdrawn
    /// with them counts as told.
    pub(crate) fn open(at: &str, aws: &AwsArgs) -> Result<(Self, Option<Snapshot>)> {
        let store = Store::open(at, aws)?;
        let kept = store.names()?;
        let newest = kept.generations.last_key_value();
        let mut snapshot = newest
            .map(|(_, name)| read(&store, name).with_context(|| advice(&store, name, &kept)))
            .transpose()?;
        let generation = newest.map_or(0, |(&number, _)| number);
        let mut taken = Taken::default();
        if let Some(snapshot) = &mut snapshot {
            taken.files = std::mem::take(&mut snapshot.run.files);
            let mut withdrawn = std::mem::take(&mut snapshot.run.withdrawn);
            if kept.delivered.contains_key(&generation) {
                snapshot.run.undelivered.clear();
            } else {
                snapshot.run.told.append(&mut withdrawn);
            }
        }
        Ok((Self { store, generation, taken }, snapshot))
    }

    /// The newest generation's number; 0 if there is none.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells files taken before, by name, size and entity tag, from new ones, and names those of a
    /// known name that have changed.
    pub(crate) fn sort_out(&self, files: Vec<LogFile>) -> Sorted {
        self.taken.sort_out(files)
    }

    /// Objects of times before this, Unix seconds, are not listed any more: the time of the newest
    /// file of the flow log that lags most, less `margin_secs`.
    pub(crate) fn listed_from(&self, margin_secs: i64) -> Option<i64> {
        self.taken.listed_from(margin_secs)
    }

    /// Notes files whose records the next generation holds.
    pub(crate) fn take<'a>(&mut self, files: impl IntoIterator<Item = &'a LogFile>) {
        self.taken.add(files, self.generation + 1);
    }

    /// Forgets objects of times before this, since they are not listed any more.
    pub(crate) fn forget_before(&mut self, time: i64) {
        self.taken.forget_before(time);
    }

    /// Writes the next generation, unless another run was first, and removes those that are old
    /// enough. The files are those of [`Self::take`].
    pub(crate) fn commit(&mut self, mut snapshot: Snapshot) -> Result<()> {
        let generation = self.generation + 1;
        let name = generation_name(generation);
        snapshot.run.files.clone_from(&self.taken.files);
        snapshot.run.writer = self.store.writer();
        let failed = || format!("cannot write the state {}", self.store.place(&name));
        let bytes = snapshot.to_bytes().with_context(failed)?;
        let placed = self.store.put_new(&name, &bytes).with_context(failed)?;
        let kept = self.store.names().with_context(failed)?;
        let is_newest = kept.generations.range(generation + 1..).next().is_none();
        if placed == Placed::Done && is_newest {
            self.generation = generation;
            self.prune(&kept);
            return Ok(());
        }
        if placed == Placed::Done {
            // Those of our number were old enough to be removed already.
            self.store.remove(&name).with_context(failed)?;
        }
        bail!(
            "another run was first: it has written {} already. Nothing of this run is kept or told; \
             the next one goes on from there",
            self.store.place(&name)
        )
    }

    /// Notes that the findings of the last commit reached somebody.
    pub(crate) fn delivered(&mut self) -> Result<()> {
        if self.generation == 0 {
            return Ok(());
        }
        let name = delivered_name(self.generation);
        // A mark that is there says the same.
        let placed = self.store.put_new(&name, b"delivered\n");
        placed.map(drop).with_context(|| format!("cannot write {}", self.store.place(&name)))
    }

    /// What cannot be removed does no harm but to take up room.
    fn prune(&self, kept: &Kept) {
        for name in kept.outdated(GENERATIONS_KEPT) {
            if let Err(error) = self.store.remove(name) {
                let place = self.store.place(name);
                output::note(&format!("{place} is not needed and cannot be removed: {error:#}"));
            }
        }
    }
}

/// What is told now, and what an earlier run told that this one does not tell anew; by first record and
/// id.
pub(crate) fn with_undelivered(told: Vec<Finding>, undelivered: Vec<Finding>) -> Vec<Finding> {
    let ids: BTreeSet<String> = told.iter().map(|finding| finding.id.clone()).collect();
    let again = undelivered.into_iter().filter(|finding| !ids.contains(&finding.id));
    let mut all: Vec<Finding> = told.into_iter().chain(again).collect();
    all.sort_by(|a, b| (&a.first_seen, &a.id).cmp(&(&b.first_seen, &b.id)));
    all
}

fn read(store: &Store, name: &str) -> Result<Snapshot> {
    Ok(Snapshot::from_bytes(&store.read(name)?.into())?)
}

/// What to do about a generation that cannot be read.
fn advice(store: &Store, name: &str, kept: &Kept) -> String {
    let way_out = match kept.generations.values().nth_back(1) {
        Some(before) => {
            format!("move it away to go on from {before}, and give the files since then again")
        }
        None => "move it away to begin anew".to_owned(),
    };
    format!("cannot go on from the state {} ({way_out})", store.place(name))
}
