//! New peer, new port: a role that reaches, or serves, what it never did.
//!
//! Judged at the level of roles, so that a replica of a known one is silent. Three cases:
//! - A service with history: how surprising it is follows from how often the service meets something
//!   new (see [`crate::novelty`]). Towards the outside only a new port is news, not a new address.
//! - A workload without history, in an estate with some: what it opens is surprising if few of the
//!   others ever opened it.
//! - A server without history: that others come to it is part of its birth, and silent.
//!
//! ATT&CK T1021 inside, T1071 and T1571 outside, T1133 served to the outside.

use std::collections::BTreeMap;

use model::activity::{Conversation, Orientation};
use model::baseline::{Direction, EdgeKey, ServiceEvidence, WorkloadWindow};
use model::identity::Infrastructure;

use super::history::{self, NEW_THINGS};
use super::{Context, sample};
use crate::deviation::{Deviation, Fact, Kind};
use crate::episode::LIFT;
use crate::names::ADMIN_PORTS;
use crate::novelty::{self, BIRTH_SECS, Novel, Rate};

/// A newborn's edge is news if at most this share of the estate's clients opened it.
const BIRTH_P_MAX: f64 = 0.05;

/// The same where somebody gave the newborn a role: that is how services are launched.
const LAUNCH_P_MAX: f64 = 0.01;

/// Of the edges to the outside so many tell which ports a service uses there.
const OUTSIDE_SAMPLE_MIN: usize = 50;

/// Ports that administer hosts are what intruders move by, and AWS's services what everybody uses.
const ADMIN_WEIGHT: f64 = 3.0;
const AWS_WEIGHT: f64 = 0.3;

/// With fewer clients than this nothing can be said about a newborn: `½ / (n + 1)` exceeds the cut.
const BIRTH_CLIENTS_MIN: u64 = 9;

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let service = context.baseline.service(&window.workload.service);
    let settled = service.filter(|evidence| is_settled(evidence, window, context.start));
    let mut news: Vec<_> = window
        .edges()
        .filter(|(_, conversations)| conversations.iter().any(|c| is_real(c)))
        .filter_map(|(key, conversations)| {
            let news = match settled {
                Some(evidence) => by_rate(context, window, evidence, (key, conversations))?,
                None => by_birth(context, window, key)?,
            };
            Some((key, conversations, news))
        })
        .collect();
    news.retain(|(key, ..)| !novelty::is_done_from_there(context.baseline, window, key));
    news.sort_by_key(|&(key, ..)| key);
    let told = |(key, conversations, news)| deviation(window, service, key, conversations, news);
    news.into_iter().map(told).collect()
}

/// Whether a service's history is the workload's. One that is called by its address may have it of another
/// that had the address before.
fn is_settled(evidence: &ServiceEvidence, window: &WorkloadWindow<'_>, start: i64) -> bool {
    let is_known = evidence.seen().is_some_and(|seen| start - seen.first >= BIRTH_SECS);
    is_known && !novelty::is_of_another(evidence, window, start)
}

/// Something was said, in a direction that is not a guess. A bare knock is a scan's business.
fn is_real(conversation: &Conversation) -> bool {
    const TCP: u8 = 6;
    let c = conversation;
    let n = c.answered + c.continued;
    let spoken = c.protocol != TCP || (c.packets_out >= 3 * n && c.packets_in >= 2 * n);
    n > 0 && spoken && c.orientation > Orientation::Guess
}

struct News {
    p_value: f64,
    cut_ratio: f64,
    facts: BTreeMap<&'static str, Fact>,
}

