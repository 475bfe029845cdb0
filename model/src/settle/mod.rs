//! What a closed window means: who was client, whose numbers count, what was told twice.
//!
//! All of it is decided at the close from everything gathered, in a fixed order, so that it does not
//! matter how the records came.

mod endpoints;
mod listeners;
mod orient;
mod overlap;
mod own_address;
mod sides;

use std::collections::BTreeMap;

use hashbrown::HashMap;
use ingest::Ledger;

use crate::activity::{Activity, Conversation, EniWindow, Vantage};
use crate::fold::{ObserverId, WindowState};
use crate::identity::{Directory, Party};

use endpoints::{EndpointId, Endpoints};
pub use listeners::{Listeners, Recent};
use overlap::Use;
use sides::Side;

/// Whether a service is known to serve a port, from a baseline.
pub type Serves<'a> = &'a dyn Fn(&Party, u16, u8) -> bool;

/// What settling carries from one window to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Who was seen to listen where.
    pub listeners: Listeners,
    /// Which five-tuples were active lately.
    pub recent: Recent,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ConversationKey {
    client: EndpointId,
    server: EndpointId,
    port: u16,
    protocol: u8,
}

/// Settles one window. Windows must come oldest first.
pub fn settle(
    start: i64,
    window_secs: i64,
    state: &WindowState,
    carried: &mut Carried,
    directory: &mut Directory,
    serves: Serves<'_>,
    ledger: &mut Ledger,
) -> Activity {
    let uses = overlap::choose(&state.observers, ledger);
    let own = own_address::find(state, directory, start);
    let mut endpoints = Endpoints::new(state, own, directory, start);
    let mut sides: HashMap<ConversationKey, BTreeMap<ObserverId, Side>> = HashMap::new();
    add_conclusive(state, &uses, &mut endpoints, &mut sides);
    add_inconclusive(start, window_secs, state, &uses, carried, &mut endpoints, &mut sides, serves);
    note_listeners(start, carried, &sides);
    count_cuts(state, ledger);
    let conversations = choose_vantages(&endpoints, state, sides);
    Activity { start, window_secs, conversations, enis: eni_windows(state) }
}

type Sides = HashMap<ConversationKey, BTreeMap<ObserverId, Side>>;

fn add_conclusive(
    state: &WindowState,
    uses: &BTreeMap<ObserverId, Use>,
    endpoints: &mut Endpoints<'_>,
    sides: &mut Sides,
) {
    for (key, counts) in state.folds.iter() {
        if !uses.get(&key.observer).is_some_and(|used| used.verdict(key.rejected)) {
            continue;
        }
        let client = endpoints.of(key.observer, key.client);
        let server = endpoints.of(key.observer, key.server);
        let conversation =
            ConversationKey { client, server, port: key.port, protocol: key.protocol };
        let side = sides.entry(conversation).or_default().entry(key.observer).or_default();
        side.add_conclusive(counts, key.rejected);
    }
}

#[expect(clippy::too_many_arguments, reason = "the one place where all of settling meets")]
fn add_inconclusive(
    start: i64,
    window_secs: i64,
    state: &WindowState,
    uses: &BTreeMap<ObserverId, Use>,
    carried: &mut Carried,
    endpoints: &mut Endpoints<'_>,
    sides: &mut Sides,
    serves: Serves<'_>,
) {
    let mut evidence = orient::Evidence::new(serves);
    for key in sides.keys() {
        evidence.note_conclusive(*key);
    }
    let mut tuples = Vec::with_capacity(state.tuples.len());
    for (key, counts) in state.tuples.iter() {
        if !uses.get(&key.observer).is_some_and(|used| used.verdict(key.rejected)) {
            continue;
        }
        let low = endpoints.of(key.observer, key.low);
        let high = endpoints.of(key.observer, key.high);
        evidence.note_tuple(low, high, key);
        tuples.push((low, high, key, counts));
    }
    carried.recent.forget_before(start - 2 * window_secs);
    let mut active = Vec::new();
    for (low, high, key, counts) in tuples {
        let (low_is_client, orientation) =
            evidence.orient(&carried.listeners, endpoints, low, high, key, counts);
        let (client, server, port) =
            if low_is_client { (low, high, key.high_port) } else { (high, low, key.low_port) };
        let conversation = ConversationKey { client, server, port, protocol: key.protocol };
        let hash = key.stable_hash();
        let begun_earlier = carried.recent.contains(hash);
        if !(counts.flags_known && key.protocol == sides::TCP) {
            active.push(hash);
        }
        let side = sides.entry(conversation).or_default().entry(key.observer).or_default();
        let tuple = sides::Tuple { counts, low_is_client, begun_earlier, rejected: key.rejected };
        side.add_tuple(&tuple, key.protocol, orientation);
    }
    carried.recent.note(start, active);
}

