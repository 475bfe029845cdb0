//! What kind of interface it is, from what AWS writes about it: type, requester, description.
//!
//! | description | kind | name |
//! |---|---|---|
//! | `ELB app/NAME/ID`, `ELB net/…`, `ELB gwy/…`, `ELB NAME` | load balancer | `NAME` |
//! | `AWS Lambda VPC ENI-FUNCTION-UUID` | Lambda | `FUNCTION` |
//! | `Interface for NAT Gateway nat-…` | NAT gateway | |
//! | `VPC Endpoint Interface vpce-…` | endpoint | `vpce-…` |
//! | `Network Interface for Transit Gateway Attachment tgw-attach-…` | transit gateway | `tgw-attach-…` |
//! | `Amazon EKS CLUSTER` | control plane | `eks CLUSTER` |
//! | `Route 53 Resolver: rslvr-…` | DNS | `rslvr-…` |
//! | `AWS created network interface for directory d-…` | directory | `d-…` |
//! | `ElastiCache NAME`, `DAX NAME`, `EFS mount target for fs-…`, `Network interface for DBProxy NAME` | managed | `NAME` |
//! | `RDSNetworkInterface`, `RedshiftNetworkInterface`, `DMSNetworkInterface`, … | managed | |
//!
//! A kind without a name of its own still gives a role (`rds`, `nat-gateway`), after all else.

use super::party::Infrastructure;

/// What AWS's own words say of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) infrastructure: Option<Infrastructure>,
    /// The name in the description.
    pub(super) name: Option<String>,
    /// The role of all interfaces of the kind.
    pub(super) role: Option<&'static str>,
}

/// How the rest of a description, after the pattern's prefix, names the owner.
#[derive(Clone, Copy)]
enum Name {
    /// It does not.
    None,
    /// The first word.
    Word,
    /// The first word, less the numbers of shard and node.
    Node,
    /// `app/NAME/ID`, or just `NAME`.
    Balancer,
    /// The function's name, then a UUID.
    Function,
    /// The cluster's name, told apart from its nodes.
    Cluster,
}

use Infrastructure as I;

/// Prefix of the description, kind, name, role; the first that fits.
const PATTERNS: &[(&str, Infrastructure, Name, &str)] = &[
    ("ELB ", I::LoadBalancer, Name::Balancer, "load-balancer"),
    ("AWS Lambda VPC ENI", I::Lambda, Name::Function, "lambda"),
    ("Interface for NAT Gateway ", I::NatGateway, Name::None, "nat-gateway"),
    ("VPC Endpoint Interface ", I::VpcEndpoint, Name::Word, "endpoint"),
    (
        "Network Interface for Transit Gateway Attachment ",
        I::TransitGateway,
        Name::Word,
        "transit-gateway",
    ),
    ("Amazon EKS ", I::ControlPlane, Name::Cluster, "eks"),
    ("Route 53 Resolver: ", I::Dns, Name::Word, "resolver"),
    ("AWS created network interface for directory ", I::Directory, Name::Word, "directory"),
    ("RDSNetworkInterface", I::Managed, Name::None, "rds"),
    ("Network interface for DBProxy ", I::Managed, Name::Word, "rds-proxy"),
    ("RedshiftNetworkInterface", I::Managed, Name::None, "redshift"),
    ("ElastiCache ", I::Managed, Name::Node, "elasticache"),
    ("DAX ", I::Managed, Name::Node, "dax"),
    ("DMSNetworkInterface", I::Managed, Name::None, "dms"),
    ("EFS mount target for ", I::Managed, Name::Word, "efs"),
    ("ENI managed by APIGateway", I::Managed, Name::None, "api-gateway"),
    ("CloudHSM Managed Interface", I::Managed, Name::None, "cloudhsm"),
    ("AWS CodeStar Connections", I::Managed, Name::None, "codestar-connections"),
];

