//! One batch's columns, looked up once, and the reading of a row.

use ingest::{AddressColumn, Field, FlowBatch, TextColumn};

use super::counts::icmp;
use super::plain::Plain;

use arrow_array::{Array, Int64Array, PrimitiveArray, UInt8Array, UInt16Array, UInt64Array};

/// What records say of the interface that observed them.
pub(super) const SAID: &[Field] = &[
    Field::VpcId,
    Field::SubnetId,
    Field::InstanceId,
    Field::Region,
    Field::InterfaceType,
    Field::EcsClusterName,
    Field::EcsServiceName,
    Field::EcsTaskId,
    Field::InstanceTag,
    Field::InstanceTag2,
    Field::InterfaceTag,
    Field::InterfaceTag2,
    Field::AsgTag,
    Field::AsgTag2,
];

/// What the fold needs of each record, beside [`SAID`].
pub(super) const FOLDED: &[Field] = &[
    Field::AccountId,
    Field::InterfaceId,
    Field::SrcAddr,
    Field::DstAddr,
    Field::SrcPort,
    Field::DstPort,
    Field::Protocol,
    Field::Packets,
    Field::Bytes,
    Field::Start,
    Field::End,
    Field::Action,
    Field::LogStatus,
    Field::TcpFlags,
    Field::PktSrcAddr,
    Field::PktDstAddr,
    Field::PktSrcAwsService,
    Field::PktDstAwsService,
    Field::FlowDirection,
    Field::ResourceType,
    Field::ResourceId,
    Field::TgwId,
];

/// What a record is, before anything is looked at but its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Traffic,
    Nodata,
    Skipdata,
    OtherResource,
}

/// A record's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) src: u128,
    pub(super) dst: u128,
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) protocol: u8,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) start: i64,
    pub(super) end: i64,
    /// TCP's flags, or the role an ICMP message plays; `None` where the log does not carry them.
    pub(super) flags: Option<u8>,
}

impl Traffic {
    /// What the log's values mean: ICMP has no ports, but its messages have a role.
    #[inline]
    pub(super) fn of_logged(logged: Self) -> Self {
        let Self { protocol, src_port, dst_port, .. } = logged;
        if protocol != ICMP && protocol != ICMPV6 {
            return logged;
        }
        let role = icmp_role(protocol, src_port, dst_port);
        Self { src_port: 0, dst_port: 0, flags: Some(role), ..logged }
    }
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The columns of one batch.
pub(super) struct Rows<'a> {
    pub(super) account: Option<TextColumn<'a>>,
    pub(super) eni: Option<TextColumn<'a>>,
    pub(super) resource_id: Option<TextColumn<'a>>,
    pub(super) said: Vec<(Field, TextColumn<'a>)>,
    pub(super) src_aws_service: Option<TextColumn<'a>>,
    pub(super) dst_aws_service: Option<TextColumn<'a>>,
    src: Option<AddressColumn<'a>>,
    dst: Option<AddressColumn<'a>>,
    pkt_src: Option<AddressColumn<'a>>,
    pkt_dst: Option<AddressColumn<'a>>,
    src_port: Option<&'a UInt16Array>,
    dst_port: Option<&'a UInt16Array>,
    /// All of these as slices, where the batch has them all.
    pub(super) plain: Option<Plain<'a>>,
    protocol: Option<&'a UInt8Array>,
    packets: Option<&'a UInt64Array>,
    bytes: Option<&'a UInt64Array>,
    start: Option<&'a Int64Array>,
    end: Option<&'a Int64Array>,
    tcp_flags: Option<&'a UInt8Array>,
    status: Coded<'a, Class>,
    rejected: Coded<'a, bool>,
    egress: Coded<'a, Option<bool>>,
    other_resource: bool,
}

/// A text column of few values, each translated once per batch.
struct Coded<'a, T> {
    column: Option<TextColumn<'a>>,
    meanings: Vec<T>,
    /// What every row means, where all mean the same.
    uniform: Option<T>,
    /// What no text means.
    absent: T,
}

impl<'a, T: Copy + PartialEq> Coded<'a, T> {
    fn new(column: Option<TextColumn<'a>>, absent: T, meaning: impl Fn(&str) -> T) -> Self {
        let texts = column.iter().flat_map(|column| column.values().iter());
        let meanings: Vec<T> = texts.map(|text| meaning(text.unwrap_or_default())).collect();
        let first = match meanings.first() {
            Some(&first) if column.is_some_and(|column| !column.has_gaps()) => first,
            _ => absent,
        };
        let uniform = Some(first).filter(|first| meanings.iter().all(|meaning| meaning == first));
        Self { column, meanings, uniform, absent }
    }

    #[inline]
    fn get(&self, row: usize) -> T {
        self.uniform.unwrap_or_else(|| {
            let code = self.column.and_then(|column| column.code(row));
            code.and_then(|code| self.meanings.get(code)).copied().unwrap_or(self.absent)
        })
    }
}

