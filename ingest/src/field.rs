//! The one table of flow-log fields: name, kind and the log version that brought each.
//!
//! No column name is written anywhere else. Text logs spell names with hyphens, Parquet with
//! underscores; [`Field::from_name`] takes both.

use arrow_schema::DataType;

/// What a field holds, and so how it is stored in a [`crate::FlowBatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Dictionary-encoded UTF-8: identifiers and names repeat a great deal.
    Text,
    /// Sixteen bytes, IPv4 mapped into IPv6.
    Address,
    /// A small number: protocol, flags, traffic path, version.
    Small,
    /// A port.
    Port,
    /// Packets, bytes, losses.
    Count,
    /// Unix seconds.
    Time,
}

impl Kind {
    /// The Arrow type of a column of this kind.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Self::Address => DataType::FixedSizeBinary(16),
            Self::Small => DataType::UInt8,
            Self::Port => DataType::UInt16,
            Self::Count => DataType::UInt64,
            Self::Time => DataType::Int64,
        }
    }
}

macro_rules! fields {
    ($($variant:ident, $name:literal, $version:literal, $kind:ident;)*) => {
        /// A field of a flow-log record, in the order AWS documents them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`, since version ", stringify!($version), ".")] $variant,)*
        }

        impl Field {
            /// Every field, in the table's order.
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];

            /// The name in a text log's header and in `--log-format`.
            pub fn name(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }

            /// The flow-log version that introduced the field; 6 is transit gateway only.
            pub fn version(self) -> u8 {
                match self { $(Field::$variant => $version,)* }
            }

            /// What the field holds.
            pub fn kind(self) -> Kind {
                match self { $(Field::$variant => Kind::$kind,)* }
            }
        }
    };
}

fields! {
    Version, "version", 2, Small;
    AccountId, "account-id", 2, Text;
    InterfaceId, "interface-id", 2, Text;
    SrcAddr, "srcaddr", 2, Address;
    DstAddr, "dstaddr", 2, Address;
    SrcPort, "srcport", 2, Port;
    DstPort, "dstport", 2, Port;
    Protocol, "protocol", 2, Small;
    Packets, "packets", 2, Count;
    Bytes, "bytes", 2, Count;
    Start, "start", 2, Time;
    End, "end", 2, Time;
    Action, "action", 2, Text;
    LogStatus, "log-status", 2, Text;
    VpcId, "vpc-id", 3, Text;
    SubnetId, "subnet-id", 3, Text;
    InstanceId, "instance-id", 3, Text;
    TcpFlags, "tcp-flags", 3, Small;
    Type, "type", 3, Text;
    PktSrcAddr, "pkt-srcaddr", 3, Address;
    PktDstAddr, "pkt-dstaddr", 3, Address;
    Region, "region", 4, Text;
    AzId, "az-id", 4, Text;
    SublocationType, "sublocation-type", 4, Text;
    SublocationId, "sublocation-id", 4, Text;
    PktSrcAwsService, "pkt-src-aws-service", 5, Text;
    PktDstAwsService, "pkt-dst-aws-service", 5, Text;
    FlowDirection, "flow-direction", 5, Text;
    TrafficPath, "traffic-path", 5, Small;
    ResourceType, "resource-type", 6, Text;
    TgwId, "tgw-id", 6, Text;
    TgwAttachmentId, "tgw-attachment-id", 6, Text;
    TgwSrcVpcAccountId, "tgw-src-vpc-account-id", 6, Text;
    TgwDstVpcAccountId, "tgw-dst-vpc-account-id", 6, Text;
    TgwSrcVpcId, "tgw-src-vpc-id", 6, Text;
    TgwDstVpcId, "tgw-dst-vpc-id", 6, Text;
    TgwSrcSubnetId, "tgw-src-subnet-id", 6, Text;
    TgwDstSubnetId, "tgw-dst-subnet-id", 6, Text;
    TgwSrcEni, "tgw-src-eni", 6, Text;
    TgwDstEni, "tgw-dst-eni", 6, Text;
    TgwSrcAzId, "tgw-src-az-id", 6, Text;
    TgwDstAzId, "tgw-dst-az-id", 6, Text;
    TgwPairAttachmentId, "tgw-pair-attachment-id", 6, Text;
    PacketsLostNoRoute, "packets-lost-no-route", 6, Count;
    PacketsLostBlackhole, "packets-lost-blackhole", 6, Count;
    PacketsLostMtuExceeded, "packets-lost-mtu-exceeded", 6, Count;
    PacketsLostTtlExpired, "packets-lost-ttl-expired", 6, Count;
    EcsClusterArn, "ecs-cluster-arn", 7, Text;
    EcsClusterName, "ecs-cluster-name", 7, Text;
    EcsContainerInstanceArn, "ecs-container-instance-arn", 7, Text;
    EcsContainerInstanceId, "ecs-container-instance-id", 7, Text;
    EcsContainerId, "ecs-container-id", 7, Text;
    EcsSecondContainerId, "ecs-second-container-id", 7, Text;
    EcsServiceName, "ecs-service-name", 7, Text;
    EcsTaskDefinitionArn, "ecs-task-definition-arn", 7, Text;
    EcsTaskArn, "ecs-task-arn", 7, Text;
    EcsTaskId, "ecs-task-id", 7, Text;
    RejectReason, "reject-reason", 8, Text;
    ResourceId, "resource-id", 9, Text;
    EncryptionStatus, "encryption-status", 10, Text;
    InstanceTag, "instance-tag", 11, Text;
    InstanceTag2, "instance-tag-2", 11, Text;
    InterfaceTag, "interface-tag", 11, Text;
    InterfaceTag2, "interface-tag-2", 11, Text;
    AsgTag, "asg-tag", 11, Text;
    AsgTag2, "asg-tag-2", 11, Text;
    InterfaceType, "interface-type", 11, Text;
    NextHopInterfaceId, "next-hop-interface-id", 11, Text;
    NextHopSubnetId, "next-hop-subnet-id", 11, Text;
    NextHopAzId, "next-hop-az-id", 11, Text;
    NextHopVpcId, "next-hop-vpc-id", 11, Text;
    NextHopInterfaceType, "next-hop-interface-type", 11, Text;
}

