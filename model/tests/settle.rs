//! The facts that decide correctness: what records settle to. One test a fact.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod fixture;

use std::fmt::Write as _;

use expect_test::expect;
use fixture::{check, settled, settled_with_inventory, table};

// Fact 2: a conversation between two monitored interfaces gives up to four records.

#[test]
fn four_records_of_one_conversation_are_counted_once_by_the_client() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 40000 10.0.0.2 443   6 3  10 1000 @0 @50 ACCEPT
        eni-c 10.0.0.2 443   10.0.0.1 40000 6 19  8 4000 @0 @50 ACCEPT
        eni-s 10.0.0.1 40000 10.0.0.2 443   6 3   9  900 @0 @50 ACCEPT
        eni-s 10.0.0.2 443   10.0.0.1 40000 6 19  9 4100 @0 @50 ACCEPT
        eni-c 10.0.0.1 40001 10.0.0.9 80    6 3   5  300 @0 @50 ACCEPT
        eni-s 10.0.0.8 40001 10.0.0.2 80    6 3   5  300 @0 @50 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :443/6 by handshake, seen at client: opened 1 answered 1 continued 0, out 10p 1000b in 8p 4000b
            10.0.0.1 > 10.0.0.9 :80/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 5p 300b in 0p 0b
            10.0.0.8 > 10.0.0.2 :80/6 by handshake, seen at server: opened 1 answered 0 continued 0, out 5p 300b in 0p 0b
        "#]],
    );
}

#[test]
fn a_client_outside_is_counted_by_the_server() {
    check(
        "log fl-a v5
        eni-s 203.0.113.5 40000 10.0.0.2 443   6 3  10 1000 @0 @50 ACCEPT
        eni-s 10.0.0.2    443   203.0.113.5 40000 6 19  8 4000 @0 @50 ACCEPT",
        &expect![[r#"
            window @0
            203.0.113.5(outside) > 10.0.0.2 :443/6 by handshake, seen at server: opened 1 answered 1 continued 0, out 10p 1000b in 8p 4000b
        "#]],
    );
}

/// The client's interface is known by its other records.
#[test]
fn where_records_of_the_client_were_lost_the_server_counts() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 40000 10.0.0.2 443   6 3   4  400 @0 @50 ACCEPT
        eni-c 10.0.0.1 40001 10.0.0.3 443   6 3   4  400 @0 @50 ACCEPT
        eni-s 10.0.0.1 40000 10.0.0.2 443   6 3  10 1000 @0 @50 ACCEPT
        eni-s 10.0.0.2 443   10.0.0.1 40000 6 19  8 4000 @0 @50 ACCEPT
        eni-s 10.0.0.7 40002 10.0.0.2 443   6 3   1   60 @0 @50 ACCEPT
        log fl-a interface-id start end log-status
        eni-c @0 @50 SKIPDATA",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :443/6 by handshake, seen at server: opened 1 answered 1 continued 0, out 10p 1000b in 8p 4000b
            10.0.0.1 > 10.0.0.3 :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 4p 400b in 0p 0b, incomplete
            10.0.0.7 > 10.0.0.2 :443/6 by handshake, seen at server: opened 1 answered 0 continued 0, out 1p 60b in 0p 0b
        "#]],
    );
}

#[test]
fn rejected_by_the_server_is_rejected_although_the_client_sent_it() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 40000 10.0.0.2 22 6 2 3 180 @0 @50 ACCEPT
        eni-c 10.0.0.1 40001 10.0.0.3 22 6 2 3 180 @0 @50 ACCEPT
        eni-s 10.0.0.1 40000 10.0.0.2 22 6 2 3 180 @0 @50 REJECT
        eni-s 10.0.0.7 40000 10.0.0.2 22 6 2 3 180 @0 @50 REJECT
        log fl-a v5
        eni-d 10.0.0.4 40000 10.0.0.2 25 6 2 3 180 @0 @50 REJECT
        eni-d 10.0.0.4 40000 10.0.0.9 25 6 2 3 180 @0 @50 REJECT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :22/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 3p 180b in 0p 0b, rejected 0 at client 1 at server
            10.0.0.1 > 10.0.0.3 :22/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 3p 180b in 0p 0b
            10.0.0.4 > 10.0.0.2 :25/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 3p 180b in 0p 0b, rejected 1 at client 0 at server
            10.0.0.4 > 10.0.0.9 :25/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 3p 180b in 0p 0b, rejected 1 at client 0 at server
            10.0.0.7 > 10.0.0.2 :22/6 by handshake, seen at server: opened 1 answered 0 continued 0, out 3p 180b in 0p 0b, rejected 0 at client 1 at server
        "#]],
    );
}

