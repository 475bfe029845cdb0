//! The judge as `detect` feeds it, with note taken of what it found in which window.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use detect::{DeviationKey, Episode, Finding};
use model::activity::Activity;
use model::identity::{Directory, Party};

use super::truth::Trace;
use crate::closing::Windows;
use crate::judging::Judging;

/// An episode as it was last seen, and the windows each of its deviations was found in.
struct Watch {
    episode: Episode,
    windows: BTreeMap<DeviationKey, Vec<i64>>,
}

/// Judges and takes note.
pub(super) struct Watched<'a> {
    judging: Judging<'a>,
    watches: BTreeMap<String, Watch>,
}

/// A finding as it was last told, and what it rests on.
pub(super) struct Told {
    pub(super) finding: Finding,
    pub(super) traces: Vec<Trace>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(judging: Judging<'a>) -> Self {
        Self { judging, watches: BTreeMap::new() }
    }

    /// All findings, as they are told at the end.
    pub(super) fn findings(mut self, directory: &Directory) -> Vec<Told> {
        let findings = self.judging.findings(directory);
        let watches = &self.watches;
        let traces = |id: &str| watches.get(id).map(traces).unwrap_or_default();
        findings.into_iter().map(|finding| Told { traces: traces(&finding.id), finding }).collect()
    }
}

impl Windows for Watched<'_> {
    fn serves(&self, party: &Party, port: u16, protocol: u8) -> bool {
        self.judging.serves(party, port, protocol)
    }

    fn take(&mut self, activity: &Activity, directory: &Directory) -> Result<()> {
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
    };
    episode.deviations.iter().map(trace).collect()
}
