//! Addresses: the subnets and how they are handed out, and the strangers outside.

use std::collections::VecDeque;
use std::net::Ipv6Addr;

use crate::MINUTE_SECS;
use crate::random::{Rng, mixed};

/// How long a given-back address stays unused.
const REST_SECS: i64 = 15 * MINUTE_SECS;

/// A subnet of the VPC.
#[derive(Debug)]
pub(crate) struct Subnet {
    pub(crate) id: &'static str,
    pub(crate) zone: &'static str,
    pub(crate) zone_id: &'static str,
    /// The first address of the network.
    pub(crate) network: u32,
}

const fn subnet(id: &'static str, zone: [&'static str; 2], third_octet: u32) -> Subnet {
    Subnet { id, zone: zone[0], zone_id: zone[1], network: SUBNETS_START + (third_octet << 8) }
}

/// 10.20.0.0, where the VPC's two ranges of 65,536 addresses start.
const SUBNETS_START: u32 = 0x0a14_0000;

const ZONE_A: [&str; 2] = ["eu-central-1a", "euc1-az2"];
const ZONE_B: [&str; 2] = ["eu-central-1b", "euc1-az3"];

/// 10.20.0.0/24 and 10.20.1.0/24, whose interfaces have public addresses.
pub(crate) static PUBLIC: [Subnet; 2] =
    [subnet("subnet-0a41d6e2c8b359f07", ZONE_A, 0), subnet("subnet-0c93b7f15d20e8a46", ZONE_B, 1)];

/// 10.20.16.0/20 and 10.20.32.0/20, which reach the Internet through the NAT gateway.
pub(crate) static PRIVATE: [Subnet; 2] = [
    subnet("subnet-0e5f8a17b3c64d290", ZONE_A, 16),
    subnet("subnet-0172c9d4e6fa83b5e", ZONE_B, 32),
];

/// 10.21.16.0/20 and 10.21.32.0/20, in the range the VPC was widened by; private too.
pub(crate) static MOVED: [Subnet; 2] = [
    subnet("subnet-07b1e64f9d02c85a3", ZONE_A, 0x100 + 16),
    subnet("subnet-0d38a5f7261ce904b", ZONE_B, 0x100 + 32),
];

/// The addresses of one subnet that nobody has.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) subnet: &'static Subnet,
    next_host: u32,
    returned: VecDeque<(i64, u32)>,
}

impl Pool {
    pub(crate) fn new(subnet: &'static Subnet) -> Self {
        // AWS keeps the first four addresses of a subnet to itself.
        Self { subnet, next_host: 4, returned: VecDeque::new() }
    }

    /// Hands out an address: the one that has rested longest, else a new one.
    pub(crate) fn take(&mut self, now: i64) -> u32 {
        if let Some(&(since, address)) = self.returned.front()
            && since + REST_SECS <= now
        {
            self.returned.pop_front();
            return address;
        }
        self.next_host += 1;
        self.subnet.network + self.next_host
    }

    /// Takes an address back.
    pub(crate) fn give_back(&mut self, now: i64, address: u32) {
        self.returned.push_back((now, address));
    }
}

/// The IPv6 address of whoever has an address of version 4. A /64 of the VPC's two /56 for each of
/// its subnets; outside, a /48 for what is a /24 there.
pub(crate) fn v6(address: u32) -> Ipv6Addr {
    let is_inside = address >> 17 == SUBNETS_START >> 17;
    let bits = if is_inside {
        let network = 0x2a05_d014_0f3a_5e00_u64 | u64::from(address >> 8 & 0x1ff);
        u128::from(network) << 64 | u128::from(mixed(address.into()))
    } else {
        0x2608_u128 << 112 | u128::from(address >> 8) << 80 | u128::from(address & 0xff)
    };
    Ipv6Addr::from(bits)
}

/// The service name of an address that is not AWS's.
pub(crate) const NOT_AWS: &str = "-";

/// An address outside the VPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) address: u32,
    /// The name AWS gives the service there in `pkt-*-aws-service`, or [`NOT_AWS`].
    pub(crate) aws_service: &'static str,
    /// Whether it is known by its IPv6 address alone.
    pub(crate) has_only_v6: bool,
}

impl Host {
    /// The same host, known by its IPv6 address alone.
    pub(crate) fn over_v6(self) -> Self {
        Self { has_only_v6: true, ..self }
    }
}

/// First octets of the networks strangers come from: allocated, but not routed on the Internet.
const UNROUTED: [u32; 7] = [21, 22, 26, 28, 29, 30, 33];

/// The stranger of that number.
pub(crate) fn stranger(number: u64) -> Host {
    let bits = mixed(number ^ 0x5eed_0f57_7a46_e125);
    let first = UNROUTED[(bits >> 32) as usize % UNROUTED.len()];
    let rest = (bits as u32 & 0x00ff_fff8) | 4;
    Host { address: (first << 24) | rest, aws_service: NOT_AWS, has_only_v6: false }
}

/// A network outside that answers at several addresses, as those behind a CDN do.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) base: Host,
    /// How many addresses the network spans.
    pub(crate) span: u32,
    /// How many of them answer nearly always.
    pub(crate) usual: u64,
    /// The probability of being sent to one of the others.
    pub(crate) other: f64,
}

impl Network {
    /// A few fixed addresses of a made-up company.
    pub(crate) fn fixed(rng: &mut Rng, usual: u64) -> Self {
        let base = stranger(rng.bits());
        let base = Host { address: base.address & !0xff, ..base };
        Self { base, span: 256, usual, other: 0.0 }
    }

    /// A wide network of a made-up company that now and then answers from elsewhere.
    pub(crate) fn wide(rng: &mut Rng, usual: u64, other: f64) -> Self {
        let base = stranger(rng.bits());
        let base = Host { address: base.address & !0xfff, ..base };
        Self { base, span: 4096, usual, other }
    }

    /// A network of AWS.
    pub(crate) fn aws(service: &'static str, address: u32, usual: u64, other: f64) -> Self {
        let base = Host { address, aws_service: service, has_only_v6: false };
        Self { base, span: 1024, usual, other }
    }

    /// The host that answers this time.
    pub(crate) fn host(&self, rng: &mut Rng) -> Host {
        let number = if rng.chance(self.other) { rng.bits() } else { rng.below(self.usual) };
        let offset = mixed(number.wrapping_add(u64::from(self.base.address))) as u32 % self.span;
        Host { address: self.base.address + offset.max(1), ..self.base }
    }
}