#[test]
fn of_overlapping_flow_logs_the_one_with_most_fields_counts() {
    let settled = settled(
        "log fl-less v2
        eni-c 10.0.0.1 40000 10.0.0.2 443   6 10 1000 @0 @50 ACCEPT
        eni-c 10.0.0.2 443   10.0.0.1 40000 6  8 4000 @0 @50 ACCEPT
        log fl-more v5
        eni-c 10.0.0.1 40000 10.0.0.2 443   6 3  10 1000 @0 @50 ACCEPT
        eni-c 10.0.0.2 443   10.0.0.1 40000 6 19  8 4000 @0 @50 ACCEPT",
    );
    expect![[r#"
        window @0
        10.0.0.1 > 10.0.0.2 :443/6 by handshake, seen at client: opened 1 answered 1 continued 0, out 10p 1000b in 8p 4000b
    "#]].assert_eq(&table(&settled.activities));
    expect!["4 records = 2 used + 2 duplicate"].assert_eq(&settled.ledger.to_string());
}

#[test]
fn a_log_of_accepted_and_one_of_rejected_traffic_complete_each_other() {
    let settled = settled(
        "log fl-accept v5
        eni-c 10.0.0.1 40000 10.0.0.2 443   6 3  10 1000 @0 @50 ACCEPT
        eni-c 10.0.0.2 443   10.0.0.1 40000 6 19  8 4000 @0 @50 ACCEPT
        log fl-reject v2
        eni-c 10.0.0.1 40001 10.0.0.2 443   6  1   60 @0 @50 REJECT",
    );
    expect![[r#"
        window @0
        10.0.0.1 > 10.0.0.2 :443/6 by handshake, seen at client: opened 2 answered 1 continued 0, out 11p 1060b in 8p 4000b, rejected 1 at client 0 at server
    "#]].assert_eq(&table(&settled.activities));
    expect!["3 records = 3 used"].assert_eq(&settled.ledger.to_string());
}

// Fact 3: who is the client.

#[test]
fn a_syn_tells_the_client_whatever_the_ports() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 80 10.0.0.2 50000 6 2 3 180 @0 @50 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :50000/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 3p 180b in 0p 0b
        "#]],
    );
}

#[test]
fn a_syn_ack_tells_the_server_whatever_the_ports() {
    check(
        "log fl-a v5
        eni-c 10.0.0.2 50000 10.0.0.1 80 6 18 10 1000 @0 @50 ACCEPT
        eni-c 10.0.0.1 80 10.0.0.2 50000 6 0 10 1000 @0 @50 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :50000/6 by handshake, seen at client: opened 1 answered 1 continued 0, out 10p 1000b in 10p 1000b
        "#]],
    );
}

/// Both ports are such as servers use; only the earlier window tells.
#[test]
fn a_listener_of_an_earlier_window_is_remembered() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 9000 10.0.0.2 9001 6 2   3 400 @0 @50 ACCEPT
        eni-c 10.0.0.2 9001 10.0.0.1 9000 6 18  3 400 @0 @50 ACCEPT
        eni-d 10.0.0.2 9001 10.0.0.3 9000 6 0   9 900 @300 @350 ACCEPT
        eni-d 10.0.0.3 9000 10.0.0.2 9001 6 0   9 900 @300 @350 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :9001/6 by handshake, seen at client: opened 1 answered 1 continued 0, out 3p 400b in 3p 400b
            window @300
            10.0.0.3 > 10.0.0.2 :9001/6 by known listener, seen at server: opened 0 answered 0 continued 1, out 9p 900b in 9p 900b
        "#]],
    );
}

