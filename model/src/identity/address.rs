//! Sixteen-byte addresses.

use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv6Addr};
use std::str::FromStr;

use ingest::ip_ranges::mapped;

/// An IP address; IPv4 is mapped into IPv6 and prints as IPv4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(u128);

/// `::ffff:0:0/96`, where IPv4 is mapped.
const MAPPED: u128 = 0xffff_0000_0000;

/// Networks no address of which is met on the Internet: first address, last address.
///
/// RFC 1918, loopback, link-local, carrier-grade NAT (RFC 6598), benchmarking (RFC 2544, which VPCs
/// may use), then IPv6 loopback, unique local and link-local.
const PRIVATE: [(u128, u128); 10] = [
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    (1, 1),
    (0xfc << 120, (0xfe << 120) - 1),
    (0xfe80 << 112, (0xfec0 << 112) - 1),
];

const MULTICAST: [(u128, u128); 2] = [v4([224, 0, 0, 0], 4), (0xff << 120, u128::MAX)];

/// Limited broadcast, and the unspecified addresses.
const NO_HOST: [(u128, u128); 3] = [v4([255, 255, 255, 255], 32), v4([0, 0, 0, 0], 32), (0, 0)];

/// First and last address of an IPv4 network.
const fn v4(octets: [u8; 4], bits: u32) -> (u128, u128) {
    let first = MAPPED | u32::from_be_bytes(octets) as u128;
    (first, first | ((1 << (32 - bits)) - 1))
}

fn in_any(networks: &[(u128, u128)], address: u128) -> bool {
    networks.iter().any(|&(first, last)| first <= address && address <= last)
}

impl Address {
    /// The bytes, most significant first.
    pub fn octets(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Whether it is an IPv4 address.
    pub fn is_v4(self) -> bool {
        self.0 >> 32 == MAPPED >> 32
    }

    /// Whether it is private, carrier-grade NAT, link-local, unique local or loopback: never met on
    /// the Internet.
    pub fn is_private(self) -> bool {
        in_any(&PRIVATE, self.0)
    }

    /// Whether it is multicast.
    pub fn is_multicast(self) -> bool {
        in_any(&MULTICAST, self.0)
    }

    /// Whether it names no single host: multicast, broadcast or unspecified.
    pub fn is_group(self) -> bool {
        self.is_multicast() || in_any(&NO_HOST, self.0)
    }

    /// The network of this length it is in; IPv4 lengths are 0 to 32, IPv6 0 to 128.
    #[must_use]
    pub fn prefix(self, bits: u8) -> Self {
        let width = if self.is_v4() { 32 } else { 128 };
        let host_bits = width - u32::from(bits).min(width);
        Self(self.0 & u128::MAX.checked_shl(host_bits).unwrap_or(0))
    }
}

impl From<u128> for Address {
    fn from(bits: u128) -> Self {
        Self(bits)
    }
}

impl From<Address> for u128 {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl From<[u8; 16]> for Address {
    fn from(octets: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(octets))
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        mapped(address).into()
    }
}

impl FromStr for Address {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        text.parse::<IpAddr>().map(Self::from)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = Ipv6Addr::from_bits(self.0);
        match v6.to_ipv4_mapped() {
            Some(v4) => f.pad(&v4.to_string()),
            None => f.pad(&v6.to_string()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
