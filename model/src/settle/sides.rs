//! One observer's view of one conversation.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::endpoints::EndpointNumber;
use crate::activity::Orientation;
use crate::fold::{Flow, FoldCounts, Smallest, TupleCounts};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

const SYN: u8 = 2;
const RST: u8 = 4;

/// A bare TCP segment with options is at most this long.
const BARE_SEGMENT_BYTES: u64 = 80;

/// Which conversation, by the window's numbers.
#[derive(Clone, Copy)]
pub(super) struct ConversationKey {
    pub(super) client: EndpointNumber,
    pub(super) server: EndpointNumber,
    pub(super) port: u16,
    pub(super) protocol: u8,
}

impl ConversationKey {
    /// Where it comes in the window's order; an observer's view in the low 32 bits.
    pub(super) fn place(self, places: &[u32], observer: usize) -> u128 {
        let place = |end: EndpointNumber| places.get(end as usize).copied().unwrap_or(0);
        let (client, server) = (place(self.client), place(self.server));
        Self { client, server, ..self }.with(observer)
    }

    /// The key and an observer in one word.
    #[inline]
    fn with(self, observer: usize) -> u128 {
        u128::from(self.client) << 88
            | u128::from(self.server) << 56
            | u128::from(self.port) << 40
            | u128::from(self.protocol) << 32
            | observer as u128
    }

    fn of(word: u128) -> (Self, usize) {
        #[expect(clippy::cast_possible_truncation, reason = "takes parts of a word")]
        let key = Self {
            client: (word >> 88) as u32,
            server: (word >> 56) as u32,
            port: (word >> 40) as u16,
            protocol: (word >> 32) as u8,
        };
        (key, (word & u128::from(u32::MAX)) as usize)
    }
}

/// What every observer saw of every conversation.
#[derive(Default)]
pub(super) struct Sides {
    list: Vec<(u128, Side)>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Sides {
    /// An observer's view of a conversation, made if new.
    #[inline]
    pub(super) fn of(&mut self, key: ConversationKey, observer: usize) -> &mut Side {
        let word = key.with(observer);
        let Self { list, index, hasher } = self;
        let same = |&at: &u32| list[at as usize].0 == word;
        let rehash = |&at: &u32| hasher.hash_one(list[at as usize].0);
        let at = match index.entry(hasher.hash_one(word), same, rehash) {
            Entry::Occupied(known) => *known.get() as usize,
            Entry::Vacant(place) => {
                let at = list.len();
                // No window has four thousand million conversations: five-tuples are capped.
                place.insert(u32::try_from(at).unwrap_or(u32::MAX));
                list.push((word, Side::default()));
                at
            }
        };
        &mut list[at].1
    }

    /// All of them, numbered in this order from 0.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConversationKey, usize, &Side)> {
        self.list.iter().map(|(word, side)| {
            let (key, observer) = ConversationKey::of(*word);
            (key, observer, side)
        })
    }

    pub(super) fn key(&self, at: u32) -> (ConversationKey, usize) {
        ConversationKey::of(self.list[at as usize].0)
    }

    pub(super) fn side(&self, at: u32) -> &Side {
        &self.list[at as usize].1
    }

    pub(super) fn take(&mut self, at: u32) -> Side {
        std::mem::take(&mut self.list[at as usize].1)
    }
}

/// An oriented five-tuple.
pub(super) struct Tuple<'a> {
    pub(super) counts: &'a TupleCounts,
    pub(super) low_is_client: bool,
    pub(super) begun_earlier: bool,
    pub(super) rejected: bool,
}

/// What one observer saw of one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) out: Flow,
    pub(super) back: Flow,
    pub(super) opened: u64,
    pub(super) attempts: u64,
    pub(super) answered: Smallest,
    pub(super) continued: u64,
    pub(super) rejected: u64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) orientation: Orientation,
}

impl Default for Side {
    fn default() -> Self {
        Self {
            out: Flow::default(),
            back: Flow::default(),
            opened: 0,
            attempts: 0,
            answered: Smallest::default(),
            continued: 0,
            rejected: 0,
            first: i64::MAX,
            last: i64::MIN,
            orientation: Orientation::Guess,
        }
    }
}