#[test]
fn one_port_that_meets_many_is_the_servers() {
    check(
        "log fl-a v5
        eni-s 10.0.0.2 40001 10.0.0.10 33001 6 0 9 900 @0 @50 ACCEPT
        eni-s 10.0.0.2 40001 10.0.0.11 33002 6 0 9 900 @0 @50 ACCEPT
        eni-s 10.0.0.2 40001 10.0.0.12 33003 6 0 9 900 @0 @50 ACCEPT
        eni-s 10.0.0.2 40001 10.0.0.13 33004 6 0 9 900 @0 @50 ACCEPT
        eni-s 10.0.0.10 33001 10.0.0.2 40001 6 0 9 900 @0 @50 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.10 > 10.0.0.2 :40001/6 by fan, seen at server: opened 0 answered 0 continued 1, out 9p 900b in 9p 900b
            10.0.0.11 > 10.0.0.2 :40001/6 by fan, seen at server: opened 0 answered 0 continued 1, out 0p 0b in 9p 900b
            10.0.0.12 > 10.0.0.2 :40001/6 by fan, seen at server: opened 0 answered 0 continued 1, out 0p 0b in 9p 900b
            10.0.0.13 > 10.0.0.2 :40001/6 by fan, seen at server: opened 0 answered 0 continued 1, out 0p 0b in 9p 900b
        "#]],
    );
}

#[test]
fn without_anything_else_ports_tell_or_it_stays_a_guess() {
    check(
        "log fl-a v5
        eni-s 10.0.0.2 5432  10.0.0.10 51000 6 0 9 900 @0 @50 ACCEPT
        eni-s 10.0.0.10 51000 10.0.0.2 5432  6 0 9 900 @0 @50 ACCEPT
        eni-s 10.0.0.2 51001 10.0.0.10 51000 6 0 9 900 @0 @50 ACCEPT
        eni-s 10.0.0.10 51000 10.0.0.2 51001 6 0 9 900 @0 @50 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.2 > 10.0.0.10 :51000/6 by guess, seen at client: opened 0 answered 0 continued 1, out 9p 900b in 9p 900b
            10.0.0.10 > 10.0.0.2 :5432/6 by port ranges, seen at server: opened 0 answered 0 continued 1, out 9p 900b in 9p 900b
        "#]],
    );
}

#[test]
fn with_equal_ports_ours_asks_the_outside() {
    check(
        "log fl-a v5
        eni-c 198.51.100.7 123 10.0.0.1 123 17 0 1 76 @0 @1 ACCEPT
        eni-c 10.0.0.1 123 198.51.100.7 123 17 0 1 76 @0 @1 ACCEPT
        eni-c 10.0.0.1 123 203.0.113.7 123 17 0 1 76 @0 @1 ACCEPT
        eni-c 203.0.113.7 123 10.0.0.1 123 17 0 1 76 @0 @1 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 198.51.100.7(outside) :123/17 by port ranges, seen at client: opened 1 answered 1 continued 0, out 1p 76b in 1p 76b
            10.0.0.1 > 203.0.113.7(outside) :123/17 by port ranges, seen at client: opened 1 answered 1 continued 0, out 1p 76b in 1p 76b
        "#]],
    );
}

#[test]
fn a_lone_udp_answer_is_not_a_question() {
    check(
        "log fl-a v5
        eni-c 198.51.100.53 53 10.0.0.1 51000 17 0 1 76 @0 @1 ACCEPT
        eni-c 10.0.0.1 51001 198.51.100.54 6000 17 0 1 76 @0 @1 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 198.51.100.53(outside) :53/17 by port ranges, seen at client: opened 0 answered 0 continued 0, out 0p 0b in 1p 76b
            10.0.0.1 > 198.51.100.54(outside) :6000/17 by port ranges, seen at client: opened 1 answered 0 continued 0, out 1p 76b in 0p 0b
        "#]],
    );
}

/// The API server answers a connection opened before the first record: its packets come first, from a
/// port that is not privileged.
#[test]
fn an_answer_in_mid_stream_is_not_read_backwards() {
    check(
        "log fl-a v5
        eni-c 203.0.113.18 6443 10.0.0.1 52536 6 1 2 104 @0 @48 ACCEPT
        eni-c 10.0.0.1 52536 203.0.113.18 6443 6 1 2 104 @1 @48 ACCEPT
        eni-d 10.0.0.3 6443 10.0.0.1 52537 6 0 2 104 @0 @48 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.3 :6443/6 by port ranges, seen at server: opened 0 answered 0 continued 0, out 0p 0b in 2p 104b
            10.0.0.1 > 203.0.113.18(outside) :6443/6 by port ranges, seen at client: opened 0 answered 0 continued 1, out 2p 104b in 2p 104b
        "#]],
    );
}

