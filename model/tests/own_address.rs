//! Which address is an interface's own, where only its records can tell.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod fixture;

use fixture::settled;
use model::activity::Vantage;

/// From where each conversation is seen and the interfaces of its ends, window after window.
fn told(fixture: &str) -> Vec<String> {
    let line = |c: &model::activity::Conversation| {
        let eni = |end: &model::activity::Endpoint| {
            end.workload().and_then(|w| w.eni.clone()).unwrap_or_else(|| "-".into())
        };
        let vantage = match c.vantage {
            Vantage::Client => "client",
            Vantage::Server => "server",
            Vantage::Between => "between",
        };
        let (client, server) = (&c.client, &c.server);
        let (of_client, of_server) = (eni(client), eni(server));
        format!("{} {of_client} > {} {of_server}, {vantage}", client.address, server.address)
    };
    let windows = settled(fixture).activities;
    windows.iter().flat_map(|window| window.conversations.iter().map(line)).collect()
}

/// A guess of the first window must not be a fact in the next, and a fact must stay one.
#[test]
fn what_a_window_shows_for_certain_holds_on_and_a_guess_does_not() {
    let windows = told(
        "log fl-a v2
        eni-c 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0   @50  ACCEPT
        eni-c 10.0.0.9 40001 10.0.0.2 443 6 10 1000 @300 @350 ACCEPT
        eni-c 10.0.0.9 40001 10.0.0.3 443 6 10 1000 @300 @350 ACCEPT
        eni-c 10.0.0.9 40002 10.0.0.2 443 6 10 1000 @600 @650 ACCEPT",
    );
    let expected = [
        // Nothing tells, and nobody is named for it.
        "10.0.0.9 - > 10.0.0.2 -, server",
        "10.0.0.9 eni-c > 10.0.0.2 -, client",
        "10.0.0.9 eni-c > 10.0.0.3 -, client",
        "10.0.0.9 eni-c > 10.0.0.2 -, client",
    ];
    assert_eq!(windows, expected);
}

#[test]
fn of_two_addresses_it_has_the_one_no_other_interface_has() {
    let expected =
        ["10.0.0.8 - > 10.0.0.2 eni-s, server", "10.0.0.9 eni-c > 10.0.0.2 eni-s, client"];
    let records = [
        "eni-c 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT",
        "eni-s 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT",
        "eni-s 10.0.0.8 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT",
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let lines = order.map(|n| records[n]).join("\n");
        assert_eq!(told(&format!("log fl-a v2\n{lines}")), expected, "{order:?}");
    }
}

/// In another VPC the address may be another interface's.
#[test]
fn what_an_interface_of_another_vpc_has_tells_nothing() {
    let windows = told(
        "log fl-a interface-id vpc-id srcaddr srcport dstaddr dstport protocol packets bytes start end action
        eni-c vpc-1 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT
        eni-s vpc-2 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT
        eni-s vpc-2 10.0.0.8 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT",
    );
    assert_eq!(windows.len(), 3);
    assert!(!windows.concat().contains("eni-c"), "{windows:#?}");
}

#[test]
fn another_flow_log_of_the_interface_tells() {
    let windows = told(
        "log fl-a v2
        eni-c 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT
        log fl-b v2
        eni-c 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 REJECT
        eni-c 10.0.0.9 40000 10.0.0.3 443 6 10 1000 @0 @50 REJECT",
    );
    let expected = ["10.0.0.9 eni-c > 10.0.0.2 -, client", "10.0.0.9 eni-c > 10.0.0.3 -, client"];
    assert_eq!(windows, expected);
}

#[test]
fn of_a_private_and_a_public_address_it_has_the_private_one() {
    let windows = told("log fl-a v2\n eni-c 10.0.0.9 40000 9.9.9.9 443 6 10 1000 @0 @50 ACCEPT");
    assert_eq!(windows, ["10.0.0.9 eni-c > 9.9.9.9 -, client"]);
}

/// An interface that was given an IPv6 address is one host, whichever family it talks.
#[test]
fn an_interface_of_both_families_has_one_address_of_each() {
    let v2 = "eni-c 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 ACCEPT
        eni-c 10.0.0.9 40001 10.0.0.3 443 6 10 1000 @0 @50 ACCEPT
        eni-c 2a05:d014::9 40002 2a05:d014::2 443 6 10 1000 @0 @50 ACCEPT
        eni-c 2a05:d014::9 40003 2a05:d014::3 443 6 10 1000 @0 @50 ACCEPT";
    let directed = "eni-c 10.0.0.9 40000 10.0.0.2 443 6 10 1000 @0 @50 egress
        eni-c 2a05:d014::9 40002 2a05:d014::2 443 6 10 1000 @0 @50 egress
        eni-c 2a05:d014::9 40003 2a05:d014::2 443 6 10 1000 @0 @50 egress";
    let fields = "interface-id srcaddr srcport dstaddr dstport protocol packets bytes start end flow-direction";
    let hosts = |windows: Vec<String>| -> Vec<String> {
        windows.iter().map(|line| line.split(" > ").next().unwrap().to_owned()).collect()
    };
    for log in [format!("log fl-a v2\n{v2}"), format!("log fl-a {fields}\n{directed}")] {
        let mut told = hosts(told(&log));
        told.dedup();
        assert_eq!(told, ["10.0.0.9 eni-c", "2a05:d014::9 eni-c"], "{log}");
    }
}

/// What a firewall passes on is not its own: half of the records show the client's address at most.
#[test]
fn an_appliance_has_none_of_the_ipv6_addresses_it_forwards_for() {
    let windows = told(
        "log fl-a interface-id srcaddr srcport dstaddr dstport protocol packets bytes start end flow-direction
        eni-fw 2a05:d014::9 40000 2a05:d014::2 443 6 10 1000 @0 @50 ingress
        eni-fw 2a05:d014::9 40000 2a05:d014::2 443 6 10 1000 @0 @50 egress
        eni-fw 2a05:d014::2 443 2a05:d014::9 40000 6 10 1000 @0 @50 ingress
        eni-fw 2a05:d014::2 443 2a05:d014::9 40000 6 10 1000 @0 @50 egress
        eni-c  2a05:d014::9 40000 2a05:d014::2 443 6 10 1000 @0 @50 egress
        eni-fw 10.0.0.5 40001 10.0.0.6 443 6 10 1000 @0 @50 egress
        eni-fw 10.0.0.5 40002 10.0.0.7 443 6 10 1000 @0 @50 egress",
    );
    let over_v6: Vec<_> = windows.iter().filter(|line| line.starts_with("2a05")).collect();
    assert!(
        !over_v6.is_empty() && over_v6.iter().all(|line| !line.contains("eni-fw")),
        "{windows:#?}"
    );
}