impl<'a> Rows<'a> {
    pub(super) fn of(batch: &'a FlowBatch) -> Self {
        let text = |field| batch.text(field);
        let resource =
            Coded::new(text(Field::ResourceType), false, |kind| kind != "NetworkInterface");
        let other_resource =
            batch.declared().contains(Field::TgwId) || resource.meanings.contains(&true);
        Self {
            account: text(Field::AccountId),
            eni: text(Field::InterfaceId),
            resource_id: text(Field::ResourceId),
            said: SAID.iter().filter_map(|&field| Some((field, text(field)?))).collect(),
            src_aws_service: text(Field::PktSrcAwsService),
            dst_aws_service: text(Field::PktDstAwsService),
            src: batch.address(Field::SrcAddr),
            dst: batch.address(Field::DstAddr),
            pkt_src: batch.address(Field::PktSrcAddr),
            pkt_dst: batch.address(Field::PktDstAddr),
            src_port: batch.port(Field::SrcPort),
            dst_port: batch.port(Field::DstPort),
            protocol: batch.small(Field::Protocol),
            packets: batch.count(Field::Packets),
            bytes: batch.count(Field::Bytes),
            start: batch.time(Field::Start),
            end: batch.time(Field::End),
            tcp_flags: batch.small(Field::TcpFlags),
            status: Coded::new(text(Field::LogStatus), Class::Traffic, |status| match status {
                "NODATA" => Class::Nodata,
                "SKIPDATA" => Class::Skipdata,
                _ => Class::Traffic,
            }),
            rejected: Coded::new(text(Field::Action), false, |action| action == "REJECT"),
            egress: Coded::new(text(Field::FlowDirection), None, |direction| {
                Some(direction == "egress")
            }),
            other_resource,
            plain: Plain::of(batch),
        }
    }

    #[inline]
    pub(super) fn class(&self, row: usize) -> Class {
        if self.other_resource {
            return Class::OtherResource;
        }
        self.status.get(row)
    }

    #[inline]
    pub(super) fn rejected(&self, row: usize) -> bool {
        self.rejected.get(row)
    }

    /// The time that decides a record's window, Unix seconds.
    #[inline]
    pub(super) fn end(&self, row: usize) -> Option<i64> {
        let plain = self.plain.as_ref().and_then(|plain| plain.end(row));
        plain.or_else(|| number(self.end, row).or_else(|| number(self.start, row)))
    }

    /// The observing interface's own address, where the log tells the direction, or an address that
    /// is not the packet's: AWS puts the interface's primary address in place of what goes through it.
    #[inline]
    pub(super) fn own_address(&self, row: usize) -> Option<u128> {
        match self.egress.get(row) {
            Some(true) => address(self.src, row),
            Some(false) => address(self.dst, row),
            None if self.pkt_src.is_some() || self.pkt_dst.is_some() => self.stand_in(row),
            None => None,
        }
    }

    /// The address that stands for another; `None` if none does, or both do.
    fn stand_in(&self, row: usize) -> Option<u128> {
        let replaced = |logged, packet| {
            let (logged, packet) = (address(logged, row)?, address(packet, row)?);
            (logged != packet).then_some(logged)
        };
        match (replaced(self.src, self.pkt_src), replaced(self.dst, self.pkt_dst)) {
            (Some(own), None) | (None, Some(own)) => Some(own),
            _ => None,
        }
    }

    /// The record's traffic between its real endpoints; `None` if an address or the time is missing.
    #[inline]
    pub(super) fn traffic(&self, row: usize) -> Option<Traffic> {
        let plain = self.plain.as_ref().and_then(|plain| plain.traffic(row));
        plain.or_else(|| self.traffic_with_gaps(row))
    }

    /// The same for a row that may miss any value.
    #[cold]
    pub(super) fn traffic_with_gaps(&self, row: usize) -> Option<Traffic> {
        let end = self.end(row)?;
        Some(Traffic::of_logged(Traffic {
            src: address(self.pkt_src, row).or_else(|| address(self.src, row))?,
            dst: address(self.pkt_dst, row).or_else(|| address(self.dst, row))?,
            src_port: number(self.src_port, row).unwrap_or(0),
            dst_port: number(self.dst_port, row).unwrap_or(0),
            protocol: number(self.protocol, row).unwrap_or(0),
            packets: number(self.packets, row).unwrap_or(0),
            bytes: number(self.bytes, row).unwrap_or(0),
            start: number(self.start, row).unwrap_or(end),
            end,
            flags: number(self.tcp_flags, row),
        }))
    }
}

/// The role of an ICMP message, where the writer put its type into the ports; AWS writes zeros.
///
/// Requests and replies come as `type:code`, or as `type:type of the other` in Zeek's way.
fn icmp_role(protocol: u8, src_port: u16, dst_port: u16) -> u8 {
    match (protocol, src_port, dst_port) {
        (ICMP, 8 | 13 | 15 | 17, _) | (ICMPV6, 128, _) => icmp::REQUEST,
        (ICMP, 0, 8) | (ICMP, 14 | 16 | 18, _) | (ICMPV6, 129, _) => icmp::REPLY,
        (ICMP, 3 | 4 | 5 | 11 | 12, _) | (ICMPV6, 1..=4, _) => icmp::ERROR,
        _ => 0,
    }
}

#[inline]
fn number<T: arrow_array::ArrowPrimitiveType>(
    column: Option<&PrimitiveArray<T>>,
    row: usize,
) -> Option<T::Native> {
    column.filter(|array| array.is_valid(row)).map(|array| array.value(row))
}

#[inline]
fn address(column: Option<AddressColumn<'_>>, row: usize) -> Option<u128> {
    column.and_then(|column| column.get(row)).map(u128::from_be_bytes)
}