/// Interface types with their separators left out, as the records, the API and its filters spell
/// them differently.
const TYPES: &[(&str, Infrastructure, &str)] = &[
    ("natgateway", I::NatGateway, "nat-gateway"),
    ("loadbalancer", I::LoadBalancer, "load-balancer"),
    ("networkloadbalancer", I::LoadBalancer, "load-balancer"),
    ("gatewayloadbalancer", I::LoadBalancer, "load-balancer"),
    ("globalacceleratormanaged", I::LoadBalancer, "global-accelerator"),
    ("vpcendpoint", I::VpcEndpoint, "endpoint"),
    ("gatewayloadbalancerendpoint", I::VpcEndpoint, "endpoint"),
    ("ec2instanceconnectendpoint", I::VpcEndpoint, "instance-connect-endpoint"),
    ("transitgateway", I::TransitGateway, "transit-gateway"),
    ("lambda", I::Lambda, "lambda"),
    ("apigatewaymanaged", I::Managed, "api-gateway"),
    ("iotrulesmanaged", I::Managed, "iot-rules"),
    ("awscodestarconnectionsmanaged", I::Managed, "codestar-connections"),
    ("quicksight", I::Managed, "quicksight"),
    ("efs", I::Managed, "efs"),
    ("evs", I::Managed, "evs"),
];

/// Services that make interfaces under a name of their own.
const REQUESTERS: &[(&str, Infrastructure, &str)] = &[
    ("amazon-elb", I::LoadBalancer, "load-balancer"),
    ("amazon-rds", I::Managed, "rds"),
    ("amazon-elasticache", I::Managed, "elasticache"),
    ("amazon-redshift", I::Managed, "redshift"),
];

/// Words in a service's or instance's name that mean others depend on it. A wrong guess only
/// withholds a plan and says why.
const HINTS: &[(&str, Infrastructure)] = &[
    ("bastion", I::Bastion),
    ("jumpbox", I::Bastion),
    ("jumphost", I::Bastion),
    ("jump", I::Bastion),
    ("dns", I::Dns),
    ("bind", I::Dns),
    ("unbound", I::Dns),
    ("resolver", I::Dns),
    ("directory", I::Directory),
    ("ldap", I::Directory),
    ("openldap", I::Directory),
    ("kerberos", I::Directory),
    ("kdc", I::Directory),
    ("dc", I::Directory),
    ("nat", I::NatGateway),
];

impl Kind {
    /// Whether AWS itself replaces such an interface, so that its name outlives it.
    pub(super) fn is_replaced(&self) -> bool {
        self.infrastructure.is_some()
    }

    /// The kind, from the description first, then the type, then the requester.
    pub(super) fn of(description: &str, interface_type: &str, requester: &str) -> Self {
        let kind = Self::from_description(description);
        if kind.infrastructure.is_some() {
            return kind;
        }
        let spelled: String = interface_type
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let mut found = TYPES
            .iter()
            .find(|(name, ..)| *name == spelled)
            .or_else(|| REQUESTERS.iter().find(|(name, ..)| *name == requester))
            .into_iter();
        let (infrastructure, role) = found.next().map(|&(_, i, role)| (i, role)).unzip();
        Self { infrastructure, name: None, role }
    }

    fn from_description(description: &str) -> Self {
        let fits = |&&(prefix, ..): &&(&str, I, Name, &str)| description.starts_with(prefix);
        let Some(&(prefix, infrastructure, name, role)) = PATTERNS.iter().find(fits) else {
            return Self::default();
        };
        let rest = description.get(prefix.len()..).unwrap_or_default().trim();
        let name = name.read(rest).filter(|name| !name.is_empty());
        Self { infrastructure: Some(infrastructure), name, role: Some(role) }
    }
}

impl Name {
    fn read(self, rest: &str) -> Option<String> {
        let word = rest.split_whitespace().next()?;
        match self {
            Self::None => None,
            Self::Word => Some(word.trim_end_matches([',', ':', ';']).to_owned()),
            Self::Node => Some(less_trailing_numbers(word).to_owned()),
            Self::Balancer => Some(word.split('/').nth(1).unwrap_or(word).to_owned()),
            Self::Function => Some(less_uuid(rest.trim_start_matches([':', '-', ' '])).to_owned()),
            Self::Cluster => Some(format!("eks {word}")),
        }
    }
}

