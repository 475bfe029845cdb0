//! One conversation of the views several observers have of it.

use std::sync::Arc;

use super::endpoints::Endpoints;
use super::observers::Observers;
use super::relays::Relays;
use super::sides::{ConversationKey, Side, Sides};
use crate::activity::{Conversation, Orientation, Vantage};
use crate::fold::Observed;

/// The window's conversations, in a fixed order, each told from the best vantage. Who sees others' go by is
/// noted in `relays`.
pub(super) fn choose(
    endpoints: &Endpoints<'_>,
    observers: &Observers<'_>,
    mut sides: Sides,
    relays: &mut Relays,
) -> Vec<Conversation> {
    let places = endpoints.places();
    let mut order: Vec<(u128, u32)> = sides
        .iter()
        .zip(0_u32..)
        .map(|((key, observer, _), at)| (key.place(&places, observer), at))
        .collect();
    order.sort_unstable();
    // All but the observer is the conversation's.
    let groups = || order.chunk_by(|a, b| a.0 >> 32 == b.0 >> 32);
    let mut conversations = Vec::with_capacity(groups().count());
    let mut views = Vec::new();
    for group in groups() {
        let key = gather_views(endpoints, observers, &sides, group, &mut views);
        if let Some(key) = key {
            let (client, server) = (endpoints.get(key.client), endpoints.get(key.server));
            for view in &views {
                relays.note(view.number, view.vantage(), client, server);
            }
        }
        conversations.extend(key.and_then(|key| conversation(endpoints, &mut sides, key, &views)));
    }
    conversations
}

/// One observer's view; of several the greatest by rank, then by least name, is the best.
struct View<'a> {
    at: u32,
    /// The observer's.
    number: usize,
    rank: (bool, Vantage, bool),
    observed: &'a Observed,
}

impl View<'_> {
    fn vantage(&self) -> Vantage {
        self.rank.1
    }

    fn order(&self) -> impl Ord + '_ {
        let observed = self.observed;
        (std::cmp::Reverse(self.rank), &observed.account, &observed.eni, &observed.flow_log_id)
    }

    fn is_same_interface(&self, other: &Self) -> bool {
        (&self.observed.account, &self.observed.eni)
            == (&other.observed.account, &other.observed.eni)
    }
}

fn conversation(
    endpoints: &Endpoints<'_>,
    sides: &mut Sides,
    key: ConversationKey,
    views: &[View<'_>],
) -> Option<Conversation> {
    let orientation = views.iter().map(|view| sides.side(view.at).orientation).max()?;
    let [at_client, at_server, between] =
        [Vantage::Client, Vantage::Server, Vantage::Between].map(|at| rejected(sides, views, at));
    let (first, others) = views.split_first()?;
    let mut side = sides.take(first.at);
    // Two flow logs of the same interface, one of accepted and one of rejected traffic, complete each other.
    for other in others.iter().filter(|other| other.is_same_interface(first)) {
        side.merge(sides.side(other.at));
    }
    // Strangers' answers to forged packets are nobody's conversation.
    if first.vantage() != Vantage::Between && side.is_backscatter() {
        return None;
    }
    let told =
        Told { orientation, vantage: first.vantage(), incomplete: is_incomplete(first.observed) };
    let rejected = (at_client.max(between), at_server);
    Some(told.conversation(endpoints, key, side, rejected))
}

fn is_incomplete(observed: &Observed) -> bool {
    observed.records.skipdata > 0
}

/// Which conversation a group is of; its views go to `views`, best first.
fn gather_views<'a>(
    endpoints: &Endpoints<'_>,
    observers: &Observers<'a>,
    sides: &Sides,
    group: &[(u128, u32)],
    views: &mut Vec<View<'a>>,
) -> Option<ConversationKey> {
    let (key, _) = sides.key(group.first()?.1);
    let (client, server) = (endpoints.get(key.client), endpoints.get(key.server));
    let view = |&(_, at): &(u128, u32)| {
        let (_, number) = sides.key(at);
        let observed = observers.get(number);
        let vantage = endpoints.vantage(number, observed, client, server);
        let complete = !is_incomplete(observed);
        // The client's numbers, unless AWS lost some of them and the server's are whole.
        let rank = (vantage > Vantage::Between && complete, vantage, complete);
        View { at, number, rank, observed }
    };
    views.clear();
    views.extend(group.iter().map(view));
    if views.len() > 1 {
        views.sort_by(|a, b| a.order().cmp(&b.order()));
    }
    Some(key)
}

fn rejected(sides: &Sides, views: &[View<'_>], at: Vantage) -> u64 {
    let there = views.iter().filter(|view| view.vantage() == at);
    there.map(|view| sides.side(view.at).rejected).max().unwrap_or(0)
}

/// How a conversation is told.
struct Told {
    orientation: Orientation,
    vantage: Vantage,
    incomplete: bool,
}

impl Told {
    fn conversation(
        self,
        endpoints: &Endpoints<'_>,
        key: ConversationKey,
        side: Side,
        (rejected_at_client, rejected_at_server): (u64, u64),
    ) -> Conversation {
        Conversation {
            client: Arc::clone(endpoints.get(key.client)),
            server: Arc::clone(endpoints.get(key.server)),
            port: key.port,
            protocol: key.protocol,
            orientation: self.orientation,
            vantage: self.vantage,
            incomplete: self.incomplete,
            attempts: side.attempts,
            answered: side.answered.count(),
            continued: side.continued,
            rejected_at_client,
            rejected_at_server,
            records_out: u64::from(side.out.records),
            packets_out: side.out.packets,
            bytes_out: side.out.bytes,
            packets_in: side.back.packets,
            bytes_in: side.back.bytes,
            first: side.first,
            last: side.last,
            answered_at: side.answered.into_times(),
        }
    }
}
