//! Connections: who talks to whom, what they carry and what becomes of them.

use crate::address::Host;
use crate::estate::{Estate, InterfaceIdx};
use crate::record::{Load, TCP, flags};

/// One side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An interface of the shop.
    Inside(InterfaceIdx),
    /// An address of the VPC that nobody has.
    Vacant(u32),
    Outside(Host),
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) client_port: u16,
    pub(crate) port: u16,
    pub(crate) protocol: u8,
    /// The attack it is part of.
    pub(crate) label: Option<&'static str>,
}

impl End {
    /// The address it is reached at.
    pub(crate) fn address(self, estate: &Estate) -> u32 {
        match self {
            Self::Inside(idx) => estate.interface(idx).address,
            Self::Vacant(address) => address,
            Self::Outside(host) => host.address,
        }
    }

    /// Whether there is no way to it over IPv4.
    pub(crate) fn has_only_v6(self) -> bool {
        matches!(self, Self::Outside(host) if host.has_only_v6)
    }
}

/// What an answered connection carries, from its opening to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// Unix seconds, within the moment it is opened in.
    pub(crate) start: i64,
    pub(crate) secs: i64,
    /// Payload bytes from the client.
    pub(crate) sent: f64,
    /// Payload bytes from the server.
    pub(crate) received: f64,
}

/// What became of an attempt to connect that led to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server's security group dropped it.
    Denied,
    /// Nobody listens there, and the host says so.
    Refused,
    /// It never arrived.
    Lost,
    /// It arrived, nothing forbade it, and nobody answered: so do NAT gateways, which have no
    /// security group, drop what nobody inside asked for.
    Ignored,
}

/// Which part of a connection's life an interval saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Whole,
    First,
    Middle,
    Last,
}

impl Phase {
    /// The TCP flags of both directions.
    fn flags(self) -> (u8, u8) {
        match self {
            Self::Whole => (flags::SYN | flags::FIN, flags::SYN_ACK | flags::FIN),
            Self::First => (flags::SYN, flags::SYN_ACK),
            Self::Middle => (0, 0),
            Self::Last => (flags::FIN, flags::FIN),
        }
    }

    pub(crate) fn is_opening(self) -> bool {
        matches!(self, Self::Whole | Self::First)
    }
}

/// What both directions of a part of a connection's life carry, for payloads in bytes.
pub(crate) fn loads(protocol: u8, phase: Phase, (sent, received): (f64, f64)) -> (Load, Load) {
    let flags = if protocol == TCP { phase.flags() } else { (0, 0) };
    let out = load(sent, received, protocol, phase, flags.0);
    (out, load(received, sent, protocol, phase, flags.1))
}

/// Packets and bytes of one direction that carries a payload and acknowledges the other's.
fn load(payload: f64, acknowledged: f64, protocol: u8, phase: Phase, flags: u8) -> Load {
    const SEGMENT_BYTES: f64 = 1_400.0;
    let full = (payload / SEGMENT_BYTES) as u64;
    if protocol != TCP {
        let packets = 1 + full;
        return Load { packets, bytes: payload as u64 + packets * 28, flags };
    }
    let handling = match phase {
        Phase::Whole => 4,
        Phase::First | Phase::Last => 2,
        Phase::Middle => 1,
    };
    let packets = handling + full + (acknowledged / (2.0 * SEGMENT_BYTES)) as u64;
    Load { packets, bytes: payload as u64 + packets * 52, flags }
}