fn by_rate(
    context: &mut Context<'_>,
    window: &WorkloadWindow<'_>,
    evidence: &ServiceEvidence,
    (key, conversations): (&EdgeKey, &[&Conversation]),
) -> Option<News> {
    let novel = what_is_new(evidence, key)?;
    if novel == Novel::Inside && is_newborn(context, key) {
        return None;
    }
    let service = &window.workload.service;
    let rate: Rate = context.novelty.rate(context.baseline, service, novel, context.start);
    let weight = weight(novel, key, conversations);
    let cut_ratio = rate.cut_ratio() / weight;
    let is_old = || novel == Novel::OutsideNetwork && novelty::is_network_known(evidence, key);
    if cut_ratio > context.ratio_max || is_old() {
        return None;
    }
    let is_near = novel == Novel::OutsideNetwork && novelty::is_neighbour_known(evidence, key);
    let time = context.start;
    let met = novelty::FirstMet { service, novel, key, time, is_near };
    let common = novelty::how_common(context.openers, context.baseline, &met);
    let cut_ratio = cut_ratio * common;
    if cut_ratio > context.ratio_max {
        return None;
    }
    let quiet_from = rate.quiet_from(context.novelty_cut * weight / common);
    let mut quiet = "if the service had reached it before".to_owned();
    if quiet_from <= rate.windows as f64 {
        quiet = format!(
            "{quiet}, or if {quiet_from} of the {} windows observed had had something new",
            rate.windows
        );
    }
    let mut facts = BTreeMap::from([
        ("windows_observed", Fact::Number(rate.windows as f64)),
        ("windows_with_something_new", Fact::Number(rate.new as f64)),
        ("would_not_have_fired", Fact::Text(quiet)),
    ]);
    // Looking up what was new before is dear: what no open episode makes news of either needs none.
    if cut_ratio <= LIFT * context.novelty_cut {
        let drawn = history::of_new_things(novelty::new_by_day(evidence, novel, time));
        facts.insert(NEW_THINGS, drawn);
    }
    Some(News { p_value: rate.p_value(), cut_ratio, facts })
}

fn what_is_new(evidence: &ServiceEvidence, key: &EdgeKey) -> Option<Novel> {
    let class = novelty::class(key)?;
    if novelty::is_answered_call(evidence, key) {
        return None;
    }
    if !novelty::is_known(evidence, key) {
        return is_surely_new(evidence, class, key).then_some(class);
    }
    let is_network = class == Novel::OutsidePort && !novelty::is_visited(evidence, key);
    is_network.then_some(Novel::OutsideNetwork)
}

/// Whether what is not among the edges kept never was, as far as they can say.
fn is_surely_new(evidence: &ServiceEvidence, class: Novel, key: &EdgeKey) -> bool {
    let edges = &evidence.edges;
    if !edges.overflowed() {
        return true;
    }
    let is_outbound = |key: &EdgeKey| key.direction == Direction::Out && !key.is_inside();
    match class {
        // Who is come to by more networks than are kept may have served it to one that is not.
        Novel::Served => false,
        // A port that is used now and then is among a sample of what goes outside, if one is left.
        Novel::OutsidePort | Novel::OutsideNetwork => {
            let left = edges.unordered().filter(|(key, _)| is_outbound(key));
            edges.covers(key) || left.take(OUTSIDE_SAMPLE_MIN).count() == OUTSIDE_SAMPLE_MIN
        }
        Novel::Inside => edges.covers(key),
    }
}

/// How much likelier than a usual port inside it is to mean something.
fn weight(novel: Novel, key: &EdgeKey, conversations: &[&Conversation]) -> f64 {
    let is_admin = novel == Novel::Inside && ADMIN_PORTS.contains(&key.port);
    let is_endpoint = |c: &&Conversation| {
        let infrastructure = c.server.workload().and_then(|server| server.infrastructure);
        infrastructure == Some(Infrastructure::VpcEndpoint)
    };
    // An endpoint is the same services of AWS's by another way.
    let is_endpoint = novel == Novel::Inside && conversations.iter().all(is_endpoint);
    let novel = if is_endpoint { Novel::OutsideNetwork } else { novel };
    let is_aws = is_endpoint || novel == Novel::OutsideNetwork && key.peer.starts_with("aws:");
    novel.weight()
        * if is_admin { ADMIN_WEIGHT } else { 1.0 }
        * if is_aws { AWS_WEIGHT } else { 1.0 }
}