impl Field {
    /// The fourteen fields of the default format, in its order.
    pub const DEFAULT_FORMAT: &'static [Field] = {
        let (v2, _) = Field::ALL.split_at(14);
        v2
    };

    /// Looks a field up by its text (`tcp-flags`) or Parquet (`tcp_flags`) spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        let matches = |field: &&Field| {
            let canonical = field.name().as_bytes();
            canonical.len() == name.len()
                && canonical.iter().zip(name.as_bytes()).all(|(&want, &have)| {
                    want == have.to_ascii_lowercase() || (want == b'-' && have == b'_')
                })
        };
        Field::ALL.iter().find(matches).copied()
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSet(u128);

impl FieldSet {
    /// The set of the given fields.
    pub fn of(fields: &[Field]) -> Self {
        fields.iter().copied().collect()
    }

    /// Every field.
    pub fn all() -> Self {
        Self::of(Field::ALL)
    }

    /// Whether the field is in the set.
    pub fn contains(self, field: Field) -> bool {
        self.0 & (1 << field as u8) != 0
    }

    /// Adds a field.
    pub fn insert(&mut self, field: Field) {
        self.0 |= 1 << field as u8;
    }

    /// The fields in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The fields in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// How many fields are in the set.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The fields, in the table's order.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |&field| self.contains(field))
    }
}

impl FromIterator<Field> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        let mut set = Self::default();
        fields.into_iter().for_each(|field| set.insert(field));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_per_version_match_the_documentation() {
        let up_to = |version| {
            Field::ALL.iter().filter(|f| f.version() <= version && f.version() != 6).count()
        };
        let counts = [2, 3, 4, 5, 7, 8, 9, 10].map(up_to);
        assert_eq!(counts, [14, 21, 25, 29, 39, 40, 41, 42]);
        assert_eq!(up_to(11), 54);
    }

    #[test]
    fn names_are_found_in_both_spellings() {
        for &field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(field));
            assert_eq!(Field::from_name(&field.name().replace('-', "_")), Some(field));
        }
        assert_eq!(Field::from_name("no-such-field"), None);
    }
}