#[test]
fn answers_to_forged_packets_are_dropped() {
    check(
        "log fl-a v5
        eni-c 203.0.113.9 80 10.0.0.1 40000 6 18 1 44 @0 @1 ACCEPT
        eni-c 203.0.113.9 443 10.0.0.1 40001 6 18 1 44 @0 @1 ACCEPT
        eni-c 10.0.0.1 40001 203.0.113.9 443 6 4 1 40 @0 @1 ACCEPT
        eni-c 10.0.0.1 40002 203.0.113.10 443 6 2 1 60 @0 @1 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 203.0.113.10(outside) :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 1p 60b in 0p 0b
        "#]],
    );
}

// Fact 4: connections, not records.

/// Six hours, reported every minute in both directions; the flags of the first minute and the others'.
fn six_hours(version: &str, first: [&str; 2], later: [&str; 2]) -> String {
    let mut fixture = format!("log fl-a {version}\n");
    for minute in 0..360 {
        let [out, back] = if minute == 0 { first } else { later };
        let span = format!("@{} @{}", minute * 60, minute * 60 + 59);
        let (client, server) = ("10.0.0.1 40000", "203.0.113.1 443");
        writeln!(fixture, "eni-c {client} {server} 6 {out} 10 1000 {span} ACCEPT").unwrap();
        writeln!(fixture, "eni-c {server} {client} 6 {back} 9 2000 {span} ACCEPT").unwrap();
    }
    fixture
}

/// (opened, answered, windows it went on in, records)
fn totals(fixture: &str) -> (u64, u64, usize, u64) {
    let settled = settled(fixture);
    let all = || settled.activities.iter().flat_map(|activity| &activity.conversations);
    let answered_at: usize = all().map(|c| c.answered_at.len()).sum();
    let answered: u64 = all().map(|c| c.answered).sum();
    assert_eq!(answered_at as u64, answered);
    (all().map(|c| c.attempts).sum(), answered, all().count(), all().map(|c| c.records_out).sum())
}

#[test]
fn a_connection_of_six_hours_is_one_connection() {
    assert_eq!(totals(&six_hours("v5", ["2", "18"], ["0", "0"])), (1, 1, 72, 360));
}

#[test]
fn a_connection_of_six_hours_is_one_connection_without_flags_too() {
    assert_eq!(totals(&six_hours("v2", ["", ""], ["", ""])), (1, 1, 72, 360));
}

/// Flags are OR-ed over the interval, so a port used twice in a minute shows as one; in two it is two.
#[test]
fn a_port_used_again_is_another_connection() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 40000 10.0.0.2 443   6 3  10 1000 @0  @50  ACCEPT
        eni-c 10.0.0.2 443   10.0.0.1 40000 6 19  8 4000 @0  @50  ACCEPT
        eni-c 10.0.0.1 40000 10.0.0.2 443   6 3  10 1000 @70 @110 ACCEPT
        eni-c 10.0.0.2 443   10.0.0.1 40000 6 19  8 4000 @70 @110 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :443/6 by handshake, seen at client: opened 2 answered 2 continued 0, out 20p 2000b in 16p 8000b
        "#]],
    );
}

// Fact 5: the real endpoints.

