//! One flow-log record before it becomes text.

use crate::estate::InterfaceIdx;

/// Protocol numbers the generator uses.
pub(crate) const ICMP: u8 = 1;
/// See [`ICMP`].
pub(crate) const TCP: u8 = 6;
/// See [`ICMP`].
pub(crate) const UDP: u8 = 17;

/// TCP flags, as flow logs OR them over an interval; a bare ACK is not recorded.
pub(crate) mod flags {
    /// The connection ended in good order.
    pub(crate) const FIN: u8 = 1;
    /// The client opened the connection.
    pub(crate) const SYN: u8 = 2;
    /// The connection was refused or cut.
    pub(crate) const RST: u8 = 4;
    /// The server accepted the connection.
    pub(crate) const SYN_ACK: u8 = 18;
}

/// Codes of the `traffic-path` field.
pub(crate) mod path {
    /// Not recorded: an ingress record.
    pub(crate) const NONE: u8 = 0;
    /// Through another resource in the same VPC.
    pub(crate) const SAME_VPC: u8 = 1;
    /// Through a gateway VPC endpoint.
    pub(crate) const GATEWAY_ENDPOINT: u8 = 7;
    /// Through an Internet gateway.
    pub(crate) const INTERNET_GATEWAY: u8 = 8;
}

/// Which way the packets went, seen from the interface that reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ingress,
    Egress,
}

/// Which version of the Internet protocol carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    /// The addresses follow from those of version 4; see [`crate::address::v6`].
    V6,
}

/// What the security group or network ACL decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Reject,
}

/// An endpoint of a record, by its IPv4 addresses: what the header says, what the packet says, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    /// `srcaddr` or `dstaddr`.
    pub(crate) address: u32,
    /// `pkt-srcaddr` or `pkt-dstaddr`.
    pub(crate) packet_address: u32,
    pub(crate) port: u16,
    /// The name AWS gives the service at the address, or `-`.
    pub(crate) aws_service: &'static str,
}

/// What one direction carried in one interval.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) flags: u8,
}

/// One direction of one connection on one interface in one interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) interface: InterfaceIdx,
    pub(crate) family: Family,
    pub(crate) source: Endpoint,
    pub(crate) destination: Endpoint,
    pub(crate) protocol: u8,
    pub(crate) load: Load,
    /// Unix seconds of the first packet.
    pub(crate) start: i64,
    /// Unix seconds of the last packet.
    pub(crate) end: i64,
    pub(crate) verdict: Verdict,
    pub(crate) direction: Direction,
    /// A code of [`path`].
    pub(crate) path: u8,
}
