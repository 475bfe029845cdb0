//! Who would notice a plan, from the baseline.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::baseline::{Baseline, Direction, EdgeEvidence, EdgeKey, ServiceEvidence};

use super::scene::{Remote, Scene};
use crate::names::protocol;
use crate::{BlastRadius, LostEdge};

/// Edges told at most.
const EDGES_MAX: usize = 20;

/// Replicas not seen for this long before the baseline's end are taken for gone, seconds.
const REPLICA_AGE_SECS_MAX: i64 = 86_400;

/// What a finding is about and was first met within this time before it is of the finding: an intruder's
/// channel is nobody's loss.
const NEWS_SECS: i64 = 4 * 86_400;

/// What a plan cuts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut<'a> {
    /// All conversations of so many workloads.
    Workloads(u64),
    /// The conversations with these remotes, of the whole subnet.
    Remotes(&'a [Remote]),
    /// Nothing.
    Nothing,
}

/// A service as the baseline knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    baseline: &'a Baseline,
    name: &'a str,
    service: Option<&'a ServiceEvidence>,
    /// Remotes that nobody would miss who was first met after this, Unix seconds.
    news: (&'a [Remote], i64),
}

impl<'a> Known<'a> {
    pub(super) fn new(baseline: &'a Baseline, scene: &'a Scene<'_>) -> Self {
        let name = &scene.finding.service;
        let service = baseline.service(&Arc::from(&**name));
        let first_seen = super::seconds(&scene.finding.first_seen).unwrap_or(i64::MAX);
        let since = first_seen.saturating_sub(NEWS_SECS);
        Self { baseline, name, service, news: (&scene.remotes, since) }
    }

    /// Workloads seen in the last day of the baseline.
    pub(super) fn replicas(&self) -> u64 {
        let Some(service) = self.service else { return 0 };
        let end = self.baseline.learned.until.or_else(|| service.seen().map(|seen| seen.last));
        let since = end.unwrap_or(i64::MIN).saturating_sub(REPLICA_AGE_SECS_MAX);
        service.workloads.iter().filter(|(_, seen)| seen.last >= since).count() as u64
    }

    /// The share of the service that so many workloads are; a workload the baseline has not met is
    /// counted as one more.
    pub(super) fn share_of(&self, workloads: u64) -> f64 {
        (workloads as f64 / self.replicas().max(workloads).max(1) as f64).min(1.0)
    }

    /// Whether anybody was served by it.
    pub(super) fn is_depended_upon(&self) -> bool {
        self.edges().any(|(key, edge)| key.direction == Direction::In && established(edge) > 0)
    }

    /// Who would notice.
    pub(super) fn blast_radius(&self, cut: Cut<'_>) -> BlastRadius {
        let replica_share = match cut {
            Cut::Workloads(n) => rounded(self.share_of(n)),
            Cut::Remotes(_) | Cut::Nothing => 0.0,
        };
        let edges = self.lost(cut);
        let replicas = self.replicas();
        let summary = self.summary(cut, &edges, replicas);
        let edges = edges.into_iter().take(EDGES_MAX).collect();
        BlastRadius { summary, replicas, replica_share, edges }
    }

    fn edges(&self) -> impl Iterator<Item = (&'a EdgeKey, &'a EdgeEvidence)> {
        let (remotes, since) = self.news;
        let is_news = move |key: &EdgeKey, edge: &EdgeEvidence| {
            edge.first >= since && remotes.iter().any(|remote| *remote.peer == *key.peer)
        };
        let edges = self.service.into_iter().flat_map(|service| service.edges.iter());
        edges.filter(move |(key, edge)| !is_news(key, edge))
    }

    fn lost(&self, cut: Cut<'_>) -> Vec<LostEdge> {
        let lost_share = match cut {
            Cut::Workloads(n) => self.share_of(n),
            Cut::Remotes(_) => 1.0,
            Cut::Nothing => return Vec::new(),
        };
        let is_cut = |key: &EdgeKey| match cut {
            Cut::Remotes(remotes) => remotes.iter().any(|remote| *remote.peer == *key.peer),
            Cut::Workloads(_) | Cut::Nothing => true,
        };
        let totals = self.peer_totals();
        let lost = self.edges().filter(|(key, edge)| is_cut(key) && established(edge) > 0);
        let mut edges: Vec<LostEdge> =
            lost.map(|(key, edge)| self.lost_edge(key, edge, lost_share, &totals)).collect();
        // The evidence is in the order of its keys, and the sort is stable.
        edges.sort_by(|a, b| b.connections_per_day.total_cmp(&a.connections_per_day));
        edges
    }

