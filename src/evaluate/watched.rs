//! The judge as `detect` feeds it, with note taken of what it found in which window.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use detect::{DeviationKey, Episode, Finding, Judge, JudgeOptions};
use model::activity::Activity;
use model::baseline::{self, Baseline, Flagged};
use model::identity::{Directory, Party};

use super::features::{Features, Row};
use super::rivals::{Alarm, Rivals};
use super::truth::Trace;
use crate::closing::Windows;
use crate::judging::Judging;

/// An episode as it was last seen, and the windows each of its deviations was found in.
struct Watch {
    episode: Episode,
    windows: BTreeMap<DeviationKey, Vec<i64>>,
}

/// What goes on beside the judge, on the windows it sees.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// Other methods.
    pub(super) rivals: Option<Rivals>,
    /// What detectors elsewhere are given.
    pub(super) features: Option<Features>,
}

impl Beside {
    fn learn(&mut self, activity: &Activity) {
        if let Some(rivals) = &mut self.rivals {
            rivals.learn(activity);
        }
        self.note(activity);
    }

    fn judge(&mut self, activity: &Activity) {
        if let Some(rivals) = &mut self.rivals {
            rivals.judge(activity);
        }
        self.note(activity);
    }

    fn note(&mut self, activity: &Activity) {
        if let Some(features) = &mut self.features {
            features.take(activity);
        }
    }

    /// The rows noted so far.
    pub(super) fn take_rows(&mut self) -> Vec<Row> {
        self.features.as_mut().map(Features::take_rows).unwrap_or_default()
    }
}

/// Judges and takes note, other methods beside it.
pub(super) struct Watched<'a> {
    judging: Judging<'a>,
    watches: BTreeMap<String, Watch>,
    pub(super) beside: Beside,
}

/// What takes in the days before the judged ones.
pub(super) enum Past {
    /// A baseline, as `learn` leaves it.
    Learned(Box<Baseline>),
    /// A judge that tells nothing yet, as `detect --warmup` does.
    WarmedUp(Box<Judge>),
}

/// The days before the judged ones, other methods beside them.
pub(super) struct Learning {
    pub(super) past: Past,
    pub(super) beside: Beside,
}

impl Past {
    pub(super) fn baseline(&mut self) -> &mut Baseline {
        match self {
            Self::Learned(baseline) => baseline,
            Self::WarmedUp(judge) => judge.baseline_mut(),
        }
    }

    /// A judge that goes on from here.
    pub(super) fn judge(&self, options: JudgeOptions) -> Judge {
        match self {
            Self::Learned(baseline) => Judge::new(options, Baseline::clone(baseline)),
            Self::WarmedUp(judge) => {
                Judge::resume(options, judge.baseline().clone(), judge.memory())
            }
        }
    }
}

impl Windows for Learning {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        match &self.past {
            Past::Learned(baseline) => baseline.serves(party, port, protocol),
            Past::WarmedUp(judge) => judge.baseline().serves(party, port, protocol),
        }
    }

    fn take(&mut self, activity: &Activity, _: &Directory) -> Result<()> {
        self.beside.learn(activity);
        match &mut self.past {
            Past::Learned(baseline) => baseline::learn(baseline, activity, &Flagged::default()),
            Past::WarmedUp(judge) => drop(judge.judge(activity)),
        }
        Ok(())
    }
}

/// A finding as it was last told, and what it rests on.
pub(super) struct Told {
    pub(super) finding: Finding,
    pub(super) traces: Vec<Trace>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(judging: Judging<'a>, beside: Beside) -> Self {
        Self { judging, watches: BTreeMap::new(), beside }
    }

    /// All findings, as they are told at the end, and the other methods' alarms.
    pub(super) fn findings(mut self, directory: &Directory) -> (Vec<Told>, Vec<Alarm>) {
        let alarms = self.beside.rivals.map(Rivals::into_alarms).unwrap_or_default();
        let findings = self.judging.findings(directory);
        let watches = &self.watches;
        let traces = |id: &str| watches.get(id).map(traces).unwrap_or_default();
        let told =
            findings.into_iter().map(|finding| Told { traces: traces(&finding.id), finding });
        (told.collect(), alarms)
    }
}

impl Windows for Watched<'_> {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        self.judging.serves(party, port, protocol)
    }

    fn take(&mut self, activity: &Activity, directory: &Directory) -> Result<()> {
        self.beside.judge(activity);
        self.judging.take(activity, directory)?;
        for episode in self.judging.judge.episodes().open() {
            note(&mut self.watches, episode, activity.start);
        }
        Ok(())
    }
}

/// Takes note of what a window added to an episode.
fn note(watches: &mut BTreeMap<String, Watch>, episode: &Episode, start: i64) {
    let known = watches.get(&episode.id).map(|watch| &watch.episode);
    if known.is_some_and(|known| known.revision == episode.revision) {
        return;
    }
    let count = |episode: &Episode, key: &DeviationKey| episode.windows.get(key).copied();
    let changed: Vec<DeviationKey> = episode
        .deviations
        .keys()
        .filter(|key| known.and_then(|known| count(known, key)) != count(episode, key))
        .cloned()
        .collect();
    let fresh = || Watch { episode: episode.clone(), windows: BTreeMap::new() };
    let watch = watches.entry(episode.id.clone()).or_insert_with(fresh);
    watch.episode = episode.clone();
    for key in changed {
        watch.windows.entry(key).or_default().push(start);
    }
}

fn traces(watch: &Watch) -> Vec<Trace> {
    let episode = &watch.episode;
    // Replicas go by their keys, which end with the address.
    let replicas = episode.replicas.iter().filter_map(|key| key.rsplit('/').next());
    let replicas: BTreeSet<String> = replicas.map(str::to_owned).collect();
    let of_episode = [episode.workload.address.to_string()];
    let trace = |(key, deviation): (&DeviationKey, &detect::Deviation)| Trace {
        kind: deviation.kind,
        workloads: replicas
            .iter()
            .chain(&of_episode)
            .cloned()
            .chain([deviation.workload.address.to_string()])
            .collect(),
        peer_address: deviation.peer_address.map(|address| address.to_string()),
        port: deviation.port,
        span: (deviation.first, deviation.last),
        windows: watch.windows.get(key).cloned().unwrap_or_default(),
        score: -deviation.p_value.max(f64::MIN_POSITIVE).log10(),
    };
    episode.deviations.iter().map(trace).collect()
}
