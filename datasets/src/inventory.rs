//! The interfaces as `aws ec2 describe-network-interfaces` prints them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::estate::{Estate, Interface, InterfaceIdx, Owner};
use crate::files::stamp;
use crate::{ACCOUNT, Error, VPC};

/// The least time between two snapshots.
pub(crate) const SNAPSHOT_SECS: i64 = 600;

/// Where the snapshot of a time goes; that of the start has no time in its name.
pub(crate) fn path(dir: &Path, time: Option<i64>) -> PathBuf {
    match time {
        None => dir.join("network-interfaces.json"),
        Some(time) => dir.join(format!("network-interfaces-{}.json", stamp(time))),
    }
}

/// Writes what there is now.
pub(crate) fn write(path: &Path, estate: &Estate) -> Result<(), Error> {
    let interfaces: Vec<Value> = estate.interfaces().map(|idx| described(estate, idx)).collect();
    let text = format!("{:#}\n", json!({ "NetworkInterfaces": interfaces }));
    fs::write(path, text).map_err(Error::write(path))
}

fn described(estate: &Estate, idx: InterfaceIdx) -> Value {
    let interface = estate.interface(idx);
    let address = Ipv4Addr::from(interface.address).to_string();
    let mut described = json!({
        "AvailabilityZone": interface.subnet.zone,
        "Description": description(estate, interface),
        "Groups": groups(estate, interface),
        "InterfaceType": interface_type(interface.owner),
        "Ipv6Addresses": [],
        "NetworkInterfaceId": interface.id,
        "OwnerId": ACCOUNT,
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{ "Primary": true, "PrivateIpAddress": address }],
        "RequesterManaged": interface.instance.is_none(),
        "SourceDestCheck": interface.owner != Owner::NatGateway,
        "Status": "in-use",
        "SubnetId": interface.subnet.id,
        "TagSet": tags(estate, interface.owner),
        "VpcId": VPC,
        "Attachment": attachment(interface),
    });
    if let Some(public) = interface.public_address {
        let public = Ipv4Addr::from(public).to_string();
        let association = json!({ "IpOwnerId": "amazon", "PublicIp": public });
        described["PrivateIpAddresses"][0]["Association"] = association.clone();
        described["Association"] = association;
    }
    if interface.owner == Owner::LoadBalancer {
        described["RequesterId"] = json!("amazon-elb");
    }
    described
}

fn description(estate: &Estate, interface: &Interface) -> String {
    match interface.owner {
        Owner::Replica(_) => String::new(),
        Owner::LoadBalancer => "ELB app/shop/5c1e9a40d27b83f6".to_owned(),
        Owner::NatGateway => format!("Interface for NAT Gateway {}", estate.nat_gateway_id),
    }
}

fn interface_type(owner: Owner) -> &'static str {
    match owner {
        Owner::Replica(_) | Owner::LoadBalancer => "interface",
        Owner::NatGateway => "natGateway",
    }
}

fn groups(estate: &Estate, interface: &Interface) -> Value {
    match interface.owner {
        Owner::Replica(service) => {
            let service = estate.service(service);
            json!([{ "GroupId": service.group_id, "GroupName": service.entry.name }])
        }
        Owner::LoadBalancer => {
            json!([{ "GroupId": "sg-08d2f6b91c47e350a", "GroupName": "shop-alb" }])
        }
        Owner::NatGateway => json!([]),
    }
}

fn tags(estate: &Estate, owner: Owner) -> Value {
    let Owner::Replica(service) = owner else {
        return json!([]);
    };
    let name = estate.service(service).entry.name;
    json!([
        { "Key": "Name", "Value": format!("shop-{name}") },
        { "Key": "service", "Value": name },
        { "Key": "env", "Value": "prod" },
    ])
}

fn attachment(interface: &Interface) -> Value {
    let attached = Timestamp::from_second(interface.attached).unwrap_or_default();
    let mut attachment = json!({
        "AttachTime": attached.to_string(),
        "DeleteOnTermination": true,
        "DeviceIndex": 0,
        "Status": "attached",
    });
    match &interface.instance {
        Some(instance) => {
            attachment["InstanceId"] = json!(instance);
            attachment["InstanceOwnerId"] = json!(ACCOUNT);
        }
        None => attachment["InstanceOwnerId"] = json!("amazon-aws"),
    }
    attachment
}
