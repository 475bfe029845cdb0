//! What is read from each of the three answers, and what an error says.

use super::*;
use crate::ip_ranges::mapped;

fn parse(text: &str) -> Inventory {
    read(Path::new("inventory.json"), text.as_bytes()).unwrap()
}

fn fails(text: &[u8]) -> String {
    read(Path::new("dir/inventory.json"), text).unwrap_err().to_string()
}

fn address(text: &str) -> [u8; 16] {
    mapped(text.parse().unwrap())
}

const INTERFACES: &str = r#"{"NextToken": "abc", "NetworkInterfaces": [{
    "NetworkInterfaceId": "eni-1", "OwnerId": "111122223333", "VpcId": "vpc-1", "SubnetId": "subnet-1",
    "AvailabilityZone": "us-west-2-lax-1a", "Status": "in-use", "InterfaceType": "natGateway",
    "Description": "Interface for NAT Gateway nat-1", "RequesterManaged": true, "RequesterId": "4",
    "PrivateIpAddress": "10.0.0.7",
    "PrivateIpAddresses": [
        {"PrivateIpAddress": "10.0.0.9", "Primary": false, "Association": {"PublicIp": "198.51.100.9"}},
        {"PrivateIpAddress": "10.0.0.7", "Primary": true, "Association": {"PublicIp": "198.51.100.7"}}],
    "Association": {"PublicIp": "198.51.100.7", "IpOwnerId": "111122223333"},
    "Ipv6Addresses": [{"Ipv6Address": "2001:db8::7"}],
    "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.16/28"}], "Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8:1::/80"}],
    "Groups": [{"GroupId": "sg-1", "GroupName": "web"}],
    "Attachment": {"InstanceId": "i-1", "DeviceIndex": 0, "Status": "attached"},
    "TagSet": [{"Key": "Name", "Value": "web-1"}, {"Key": "empty"}], "SomethingNew": {"a": [1]}
}]}"#;

#[test]
fn an_interface_is_read_whole() {
    let inventory = parse(INTERFACES);
    let interface = &inventory.interfaces[0];
    assert_eq!(interface.addresses, ["10.0.0.7", "10.0.0.9"].map(address));
    assert_eq!(interface.addresses_v6, ["2001:db8::7"].map(address));
    assert_eq!(interface.public_addresses, ["198.51.100.7", "198.51.100.9"].map(address));
    let prefixes: Vec<String> = interface.prefixes.iter().map(ToString::to_string).collect();
    assert_eq!(prefixes, ["10.0.1.16/28", "2001:db8:1::/80"]);
    assert_eq!(interface.interface_type.as_deref(), Some("nat_gateway"));
    assert_eq!(interface.region.as_deref(), Some("us-west-2"));
    assert_eq!(interface.instance.as_deref(), Some("i-1"));
    assert_eq!(interface.security_groups, [("sg-1".to_owned(), "web".to_owned())]);
    assert_eq!(interface.tags.get("Name").map(String::as_str), Some("web-1"));
    assert_eq!(interface.tags.get("empty").map(String::as_str), Some(""));
}

#[test]
fn instances_bring_their_interfaces() {
    let inventory = parse(
        r#"{"Reservations": [{"OwnerId": "111122223333", "Instances": [{
            "InstanceId": "i-9", "VpcId": "vpc-1", "State": {"Code": 16, "Name": "running"},
            "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/web", "Id": "A"},
            "Tags": [{"Key": "app", "Value": "shop"}],
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-9", "VpcId": "vpc-1",
                "PrivateIpAddress": "10.0.0.9", "Groups": [], "Attachment": {"DeviceIndex": 0}}]
        }]}]}"#,
    );
    assert_eq!(inventory.instances[0].tags.get("app").map(String::as_str), Some("shop"));
    assert_eq!(inventory.instances[0].account.as_deref(), Some("111122223333"));
    assert!(inventory.interfaces.is_empty());
    assert_eq!(inventory.instances[0].interfaces[0].instance.as_deref(), Some("i-9"));
}

