//! What an address turns out to be: a workload, or something outside.

use std::fmt;
use std::sync::Arc;

use super::address::Address;

/// One end of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// A network interface, a pod, or a private address nothing is known about.
    Workload(Arc<Workload>),
    /// Something that is not ours.
    Outside(Outside),
}

impl Party {
    /// The name it has as a peer: `svc:payments`, `aws:S3`, `net:partner`, `203.0.113.0/24`.
    pub fn peer_name(&self) -> Arc<str> {
        match self {
            Self::Workload(workload) => ["svc:", &workload.service].concat().into(),
            Self::Outside(Outside::AwsService(name)) => ["aws:", name].concat().into(),
            Self::Outside(Outside::Network(name)) => ["net:", name].concat().into(),
            Self::Outside(Outside::Prefix { network, bits }) => format!("{network}/{bits}").into(),
            Self::Outside(Outside::Group) => "multicast".into(),
        }
    }
}

/// Something that runs in a VPC, as of a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload {
    /// The account that owns it.
    pub account: Arc<str>,
    /// The VPC it is in; empty where nothing says.
    pub vpc: Arc<str>,
    /// Its network interface, if known.
    pub eni: Option<Arc<str>>,
    /// The interface's primary address, or the address of a pod on it.
    pub address: Address,
    /// The instance the interface is attached to.
    pub instance: Option<Arc<str>>,
    /// The ECS task's id.
    pub task: Option<Arc<str>>,
    /// The role it plays; where nothing says, its instance id or address.
    pub service: Arc<str>,
    /// `prod`, `staging`, ….
    pub environment: Option<Arc<str>>,
    /// `web`, `data`, ….
    pub tier: Option<Arc<str>>,
    /// Set where it serves others rather than does work of its own.
    pub infrastructure: Option<Infrastructure>,
    /// Security group ids.
    pub security_groups: Vec<Arc<str>>,
    /// What named the service.
    pub why: Why,
    /// Whether the service is a role that replicas share, not a name for this workload alone.
    pub role_known: bool,
}

/// What is not a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outside {
    /// An AWS service, with its region where known: `S3 us-east-1`.
    AwsService(Arc<str>),
    /// A network the labels file names.
    Network(Arc<str>),
    /// Somewhere on the Internet.
    Prefix {
        /// The first address.
        network: Address,
        /// The length in the address's own family: 24 for IPv4, 48 for IPv6.
        bits: u8,
    },
    /// Multicast and broadcast.
    Group,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwsService(name) | Self::Network(name) => f.pad(name),
            Self::Prefix { network, bits } => f.pad(&format!("{network}/{bits}")),
            Self::Group => f.pad("multicast and broadcast"),
        }
    }
}

/// Workloads that carry or answer for others' traffic, or that AWS manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Infrastructure {
    /// A bastion or jump host.
    Bastion,
    /// The cluster control plane's interface.
    ControlPlane,
    /// A directory or domain controller.
    Directory,
    /// A name server or resolver endpoint.
    Dns,
    /// Lambda's interface, shared by the functions of one subnet and set of security groups.
    Lambda,
    /// A load balancer's node, an accelerator included.
    LoadBalancer,
    /// Another interface that an AWS service manages: a database, a cache, a file system.
    Managed,
    /// A NAT gateway or NAT instance.
    NatGateway,
    /// A transit gateway attachment.
    TransitGateway,
    /// An interface or gateway load balancer endpoint.
    VpcEndpoint,
}

impl Infrastructure {
    /// A short, stable name for reports and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bastion => "bastion",
            Self::ControlPlane => "control-plane",
            Self::Directory => "directory",
            Self::Dns => "dns",
            Self::Lambda => "lambda",
            Self::LoadBalancer => "load-balancer",
            Self::Managed => "managed",
            Self::NatGateway => "nat",
            Self::TransitGateway => "transit-gateway",
            Self::VpcEndpoint => "endpoint",
        }
    }

    /// Whether it relays others' traffic, so that what it sends is not its own doing.
    pub fn relays(self) -> bool {
        matches!(
            self,
            Self::LoadBalancer | Self::NatGateway | Self::TransitGateway | Self::VpcEndpoint
        )
    }

    /// Whether cutting it off would be an outage of others, so that no plan does.
    pub fn refuses_quarantine(self) -> bool {
        !matches!(self, Self::Lambda | Self::Managed)
    }
}

impl fmt::Display for Infrastructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a tag is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tagged {
    /// The network interface.
    Interface,
    /// The ECS task.
    Task,
    /// The instance.
    Instance,
}

impl Tagged {
    fn name(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Task => "task",
            Self::Instance => "instance",
        }
    }
}

/// What named a workload's service, in the order of preference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// A rule of the labels file, counted from 1.
    Label(usize),
    /// The ECS service in the records.
    EcsRecord,
    /// A tag field in the records.
    RecordTag(&'static str),
    /// The ECS task's group in the inventory.
    TaskGroup,
    /// A tag in the inventory.
    Tag {
        /// Its key, as written.
        key: Arc<str>,
        /// What it is on.
        on: Tagged,
    },
    /// The interface's description names it.
    Description,
    /// The name of its only security group.
    SecurityGroup,
    /// The kind of interface, which its description or type tells.
    InterfaceKind,
    /// Nothing: it stands for itself.
    Itself,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(rule) => write!(f, "labels rule {rule}"),
            Self::EcsRecord => f.write_str("ECS service in the records"),
            Self::RecordTag(field) => write!(f, "{field} in the records"),
            Self::TaskGroup => f.write_str("group of the ECS task"),
            Self::Tag { key, on } => write!(f, "tag {key} of the {}", on.name()),
            Self::Description => f.write_str("description of the interface"),
            Self::SecurityGroup => f.write_str("name of its security group"),
            Self::InterfaceKind => f.write_str("kind of interface"),
            Self::Itself => f.write_str("nothing names it"),
        }
    }
}
