//! What a closed window means: who was client, whose numbers count, what was told twice.
//!
//! All of it is decided at the close from everything gathered, in a fixed order, so that it does not
//! matter how the records came.

mod endpoints;
mod listeners;
mod observers;
mod orient;
mod overlap;
mod own_address;
mod relays;
mod sides;
mod views;

use hashbrown::HashSet;
use ingest::Ledger;

use crate::activity::{Activity, EniWindow};
use crate::fold::WindowState;
use crate::identity::{Directory, Party};

use endpoints::{EndpointNumber, Endpoints};
pub use listeners::{Listeners, Recent};
use observers::Observers;
use orient::{Between, Evidence, Oriented, Port};
use overlap::Use;
use relays::Relays;
use sides::{ConversationKey, Sides};

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
    let observers = Observers::of(state);
    let uses = overlap::choose(&observers, ledger);
    let own = own_address::find(state, &observers, directory, start);
    let mut endpoints = Endpoints::new(state, &observers, &own, directory, start);
    let window = Window { state, observers: &observers, uses: &uses };
    let mut sides = Sides::default();
    let asked = window.add_conclusive(&mut endpoints, &mut sides);
    carried.recent.forget_before(start - 2 * window_secs);
    let evidence = Evidence::new(serves, &carried.listeners, asked);
    let (mut tuples, mut unflagged) = window.orient(&mut endpoints, evidence);
    unflagged.sort_unstable_by_key(|&(hash, _)| hash);
    carried.recent.among(&unflagged, |at| tuples[at as usize].begun_earlier = true);
    carried.recent.note(start, &unflagged);
    window.add_inconclusive(&tuples, &mut sides);
    note_listeners(start, &mut carried.listeners, &endpoints, &sides);
    count_cuts(state, ledger);
    let mut relays = Relays::new(observers.len());
    let mut conversations = views::choose(&endpoints, &observers, sides, &mut relays);
    let renamed = relays.tell(&observers, directory, start);
    relays::rename(&mut conversations, &renamed, directory, start);
    Activity { start, window_secs, conversations, enis: eni_windows(state) }
}

/// What is settled, and which of it counts.
struct Window<'a> {
    state: &'a WindowState,
    observers: &'a Observers<'a>,
    uses: &'a [Use],
}

/// An inconclusive five-tuple, oriented; in the order of the window's.
#[derive(Clone, Copy)]
struct OrientedTuple {
    low: EndpointNumber,
    high: EndpointNumber,
    observer: u32,
    /// `None` for one that does not count.
    oriented: Option<Oriented>,
    begun_earlier: bool,
}

impl Window<'_> {
    /// The observer's number, if what it says with this verdict counts.
    #[inline]
    fn used(&self, id: crate::fold::ObserverId, rejected: bool) -> Option<usize> {
        let number = self.observers.number(id)?;
        self.uses.get(number).filter(|used| used.verdict(rejected)).map(|_| number)
    }

    /// Gathers what records with a SYN told; gives the ports that were asked.
    fn add_conclusive(&self, endpoints: &mut Endpoints<'_>, sides: &mut Sides) -> HashSet<Port> {
        let mut asked = HashSet::new();
        for (key, counts) in self.state.folds.iter() {
            let Some(observer) = self.used(key.observer, key.rejected) else { continue };
            let client = endpoints.of(observer, key.client);
            let server = endpoints.of(observer, key.server);
            let (port, protocol) = (key.port, key.protocol);
            asked.insert(Port::of(server, port, protocol));
            let conversation = ConversationKey { client, server, port, protocol };
            sides.of(conversation, observer).add_conclusive(counts, key.rejected);
        }
        asked
    }

    /// Who is client in each inconclusive five-tuple. Most are oriented at once; the others by how
    /// many counterparts their ends have, which is counted for them alone.
    ///
    /// With them the hashes of those whose flags do not tell whether they went on from earlier windows.
    fn orient(
        &self,
        endpoints: &mut Endpoints<'_>,
        mut evidence: Evidence<'_>,
    ) -> (Vec<OrientedTuple>, Vec<(u64, u32)>) {
        const UNUSED: OrientedTuple = OrientedTuple {
            low: 0,
            high: 0,
            observer: u32::MAX,
            oriented: None,
            begun_earlier: false,
        };
        let mut tuples = Vec::with_capacity(self.state.tuples.len());
        let mut unflagged = Vec::with_capacity(self.state.tuples.len());
        for (at, (key, counts)) in (0_u32..).zip(self.state.tuples.iter()) {
            let Some(observer) = self.used(key.observer, key.rejected) else {
                tuples.push(UNUSED);
                continue;
            };
            let low = endpoints.of(observer, key.low);
            let high = endpoints.of(observer, key.high);
            let oriented = evidence.orient(endpoints, Between { low, high, key: &key }, &counts);
            if !(counts.flags_known && key.protocol == sides::TCP) {
                unflagged.push((key.stable_hash(), at));
            }
            let observer = u32::try_from(observer).unwrap_or(u32::MAX);
            tuples.push(OrientedTuple { low, high, observer, oriented, begun_earlier: false });
        }
        if evidence.counts_fan() {
            self.orient_by_fan(&mut evidence, &mut tuples);
        }
        (tuples, unflagged)
    }

    fn orient_by_fan(&self, evidence: &mut Evidence<'_>, tuples: &mut [OrientedTuple]) {
        for (tuple, (key, _)) in tuples.iter().zip(self.state.tuples.iter()) {
            if tuple.observer != u32::MAX {
                evidence.note_tuple(Between { low: tuple.low, high: tuple.high, key: &key });
            }
        }
        for (tuple, (key, counts)) in tuples.iter_mut().zip(self.state.tuples.iter()) {
            if tuple.observer != u32::MAX && tuple.oriented.is_none() {
                let between = Between { low: tuple.low, high: tuple.high, key: &key };
                tuple.oriented = Some(evidence.orient_by_fan(between, &counts));
            }
        }
    }

    fn add_inconclusive(&self, tuples: &[OrientedTuple], sides: &mut Sides) {
        for (tuple, (key, counts)) in tuples.iter().zip(self.state.tuples.iter()) {
            let Some((low_is_client, orientation)) = tuple.oriented else { continue };
            let (client, server, port) = if low_is_client {
                (tuple.low, tuple.high, key.high_port)
            } else {
                (tuple.high, tuple.low, key.low_port)
            };
            let protocol = key.protocol;
            let conversation = ConversationKey { client, server, port, protocol };
            let side = sides.of(conversation, tuple.observer as usize);
            let OrientedTuple { begun_earlier, .. } = *tuple;
            let rejected = key.rejected;
            let tuple = sides::Tuple { counts: &counts, low_is_client, begun_earlier, rejected };
            side.add_tuple(&tuple, protocol, orientation);
        }
    }
}

/// Remembers who answered where: the next windows' mid-stream records are oriented by it.
fn note_listeners(start: i64, listeners: &mut Listeners, endpoints: &Endpoints<'_>, sides: &Sides) {
    listeners.forget_before(start);
    for (key, _, side) in sides.iter() {
        if side.shows_listener() {
            listeners.note(endpoints.id(key.server), key.port, key.protocol, start);
        }
    }
    listeners.shrink();
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