#[test]
fn tasks_name_their_interface_and_group() {
    let inventory = parse(
        r#"{"failures": [], "tasks": [{
            "taskArn": "arn:aws:ecs:us-east-1:111122223333:task/shop/0123abcd",
            "clusterArn": "arn:aws:ecs:us-east-1:111122223333:cluster/shop", "group": "service:carts",
            "tags": [{"key": "team", "value": "a"}],
            "attachments": [{"type": "ElasticNetworkInterface", "details": [
                {"name": "subnetId", "value": "subnet-1"},
                {"name": "networkInterfaceId", "value": "eni-5"}]}]
        }]}"#,
    );
    let task = &inventory.tasks[0];
    assert_eq!((task.id(), task.cluster()), ("0123abcd", Some("shop")));
    assert_eq!(task.group.as_deref(), Some("service:carts"));
    assert_eq!(task.interfaces, ["eni-5"]);
    assert_eq!(task.tags.get("team").map(String::as_str), Some("a"));
}

#[test]
fn pages_may_be_concatenated_or_in_an_array() {
    let twice = format!("{INTERFACES}\n{INTERFACES}  \n");
    assert_eq!(parse(&twice).interfaces.len(), 2);
    let array = format!("\u{feff}[{INTERFACES}, {{\"tasks\": []}}, [{INTERFACES}]]");
    assert_eq!(parse(&array).interfaces.len(), 2);
}

#[test]
fn missing_and_null_are_empty() {
    let inventory = parse(
        r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Groups": null, "TagSet": null,
            "Attachment": null, "PrivateIpAddresses": null}, {"VpcId": "vpc-1"}]}"#,
    );
    let bare = NetworkInterface { id: "eni-1".into(), ..NetworkInterface::default() };
    assert_eq!(inventory.interfaces, [bare]);
}

#[test]
fn errors_name_file_and_path() {
    let bad = br#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1",
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.300"}]}]}"#;
    let error = fails(bad);
    let path =
        "dir/inventory.json: at `NetworkInterfaces[0].PrivateIpAddresses[0].PrivateIpAddress`";
    assert!(
        error.starts_with(path) && error.contains("`10.0.0.300` is not an IP address"),
        "{error}"
    );
    assert!(fails(b"{\"Volumes\": []}").contains("expected a key `NetworkInterfaces`"));
    assert!(fails(b"7").contains("expected the output of describe-network-interfaces"));
    assert!(fails(b"").contains("EOF"));
    assert!(
        fails(b"a,b\n1,2\n")
            .starts_with("dir/inventory.json: no JSON (expected value at line 1 column 1); ")
    );
    assert!(fails(b"\xff\xfe{\0").contains("UTF-16"));
    assert!(fails(&vec![b'['; 100_000]).contains("recursion limit"));
    let truncated = &INTERFACES.as_bytes()[..INTERFACES.len() - 10];
    assert!(fails(truncated).contains("EOF"));
}

#[test]
fn a_file_larger_than_the_cap_is_refused() {
    let file = Path::new("inventory.json");
    assert!(check_size(file, INVENTORY_BYTES_MAX).is_ok());
    let error = check_size(file, INVENTORY_BYTES_MAX + 1).unwrap_err().to_string();
    assert!(error.contains("at most 536870912 are read"), "{error}");
}

#[test]
fn names_carry_times() {
    assert_eq!(time_in_name("interfaces-20240131T0915Z.json"), Some(1_706_692_500));
    for name in [
        "interfaces.json",
        "20240131T0915Z.json",
        "a-20241331T0915Z.json",
        "a-20240131T2515Z.json",
        "a-2024013T0915Z.json",
        "a-+0240131T0915Z.json",
        "a-20240131T0915Z.json.gz",
        "é-20240131T09é5Z.json",
    ] {
        assert_eq!(time_in_name(name), None, "{name}");
    }
    let inventory = read(Path::new("x/eni-19700101T0001Z.json"), b"{\"tasks\": []}").unwrap();
    assert_eq!(inventory.taken_at, Some(60));
}
