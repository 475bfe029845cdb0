//! Who passes others' packets on, where no inventory names a NAT gateway.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fixture;

use std::fmt::Write as _;

use fixture::{settled, settled_with_inventory};
use model::activity::{Activity, Endpoint};
use model::identity::Infrastructure;

const HEADER: &str = "log fl-a interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action pkt-srcaddr pkt-dstaddr flow-direction";

/// One connection of a client to the outside, as its own interface, and both sides of the gateway's show it.
fn through_gateway(fixture: &mut String, client: u8, remote: u8, at: i64) {
    let (client_ip, remote_ip) = (format!("10.0.1.{client}"), format!("203.0.113.{remote}"));
    let (start, end) = (format!("@{at}"), format!("@{}", at + 50));
    let mut line = |eni: &str, source: &str, to: &str, from: &str, real_to: &str, way: &str| {
        writeln!(
            fixture,
            "{eni} {source} 40000 {to} 443 6 2 10 1000 {start} {end} ACCEPT {from} {real_to} {way}"
        )
        .unwrap();
    };
    line(&format!("eni-{client}"), &client_ip, &remote_ip, &client_ip, &remote_ip, "egress");
    line("eni-nat", &client_ip, "10.0.9.9", &client_ip, &remote_ip, "ingress");
    line("eni-nat", "10.0.9.9", &remote_ip, "10.0.9.9", &remote_ip, "egress");
}

fn infrastructure(activity: &Activity, address: &str) -> Option<Infrastructure> {
    let is = |end: &&Endpoint| end.address.to_string() == address;
    let ends = || activity.conversations.iter().flat_map(|c| [&*c.client, &*c.server]);
    ends().find(is).unwrap().workload().unwrap().infrastructure
}

/// Two windows of clients going out.
fn two_windows(n_clients: u8) -> String {
    let mut fixture = format!("{HEADER}\n");
    for at in [0, 300] {
        for client in 1..=n_clients {
            through_gateway(&mut fixture, client, client, at);
        }
    }
    fixture
}

#[test]
fn who_shows_others_going_out_is_a_gateway() {
    for window in settled(&two_windows(4)).activities {
        assert_eq!(infrastructure(&window, "10.0.9.9"), Some(Infrastructure::NatGateway));
        assert_eq!(infrastructure(&window, "10.0.1.1"), None, "its clients are not");
    }
}

#[test]
fn a_few_of_others_conversations_make_no_gateway() {
    let windows = settled(&two_windows(2)).activities;
    assert_eq!(infrastructure(&windows[1], "10.0.9.9"), None);
    let mut busy = two_windows(4);
    for (port, at) in (1..60).flat_map(|port| [(port, 0), (port, 300)]) {
        writeln!(
            busy,
            "eni-nat 10.0.9.9 41000 10.0.2.9 {port} 6 2 10 1000 @{at} @{} ACCEPT 10.0.9.9 10.0.2.9 egress",
            at + 50
        )
        .unwrap();
    }
    let windows = settled(&busy).activities;
    assert_eq!(infrastructure(&windows[1], "10.0.9.9"), None, "it mostly speaks for itself");
}

/// A node's records have a pod's address as the packet's, and nobody's but the node's own.
#[test]
fn a_node_with_pods_is_no_gateway() {
    let mut fixture = format!("{HEADER}\n");
    for at in [0, 300] {
        for pod in 100..110 {
            writeln!(
                fixture,
                "eni-node 10.0.1.5 40000 203.0.113.7 443 6 2 10 1000 @{at} @{} ACCEPT 10.0.1.{pod} 203.0.113.7 egress\n\
                 eni-node 10.0.1.5 40000 10.0.2.{pod} 443 6 2 10 1000 @{at} @{} ACCEPT 10.0.1.5 10.0.2.{pod} egress",
                at + 50,
                at + 50
            )
            .unwrap();
        }
    }
    let windows = settled(&fixture).activities;
    assert_eq!(infrastructure(&windows[1], "10.0.1.5"), None);
}

#[test]
fn what_an_inventory_says_of_it_stands() {
    let inventory = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-nat", "VpcId": "vpc-1",
        "OwnerId": "111122223333", "PrivateIpAddress": "10.0.9.9", "InterfaceType": "interface"}]}"#;
    let windows = settled_with_inventory(inventory, &two_windows(4)).activities;
    assert_eq!(infrastructure(&windows[1], "10.0.9.9"), None);
}