#[test]
fn behind_a_nat_gateway_the_packet_addresses_are_the_ends() {
    check(
        "log fl-a interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action pkt-srcaddr pkt-dstaddr flow-direction
        eni-nat 10.0.1.5 40000 10.0.9.9 443 6 2 10 1000 @0 @50 ACCEPT 10.0.1.5 203.0.113.1 ingress
        eni-nat 10.0.9.9 443 10.0.1.5 40000 6 18 8 4000 @0 @50 ACCEPT 203.0.113.1 10.0.1.5 egress
        eni-c 10.0.1.5 40000 203.0.113.1 443 6 2 10 1000 @0 @50 ACCEPT 10.0.1.5 203.0.113.1 egress
        eni-c 203.0.113.1 443 10.0.1.5 40000 6 18 8 4000 @0 @50 ACCEPT 203.0.113.1 10.0.1.5 ingress
        eni-nat 10.0.1.6 40000 10.0.9.9 443 6 2 7 700 @0 @50 ACCEPT 10.0.1.6 203.0.113.1 ingress",
        &expect![[r#"
            window @0
            10.0.1.5 > 203.0.113.1(outside) :443/6 by handshake, seen at client: opened 1 answered 1 continued 0, out 10p 1000b in 8p 4000b
            10.0.1.6 > 203.0.113.1(outside) :443/6 by handshake, seen at between: opened 1 answered 0 continued 0, out 7p 700b in 0p 0b
        "#]],
    );
}

/// Without the direction, the address that is not the packet's is the gateway's own: the remote one, which
/// most of these records share, is not.
#[test]
fn a_nat_gateway_is_known_by_the_address_it_puts_in() {
    check(
        "log fl-a interface-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action pkt-srcaddr pkt-dstaddr
        eni-nat 10.0.1.5 40000 10.0.9.9 443 6 2 10 1000 @0 @50 ACCEPT 10.0.1.5 203.0.113.1
        eni-nat 10.0.1.5 40001 10.0.9.9 443 6 2 10 1000 @0 @50 ACCEPT 10.0.1.5 203.0.113.1
        eni-nat 10.0.1.5 40002 10.0.9.9 443 6 2 7 700 @0 @50 ACCEPT 10.0.1.5 203.0.113.2",
        &expect![[r#"
            window @0
            10.0.1.5 > 203.0.113.1(outside) :443/6 by handshake, seen at between: opened 2 answered 0 continued 0, out 20p 2000b in 0p 0b
            10.0.1.5 > 203.0.113.2(outside) :443/6 by handshake, seen at between: opened 1 answered 0 continued 0, out 7p 700b in 0p 0b
        "#]],
    );
}

/// The interface has two addresses; both are one workload, which sees its own conversations.
#[test]
fn a_secondary_address_is_its_interface() {
    let inventory = r#"{"NetworkInterfaces": [{"NetworkInterfaceId": "eni-c", "VpcId": "vpc-1",
        "OwnerId": "111122223333", "PrivateIpAddress": "10.0.0.1", "PrivateIpAddresses": [
        {"PrivateIpAddress": "10.0.0.1", "Primary": true},
        {"PrivateIpAddress": "10.0.0.200", "Primary": false}]},
        {"NetworkInterfaceId": "eni-s", "VpcId": "vpc-1", "OwnerId": "111122223333",
        "PrivateIpAddress": "10.0.0.2"}]}"#;
    let settled = settled_with_inventory(
        inventory,
        "log fl-a v5
        eni-c 10.0.0.200 40000 10.0.0.2 443 6 2 10 1000 @0 @50 ACCEPT
        eni-s 10.0.0.200 40000 10.0.0.2 443 6 2  9  900 @0 @50 ACCEPT
        eni-s 10.0.0.77 40000 10.0.0.2 443 6 2  9  900 @0 @50 ACCEPT",
    );
    expect![[r#"
        window @0
        10.0.0.77@vpc-1 > 10.0.0.2@vpc-1 :443/6 by handshake, seen at server: opened 1 answered 0 continued 0, out 9p 900b in 0p 0b
        10.0.0.200@vpc-1 > 10.0.0.2@vpc-1 :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 10p 1000b in 0p 0b
    "#]].assert_eq(&table(&settled.activities));
    let conversation = &settled.activities[0].conversations[1];
    let client = conversation.client.workload().unwrap();
    assert_eq!(client.address.to_string(), "10.0.0.1", "the primary address names the workload");
}

// Fact 6: what is missing.

#[test]
fn lost_records_make_a_window_incomplete() {
    let settled = settled(
        "log fl-a v5
        eni-c 10.0.0.1 40000 203.0.113.1 443 6 2 10 1000 @0 @50 ACCEPT
        eni-c 10.0.0.1 40000 203.0.113.1 443 6 2 10 1000 @300 @350 ACCEPT
        log fl-a interface-id start end log-status
        eni-c @300 @350 SKIPDATA",
    );
    expect![[r#"
        window @0
        10.0.0.1 > 203.0.113.1(outside) :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 10p 1000b in 0p 0b
        window @300
        10.0.0.1 > 203.0.113.1(outside) :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 10p 1000b in 0p 0b, incomplete
    "#]].assert_eq(&table(&settled.activities));
    expect!["3 records = 2 used + 1 SKIPDATA"].assert_eq(&settled.ledger.to_string());
}

#[test]
fn an_interface_without_traffic_lives() {
    let settled = settled("log fl-a interface-id start end log-status\n eni-idle @0 @50 NODATA");
    let enis = &settled.activities[0].enis;
    assert_eq!((&*enis[0].eni, enis[0].records.nodata), ("eni-idle", 1));
    assert_eq!(settled.ledger.to_string(), "1 records = 0 used + 1 NODATA");
}

// Fact 7: an address means something only inside its VPC.

#[test]
fn the_same_addresses_in_two_vpcs_stay_apart() {
    check(
        "log fl-a interface-id vpc-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action
        eni-a vpc-1 10.0.0.1 40000 10.0.0.2 443 6 2 10 1000 @0 @50 ACCEPT
        eni-b vpc-2 10.0.0.1 40000 10.0.0.2 443 6 2  5  500 @0 @50 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1@vpc-1 > 10.0.0.2@vpc-1 :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 10p 1000b in 0p 0b
            10.0.0.1@vpc-2 > 10.0.0.2@vpc-2 :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 5p 500b in 0p 0b
        "#]],
    );
}

/// An address that passes from one interface to another is whose it was at the time.
#[test]
fn an_address_is_whose_it_was_at_the_time() {
    let settled = settled(
        "log fl-a interface-id vpc-id instance-id srcaddr srcport dstaddr dstport protocol tcp-flags packets bytes start end action flow-direction
        eni-old vpc-1 i-old 10.0.0.1 40000 203.0.113.1 443 6 2 10 1000 @0   @50  ACCEPT egress
        eni-new vpc-1 i-new 10.0.0.1 40000 203.0.113.1 443 6 2 10 1000 @600 @650 ACCEPT egress",
    );
    let enis: Vec<_> = settled
        .activities
        .iter()
        .map(|activity| activity.conversations[0].client.workload().unwrap().eni.clone().unwrap())
        .collect();
    assert_eq!(enis.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["eni-old", "eni-new"]);
}

// Fact 8: a record belongs to the window of its end, whole.

#[test]
fn a_record_belongs_to_the_window_of_its_end() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 40000 203.0.113.1 443 6 2 10 1000 @250 @299 ACCEPT
        eni-c 10.0.0.1 40001 203.0.113.1 443 6 2 10 1000 @250 @300 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 203.0.113.1(outside) :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 10p 1000b in 0p 0b
            window @300
            10.0.0.1 > 203.0.113.1(outside) :443/6 by handshake, seen at client: opened 1 answered 0 continued 0, out 10p 1000b in 0p 0b
        "#]],
    );
}

// ICMP has no ports: the type tells, where the writer put it there.

#[test]
fn icmp_types_tell_who_asked() {
    check(
        "log fl-a v5
        eni-c 10.0.0.1 8 10.0.0.2 0 1 0 1 84 @5 @6 ACCEPT
        eni-c 10.0.0.2 0 10.0.0.1 8 1 0 1 84 @5 @6 ACCEPT
        eni-d 10.0.0.4 0 10.0.0.3 8 1 0 1 84 @4 @6 ACCEPT
        eni-d 10.0.0.3 8 10.0.0.4 0 1 0 1 84 @5 @6 ACCEPT
        eni-d 10.0.0.5 3 10.0.0.3 3 1 0 1 84 @4 @6 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.1 > 10.0.0.2 :0/1 by handshake, seen at client: opened 1 answered 1 continued 0, out 1p 84b in 1p 84b
            10.0.0.3 > 10.0.0.4 :0/1 by handshake, seen at client: opened 1 answered 1 continued 0, out 1p 84b in 1p 84b
            10.0.0.3 > 10.0.0.5 :0/1 by handshake, seen at client: opened 0 answered 0 continued 0, out 0p 0b in 1p 84b
        "#]],
    );
}

/// AWS writes zeros: who spoke first asked; told at once, it is a guess.
#[test]
fn icmp_with_zeros_goes_by_time() {
    check(
        "log fl-a v5
        eni-c 10.0.0.2 0 10.0.0.1 0 1 0 1 84 @4 @6 ACCEPT
        eni-c 10.0.0.1 0 10.0.0.2 0 1 0 1 84 @5 @6 ACCEPT
        eni-d 10.0.0.4 0 10.0.0.3 0 1 0 1 84 @5 @6 ACCEPT
        eni-d 10.0.0.3 0 10.0.0.4 0 1 0 1 84 @5 @6 ACCEPT
        eni-e 10.0.0.8 0 10.0.0.7 0 1 0 1 84 @5 @6 ACCEPT",
        &expect![[r#"
            window @0
            10.0.0.2 > 10.0.0.1 :0/1 by fan, seen at server: opened 1 answered 1 continued 0, out 1p 84b in 1p 84b
            10.0.0.3 > 10.0.0.4 :0/1 by guess, seen at client: opened 1 answered 1 continued 0, out 1p 84b in 1p 84b
            10.0.0.8 > 10.0.0.7 :0/1 by fan, seen at server: opened 1 answered 0 continued 0, out 1p 84b in 0p 0b
        "#]],
    );
}
