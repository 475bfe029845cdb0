//! One closed window's conversations: what the judging sees.

use std::hash::Hasher;
use std::sync::Arc;

use twox_hash::XxHash64;

use crate::fold::RecordCounts;
use crate::identity::{Address, Party, Workload};

/// How it was found out who the client is, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Orientation {
    /// Nothing told; the lower port was taken for the server's.
    Guess,
    /// One port is one that servers use, the other one that clients are given.
    Ports,
    /// One end talks to many ports of others from a single one of its own.
    Fan,
    /// One end is known to listen there.
    Listener,
    /// A SYN or SYN-ACK was recorded.
    Handshake,
}

impl Orientation {
    /// Whether the direction may be relied on: a guess never becomes an edge to alarm about.
    pub fn is_reliable(self) -> bool {
        self > Self::Guess
    }

    /// A short name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guess => "guess",
            Self::Ports => "port ranges",
            Self::Fan => "fan",
            Self::Listener => "known listener",
            Self::Handshake => "handshake",
        }
    }
}

/// Whose records a conversation's numbers are taken from, least preferred first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vantage {
    /// An interface between the two, such as a NAT gateway's.
    Between,
    /// The server's interface.
    Server,
    /// The client's interface.
    Client,
}

/// One end of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Who it is.
    pub party: Party,
    /// The name it has as a peer: see [`Party::peer_name`].
    pub peer: Arc<str>,
    /// Its address.
    pub address: Address,
    pub(crate) id: EndpointId,
}

/// An end of a conversation, the same in every window: a hash of account, VPC and address, or of
/// the address alone outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EndpointId(pub(crate) u64);

impl EndpointId {
    fn of(party: &Party, address: Address) -> Self {
        let mut hasher = XxHash64::with_seed(2);
        if let Party::Workload(workload) = party {
            hasher.write(workload.account.as_bytes());
            hasher.write_u8(0);
            hasher.write(workload.vpc.as_bytes());
        }
        hasher.write_u8(0);
        hasher.write(&u128::from(address).to_be_bytes());
        Self(hasher.finish())
    }
}

impl Endpoint {
    pub(crate) fn new(party: Party, peer: Arc<str>, address: Address) -> Self {
        let id = EndpointId::of(&party, address);
        Self { party, peer, address, id }
    }

    /// The workload, if it is one.
    pub fn workload(&self) -> Option<&Arc<Workload>> {
        match &self.party {
            Party::Workload(workload) => Some(workload),
            Party::Outside(_) => None,
        }
    }
}

/// Everything one client did at one port of one server in one window, counted once.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// Who opened it.
    pub client: Arc<Endpoint>,
    /// Who was asked.
    pub server: Arc<Endpoint>,
    /// The server's port; 0 for protocols without.
    pub port: u16,
    /// IANA protocol number.
    pub protocol: u8,
    /// How the client was told from the server.
    pub orientation: Orientation,
    /// Whose records the numbers are from.
    pub vantage: Vantage,
    /// Whether AWS lost records where the numbers are from.
    pub incomplete: bool,
    /// Connections opened in this window, rejected ones included.
    pub attempts: u64,
    /// Of these, the ones that were answered.
    pub answered: u64,
    /// Connections begun in earlier windows that went on in this one.
    pub continued: u64,
    /// Attempts rejected at the client's own interface.
    pub rejected_at_client: u64,
    /// Attempts rejected at the server's interface.
    pub rejected_at_server: u64,
    /// Flow-log records from client to server: a connection has one for every interval it lives in.
    pub records_out: u64,
    /// Packets from client to server.
    pub packets_out: u64,
    /// Bytes from client to server.
    pub bytes_out: u64,
    /// Packets from server to client.
    pub packets_in: u64,
    /// Bytes from server to client.
    pub bytes_in: u64,
    /// When answered connections were opened, Unix seconds, ascending; the first few.
    pub answered_at: Vec<i64>,
    /// Earliest record start, Unix seconds.
    pub first: i64,
    /// Latest record end, Unix seconds.
    pub last: i64,
}

impl Conversation {
    /// Attempts a security group or network ACL rejected.
    pub fn rejected(&self) -> u64 {
        self.rejected_at_client.max(self.rejected_at_server)
    }

    /// Whether no data went either way: unanswered, reset, rejected, or a handshake and no more.
    ///
    /// An ICMP message is a knock whatever the answer.
    pub fn is_bare(&self) -> bool {
        const SEGMENT_BYTES: u64 = 60;
        let n = self.attempts.max(1);
        match self.protocol {
            1 | 58 => true,
            6 if self.is_established() => {
                self.continued == 0
                    && self.bytes_out <= SEGMENT_BYTES * self.packets_out
                    && self.bytes_in <= SEGMENT_BYTES * self.packets_in
                    && self.packets_out <= 4 * n
                    && self.packets_in <= 4 * n
            }
            _ => !self.is_established(),
        }
    }

    /// Whether anything came of it: an answered or continued connection.
    pub fn is_established(&self) -> bool {
        self.answered > 0 || self.continued > 0
    }
}

/// What one interface's flow log delivered in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EniWindow {
    /// The account.
    pub account: Arc<str>,
    /// The interface.
    pub eni: Arc<str>,
    /// Its records by class.
    pub records: RecordCounts,
}

/// One closed window.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// Start of the window, Unix seconds.
    pub start: i64,
    /// Length of the window, seconds.
    pub window_secs: i64,
    /// What was said, in a fixed order.
    pub conversations: Vec<Conversation>,
    /// Which interfaces' logs were there.
    pub enis: Vec<EniWindow>,
}

impl Activity {
    /// End of the window, Unix seconds.
    pub fn end(&self) -> i64 {
        self.start + self.window_secs
    }
}
