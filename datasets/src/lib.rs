//! Made-up VPC Flow Logs: an estate's traffic, seeded and deterministic, with intrusions laid into it
//! and labelled.
//!
//! [`write()`] produces what AWS would leave in a bucket (`AWSLogs/…`, gzip text, a file per five
//! minutes), the inventory as `aws ec2 describe-network-interfaces` prints it, and `labels.csv`.
//! Time advances one aggregation interval at a time and every record goes straight to its file, so
//! memory depends on the size of the estate and not on the number of records.
//!
//! [`Life`] gives the same records in memory, and branches: one history, many scenarios.
//!
//! Every bit depends on the options alone: same options, same bytes, whatever the platform. The
//! addresses of made-up strangers lie in networks that are allocated but not routed on the Internet.
//!
//! It knows nothing of how the records are judged: of the other crates it uses the field table only.

// Quantities are drawn as floats and cut to the width of the field they are written to.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

mod address;
mod attack;
mod catalogue;
mod churn;
mod connection;
mod estate;
mod files;
mod inventory;
mod labels;
mod life;
mod random;
mod record;
mod rhythm;
mod run;
mod scenario;
mod text;
mod topology;
mod traffic;
mod vantage;
mod variety;
mod wire;
mod world;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

pub use files::Page;
pub use labels::Stage;
pub use life::{Life, Snapshot};
pub use scenario::{Nature, Scenario, scenarios};
pub use topology::{Topology, topologies};

use estate::Estate;
use variety::Variety;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const VPC: &str = "vpc-0b7d3c5e9f1a24680";

pub(crate) const MINUTE_SECS: i64 = 60;
pub(crate) const HOUR_SECS: i64 = 3_600;
pub(crate) const DAY_SECS: i64 = 86_400;

/// Monday 2025-03-03T00:00:00Z.
const DEFAULT_START: i64 = 1_740_960_000;

/// Which fields the records carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The fourteen fields of the default format.
    V2,
    /// All twenty-nine fields up to version 5.
    V5,
}

/// What to generate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of one of [`scenarios`].
    pub scenario: String,
    /// The name of one of [`topologies`]; `bench` has the shop's whatever is asked for.
    pub topology: String,
    /// Everything drawn at random follows from it.
    pub seed: u64,
    /// How many services the shop has, from 12 to 60; the bastion is not counted. The other
    /// topologies are always whole.
    pub services: u32,
    /// How many days to cover; attacks and unusual changes fall on the last one.
    pub days: u32,
    /// About how many records to write, by making all traffic busier or quieter; as busy as the
    /// scenario is by itself when not given. `bench` writes exactly that many.
    pub records: Option<u64>,
    /// The aggregation interval in seconds: 60 or 600.
    pub interval_secs: u32,
    /// The first second covered, in Unix seconds; a multiple of 600.
    pub start: i64,
    /// Which fields the records carry.
    pub format: Format,
}

impl Options {
    /// The defaults of a scenario; those of `shop` when there is none of that name.
    pub fn new(scenario: &str) -> Self {
        let (services, days) = scenario::find(scenario).map_or((20, 7), Scenario::extent);
        Self {
            scenario: scenario.to_owned(),
            topology: topology::topologies()[0].name.to_owned(),
            seed: 1,
            services,
            days,
            records: None,
            interval_secs: 60,
            start: DEFAULT_START,
            format: if scenario == "bench" { Format::V2 } else { Format::V5 },
        }
    }

    /// The first second after the covered time.
    pub(crate) fn end(&self) -> i64 {
        self.start + i64::from(self.days) * DAY_SECS
    }

    /// Where the judged days begin, the last one unless the scenario says otherwise: what comes
    /// before is for learning.
    pub(crate) fn learn_until(&self) -> i64 {
        let judged_days = scenario::find(&self.scenario).map_or(1, Scenario::judged_days);
        (self.end() - i64::from(judged_days) * DAY_SECS).max(self.start)
    }

    /// The estate at the start.
    pub(crate) fn estate(&self) -> Estate {
        let shop = &topology::topologies()[0];
        let topology = topology::find(&self.topology).unwrap_or(shop);
        let wanted = self.services as usize;
        let n_services = if topology.is_sized() { wanted } else { topology.n_services() };
        let variety = Variety::drawn(self.seed);
        Estate::new(self.seed, (topology, n_services), variety, self.start)
    }

    fn check(&self) -> Result<&'static Scenario, Error> {
        let scenario = scenario::find(&self.scenario)
            .ok_or_else(|| Error::UnknownScenario(self.scenario.clone()))?;
        if topology::find(&self.topology).is_none() {
            return Err(Error::UnknownTopology(self.topology.clone()));
        }
        let wrong = |option, expected| Err(Error::Option { option, expected });
        match self {
            Self { services, .. } if !(12..=60).contains(services) => {
                wrong("services", "a number from 12 to 60")
            }
            Self { days, .. } if !(1..=366).contains(days) => {
                wrong("days", "a number from 1 to 366")
            }
            Self { interval_secs, .. } if ![60, 600].contains(interval_secs) => {
                wrong("interval_secs", "60 or 600")
            }
            Self { records: Some(0), .. } => wrong("records", "at least 1"),
            Self { start, .. } if !(0..=4_000_000_000).contains(start) || start % 600 != 0 => {
                wrong("start", "Unix seconds that are a multiple of 600")
            }
            _ => Ok(scenario),
        }
    }
}

/// What was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Lines written, the header lines not counted.
    pub records: u64,
    /// How many of them are an attack's.
    pub malicious_records: u64,
    /// Flow-log files written.
    pub files: u64,
    /// The first second of the first attack, in Unix seconds.
    pub attack_start: Option<i64>,
    /// The last second of the last attack, in Unix seconds.
    pub attack_end: Option<i64>,
    /// The attacks laid in, in order of time.
    pub stages: Vec<Stage>,
    /// Where the judged days begin, in Unix seconds: learn before it, judge from it on.
    pub learn_until: i64,
}

/// Why nothing, or not everything, was generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no scenario of that name.
    #[error("unknown scenario {0:?}: expected one of {names}", names = scenario::names())]
    UnknownScenario(String),
    /// There is no topology of that name.
    #[error("unknown topology {0:?}: expected one of {names}", names = topology::names())]
    UnknownTopology(String),
    /// A scenario cannot branch from a history: it needs one of its own, or another one is laid in.
    #[error("scenario {0:?} does not branch from this history")]
    OtherHistory(&'static str),
    /// An option is out of its range.
    #[error("option {option} is out of range: expected {expected}")]
    Option {
        /// The field of [`Options`].
        option: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}

/// Generates a scenario into a directory, which is made when it is not there.
///
/// Writes the flow logs under `AWSLogs/`, `network-interfaces.json` as of the start, a further
/// `network-interfaces-YYYYMMDDTHHMMZ.json` at most every ten minutes when interfaces came or went,
/// and `labels.csv` with one line per attacked edge. Files of an earlier run with other options are
/// not removed.
pub fn write(dir: &Path, options: &Options) -> Result<Summary, Error> {
    let scenario = options.check()?;
    run::write(dir, options, scenario)
}
