//! The JSON shapes of the AWS CLI's answers, and what is kept of them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use serde_json::de::SliceRead;

use super::{Instance, Inventory, NetworkInterface, Task};
use crate::ip_ranges::{Prefix, mapped};

/// Reads one JSON value, a page or an array of pages, and adds what it holds to the inventory.
pub(super) fn read_pages(
    json: &mut serde_json::Deserializer<SliceRead<'_>>,
    inventory: &mut Inventory,
) -> Result<(), serde_path_to_error::Error<serde_json::Error>> {
    let Pages(pages) = serde_path_to_error::deserialize(json)?;
    for page in pages {
        page.add_to(inventory);
    }
    Ok(())
}

struct Pages(Vec<Page>);

impl<'de> Deserialize<'de> for Pages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PagesVisitor)
    }
}

struct PagesVisitor;

impl<'de> Visitor<'de> for PagesVisitor {
    type Value = Pages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the output of describe-network-interfaces, describe-instances or describe-tasks",
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Pages, A::Error> {
        let page = Page::deserialize(MapAccessDeserializer::new(map))?;
        if page.network_interfaces.is_none() && page.reservations.is_none() && page.tasks.is_none()
        {
            return Err(A::Error::custom(
                "expected a key `NetworkInterfaces`, `Reservations` or `tasks`, as the AWS CLI \
                 prints them without --query",
            ));
        }
        Ok(Pages(vec![page]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pages, A::Error> {
        let mut pages = Vec::new();
        while let Some(Pages(more)) = seq.next_element()? {
            pages.extend(more);
        }
        Ok(Pages(pages))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    network_interfaces: Option<Vec<WireInterface>>,
    reservations: Option<Vec<WireReservation>>,
    #[serde(rename = "tasks")]
    tasks: Option<Vec<WireTask>>,
}

impl Page {
    fn add_to(self, inventory: &mut Inventory) {
        let interfaces = self.network_interfaces.into_iter().flatten();
        inventory.interfaces.extend(interfaces.filter_map(|i| i.into_interface(None)));
        for reservation in self.reservations.into_iter().flatten() {
            let account = reservation.owner_id;
            let instances = reservation.instances.into_iter().flatten();
            for instance in instances {
                instance.add_to(inventory, account.as_deref());
            }
        }
        inventory.tasks.extend(self.tasks.into_iter().flatten().map(WireTask::into_task));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireInterface {
    network_interface_id: Option<String>,
    owner_id: Option<String>,
    vpc_id: Option<String>,
    subnet_id: Option<String>,
    availability_zone: Option<String>,
    private_ip_address: Option<WireAddress>,
    private_ip_addresses: Option<Vec<WirePrivate>>,
    ipv6_addresses: Option<Vec<WireV6>>,
    ipv4_prefixes: Option<Vec<WirePrefix>>,
    ipv6_prefixes: Option<Vec<WirePrefix>>,
    association: Option<WireAssociation>,
    description: Option<String>,
    interface_type: Option<String>,
    requester_managed: Option<bool>,
    requester_id: Option<String>,
    attachment: Option<WireAttachment>,
    groups: Option<Vec<WireGroup>>,
    tag_set: Option<Vec<WireTag>>,
    status: Option<String>,
}

/// An address, checked as it is read so that an error carries its path.
struct WireAddress([u8; 16]);

impl<'de> Deserialize<'de> for WireAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address: IpAddr = text.parse().map_err(|_| {
            let shown: String = text.chars().take(64).collect();
            D::Error::custom(format!("`{shown}` is not an IP address"))
        })?;
        Ok(Self(mapped(address)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePrivate {
    private_ip_address: Option<WireAddress>,
    primary: Option<bool>,
    association: Option<WireAssociation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireV6 {
    ipv6_address: Option<WireAddress>,
}

#[derive(Deserialize)]
struct WirePrefix {
    #[serde(rename = "Ipv4Prefix", alias = "Ipv6Prefix")]
    prefix: Option<Prefix>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAssociation {
    public_ip: Option<WireAddress>,
    carrier_ip: Option<WireAddress>,
}

impl WireAssociation {
    fn into_addresses(self) -> impl Iterator<Item = [u8; 16]> {
        self.public_ip.into_iter().chain(self.carrier_ip).map(|a| a.0)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttachment {
    instance_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireGroup {
    group_id: Option<String>,
    group_name: Option<String>,
}

#[derive(Deserialize)]
struct WireTag {
    #[serde(rename = "Key", alias = "key")]
    key: Option<String>,
    #[serde(rename = "Value", alias = "value")]
    value: Option<String>,
}

fn tags(wire: Option<Vec<WireTag>>) -> BTreeMap<String, String> {
    let pair = |tag: WireTag| Some((tag.key?, tag.value.unwrap_or_default()));
    wire.into_iter().flatten().filter_map(pair).collect()
}

impl WireInterface {
    /// An interface without an id cannot be referred to and is left out.
    fn into_interface(self, instance: Option<&str>) -> Option<NetworkInterface> {
        let (addresses, mut public_addresses) =
            private_addresses(self.private_ip_address, self.private_ip_addresses);
        public_addresses
            .extend(self.association.into_iter().flat_map(WireAssociation::into_addresses));
        public_addresses.sort_unstable();
        public_addresses.dedup();
        let v6 = self.ipv6_addresses.into_iter().flatten();
        let prefixes = [self.ipv4_prefixes, self.ipv6_prefixes].into_iter().flatten().flatten();
        let groups = self.groups.into_iter().flatten();
        let attached = self.attachment.and_then(|a| a.instance_id);
        Some(NetworkInterface {
            id: self.network_interface_id?,
            account: self.owner_id,
            vpc: self.vpc_id,
            subnet: self.subnet_id,
            region: self.availability_zone.as_deref().and_then(region_of_zone),
            zone: self.availability_zone,
            addresses,
            addresses_v6: v6.filter_map(|a| a.ipv6_address).map(|a| a.0).collect(),
            prefixes: prefixes.filter_map(|p| p.prefix).collect(),
            public_addresses,
            description: self.description.unwrap_or_default(),
            interface_type: self.interface_type.as_deref().map(underscored),
            requester_managed: self.requester_managed.unwrap_or_default(),
            requester: self.requester_id,
            instance: attached.or_else(|| instance.map(str::to_owned)),
            security_groups: groups
                .filter_map(|g| Some((g.group_id?, g.group_name.unwrap_or_default())))
                .collect(),
            tags: tags(self.tag_set),
            status: self.status,
        })
    }
}

/// Private addresses, the primary first and each once, and the public ones associated with them.
fn private_addresses(
    primary: Option<WireAddress>,
    listed: Option<Vec<WirePrivate>>,
) -> (Vec<[u8; 16]>, Vec<[u8; 16]>) {
    let mut listed = listed.unwrap_or_default();
    listed.sort_by_key(|a| !a.primary.unwrap_or_default());
    let mut private: Vec<[u8; 16]> = primary.into_iter().map(|a| a.0).collect();
    let mut public = Vec::new();
    for entry in listed {
        private.extend(entry.private_ip_address.map(|a| a.0).filter(|a| !private.contains(a)));
        public.extend(entry.association.into_iter().flat_map(WireAssociation::into_addresses));
    }
    (private, public)
}

/// `natGateway` and `nat_gateway`, `efa-only` and `efa_only` are the same type.
fn underscored(interface_type: &str) -> String {
    let mut spelled = String::with_capacity(interface_type.len() + 2);
    for c in interface_type.chars() {
        match c {
            '-' => spelled.push('_'),
            c if c.is_ascii_uppercase() => {
                spelled.push('_');
                spelled.push(c.to_ascii_lowercase());
            }
            c => spelled.push(c),
        }
    }
    spelled
}

/// `us-east-1a` and the local zone `us-west-2-lax-1a` are in `us-east-1` and `us-west-2`.
fn region_of_zone(zone: &str) -> Option<String> {
    let start = zone.match_indices('-').map(|(i, _)| i + 1).find(|&i| {
        zone.get(i..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })?;
    let rest = zone.get(start..)?;
    let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    zone.get(..start + n_digits).map(str::to_owned)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireReservation {
    owner_id: Option<String>,
    instances: Option<Vec<WireInstance>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireInstance {
    instance_id: Option<String>,
    vpc_id: Option<String>,
    tags: Option<Vec<WireTag>>,
    state: Option<WireState>,
    iam_instance_profile: Option<WireProfile>,
    network_interfaces: Option<Vec<WireInterface>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireState {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireProfile {
    arn: Option<String>,
}

impl WireInstance {
    fn add_to(self, inventory: &mut Inventory, account: Option<&str>) {
        let Some(id) = self.instance_id else { return };
        let interfaces = self.network_interfaces.into_iter().flatten();
        let interfaces = interfaces.filter_map(|i| i.into_interface(Some(&id))).collect();
        inventory.instances.push(Instance {
            id,
            interfaces,
            account: account.map(str::to_owned),
            vpc: self.vpc_id,
            tags: tags(self.tags),
            state: self.state.and_then(|s| s.name),
            profile_arn: self.iam_instance_profile.and_then(|p| p.arn),
        });
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTask {
    #[serde(default)]
    task_arn: String,
    cluster_arn: Option<String>,
    group: Option<String>,
    tags: Option<Vec<WireTag>>,
    attachments: Option<Vec<WireTaskAttachment>>,
}

#[derive(Deserialize)]
struct WireTaskAttachment {
    details: Option<Vec<WireDetail>>,
}

#[derive(Deserialize)]
struct WireDetail {
    name: Option<String>,
    value: Option<String>,
}

impl WireTask {
    fn into_task(self) -> Task {
        let details = self.attachments.into_iter().flatten().filter_map(|a| a.details).flatten();
        let interface =
            |d: WireDetail| d.value.filter(|_| d.name.as_deref() == Some("networkInterfaceId"));
        Task {
            arn: self.task_arn,
            cluster_arn: self.cluster_arn,
            group: self.group,
            tags: tags(self.tags),
            interfaces: details.filter_map(interface).collect(),
        }
    }
}
