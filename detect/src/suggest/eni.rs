//! What the newest inventory says of a network interface, as far as plans need it.

use ingest::inventory::{NetworkInterface, Task};
use model::identity::Address;

/// A network interface in the newest inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EniDetails {
    /// The region.
    pub region: Option<String>,
    /// `vpc-…`.
    pub vpc: Option<String>,
    /// `subnet-…`.
    pub subnet: Option<String>,
    /// The primary private address.
    pub address: Option<Address>,
    /// Its security groups' ids.
    pub security_groups: Vec<String>,
    /// Public IPv4 addresses associated with it.
    pub public_addresses: Vec<Address>,
    /// Its IPv6 addresses.
    pub addresses_v6: Vec<Address>,
    /// `interface`, `nat_gateway`, `lambda`, ….
    pub interface_type: Option<String>,
    /// Whether an AWS service manages it, so that its groups cannot be changed at the interface.
    pub requester_managed: bool,
    /// All interfaces of the instance, this one included; only this one where no instance is known.
    pub of_instance: Vec<AttachedEni>,
    /// Who owns it.
    pub owner: Owner,
}

/// One of an instance's interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachedEni {
    /// `eni-…`.
    pub eni: String,
    /// Its primary private address.
    pub address: Option<Address>,
    /// Its security groups' ids.
    pub security_groups: Vec<String>,
}

/// What kind of thing has an interface: each is isolated in another way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// An instance, or nothing known: the interface's groups can be changed.
    #[default]
    Instance,
    /// An ECS task with an interface of its own.
    EcsTask {
        /// The cluster's name.
        cluster: String,
        /// The task's id.
        task: String,
    },
    /// Lambda functions of one subnet and set of groups.
    Lambda {
        /// The function's name, if the interface's description has it.
        function: Option<String>,
    },
    /// A database instance.
    Rds,
    /// Pods share it, each with an address of its own.
    KubernetesNode,
    /// Another AWS service.
    Managed,
}

impl EniDetails {
    /// Reads an interface of the inventory; `all` are the inventory's interfaces, for those of the
    /// same instance, and `task` is the ECS task that has the interface, if one has.
    pub fn new<'a>(
        interface: &NetworkInterface,
        all: impl Iterator<Item = &'a NetworkInterface>,
        task: Option<&Task>,
    ) -> Self {
        Self {
            region: interface.region.clone(),
            vpc: interface.vpc.clone(),
            subnet: interface.subnet.clone(),
            address: primary_address(interface),
            security_groups: groups(interface),
            public_addresses: addresses(&interface.public_addresses),
            addresses_v6: addresses(&interface.addresses_v6),
            interface_type: interface.interface_type.clone(),
            requester_managed: interface.requester_managed,
            of_instance: of_instance(interface, all),
            owner: owner(interface, task),
        }
    }

    /// Whether the Internet could reach it if its groups let everything in.
    pub(super) fn is_exposed(&self) -> bool {
        !self.public_addresses.is_empty() || !self.addresses_v6.is_empty()
    }
}

fn addresses(octets: &[[u8; 16]]) -> Vec<Address> {
    octets.iter().map(|&octets| Address::from(octets)).collect()
}

fn primary_address(interface: &NetworkInterface) -> Option<Address> {
    let mut all = interface.addresses.iter().chain(&interface.addresses_v6);
    all.next().map(|&octets| Address::from(octets))
}

fn groups(interface: &NetworkInterface) -> Vec<String> {
    interface.security_groups.iter().map(|(id, _)| id.clone()).collect()
}

fn of_instance<'a>(
    interface: &NetworkInterface,
    all: impl Iterator<Item = &'a NetworkInterface>,
) -> Vec<AttachedEni> {
    let is_sibling = |other: &&NetworkInterface| {
        other.id != interface.id && other.instance.is_some() && other.instance == interface.instance
    };
    let mut found = vec![attached(interface)];
    found.extend(all.filter(is_sibling).map(attached));
    found.sort_by(|a, b| a.eni.cmp(&b.eni));
    found.dedup_by(|a, b| a.eni == b.eni);
    found
}

fn attached(interface: &NetworkInterface) -> AttachedEni {
    AttachedEni {
        eni: interface.id.clone(),
        address: primary_address(interface),
        security_groups: groups(interface),
    }
}

fn owner(interface: &NetworkInterface, task: Option<&Task>) -> Owner {
    let description = interface.description.as_str();
    if let Some(task) = task {
        let cluster = task.cluster().unwrap_or("default").to_owned();
        return Owner::EcsTask { cluster, task: task.id().to_owned() };
    }
    if interface.interface_type.as_deref() == Some("lambda")
        || description.starts_with("AWS Lambda VPC ENI")
    {
        return Owner::Lambda { function: lambda_function(description) };
    }
    if description.starts_with("RDSNetworkInterface") {
        return Owner::Rds;
    }
    if description.starts_with("aws-K8S-") || !interface.prefixes.is_empty() {
        return Owner::KubernetesNode;
    }
    if interface.requester_managed { Owner::Managed } else { Owner::Instance }
}

/// The function in `AWS Lambda VPC ENI-NAME-UUID`.
fn lambda_function(description: &str) -> Option<String> {
    let rest = description.strip_prefix("AWS Lambda VPC ENI-")?;
    let name_length = rest.len().checked_sub("-01234567-0123-0123-0123-0123456789ab".len())?;
    let name = rest.get(..name_length)?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(id: &str, description: &str) -> NetworkInterface {
        NetworkInterface {
            id: id.to_owned(),
            description: description.to_owned(),
            instance: Some("i-0a".to_owned()),
            ..NetworkInterface::default()
        }
    }

    fn owner_by(description: &str) -> Owner {
        EniDetails::new(&interface("eni-1", description), std::iter::empty(), None).owner
    }

    #[test]
    fn the_owner_is_told_by_what_aws_writes() {
        let uuid = "01234567-0123-0123-0123-0123456789ab";
        let function = Some("re-size".to_owned());
        let lambda = format!("AWS Lambda VPC ENI-re-size-{uuid}");
        assert_eq!(owner_by(&lambda), Owner::Lambda { function });
        assert_eq!(owner_by("AWS Lambda VPC ENI-é"), Owner::Lambda { function: None });
        assert_eq!(owner_by("RDSNetworkInterface"), Owner::Rds);
        assert_eq!(owner_by("aws-K8S-i-0a"), Owner::KubernetesNode);
        assert_eq!(owner_by("Primary network interface"), Owner::Instance);
    }

    #[test]
    fn all_interfaces_of_the_instance_are_found_once() {
        let all = [interface("eni-2", ""), interface("eni-1", ""), interface("eni-0", "")];
        let mut other = interface("eni-9", "");
        other.instance = Some("i-0b".to_owned());
        let details = EniDetails::new(&all[1], all.iter().chain([&other]), None);
        let ids: Vec<&str> = details.of_instance.iter().map(|eni| eni.eni.as_str()).collect();
        assert_eq!(ids, ["eni-0", "eni-1", "eni-2"]);
    }
}