impl Side {
    /// Adds what records with a SYN told.
    pub(super) fn add_conclusive(&mut self, counts: &FoldCounts, rejected: bool) {
        let attempts = counts.opened.count().max(counts.answered.count());
        self.opened += counts.opened.count();
        self.attempts += attempts;
        self.rejected += if rejected { attempts } else { 0 };
        self.answered.merge(&counts.answered);
        self.orientation = Orientation::Handshake;
        self.add_flows(&counts.out, &counts.back);
        self.first = self.first.min(counts.first);
        self.last = self.last.max(counts.last);
    }

    /// Adds a five-tuple whose records told nothing by themselves.
    pub(super) fn add_tuple(&mut self, tuple: &Tuple<'_>, protocol: u8, orientation: Orientation) {
        let counts = tuple.counts;
        let (out, back, first) = if tuple.low_is_client {
            (&counts.from_low, &counts.from_high, counts.low_first.min(counts.high_first))
        } else {
            (&counts.from_high, &counts.from_low, counts.high_first.min(counts.low_first))
        };
        self.orientation = self.orientation.max(orientation);
        self.add_flows(out, back);
        self.first = self.first.min(first);
        self.last = self.last.max(counts.last);
        if tuple.rejected {
            self.attempts += 1;
            self.rejected += 1;
            return;
        }
        let begun_earlier =
            if counts.flags_known && protocol == TCP { true } else { tuple.begun_earlier };
        if out.is_empty() && protocol != TCP {
            // An answer, or an error, to something that was not seen.
            return;
        }
        match (begun_earlier, answer(protocol, counts.flags_known, out, back)) {
            (true, Answer::Answered) => self.continued += 1,
            (true, Answer::Silent | Answer::Refused) => {}
            (false, Answer::Answered) => {
                self.attempts += 1;
                self.answered.add(first);
            }
            (false, Answer::Silent | Answer::Refused) => self.attempts += 1,
        }
    }

    fn add_flows(&mut self, out: &Flow, back: &Flow) {
        self.out.merge(out);
        self.back.merge(back);
    }

    /// Adds another flow log's view from the same interface.
    pub(super) fn merge(&mut self, other: &Self) {
        self.add_flows(&other.out, &other.back);
        self.opened += other.opened;
        self.attempts += other.attempts;
        self.answered.merge(&other.answered);
        self.continued += other.continued;
        self.rejected += other.rejected;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }

    /// Whether this is a stranger's SYN-ACK to an address of ours that somebody forged: the client
    /// never opened and at most reset it.
    pub(super) fn is_backscatter(&self) -> bool {
        let silent = self.out.is_empty()
            || (self.out.flags & RST != 0
                && self.out.bytes <= BARE_SEGMENT_BYTES * self.out.packets);
        self.orientation == Orientation::Handshake
            && self.opened == 0
            && self.continued == 0
            && self.answered.count() > 0
            && silent
    }

    /// Whether the server is proven to listen: it answered, and the direction is not a guess.
    pub(super) fn shows_listener(&self) -> bool {
        match self.orientation {
            Orientation::Handshake => self.answered.count() > 0 && !self.is_backscatter(),
            Orientation::Fan => self.answered.count() + self.continued > 0,
            Orientation::Guess | Orientation::Ports | Orientation::Listener => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Answered,
    Refused,
    Silent,
}

/// Whether the far end took the connection up. A bare RST is no answer.
fn answer(protocol: u8, flags_known: bool, out: &Flow, back: &Flow) -> Answer {
    if back.is_empty() || (out.is_empty() && protocol != TCP) {
        return Answer::Silent;
    }
    if protocol != TCP {
        return Answer::Answered;
    }
    let bare = back.bytes <= BARE_SEGMENT_BYTES * back.packets;
    if flags_known {
        let refused = back.flags & RST != 0 && back.flags & SYN == 0 && bare;
        let one_way = out.is_empty() && bare;
        return if refused || one_way { Answer::Refused } else { Answer::Answered };
    }
    // Without flags: a refusal is one packet back, a connection at least a handshake and its end.
    if back.packets >= 2 { Answer::Answered } else { Answer::Refused }
}
