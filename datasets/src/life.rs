//! An estate lived through in memory: its records as text, its inventory as JSON, and branches, so
//! that many scenarios share one history.

use crate::files::{Page, Pages, Sink};
use crate::scenario::{self, Scenario};
use crate::world::World;
use crate::{Error, Options, Stage, inventory, run};

/// A snapshot of the inventory.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken, Unix seconds.
    pub taken_at: i64,
    /// What `aws ec2 describe-network-interfaces` would print.
    pub json: String,
}

/// A scenario's estate, lived through as far as one wants.
///
/// It gives the records that [`crate::write`] would, and what branches off at the end of the learning
/// goes on as if it had been one life from the start: `tests` hold both.
pub struct Life {
    options: Options,
    scenario: &'static Scenario,
    world: World,
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (options, from) = (&self.options, self.world.from);
        f.debug_struct("Life")
            .field("options", options)
            .field("from", &from)
            .finish_non_exhaustive()
    }
}

impl Life {
    /// An estate at its start. `bench`, which is records and no estate, has no life.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let scenario = options.check()?;
        if scenario.is_bulk() {
            return Err(Error::UnknownScenario(options.scenario.clone()));
        }
        let sink = Sink::Pages(Pages::new(options.format));
        let world = run::world(options, scenario, sink);
        Ok(Self { options: options.clone(), scenario, world })
    }

    /// Where the judged days begin, Unix seconds.
    pub fn learn_until(&self) -> i64 {
        self.options.learn_until()
    }

    /// The first second after the covered time, Unix seconds.
    pub fn end(&self) -> i64 {
        self.options.end()
    }

    /// A life that goes on from here as another scenario would, which shares this one's history, for
    /// as many days as that scenario is judged. To be called at the end of the learning.
    pub fn branch(&self, scenario: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownScenario(scenario.to_owned());
        let scenario = scenario::find(scenario).ok_or_else(unknown)?;
        if self.world.is_laid || scenario.history() != self.scenario.history() {
            return Err(Error::OtherHistory(scenario.name));
        }
        let learned_days = self.options.days - self.scenario.judged_days.min(self.options.days);
        let options = Options {
            scenario: scenario.name.to_owned(),
            days: learned_days + scenario.judged_days,
            ..self.options.clone()
        };
        let world = self.world.branch(Sink::Pages(Pages::new(options.format)));
        Ok(Self { options, scenario, world })
    }

    /// The snapshots of the inventory from here to a time, as [`crate::write`] would write them: one
    /// at the start, and one at most every ten minutes when interfaces came or went.
    pub fn snapshots(&self, until: i64) -> Vec<Snapshot> {
        let mut ahead = self.world.branch(Sink::Count(0));
        let taken =
            |world: &World| Snapshot { taken_at: world.from, json: inventory::text(&world.estate) };
        let is_start = ahead.from == self.options.start;
        let mut snapshots: Vec<Snapshot> = is_start.then(|| taken(&ahead)).into_iter().collect();
        while ahead.from < until {
            if ahead.turn(&self.options, self.scenario) {
                snapshots.push(taken(&ahead));
            }
            ahead.from += i64::from(self.options.interval_secs);
        }
        snapshots
    }

    /// Lives on to a time, Unix seconds, and hands over each file's text when it is complete, in
    /// order of time.
    pub fn live(&mut self, until: i64, take: &mut dyn FnMut(&Page)) {
        while self.world.from < until.min(self.end()) {
            self.world.turn(&self.options, self.scenario);
            // Text in memory cannot fail.
            let _ = self.world.step(self.options.interval_secs.into());
            if let Sink::Pages(pages) = &mut self.world.wire.sink {
                pages.take_before(self.world.from, take);
            }
        }
    }

    /// The attacks so far, in order of time.
    pub fn stages(&self) -> Vec<Stage> {
        self.world.wire.labels.stages()
    }

    /// Records handed over or about to be, the header lines not counted; a branch counts its own.
    pub fn records(&self) -> u64 {
        self.world.wire.sink.n_records()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, File};
    use std::io::Read;
    use std::path::Path;

    use flate2::read::MultiGzDecoder;

    use super::*;
    use crate::{scenarios, write};

    fn options(scenario: &str) -> Options {
        let usual = Options::new(scenario);
        // A branch is to begin where connections are open: in the evening.
        let start = usual.start + 18 * crate::HOUR_SECS;
        Options { services: 12, days: 2, seed: 5, start, ..usual }
    }

    /// The text of every page by its time.
    fn pages(life: &mut Life, until: i64) -> BTreeMap<i64, String> {
        let mut pages = BTreeMap::new();
        life.live(until, &mut |page| {
            pages.insert(page.from, String::from_utf8(page.text.clone()).unwrap());
        });
        pages
    }

    /// Every file below a folder, in order of its path.
    fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => found.extend(files(&path, ending)),
                false if path.to_str().unwrap().ends_with(ending) => found.push(path),
                false => {}
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_life_gives_what_is_written() {
        let options = options("rolling-deploy");
        let dir = tempfile::tempdir().unwrap();
        let summary = write(dir.path(), &options).unwrap();
        let mut life = Life::new(&options).unwrap();
        let snapshots = life.snapshots(life.end());
        let pages = pages(&mut life, i64::MAX);
        assert_eq!(life.records(), summary.records);
        assert_eq!(life.stages(), summary.stages);
        let logs = files(dir.path(), ".gz");
        assert_eq!(logs.len(), pages.len());
        for (path, text) in logs.iter().zip(pages.values()) {
            let mut written = String::new();
            MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut written).unwrap();
            assert!(written == *text, "{}", path.display());
        }
        // The first one is named without its time, which sorts it last.
        let mut written = files(dir.path(), ".json");
        written.rotate_right(1);
        assert_eq!(written.len(), snapshots.len());
        for (path, snapshot) in written.iter().zip(&snapshots) {
            assert!(fs::read_to_string(path).unwrap() == snapshot.json, "{}", path.display());
        }
    }

    #[test]
    fn a_branch_goes_on_as_the_scenario_generated_whole() {
        let options = |scenario| Options { interval_secs: 600, ..options(scenario) };
        let mut history = Life::new(&options("shop")).unwrap();
        let learn_until = history.learn_until();
        history.live(learn_until, &mut |_| {});
        assert!(!history.world.wire.live.is_empty(), "a branch takes open connections along");
        let shares = |s: &&Scenario| {
            // Those that take weeks do the same every day.
            !s.is_bulk() && s.judged_days <= 3 && s.history() == history.scenario.history()
        };
        let scenarios: Vec<&Scenario> = scenarios().iter().filter(shares).collect();
        assert!(scenarios.len() > 5);
        for scenario in scenarios {
            let mut branch = history.branch(scenario.name).unwrap();
            let days = 1 + scenario.judged_days;
            let mut whole = Life::new(&Options { days, ..options(scenario.name) }).unwrap();
            assert_eq!(whole.learn_until(), learn_until);
            whole.live(learn_until, &mut |_| {});
            let snapshots = [&branch, &whole].map(|life| life.snapshots(life.end()));
            let [first, second] =
                snapshots.map(|s| s.into_iter().map(|s| s.json).collect::<Vec<_>>());
            assert!(first == second, "{}", scenario.name);
            let first = pages(&mut branch, i64::MAX);
            let n_files = 288 * scenario.judged_days as usize;
            let is_whole = first.len() == n_files || scenario.name == "flow-log-gap";
            assert!(is_whole && first.len() > n_files / 2, "{}", scenario.name);
            assert!(first == pages(&mut whole, i64::MAX), "{}", scenario.name);
            assert_eq!(branch.stages(), whole.stages());
        }
    }

    #[test]
    fn what_needs_a_history_of_its_own_branches_from_no_other() {
        let mut history = Life::new(&options("shop")).unwrap();
        assert!(history.branch("rolling-deploy").is_err());
        history.live(i64::MAX, &mut |_| {});
        assert!(history.branch("sweep").is_err(), "the judged days are over");
        assert!(Life::new(&Options::new("bench")).is_err());
    }
}
