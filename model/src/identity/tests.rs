//! Each step of the lookup and each source of a name, from files as the AWS CLI prints them.

use std::path::Path;
use std::sync::Arc;

use expect_test::{Expect, expect};
use ingest::inventory::{self, Inventory};
use ingest::ip_ranges::IpRanges;
use proptest::prelude::*;

use super::*;

const ACCOUNT: &str = "111122223333";

/// An interface; `more` is further JSON, each key preceded by a comma.
fn eni(id: &str, vpc: &str, address: &str, more: &str) -> String {
    format!(
        r#"{{"NetworkInterfaceId": "{id}", "OwnerId": "{ACCOUNT}", "VpcId": "{vpc}",
            "PrivateIpAddress": "{address}" {more}}}"#
    )
}

fn tagged(key: &str, value: &str) -> String {
    format!(r#", "TagSet": [{{"Key": "{key}", "Value": "{value}"}}]"#)
}

fn snapshot(name: &str, enis: &[String]) -> Inventory {
    let text = format!(r#"{{"NetworkInterfaces": [{}]}}"#, enis.join(","));
    inventory::read(Path::new(name), text.as_bytes()).unwrap()
}

fn instances(tags: &[(&str, &str)]) -> Inventory {
    let tags: Vec<String> =
        tags.iter().map(|(k, v)| format!(r#"{{"Key": "{k}", "Value": "{v}"}}"#)).collect();
    let text = format!(
        r#"{{"Reservations": [{{"OwnerId": "{ACCOUNT}", "Instances": [
            {{"InstanceId": "i-1", "Tags": [{}]}}]}}]}}"#,
        tags.join(",")
    );
    inventory::read(Path::new("instances.json"), text.as_bytes()).unwrap()
}

fn tasks(eni: &str, group: &str) -> Inventory {
    let text = format!(
        r#"{{"tasks": [{{"taskArn": "arn:aws:ecs:us-east-1:{ACCOUNT}:task/shop/0123", "group": "{group}",
            "attachments": [{{"details": [{{"name": "networkInterfaceId", "value": "{eni}"}}]}}]}}]}}"#
    );
    inventory::read(Path::new("tasks.json"), text.as_bytes()).unwrap()
}

fn directory(inventories: Vec<Inventory>) -> Directory {
    Directory::new(IdentityOptions { inventories, ..IdentityOptions::default() })
}