    /// Connections opened in all, by this service and by its clients, by service name.
    fn peer_totals(&self) -> BTreeMap<&'a str, u64> {
        let clients = self.edges().filter(|(key, _)| key.direction == Direction::In);
        let names = clients.filter_map(|(key, _)| key.peer.strip_prefix("svc:"));
        let mut totals = BTreeMap::from([(self.name, opened(self.service))]);
        for name in names {
            totals.entry(name).or_insert_with(|| opened(self.baseline.service(&Arc::from(name))));
        }
        totals
    }

    fn lost_edge(
        &self,
        key: &EdgeKey,
        edge: &EdgeEvidence,
        lost_share: f64,
        totals: &BTreeMap<&str, u64>,
    ) -> LostEdge {
        let connections = edge.connections.clean as f64;
        let loser = match key.direction {
            Direction::In => key.peer.strip_prefix("svc:"),
            Direction::Out => Some(self.name),
        };
        // Of a peer outside nothing else is known: all its connections that we know are these.
        let total = loser.and_then(|name| totals.get(name)).map_or(connections, |&n| n as f64);
        let share = if total > 0.0 { (connections / total).min(1.0) * lost_share } else { 0.0 };
        let days = self.baseline.learned.days();
        LostEdge {
            peer: key.peer.to_string(),
            direction: key.direction.name().to_owned(),
            port: key.port,
            protocol: protocol(key.protocol).into_owned(),
            share: rounded(share),
            connections_per_day: if days > 0.0 { rounded(connections / days) } else { 0.0 },
        }
    }

    fn summary(&self, cut: Cut<'_>, edges: &[LostEdge], replicas: u64) -> String {
        let name = self.name;
        match cut {
            Cut::Nothing => "nothing is cut".to_owned(),
            Cut::Remotes(_) if edges.is_empty() => {
                format!(
                    "in the baseline {name} never talks to what is cut; others of the subnet may"
                )
            }
            Cut::Remotes(_) => format!(
                "in the baseline {name} has {} known with the networks of what is cut: at most {} \
                 connections a day are lost; others of the subnet may lose theirs",
                relations(edges.len()),
                edges.iter().map(|edge| edge.connections_per_day).sum::<f64>().round(),
            ),
            Cut::Workloads(n) if replicas == 0 => format!(
                "the baseline knows no workload of {name}, so nobody knows who depends on the {n} cut"
            ),
            Cut::Workloads(n) => format!(
                "{n} of {} workloads of {name} ({}) {} cut off; {}",
                replicas.max(n),
                percent(self.share_of(n)),
                if n == 1 { "is" } else { "are" },
                dependents(edges),
            ),
        }
    }
}

fn relations(n: usize) -> String {
    if n == 1 { "one relation".to_owned() } else { format!("{n} relations") }
}

/// The client that loses most, and how many others there are.
fn dependents(edges: &[LostEdge]) -> String {
    let inbound = || edges.iter().filter(|edge| edge.direction == Direction::In.name());
    let Some(first) = inbound().max_by(|a, b| a.share.total_cmp(&b.share)) else {
        return "nobody in the baseline depends on it".to_owned();
    };
    let client = first.peer.strip_prefix("svc:").unwrap_or(&first.peer);
    let on = format!("{}/{}", first.port, first.protocol);
    let loses =
        format!("{client} loses about {} of its connections (on {on})", percent(first.share));
    match inbound().count() - 1 {
        0 => loses,
        1 => format!("{loses}, and one other client some"),
        n => format!("{loses}, and {n} other clients some"),
    }
}

fn established(edge: &EdgeEvidence) -> u64 {
    edge.established.clean
}

/// Connections a service opened, to anybody.
fn opened(service: Option<&ServiceEvidence>) -> u64 {
    let edges = service.into_iter().flat_map(|service| service.edges.iter());
    edges
        .filter(|(key, _)| key.direction == Direction::Out)
        .fold(0, |sum, (_, edge)| sum.saturating_add(edge.connections.clean))
}

/// Four decimals: enough for a share, and the same on every machine.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// A share for a sentence.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 { "<1 %".to_owned() } else { format!("{percent:.0} %") }
}