/// `orders-0001-002` is `orders`.
fn less_trailing_numbers(name: &str) -> &str {
    let mut left = name;
    while let Some((head, tail)) = left.rsplit_once('-') {
        if head.is_empty() || tail.is_empty() || !tail.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        left = head;
    }
    left
}

/// Cuts `-01234567-89ab-cdef-0123-456789abcdef` from the end.
fn less_uuid(name: &str) -> &str {
    const LENGTHS: [usize; 5] = [12, 4, 4, 4, 8];
    let mut parts = name.rsplitn(6, '-');
    let is_uuid = LENGTHS.iter().all(|&length| {
        parts
            .next()
            .is_some_and(|part| part.len() == length && part.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    parts.next().filter(|_| is_uuid).unwrap_or(name)
}

/// What the words of a name hint at.
pub(super) fn hint(name: &str) -> Option<Infrastructure> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).find_map(|word| {
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
        HINTS.iter().find(|(hint, _)| stem.eq_ignore_ascii_case(hint)).map(|&(_, kind)| kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(description: &str) -> (Option<I>, Option<String>) {
        let kind = Kind::of(description, "interface", "");
        (kind.infrastructure, kind.name)
    }

    #[test]
    fn descriptions_tell_kind_and_name() {
        let uuid = "AWS Lambda VPC ENI-send-mail-01234567-89ab-cdef-0123-456789abcdef";
        for (description, kind, name) in [
            ("ELB app/shop/0123456789abcdef", I::LoadBalancer, Some("shop")),
            ("ELB net/edge/0123456789abcdef", I::LoadBalancer, Some("edge")),
            ("ELB classic", I::LoadBalancer, Some("classic")),
            (uuid, I::Lambda, Some("send-mail")),
            ("AWS Lambda VPC ENI-send-mail", I::Lambda, Some("send-mail")),
            ("Interface for NAT Gateway nat-1", I::NatGateway, None),
            ("VPC Endpoint Interface vpce-1", I::VpcEndpoint, Some("vpce-1")),
            (
                "Network Interface for Transit Gateway Attachment tgw-attach-1",
                I::TransitGateway,
                Some("tgw-attach-1"),
            ),
            ("Amazon EKS prod", I::ControlPlane, Some("eks prod")),
            ("Route 53 Resolver: rslvr-in-1:rni-1", I::Dns, Some("rslvr-in-1:rni-1")),
            ("AWS created network interface for directory d-1", I::Directory, Some("d-1")),
            ("ElastiCache orders-0001-002", I::Managed, Some("orders")),
            ("EFS mount target for fs-1 (fsmt-1)", I::Managed, Some("fs-1")),
            ("RDSNetworkInterface", I::Managed, None),
        ] {
            assert_eq!(described(description), (Some(kind), name.map(str::to_owned)));
        }
        assert_eq!(described("Primary network interface"), (None, None));
        assert_eq!(described("ELB "), (Some(I::LoadBalancer), None));
        let task = "arn:aws-cn:ecs:cn-north-1:111122223333:attachment/0123";
        assert_eq!(described(task), (None, None));
    }

    #[test]
    fn types_are_known_in_every_spelling() {
        for spelling in ["natGateway", "nat_gateway", "nat-gateway"] {
            assert_eq!(Kind::of("", spelling, "").infrastructure, Some(I::NatGateway));
        }
        assert_eq!(Kind::of("", "interface", "amazon-elb").infrastructure, Some(I::LoadBalancer));
        assert_eq!(Kind::of("", "interface", ""), Kind::default());
        assert_eq!(Kind::of("", "", ""), Kind::default());
    }

    #[test]
    fn whole_words_hint() {
        for (name, kind) in [
            ("prod-bastion-1", Some(I::Bastion)),
            ("DC01", Some(I::Directory)),
            ("nat instance", Some(I::NatGateway)),
            ("signature", None),
            ("dnsmasq", None),
            ("web", None),
        ] {
            assert_eq!(hint(name), kind, "{name}");
        }
    }
}