fn labels(text: &str) -> Labels {
    Labels::parse(Path::new("labels.yaml"), text).unwrap()
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn told(party: &Party) -> String {
    match party {
        Party::Outside(outside) => outside.to_string(),
        Party::Workload(w) => {
            let eni = w.eni.as_deref().unwrap_or("-");
            let role = if w.role_known { "role" } else { "itself" };
            format!("{eni} {} {} ({role}: {})", w.address, w.service, w.why)
        }
    }
}

fn ask(directory: &mut Directory, vpc: &str, at: &str, time: i64) -> String {
    told(&directory.resolve(ACCOUNT, vpc, address(at), None, time))
}

/// What one interface, described so, is.
fn check(inventories: Vec<Inventory>, labels_text: &str, facts: Option<EniFacts>, expect: &Expect) {
    let labels = labels(labels_text);
    let mut directory = Directory::new(IdentityOptions { inventories, labels, ip_ranges: None });
    if let Some(facts) = facts {
        directory.observe(&facts, 100);
    }
    let workload = directory.workload_of_eni(ACCOUNT, "eni-1", 100).unwrap();
    let infrastructure = workload.infrastructure.map_or("-", Infrastructure::name);
    let more = [&workload.environment, &workload.tier].map(|o| o.as_deref().unwrap_or("-"));
    let text = told(&Party::Workload(Arc::clone(&workload)));
    expect.assert_eq(&format!("{text}; {infrastructure}, {}, {}", more[0], more[1]));
}

fn one(more: &str) -> Vec<Inventory> {
    vec![snapshot("a.json", &[eni("eni-1", "vpc-1", "10.0.0.1", more)])]
}

fn facts(id: &str) -> EniFacts {
    EniFacts { vpc: Some("vpc-1".into()), ..EniFacts::new(ACCOUNT, id) }
}

#[test]
fn an_address_means_what_its_vpc_says() {
    let mut directory = directory(vec![snapshot(
        "a.json",
        &[
            eni("eni-1", "vpc-1", "10.0.0.1", &tagged("service", "web")),
            eni("eni-2", "vpc-2", "10.0.0.1", &tagged("service", "db")),
        ],
    )]);
    let web = "eni-1 10.0.0.1 web (role: tag service of the interface)";
    let db = "eni-2 10.0.0.1 db (role: tag service of the interface)";
    assert_eq!(ask(&mut directory, "vpc-1", "10.0.0.1", 5), web);
    assert_eq!(ask(&mut directory, "vpc-2", "10.0.0.1", 5), db);
    let nowhere = "- 10.0.0.1 10.0.0.1 (itself: nothing names it)";
    assert_eq!(ask(&mut directory, "vpc-3", "10.0.0.1", 5), nowhere);
}

#[test]
fn peered_vpcs_are_searched_unless_the_address_is_ones_own() {
    let mut directory = directory(vec![snapshot(
        "a.json",
        &[
            eni("eni-1", "vpc-1", "10.0.0.1", ""),
            eni("eni-2", "vpc-1", "10.0.9.1", ""),
            eni("eni-3", "vpc-2", "10.0.5.5", &tagged("service", "overlapping")),
            eni("eni-4", "vpc-2", "10.0.9.7", &tagged("service", "overlapping")),
            eni("eni-5", "vpc-2", "10.7.0.1", &tagged("service", "peer")),
            eni("eni-6", "vpc-2", "10.8.0.1", &tagged("service", "ambiguous")),
            eni("eni-7", "vpc-3", "10.8.0.1", &tagged("service", "ambiguous")),
        ],
    )]);
    for (at, service) in [
        ("10.0.5.5", "10.0.5.5"),
        ("10.0.9.7", "10.0.9.7"),
        ("10.7.0.1", "peer"),
        ("10.8.0.1", "10.8.0.1"),
    ] {
        let found = ask(&mut directory, "vpc-1", at, 5);
        assert!(found.contains(&format!("{at} {service} (")), "{found}");
    }
    assert!(ask(&mut directory, "", "10.7.0.1", 5).contains("eni-5"));
}

#[test]
fn a_reused_address_is_told_by_time() {
    let at = |name, id: &str, service: &str| {
        snapshot(name, &[eni(id, "vpc-1", "10.0.0.1", &tagged("service", service))])
    };
    let mut directory = directory(vec![
        at("x-19700101T0100Z.json", "eni-2", "new"),
        at("x-19700101T0010Z.json", "eni-1", "old"),
        snapshot("x-19700101T0200Z.json", &[eni("eni-3", "vpc-1", "10.0.0.3", "")]),
        at("x-19700101T0300Z.json", "eni-4", "newest"),
    ]);
    let mut service = |time| {
        let found = ask(&mut directory, "vpc-1", "10.0.0.1", time);
        found.split(' ').nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(service(0), "old", "before the first snapshot the earliest serves");
    assert_eq!(service(600), "old");
    assert_eq!(service(3599), "old");
    assert_eq!(service(3600), "new");
    assert_eq!(service(7200), "newest", "gone, so what comes after it serves");
    assert_eq!(service(90_000), "newest");
    assert_eq!(service(700), "old", "time may go back");
}

#[test]
fn a_terminated_interface_does_not_keep_its_address() {
    let mut directory = directory(vec![
        snapshot(
            "x-19700101T0010Z.json",
            &[eni("eni-1", "vpc-1", "10.0.0.1", ""), eni("eni-2", "vpc-1", "10.0.0.2", "")],
        ),
        snapshot("x-19700101T0020Z.json", &[eni("eni-2", "vpc-1", "10.0.0.2", "")]),
        snapshot("x-19700101T0030Z.json", &[eni("eni-9", "vpc-9", "10.0.0.9", "")]),
        instances(&[]),
    ]);
    assert!(ask(&mut directory, "vpc-1", "10.0.0.1", 1199).starts_with("eni-1"));
    assert!(ask(&mut directory, "vpc-1", "10.0.0.1", 1200).starts_with("- "));
    assert!(
        ask(&mut directory, "vpc-1", "10.0.0.2", 9000).starts_with("eni-2"),
        "other VPCs' say nothing"
    );
}

#[test]
fn records_outrank_an_older_snapshot() {
    let mut directory = directory(vec![
        snapshot("x-19700101T0010Z.json", &[eni("eni-1", "vpc-1", "10.0.0.1", "")]),
        snapshot("x-19700101T0200Z.json", &[eni("eni-3", "vpc-1", "10.0.0.1", "")]),
    ]);
    assert!(ask(&mut directory, "vpc-1", "10.0.0.1", 3600).starts_with("eni-1"));
    directory.observe(&EniFacts { address: Some(address("10.0.0.1")), ..facts("eni-2") }, 3600);
    assert!(ask(&mut directory, "vpc-1", "10.0.0.1", 3600).starts_with("eni-2"));
    assert!(ask(&mut directory, "vpc-1", "10.0.0.1", 3000).starts_with("eni-1"), "not before");
    assert!(ask(&mut directory, "vpc-1", "10.0.0.1", 7100).starts_with("eni-2"));
    assert!(ask(&mut directory, "vpc-1", "10.0.0.1", 7200).starts_with("eni-3"), "newer snapshot");
}

#[test]
fn a_guess_does_not_outrank_what_a_snapshot_lists() {
    let mut directory = directory(vec![snapshot(
        "a.json",
        &[eni("eni-1", "vpc-1", "10.0.0.1", ""), eni("eni-2", "vpc-1", "10.0.0.2", "")],
    )]);
    directory.observe(&EniFacts { address: Some(address("10.0.0.2")), ..facts("eni-1") }, 10);
    assert!(ask(&mut directory, "vpc-1", "10.0.0.2", 10).starts_with("eni-2"));
    let workload = directory.workload_of_eni(ACCOUNT, "eni-1", 10).unwrap();
    assert_eq!(workload.address, address("10.0.0.1"));
}

/// The estate turned to IPv6 after the inventory was taken.
#[test]
fn an_ipv6_address_given_since_the_snapshot_is_believed_of_the_records() {
    let mut directory = directory(one(&tagged("service", "web")));
    let observed = |at| EniFacts { address: Some(address(at)), ..facts("eni-1") };
    directory.observe(&observed("10.0.0.1"), 10);
    directory.observe(&observed("2a05:d014::1"), 10);
    let web = "eni-1 10.0.0.1 web (role: tag service of the interface)";
    assert_eq!(ask(&mut directory, "vpc-1", "10.0.0.1", 10), web);
    assert_eq!(ask(&mut directory, "vpc-1", "2a05:d014::1", 10), web);
}

/// An interface without a flow log is of the estate nevertheless: a subnet has its /64 to itself.
#[test]
fn an_unclaimed_ipv6_address_of_a_subnet_is_inside() {
    let mut directory = directory(one(""));
    directory.observe(&EniFacts { address: Some(address("2a05:d014::1:1")), ..facts("eni-1") }, 10);
    let inside = "- 2a05:d014::9 2a05:d014::9 (itself: nothing names it)";
    assert_eq!(ask(&mut directory, "vpc-1", "2a05:d014::9", 10), inside);
    let outside = ["2a05:d014:0:1::9", "2a05:d013:ffff:ffff:ffff::9"];
    for at in outside {
        assert!(ask(&mut directory, "vpc-1", at, 10).ends_with("/48"), "{at}");
    }
    assert!(ask(&mut directory, "vpc-2", "2a05:d014::9", 10).ends_with("/48"));
}

#[test]
fn without_an_inventory_the_records_tell() {
    let mut directory = directory(vec![]);
    directory.observe(&EniFacts { address: Some(address("10.0.0.1")), ..facts("eni-1") }, 10);
    let itself = "eni-1 10.0.0.1 10.0.0.1 (itself: nothing names it)";
    assert_eq!(ask(&mut directory, "vpc-1", "10.0.0.1", 10), itself);
    let ecs = EniFacts { ecs_service: Some("carts".into()), ..facts("eni-1") };
    directory.observe(&ecs, 20);
    let role = "eni-1 10.0.0.1 carts (role: ECS service in the records)";
    assert_eq!(ask(&mut directory, "vpc-1", "10.0.0.1", 20), role);
    directory.observe(&facts("eni-2"), 20);
    assert!(directory.workload_of_eni(ACCOUNT, "eni-2", 20).is_none());
    directory.observe(&EniFacts { address: Some(address("10.0.0.2")), ..facts("") }, 20);
    assert!(ask(&mut directory, "vpc-1", "10.0.0.2", 20).starts_with("- "));
}

#[test]
fn the_labels_file_comes_first() {
    let ecs = EniFacts { ecs_service: Some("carts".into()), ..facts("eni-1") };
    let rules = "rules:\n- match: {tag: {TEAM: pay*}}\n  service: payments\n  environment: prod\n  tier: backend\n  infrastructure: dns\n";
    check(
        one(&tagged("team", "payments")),
        rules,
        Some(ecs),
        &expect![["eni-1 10.0.0.1 payments (role: labels rule 1); dns, prod, backend"]],
    );
}

#[test]
fn a_label_without_a_service_leaves_the_name() {
    let rules = "rules:\n- match: {vpc: vpc-1}\n  environment: prod\n- match: {vpc: vpc-1}\n  service: never\n";
    check(
        one(&tagged("app", "web")),
        rules,
        None,
        &expect![["eni-1 10.0.0.1 web (role: tag app of the interface); -, prod, -"]],
    );
}

#[test]
fn every_condition_of_a_rule_must_hold() {
    let more = r#", "Description": "made by hand", "Groups": [{"GroupId": "sg-1", "GroupName": "db-main"}]"#;
    let holds = |conditions: &str| {
        let rules = format!("rules:\n- match: {{{conditions}}}\n  service: it\n");
        let options =
            IdentityOptions { inventories: one(more), labels: labels(&rules), ip_ranges: None };
        let workload = Directory::new(options).workload_of_eni(ACCOUNT, "eni-1", 0).unwrap();
        workload.service.as_ref() == "it"
    };
    for conditions in [
        "cidr: 10.0.0.0/24",
        "security-group: sg-1",
        "security-group: db-*",
        "description: '*hand'",
        "account: '111122223333', vpc: vpc-1, cidr: 10.0.0.1",
    ] {
        assert!(holds(conditions), "{conditions}");
    }
    for conditions in [
        "cidr: 10.0.1.0/24",
        "security-group: sg-",
        "description: hand",
        "vpc: vpc-2",
        "vpc: vpc-1, cidr: 10.0.1.0/24",
        "tag: {team: a}",
    ] {
        assert!(!holds(conditions), "{conditions}");
    }
}

#[test]
fn records_outrank_the_inventory() {
    let mut said = facts("eni-1");
    said.tags = vec![("interface-tag", "c".into()), ("asg-tag", "web%20tier".into())];
    let inventories =
        [one(&tagged("service", "stale")), vec![tasks("eni-1", "service:old")]].concat();
    check(
        inventories.clone(),
        "",
        Some(said.clone()),
        &expect![["eni-1 10.0.0.1 web tier (role: asg-tag in the records); -, -, -"]],
    );
    said.ecs_service = Some("carts".into());
    check(
        inventories,
        "",
        Some(said),
        &expect![["eni-1 10.0.0.1 carts (role: ECS service in the records); -, -, -"]],
    );
}

#[test]
fn a_tasks_group_outranks_tags() {
    let inventories =
        [one(&tagged("service", "x")), vec![tasks("eni-1", "service:carts")]].concat();
    check(
        inventories,
        "",
        None,
        &expect![["eni-1 10.0.0.1 carts (role: group of the ECS task); -, -, -"]],
    );
    check(
        [one(""), vec![tasks("eni-1", "family:nightly")]].concat(),
        "",
        None,
        &expect![["eni-1 10.0.0.1 nightly (role: group of the ECS task); -, -, -"]],
    );
}

#[test]
fn tags_are_taken_by_key_then_by_what_they_are_on() {
    let attached =
        format!(r#", "Attachment": {{"InstanceId": "i-1"}} {}"#, tagged("Name", "eth-of-web"));
    let with = |tags| [one(&attached), vec![instances(tags)]].concat();
    check(
        with(&[
            ("APP", "shop"),
            ("aws:autoscaling:groupName", "asg"),
            ("env", "prod"),
            ("Tier", "web"),
        ]),
        "",
        None,
        &expect![["eni-1 10.0.0.1 shop (role: tag APP of the instance); -, prod, web"]],
    );
    check(
        with(&[("aws:autoscaling:groupName", "asg"), ("app", " ")]),
        "",
        None,
        &expect![[
            "eni-1 10.0.0.1 asg (role: tag aws:autoscaling:groupName of the instance); -, -, -"
        ]],
    );
    check(
        with(&[("Name", "web-1")]),
        "",
        None,
        &expect![["eni-1 10.0.0.1 eth-of-web (itself: tag Name of the interface); -, -, -"]],
    );
}

#[test]
fn a_name_is_a_role_when_several_hosts_share_it() {
    let named = |id: &str, vpc: &str, at: &str, name: &str| eni(id, vpc, at, &tagged("Name", name));
    let inventories = vec![snapshot(
        "a.json",
        &[
            named("eni-1", "vpc-1", "10.0.0.1", "web-1"),
            named("eni-2", "vpc-1", "10.0.0.2", "web-2"),
            named("eni-3", "vpc-1", "10.0.0.3", "host-10-0-0-3"),
            named("eni-4", "vpc-1", "10.0.0.4", "host-10-0-0-4"),
            named("eni-5", "vpc-2", "10.9.0.5", "db-1"),
            named("eni-6", "vpc-1", "10.0.0.6", "db-2"),
        ],
    )];
    let mut directory = directory(inventories);
    let mut services = |vpc: &str, at: &str| ask(&mut directory, vpc, at, 0);
    assert!(services("vpc-1", "10.0.0.1").contains(" web (role"));
    assert!(services("vpc-1", "10.0.0.2").contains(" web (role"));
    assert!(services("vpc-1", "10.0.0.3").contains(" host-10-0-0-3 (itself"));
    assert!(services("vpc-2", "10.9.0.5").contains(" db (itself"), "another VPC's is another role");
}

#[test]
fn two_interfaces_of_one_host_are_no_replicas() {
    let attached = r#", "Attachment": {"InstanceId": "i-1"}"#;
    let inventories = vec![
        snapshot(
            "a.json",
            &[
                eni("eni-1", "vpc-1", "10.0.0.1", attached),
                eni("eni-2", "vpc-1", "10.0.0.2", attached),
            ],
        ),
        instances(&[("Name", "router")]),
    ];
    check(
        inventories,
        "",
        None,
        &expect![["eni-1 10.0.0.1 router (itself: tag Name of the instance); -, -, -"]],
    );
}

#[test]
fn descriptions_name_and_tell_infrastructure() {
    check(
        one(r#", "Description": "ELB app/shop/0123456789abcdef""#),
        "",
        None,
        &expect![["eni-1 10.0.0.1 shop (role: description of the interface); load-balancer, -, -"]],
    );
    let nat = r#", "InterfaceType": "natGateway", "Groups": []"#;
    check(
        one(nat),
        "",
        None,
        &expect![["eni-1 10.0.0.1 nat-gateway (role: kind of interface); nat, -, -"]],
    );
    let rds = r#", "Description": "RDSNetworkInterface", "Groups": [{"GroupId": "sg-1", "GroupName": "orders-db"}]"#;
    check(
        one(rds),
        "",
        None,
        &expect!["eni-1 10.0.0.1 orders-db (role: name of its security group); managed, -, -"],
    );
    check(
        one(&tagged("Name", "prod-bastion")),
        "",
        None,
        &expect![[
            "eni-1 10.0.0.1 prod-bastion (itself: tag Name of the interface); bastion, -, -"
        ]],
    );
    let recorded = EniFacts { interface_type: Some("nat_gateway".into()), ..facts("eni-1") };
    check(
        one(""),
        "",
        Some(recorded),
        &expect![["eni-1 10.0.0.1 nat-gateway (role: kind of interface); nat, -, -"]],
    );
}

#[test]
fn a_security_group_names_what_nothing_else_does() {
    let groups = |list: &str| format!(r#", "Groups": [{list}]"#);
    let web = r#"{"GroupId": "sg-1", "GroupName": "web"}"#;
    let two = vec![snapshot(
        "a.json",
        &[
            eni("eni-1", "vpc-1", "10.0.0.1", &groups(web)),
            eni("eni-2", "vpc-1", "10.0.0.2", &groups(web)),
        ],
    )];
    check(
        two,
        "",
        None,
        &expect![["eni-1 10.0.0.1 web (role: name of its security group); -, -, -"]],
    );
    let default = r#"{"GroupId": "sg-2", "GroupName": "default"}"#;
    for list in [default.to_owned(), format!("{web}, {default}"), String::new()] {
        check(
            one(&groups(&list)),
            "",
            None,
            &expect![["eni-1 10.0.0.1 10.0.0.1 (itself: nothing names it); -, -, -"]],
        );
    }
    check(
        one(r#", "Attachment": {"InstanceId": "i-1"}"#),
        "",
        None,
        &expect![["eni-1 10.0.0.1 i-1 (itself: nothing names it); -, -, -"]],
    );
}

#[test]
fn pods_keep_their_node_but_not_its_role() {
    let secondary = r#", "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.1", "Primary": true},
        {"PrivateIpAddress": "10.0.0.8", "Primary": false}], "Ipv6Addresses": [{"Ipv6Address": "fd00::1"}]"#;
    let node = format!(
        r#"{secondary}, "Ipv4Prefixes": [{{"Ipv4Prefix": "10.0.3.16/28"}}], "Description": "aws-K8S-i-1" {}"#,
        tagged("service", "node")
    );
    let inventories = vec![snapshot(
        "a.json",
        &[
            eni("eni-1", "vpc-1", "10.0.0.1", &node),
            eni("eni-2", "vpc-2", "10.0.0.1", &format!("{secondary}{}", tagged("service", "vip"))),
        ],
    )];
    let rules = "rules:\n- match: {cidr: 10.0.3.20/32}\n  service: carts\n- match: {vpc: vpc-1}\n  tier: k8s\n";
    let options = IdentityOptions { inventories, labels: labels(rules), ip_ranges: None };
    let mut directory = Directory::new(options);
    let mut told = |vpc: &str, at: &str| ask(&mut directory, vpc, at, 0);
    let node = "eni-1 10.0.0.1 node (role: tag service of the interface)";
    assert_eq!(told("vpc-1", "10.0.0.1"), node);
    assert_eq!(told("vpc-1", "fd00::1"), node);
    let pod = |at: &str| format!("eni-1 {at} {at} (itself: nothing names it)");
    assert_eq!(told("vpc-1", "10.0.0.8"), pod("10.0.0.8"));
    assert_eq!(told("vpc-1", "10.0.3.21"), pod("10.0.3.21"));
    assert_eq!(told("vpc-1", "10.0.3.20"), "eni-1 10.0.3.20 carts (role: labels rule 1)");
    let vip = "eni-2 10.0.0.1 vip (role: tag service of the interface)";
    assert_eq!(told("vpc-2", "10.0.0.8"), vip, "elsewhere a second address is the same workload");
}

#[test]
fn a_public_address_is_its_interface() {
    let more = r#", "Association": {"PublicIp": "198.51.100.7"}, "Ipv6Addresses": [{"Ipv6Address": "2001:db8::1"}]"#;
    let mut directory = directory(one(more));
    assert!(ask(&mut directory, "vpc-9", "198.51.100.7", 0).starts_with("eni-1 10.0.0.1 "));
    assert!(ask(&mut directory, "vpc-9", "2001:db8::1", 0).starts_with("eni-1 10.0.0.1 "));
}

#[test]
fn the_rest_is_private_or_outside() {
    let rules = "
rules:
- { match: { cidr: 10.99.0.0/16 }, service: office }
- { match: { vpc: vpc-1 }, service: never-the-internet }
networks:
- { cidr: 203.0.113.0/24, name: partner }
- { cidr: 10.50.0.0/16, name: on-premises }
";
    let mut directory =
        Directory::new(IdentityOptions { labels: labels(rules), ..IdentityOptions::default() });
    for (at, expected) in [
        ("10.99.1.2", "- 10.99.1.2 office (role: labels rule 1)"),
        ("203.0.113.9", "partner"),
        ("10.50.1.1", "on-premises"),
        ("100.64.0.2", "- 100.64.0.2 100.64.0.2 (itself: nothing names it)"),
        ("169.254.1.1", "- 169.254.1.1 169.254.1.1 (itself: nothing names it)"),
        ("fd12::1", "- fd12::1 fd12::1 (itself: nothing names it)"),
        ("8.8.8.8", "8.8.8.0/24"),
        ("2001:4860:4860::8888", "2001:4860:4860::/48"),
        ("224.0.0.251", "multicast and broadcast"),
        ("255.255.255.255", "multicast and broadcast"),
        ("ff02::fb", "multicast and broadcast"),
    ] {
        assert_eq!(ask(&mut directory, "vpc-1", at, 0), expected);
    }
}

#[test]
fn aws_services_are_named_by_ranges_else_by_records() {
    let text = br#"{"prefixes": [
        {"ip_prefix": "52.216.0.0/15", "region": "us-east-1", "service": "S3"},
        {"ip_prefix": "3.80.0.0/12", "region": "us-east-1", "service": "EC2"}]}"#;
    let ranges = IpRanges::read(Path::new("ip-ranges.json"), text).unwrap();
    let mut with =
        Directory::new(IdentityOptions { ip_ranges: Some(ranges), ..IdentityOptions::default() });
    let mut without = directory(vec![]);
    let mut told_both = |at: &str, said: Option<&str>| {
        [&mut with, &mut without].map(|d| told(&d.resolve(ACCOUNT, "vpc-1", address(at), said, 0)))
    };
    assert_eq!(told_both("52.217.0.1", Some("S3")), ["S3 us-east-1", "S3"]);
    assert_eq!(told_both("52.217.0.1", None), ["S3 us-east-1", "52.217.0.0/24"]);
    assert_eq!(told_both("3.81.0.1", Some("EC2")), ["3.81.0.0/24", "3.81.0.0/24"]);
    assert_eq!(
        told_both("10.0.0.1", Some("S3"))[1],
        "- 10.0.0.1 10.0.0.1 (itself: nothing names it)"
    );
}

#[test]
fn services_are_described() {
    let mut directory = directory(vec![snapshot(
        "a.json",
        &[
            eni("eni-2", "vpc-1", "10.0.0.2", &tagged("service", "web")),
            eni("eni-1", "vpc-1", "10.0.0.1", &tagged("service", "web")),
            eni(
                "eni-3",
                "vpc-1",
                "10.0.0.3",
                r#", "Description": "Interface for NAT Gateway nat-1""#,
            ),
        ],
    )]);
    ask(&mut directory, "vpc-1", "10.0.0.77", 0);
    ask(&mut directory, "vpc-1", "10.0.0.78", 0);
    ask(&mut directory, "vpc-1", "8.8.8.8", 0);
    directory.observe(&EniFacts { address: Some(address("10.0.0.78")), ..facts("eni-4") }, 10);
    let lines: Vec<String> = directory
        .describe()
        .iter()
        .flat_map(|row| row.workloads.iter().map(|w| told(&Party::Workload(Arc::clone(w)))))
        .collect();
    expect![[r"
        - 10.0.0.77 10.0.0.77 (itself: nothing names it)
        eni-4 10.0.0.78 10.0.0.78 (itself: nothing names it)
        eni-3 10.0.0.3 nat-gateway (role: kind of interface)
        eni-1 10.0.0.1 web (role: tag service of the interface)
        eni-2 10.0.0.2 web (role: tag service of the interface)
    "]]
    .assert_eq(&(lines.join("\n") + "\n"));
    assert_eq!(
        directory.interfaces().map(|i| i.id.as_str()).collect::<Vec<_>>(),
        ["eni-1", "eni-2", "eni-3"]
    );
}

/// What the newest snapshot lists holds for ever after, and so when everything is described.
#[test]
fn a_pod_of_the_newest_snapshot_is_described_on_its_node() {
    let prefix = r#", "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.0/28"}]"#;
    let node = eni("eni-1", "vpc-1", "10.0.0.1", prefix);
    let mut directory = directory(vec![snapshot("x-19700101T0010Z.json", &[node])]);
    let asked = ask(&mut directory, "vpc-1", "10.0.1.5", 700);
    assert!(asked.starts_with("eni-1 10.0.1.5 "), "{asked}");
    let described = directory.describe().into_iter().flat_map(|row| row.workloads);
    let described: Vec<_> = described.map(|workload| told(&Party::Workload(workload))).collect();
    assert!(described.contains(&asked), "{described:#?}");
}

#[test]
fn accounts_come_from_the_inventory_then_from_records_of_the_vpc() {
    let text = br#"{"NetworkInterfaces": [
        {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.0.1"},
        {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-1", "PrivateIpAddress": "10.0.0.2"}]}"#;
    let mut directory = directory(vec![inventory::read(Path::new("a.json"), text).unwrap()]);
    let account = |directory: &mut Directory| match directory.resolve(
        "999999999999",
        "vpc-7",
        address("10.0.0.2"),
        None,
        0,
    ) {
        Party::Workload(workload) => workload.account.to_string(),
        Party::Outside(_) => String::new(),
    };
    assert_eq!(account(&mut directory), "999999999999");
    directory.observe(&facts("eni-1"), 0);
    assert_eq!(account(&mut directory), ACCOUNT);
}

#[test]
fn labels_errors_name_the_line() {
    let fails =
        |text: &str| Labels::parse(Path::new("dir/labels.yaml"), text).unwrap_err().to_string();
    let texts = [
        "rules:\n- match: {cidr: 10.0.0.0}\n  servise: x\n",
        "rules:\n- match: {cidr: 10.0.0/8}\n  service: x\n",
        "rules:\n- match: {}\n  service: x\n",
        "rules:\n- match: {vpc: v}\n",
        "rules:\n- match: {vpc: v}\n  infrastructure: mainframe\n",
        "rules:\n- match: {account: 1}\n  service: ' '\n",
        "nets: []\n",
        "rules: [\n",
        "just text",
    ];
    let told: Vec<String> = texts
        .map(|text| fails(text).split("; expected `rules:`").next().unwrap_or_default().to_owned())
        .to_vec();
    expect![[r"
        dir/labels.yaml:3: unknown field `servise`, expected one of match, service, environment, tier, infrastructure
        dir/labels.yaml:2: `10.0.0/8` is not an address range such as 10.0.0.0/16
        dir/labels.yaml:2: a rule's `match` needs at least one condition
        dir/labels.yaml:2: a rule needs `service`, `environment`, `tier` or `infrastructure`
        dir/labels.yaml:3: unknown variant `mainframe`, expected one of bastion, directory, dns, load-balancer, nat
        dir/labels.yaml:2: a rule's names must not be empty
        dir/labels.yaml:1: unknown field `nets`, expected one of rules, networks
        dir/labels.yaml:1: unclosed bracket '['
        dir/labels.yaml:1: expected mapping start
    "]].assert_eq(&(told.join("\n") + "\n"));
    assert!(Labels::parse(Path::new("x"), "# nothing yet\n\n").is_ok());
    assert!(fails(&" ".repeat(LABELS_BYTES_MAX + 1)).contains("at most"));
}

#[test]
fn remembered_addresses_are_capped_whatever_the_order() {
    let ask_all = |order: &mut dyn Iterator<Item = u32>| {
        let mut directory = directory(vec![]);
        for n in order {
            let at = Address::from(0xffff_0a00_0000 + u128::from(n));
            directory.resolve(ACCOUNT, "vpc-1", at, None, 0);
        }
        assert_eq!(directory.capped().get("lone-addresses"), Some(&10));
        directory.describe()
    };
    let n = u32::try_from(LONE_ADDRESSES_MAX).unwrap() + 10;
    let rows = ask_all(&mut (0..n));
    assert_eq!(rows.len(), LONE_ADDRESSES_MAX);
    assert!(rows == ask_all(&mut (0..n).rev()));
}

#[test]
fn addresses_print_and_classify() {
    assert_eq!(address("10.0.0.1").to_string(), "10.0.0.1");
    assert_eq!(address("::ffff:10.0.0.1").to_string(), "10.0.0.1");
    assert_eq!(address("2001:db8::1").to_string(), "2001:db8::1");
    assert_eq!(address("10.1.2.3").prefix(24).to_string(), "10.1.2.0");
    assert_eq!(address("10.1.2.3").prefix(99).to_string(), "10.1.2.3");
    assert_eq!(address("2001:db8:1:2::3").prefix(48).to_string(), "2001:db8:1::");
    for private in
        ["10.0.0.0", "10.255.255.255", "172.31.0.1", "100.127.0.1", "fe80::1", "fdff::", "::1"]
    {
        assert!(address(private).is_private(), "{private}");
    }
    for public in
        ["9.255.255.255", "11.0.0.0", "172.32.0.1", "100.128.0.1", "fec0::1", "2001:db8::"]
    {
        assert!(!address(public).is_private(), "{public}");
    }
    assert!(address("239.1.1.1").is_multicast() && address("ff02::1").is_multicast());
    assert!(!address("240.0.0.1").is_multicast() && !address("255.255.255.255").is_multicast());
}

/// A small world: windows of facts, in any order within each.
fn any_facts() -> impl Strategy<Value = EniFacts> {
    (0..4u8, 0..5u8, proptest::option::of("[ab]"), proptest::option::of(0..2u8)).prop_map(
        |(id, at, service, vpc)| EniFacts {
            address: Some(address(&format!("10.0.0.{at}"))),
            ecs_service: service.map(|s| Arc::from(s.as_str())),
            vpc: vpc.map(|n| format!("vpc-{n}").into()),
            ..EniFacts::new(ACCOUNT, format!("eni-{id}"))
        },
    )
}

fn answers(directory: &mut Directory, time: i64) -> Vec<String> {
    let each = |n: u32| (format!("vpc-{}", n / 5), format!("10.0.0.{}", n % 5));
    (0..10).map(each).map(|(vpc, at)| ask(directory, &vpc, &at, time)).collect()
}

proptest! {
    #[test]
    fn the_order_within_a_window_does_not_matter(
        windows in proptest::collection::vec(proptest::collection::vec(any_facts(), 0..6), 1..5),
    ) {
        let inventories = || vec![
            snapshot("x-19700101T0001Z.json", &[eni("eni-1", "vpc-1", "10.0.0.1", "")]),
            snapshot("x-19700101T0003Z.json", &[eni("eni-2", "vpc-1", "10.0.0.1", "")]),
        ];
        let (mut forward, mut backward) = (directory(inventories()), directory(inventories()));
        for (time, window) in (0..).step_by(60).zip(&windows) {
            for facts in window {
                forward.observe(facts, time);
            }
            for facts in window.iter().rev() {
                backward.observe(facts, time);
            }
            let first = answers(&mut forward, time);
            prop_assert_eq!(&first, &answers(&mut backward, time));
            // What the cache answers is what a directory without one answers.
            let mut fresh = forward.clone();
            fresh.observe(&facts("eni-other"), time);
            prop_assert_eq!(first, answers(&mut fresh, time));
        }
    }

    #[test]
    fn any_labels_text_is_read_or_refused(text in "[ -~\n]{0,200}") {
        let _ = Labels::parse(Path::new("labels.yaml"), &text);
    }
}