/// Remembers who answered where: the next windows' mid-stream records are oriented by it.
fn note_listeners(start: i64, carried: &mut Carried, sides: &Sides) {
    carried.listeners.forget_before(start);
    for (key, by_observer) in sides {
        if by_observer.values().any(Side::shows_listener) {
            carried.listeners.note(key.server, key.port, key.protocol, start);
        }
    }
}

fn count_cuts(state: &WindowState, ledger: &mut Ledger) {
    let cuts = [
        ("open five-tuples per window", state.tuples.cut_records()),
        ("conversations per window", state.folds.cut_records()),
    ];
    for (cap, n) in cuts.into_iter().filter(|&(_, n)| n > 0) {
        *ledger.capped.entry(cap).or_default() += n;
    }
}

fn choose_vantages(
    endpoints: &Endpoints<'_>,
    state: &WindowState,
    sides: Sides,
) -> Vec<Conversation> {
    let mut ordered: Vec<_> = sides.into_iter().collect();
    ordered.sort_by_cached_key(|(key, _)| {
        (endpoints.order(key.client), endpoints.order(key.server), key.port, key.protocol)
    });
    ordered
        .into_iter()
        .filter_map(|(key, by_observer)| conversation(endpoints, state, key, &by_observer))
        .collect()
}

fn conversation(
    endpoints: &Endpoints<'_>,
    state: &WindowState,
    key: ConversationKey,
    by_observer: &BTreeMap<ObserverId, Side>,
) -> Option<Conversation> {
    let client = endpoints.get(key.client)?.clone();
    let server = endpoints.get(key.server)?.clone();
    let ranked = |(&observer, side): (&ObserverId, &Side)| {
        let observed = state.observers.get(&observer)?;
        let vantage = endpoints.vantage(observer, observed, &client, &server);
        let complete = observed.records.skipdata == 0;
        // The client's numbers, unless AWS lost some of them and the server's are whole.
        let rank = (vantage > Vantage::Between && complete, vantage, complete);
        Some((rank, observed, vantage, side.clone()))
    };
    let mut views: Vec<_> = by_observer.iter().filter_map(ranked).collect();
    views.sort_by(|a, b| {
        (b.0, &a.1.account, &a.1.eni, &a.1.flow_log_id).cmp(&(
            a.0,
            &b.1.account,
            &b.1.eni,
            &b.1.flow_log_id,
        ))
    });
    let orientation = views.iter().map(|view| view.3.orientation).max()?;
    let rejected_at = |at: Vantage| {
        views.iter().filter(|view| view.2 == at).map(|view| view.3.rejected).max().unwrap_or(0)
    };
    let (rejected_at_client, rejected_at_server) = (
        rejected_at(Vantage::Client).max(rejected_at(Vantage::Between)),
        rejected_at(Vantage::Server),
    );
    let (_, first_observed, vantage, mut side) = views.first()?.clone();
    // Two flow logs of the same interface, one of accepted and one of rejected traffic, complete each other.
    for (_, observed, _, other) in views.iter().skip(1) {
        if observed.account == first_observed.account && observed.eni == first_observed.eni {
            side.merge(other);
        }
    }
    // Strangers' answers to forged packets are nobody's conversation.
    if vantage != Vantage::Between && side.is_backscatter() {
        return None;
    }
    Some(Conversation {
        client,
        server,
        port: key.port,
        protocol: key.protocol,
        orientation,
        vantage,
        incomplete: first_observed.records.skipdata > 0,
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
        answered_at: side.answered.times().to_vec(),
        first: side.first,
        last: side.last,
    })
}

fn eni_windows(state: &WindowState) -> Vec<EniWindow> {
    let mut enis: Vec<EniWindow> = state
        .observers
        .values()
        .map(|observed| EniWindow {
            account: observed.account.clone(),
            eni: observed.eni.clone(),
            records: observed.records,
        })
        .collect();
    enis.sort_by(|a, b| (&a.account, &a.eni).cmp(&(&b.account, &b.eni)));
    enis
}