fn by_birth(context: &mut Context<'_>, window: &WorkloadWindow<'_>, key: &EdgeKey) -> Option<News> {
    if key.direction == Direction::In || novelty::class(key).is_none() || is_newborn(context, key) {
        return None;
    }
    let (openers, clients) = context.openers.of(context.baseline, key);
    let p_value = (openers as f64 + 0.5) / (clients as f64 + 1.0);
    let p_max = if window.workload.role_known { LAUNCH_P_MAX } else { BIRTH_P_MAX };
    let told_to = p_max * context.novelty_cut.min(1.0);
    let quiet_from = (told_to * (clients as f64 + 1.0) - 0.5).floor().max(openers as f64) + 1.0;
    let facts = BTreeMap::from([
        ("clients_in_the_estate", Fact::Number(clients as f64)),
        ("clients_that_opened_it", Fact::Number(openers as f64)),
        ("workload_is_new", Fact::Text("it has no history of its own to compare with".into())),
        (
            "would_not_have_fired",
            Fact::Text(format!("if {quiet_from} of the estate's clients had opened it")),
        ),
    ]);
    let cut_ratio = p_value / p_max;
    let is_news = clients >= BIRTH_CLIENTS_MIN && cut_ratio <= 1.0;
    let may_replace =
        !window.workload.role_known && openers > 0 && !ADMIN_PORTS.contains(&key.port);
    if !is_news
        || may_replace && novelty::may_be_a_replica(context.baseline, window, key, context.start)
    {
        return None;
    }
    Some(News { p_value, cut_ratio, facts })
}

/// Whether the server of an inside edge is itself without history.
fn is_newborn(context: &Context<'_>, key: &EdgeKey) -> bool {
    novelty::is_newborn(context.baseline, &key.peer, context.start, BIRTH_SECS)
}

fn deviation(
    window: &WorkloadWindow<'_>,
    service: Option<&ServiceEvidence>,
    key: &EdgeKey,
    conversations: &[&Conversation],
    news: News,
) -> Deviation {
    let peer_is_known = service.is_some_and(|evidence| {
        evidence.edges.unordered().any(|(edge, counts)| {
            edge.direction == key.direction
                && edge.peer == key.peer
                && edge != key
                && counts.settled < i64::MAX
        })
    });
    let serves_more = key.direction == Direction::In;
    let kind = if peer_is_known || serves_more { Kind::NewPort } else { Kind::NewPeer };
    let first = conversations.iter().max_by_key(|c| (c.bytes_out + c.bytes_in, c.server.address));
    let other = first.map(|c| match key.direction {
        Direction::Out => c.server.address,
        Direction::In => c.client.address,
    });
    let sum = |of: fn(&Conversation) -> u64| conversations.iter().map(|c| of(c)).sum::<u64>();
    let mut evidence = news.facts;
    evidence.insert("bytes_out", Fact::Number(sum(|c| c.bytes_out) as f64));
    evidence.insert("bytes_in", Fact::Number(sum(|c| c.bytes_in) as f64));
    if key.is_inside() {
        evidence.insert("peer_is_inside", Fact::Text("yes".into()));
    }
    Deviation {
        kind,
        workload: window.workload.clone(),
        peer: key.peer.clone(),
        peer_address: other,
        port: Some(key.port),
        protocol: Some(key.protocol),
        direction: key.direction,
        first: conversations.iter().map(|c| c.first).min().unwrap_or(0),
        last: conversations.iter().map(|c| c.last).max().unwrap_or(0),
        observed: sum(|c| c.attempts.max(c.continued)) as f64,
        expected: 0.0,
        p_value: news.p_value,
        cut_ratio: news.cut_ratio,
        evidence,
        samples: conversations.iter().take(3).map(|c| sample(c)).collect(),
    }
}
