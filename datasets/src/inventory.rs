//! The interfaces as `aws ec2 describe-network-interfaces` prints them.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::address::v6;
use crate::estate::{Estate, Interface, InterfaceIdx, Owner};
use crate::files::stamp;
use crate::{ACCOUNT, Error, VPC};

/// The least time between two snapshots.
pub(crate) const SNAPSHOT_SECS: i64 = 600;

/// Writes what there is at the start, to the file of that name. Its time is the file's own.
pub(crate) fn write_first(dir: &Path, estate: &Estate, start: i64) -> Result<(), Error> {
    let path = dir.join("network-interfaces.json");
    write_to(&path, estate)?;
    let taken = UNIX_EPOCH + Duration::from_secs(start.unsigned_abs());
    let file = File::options().write(true).open(&path).map_err(Error::write(&path))?;
    file.set_modified(taken).map_err(Error::write(&path))
}

/// Writes what there is at a time, which the file's name says.
pub(crate) fn write(dir: &Path, estate: &Estate, time: i64) -> Result<(), Error> {
    write_to(&dir.join(format!("network-interfaces-{}.json", stamp(time))), estate)
}

fn write_to(path: &Path, estate: &Estate) -> Result<(), Error> {
    fs::write(path, text(estate)).map_err(Error::write(path))
}

/// The JSON of what there is.
pub(crate) fn text(estate: &Estate) -> String {
    let interfaces: Vec<Value> = estate.interfaces().map(|idx| described(estate, idx)).collect();
    format!("{:#}\n", json!({ "NetworkInterfaces": interfaces }))
}

fn described(estate: &Estate, idx: InterfaceIdx) -> Value {
    let interface = estate.interface(idx);
    let address = Ipv4Addr::from(interface.address).to_string();
    let mut described = json!({
        "AvailabilityZone": interface.subnet.zone,
        "Description": description(estate, interface),
        "Groups": groups(estate, interface),
        "InterfaceType": interface_type(interface.owner),
        "Ipv6Addresses": addresses_v6(estate, interface),
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

fn addresses_v6(estate: &Estate, interface: &Interface) -> Value {
    let has_none = estate.weather.v6_share <= 0.0 || interface.owner == Owner::NatGateway;
    if has_none {
        return json!([]);
    }
    json!([{ "IsPrimaryIpv6": false, "Ipv6Address": v6(interface.address).to_string() }])
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
