//! Fan-out: many more servers asked, and answered by, than usual.
//!
//! ATT&CK T1018. A sweep, whose targets mostly do not answer, is [`super::scan`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::activity::Conversation;
use model::baseline::{Direction, EdgeKey, Measure, ServiceEvidence, WorkloadWindow};

use super::Context;
use crate::deviation::{Deviation, Fact, Kind};
use crate::novelty;

/// Fewer servers than this are no explosion.
const FLOOR: u64 = 20;

pub(super) fn check(context: &mut Context<'_>, window: &WorkloadWindow<'_>) -> Vec<Deviation> {
    let floor = context.floor(FLOOR);
    let Some(level) = context.level(window, Measure::Fanout, floor) else { return Vec::new() };
    let answered: Vec<&Conversation> =
        window.as_client.iter().copied().filter(|c| c.is_established()).collect();
    let service = context.baseline.service(&window.workload.service);
    let servers: BTreeSet<_> = answered.iter().map(|c| c.server.address).collect();
    let inside: BTreeSet<_> = answered
        .iter()
        .filter(|c| c.server.workload().is_some() && !is_usual(service, c))
        .map(|c| c.server.address)
        .collect();
    // Asking many strangers is what crawlers and resolvers do; many of our own is reconnaissance, unless
    // a service that was asked before has more replicas now.
    if (inside.len() as u64) < floor {
        return Vec::new();
    }
    let evidence = BTreeMap::from([
        ("unit", Fact::Text("distinct servers asked in one window".into())),
        ("answered", Fact::Number(servers.len() as f64)),
        ("inside", Fact::Number(inside.len() as f64)),
    ]);
    vec![level.deviation(Kind::FanOut, window, &answered, evidence)]
}

/// Whether the service goes to the server's role anyway.
fn is_usual(service: Option<&ServiceEvidence>, c: &Conversation) -> bool {
    let peer = Arc::clone(&c.server.peer);
    let key = EdgeKey { direction: Direction::Out, peer, port: c.port, protocol: c.protocol };
    service.is_some_and(|evidence| novelty::is_known(evidence, &key))
}
