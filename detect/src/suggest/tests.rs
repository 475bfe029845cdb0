//! Plans: what they contain, what they refuse, and that a shell runs them as they are meant.

mod fixture;
mod running;

use std::process::Command;

use expect_test::expect;
use model::identity::Infrastructure;
use proptest::prelude::*;

use super::{EniDetails, Owner, PlanBudget, PlanOptions, quote};
use crate::{Alternative, Kind, Severity, Step, Suggestion};
use fixture::{END, World, deviation, exposed, finding, incident, plain_eni};

fn text(steps: &[Step]) -> String {
    let lines = steps.iter().flat_map(|step| {
        std::iter::once(format!("# {}", step.what)).chain(step.commands.iter().cloned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn commands(steps: &[Step]) -> String {
    steps.iter().flat_map(|step| step.commands.clone()).collect::<Vec<_>>().join("\n")
}

fn isolate_plan(world: &World) -> Suggestion {
    let plan = world.suggest(&incident()).unwrap();
    assert_eq!(plan.action, "isolate-workload", "{:?}", plan.refusals);
    plan
}

fn actions(alternatives: &[Alternative]) -> Vec<&str> {
    alternatives.iter().map(|a| a.action.as_str()).collect()
}

#[test]
fn an_incident_of_our_own_is_isolated_with_cheaper_plans_beside_it() {
    let plan = isolate_plan(&World::default());
    assert_eq!(actions(&plan.alternatives), ["cut-remote"]);
    assert_eq!(plan.expires, "2026-03-03T04:00:00Z");
    assert!(plan.refusals.is_empty());
    expect![[r"
        1 of 4 workloads of carts (25 %) is cut off; web loses about 20 % of its connections (on 8080/tcp)"]]
    .assert_eq(&plan.blast_radius.summary);
}

#[test]
fn low_findings_get_no_plan_and_medium_ones_a_look() {
    let world = World::default();
    let mut low = incident();
    low.severity = Severity::Low;
    assert_eq!(world.suggest(&low), None);
    low.severity = Severity::Medium;
    let plan = world.suggest(&low).unwrap();
    assert_eq!(plan.action, "investigate");
    assert_eq!(actions(&plan.alternatives), ["cut-remote"]);
    assert!(!commands(&plan.steps).contains("modify"));
}

#[test]
fn a_beacon_alone_has_its_remote_cut() {
    let mut beacon = finding(Kind::Beacon, vec![deviation(Kind::Beacon, "outbound")]);
    beacon.severity = Severity::High;
    let plan = World::default().suggest(&beacon).unwrap();
    assert_eq!(plan.action, "cut-remote");
    assert_eq!(actions(&plan.alternatives), ["isolate-workload"]);
    let cut = commands(&plan.steps);
    assert!(cut.contains("--cidr-block 203.0.113.9/32 --egress"));
    assert!(cut.contains("--cidr-block 203.0.113.9/32 --ingress"));
    assert!(commands(&plan.undo).contains("delete-network-acl-entry"));
}

#[test]
fn a_remote_with_an_ipv6_address_is_cut_by_it() {
    let mut beacon = deviation(Kind::Beacon, "outbound");
    beacon.peer_address = Some("2001:db8::9".to_owned());
    beacon.peer = "2001:db8::/48".to_owned();
    let mut found = finding(Kind::Beacon, vec![beacon]);
    found.severity = Severity::High;
    let plan = World::default().suggest(&found).unwrap();
    assert!(commands(&plan.steps).contains("--ipv6-cidr-block 2001:db8::9/128 --egress"));
}

#[test]
fn services_of_aws_and_private_addresses_are_no_remotes() {
    for (peer, address) in
        [("aws:S3", "52.216.1.1"), ("svc:db", "10.0.0.9"), ("10.9.0.0/24", "10.9.0.1")]
    {
        let mut beacon = deviation(Kind::Beacon, "outbound");
        (beacon.peer, beacon.peer_address) = (peer.to_owned(), Some(address.to_owned()));
        let mut found = finding(Kind::Beacon, vec![beacon]);
        found.severity = Severity::High;
        let plan = World::default().suggest(&found).unwrap();
        assert_eq!(plan.action, "investigate", "{peer}");
        assert!(!commands(&plan.steps).contains("create-network-acl-entry"));
    }
}

#[test]
fn a_port_opened_to_us_has_its_rule_removed() {
    let mut opened = deviation(Kind::NewPort, "inbound");
    (opened.peer, opened.peer_address) = ("svc:web".to_owned(), Some("10.0.0.5".to_owned()));
    opened.port = Some(8443);
    let mut found = finding(Kind::NewPort, vec![opened]);
    found.severity = Severity::High;
    let plan = World::default().suggest(&found).unwrap();
    assert_eq!(plan.action, "remove-rule");
    let listed = commands(&plan.steps);
    assert!(listed.contains("FromPort<=`8443`"));
    assert!(listed.contains("${RULE:?"), "a value a person must give stops the shell until given");
    assert!(commands(&plan.undo).contains("authorize-security-group-ingress"));
}

// The pitfalls of isolating, one by one.

#[test]
fn the_new_groups_default_egress_is_taken_out_for_both_families() {
    let plan = commands(&isolate_plan(&World::default()).steps);
    let revoke = "revoke-security-group-egress --region eu-west-1 --group-id \"$quarantine\"";
    assert_eq!(plan.matches(revoke).count(), 2);
    assert!(plan.contains("0.0.0.0/0") && plan.contains("::/0"));
    assert!(plan.contains("length(SecurityGroupRules)"), "and it is checked that none is left");
}

#[test]
fn all_interfaces_of_the_instance_are_targets_and_are_cut() {
    let plan = isolate_plan(&World::default());
    let enis: Vec<&str> = plan.targets.iter().map(|t| t.eni.as_str()).collect();
    assert_eq!(enis, ["eni-0a1", "eni-0a2"]);
    let recorded = commands(&plan.steps);
    assert!(recorded.contains("Name=attachment.instance-id,Values=i-0abc"));
    assert!(recorded.contains("< tidegate-f-1-groups.tsv"));
}

#[test]
fn groups_are_replaced_not_added_and_shared_ones_not_edited() {
    let plan = commands(&isolate_plan(&World::default()).steps);
    assert!(plan.contains("--groups \"$quarantine\" </dev/null"));
    for line in plan.lines().filter(|line| line.contains("security-group-")) {
        assert!(!line.contains("sg-0"), "touches a group that others have: {line}");
    }
}

#[test]
fn an_exposed_host_is_never_opened_on_the_way() {
    for eni in [exposed("198.51.100.7"), exposed("2600::7")] {
        let plan = isolate_plan(&World { eni: Some(eni), ..World::default() });
        assert!(!commands(&plan.steps).contains("authorize-security-group-ingress"));
        assert!(text(&plan.steps).contains("go on until they are idle"));
    }
    let unknown = World { eni: None, ..World::default() };
    assert!(!commands(&isolate_plan(&unknown).steps).contains("authorize-security-group"));
    let sheltered = commands(&isolate_plan(&World::default()).steps);
    assert!(sheltered.contains("authorize-security-group-ingress"));
}

#[test]
fn steps_come_in_the_order_that_keeps_evidence() {
    let plan = commands(&isolate_plan(&World::default()).steps);
    let order = [
        "get-caller-identity",
        "groups.tsv",
        "create-tags",
        "disable-api-termination",
        "deregister-targets",
        "enter-standby",
        "disassociate-iam-instance-profile",
        "revoke-security-group-egress",
        "--groups \"$quarantine\"",
        "create-network-acl-entry",
        "create-snapshots",
        "tidegate detect",
    ];
    let places: Vec<usize> = order.iter().map(|part| plan.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn the_caveats_are_said() {
    let plan = text(&isolate_plan(&World::default()).steps);
    for said in ["Terraform", "memory", "denies the healthy workloads", "health check", "approval"]
    {
        assert!(plan.contains(said), "nothing says {said}");
    }
}

#[test]
fn the_undo_restores_the_record_and_refuses_what_changed() {
    let undo = isolate_plan(&World::default()).undo;
    let undo = commands(&undo);
    assert!(undo.starts_with("sha256sum -c sha256-tidegate-f-1-record.txt"));
    assert!(undo.contains("REFUSED: the groups of $eni were changed since"));
    assert!(undo.contains("--groups $groups"));
    assert!(!undo.contains("sg-0"), "the undo must not restore what an inventory said");
}

#[test]
fn a_given_isolation_group_is_used_and_never_deleted() {
    let options = PlanOptions {
        isolation_security_group: Some("sg-0feed".to_owned()),
        ..PlanOptions::DEFAULT
    };
    let plan = isolate_plan(&World { options, ..World::default() });
    assert!(commands(&plan.steps).contains("quarantine=sg-0feed"));
    assert!(!commands(&plan.steps).contains("--group-name tidegate-f-1-quarantine"));
    assert!(!commands(&plan.undo).contains("delete-security-group"));
}

// Refusals.

fn refused(world: &World) -> Suggestion {
    let plan = world.suggest(&incident()).unwrap();
    assert_ne!(plan.action, "isolate-workload");
    assert!(!actions(&plan.alternatives).contains(&"isolate-workload"));
    assert!(!commands(&plan.steps).contains("modify-network-interface-attribute"));
    plan
}

#[test]
fn infrastructure_is_never_isolated() {
    for infrastructure in [
        Infrastructure::NatGateway,
        Infrastructure::LoadBalancer,
        Infrastructure::VpcEndpoint,
        Infrastructure::TransitGateway,
        Infrastructure::Dns,
        Infrastructure::Directory,
        Infrastructure::Bastion,
        Infrastructure::ControlPlane,
    ] {
        let world = World { infrastructure: Some(infrastructure), ..World::default() };
        let plan = refused(&world);
        assert_eq!(plan.action, "cut-remote");
        assert!(plan.refusals.concat().contains(infrastructure.name()));
    }
}

#[test]
fn a_young_baseline_isolates_nobody() {
    let plan = refused(&World { days: 2, ..World::default() });
    assert_eq!(plan.action, "investigate");
    expect!["the baseline covers 2.0 days, and isolating needs 3.0: what looks new may be what always happens on the days it has not seen"]
        .assert_eq(&plan.refusals.concat());
}

#[test]
fn an_interface_that_moved_on_is_left_alone() {
    let plan = refused(&World { still_there: Some(false), ..World::default() });
    assert_eq!(plan.action, "investigate");
    assert!(plan.refusals.concat().contains("now belongs to another workload"));
    assert_eq!(plan.targets[0].still_there, "no");
}

#[test]
fn the_last_replicas_of_a_service_others_need_stay() {
    let plan = refused(&World { replicas: 1, ..World::default() });
    assert_eq!(plan.action, "cut-remote");
    assert!(plan.refusals.concat().contains("100 %"));
    let lonely = World { replicas: 1, has_clients: false, ..World::default() };
    assert_eq!(lonely.suggest(&incident()).unwrap().action, "isolate-workload");
}

#[test]
fn plans_for_one_service_add_up() {
    let world = World::default();
    let mut budget = PlanBudget::default();
    let mut plan = |n: u32| {
        let mut found = incident();
        found.id = format!("f-{n}");
        found.workload.address = format!("10.0.1.{n}");
        world.suggest_within(&found, &mut budget).unwrap().action
    };
    assert_eq!(plan(1), "isolate-workload");
    assert_eq!(plan(2), "isolate-workload");
    assert_eq!(plan(3), "cut-remote", "two of four is half of it");
}

#[test]
fn a_storm_of_plans_is_stopped_and_revisions_keep_theirs() {
    let world = World { replicas: 100, ..World::default() };
    let mut budget = PlanBudget::default();
    let mut plan = |id: &str, first_seen: &str| {
        let mut found = incident();
        (found.id, found.first_seen) = (id.to_owned(), first_seen.to_owned());
        world.suggest_within(&found, &mut budget).unwrap()
    };
    let at = "2026-03-02T02:10:00Z";
    for id in ["a", "b", "c"] {
        assert_eq!(plan(id, at).action, "isolate-workload");
    }
    let fourth = plan("d", at);
    assert_eq!(fourth.action, "none");
    assert!(fourth.steps.is_empty() && fourth.alternatives.is_empty());
    assert!(fourth.refusals.concat().starts_with("3 plans were already made"));
    assert_eq!(plan("a", at).action, "isolate-workload", "the same finding, revised");
    assert_eq!(plan("e", "2026-03-02T03:10:00Z").action, "isolate-workload", "the next hour");
    budget.forget_before(i64::MAX);
    assert_eq!(budget, PlanBudget::default());
}

#[test]
fn without_an_interface_there_is_nothing_to_isolate() {
    let mut found = incident();
    found.workload.eni = None;
    let plan = World::default().suggest(&found).unwrap();
    assert_eq!(plan.action, "investigate");
    assert!(plan.refusals.concat().contains("--inventory"));
    assert!(plan.targets.is_empty());
}

#[test]
fn hostile_names_never_reach_a_command() {
    for name in
        ["eni-0;reboot", "--endpoint-url=http://x", "file:///etc/passwd", "eni-$(id)", "eni-\n"]
    {
        let mut found = incident();
        found.workload.eni = Some(name.to_owned());
        found.workload.instance = Some(name.to_owned());
        found.workload.vpc = name.to_owned();
        found.id = name.to_owned();
        found.deviations[0].protocol = Some(name.to_owned());
        let plan = World::default().suggest(&found).unwrap();
        assert_ne!(plan.action, "isolate-workload");
        let mut all = commands(&plan.steps) + &commands(&plan.undo);
        for alternative in &plan.alternatives {
            all += &commands(&alternative.steps);
        }
        assert!(!all.contains(name), "{all}");
    }
}

// What has no interface of its own to change.

fn isolate_owned(owner: Owner) -> Suggestion {
    isolate_plan(&World { eni: Some(EniDetails { owner, ..plain_eni() }), ..World::default() })
}

#[test]
fn a_task_is_stopped_rather_than_its_interface_changed() {
    let owner = Owner::EcsTask { cluster: "shop".to_owned(), task: "0123abc".to_owned() };
    let plan = commands(&isolate_owned(owner).steps);
    assert!(plan.contains("ecs stop-task --region eu-west-1 --cluster shop --task 0123abc"));
    assert!(!plan.contains("modify-network-interface-attribute"));
}

#[test]
fn a_function_is_stopped_rather_than_its_shared_interface_changed() {
    let plan = isolate_owned(Owner::Lambda { function: Some("resize".to_owned()) });
    assert!(commands(&plan.steps).contains("--reserved-concurrent-executions 0"));
    assert!(!commands(&plan.steps).contains("modify-network-interface-attribute"));
    assert!(commands(&plan.undo).contains("delete-function-concurrency"));
    let unnamed = isolate_owned(Owner::Lambda { function: None });
    assert!(commands(&unnamed.steps).contains("${FUNCTION:?"));
}

#[test]
fn a_database_changes_its_groups_at_the_service() {
    let plan = commands(&isolate_owned(Owner::Rds).steps);
    assert!(plan.contains("rds modify-db-instance"));
    assert!(!plan.contains("modify-network-interface-attribute"));
}

#[test]
fn a_pod_is_cut_by_policy_and_its_node_left_alone() {
    let eni = EniDetails {
        owner: Owner::KubernetesNode,
        address: Some("10.0.1.200".parse().unwrap()),
        ..plain_eni()
    };
    let plan = isolate_plan(&World { eni: Some(eni), ..World::default() });
    assert!(commands(&plan.steps).contains("NetworkPolicy"));
    assert!(!commands(&plan.steps).contains("modify-network-interface-attribute"));
    assert!(commands(&plan.undo).contains("uncordon"));
}

#[test]
fn the_whole_plan_reads_like_this() {
    let plan = isolate_plan(&World::default());
    expect_test::expect_file!["tests/isolate.txt"].assert_eq(&text(&plan.steps));
    expect_test::expect_file!["tests/release.txt"].assert_eq(&text(&plan.undo));
    let cut = plan.alternatives.iter().find(|a| a.action == "cut-remote").unwrap();
    expect_test::expect_file!["tests/cut_remote.txt"].assert_eq(&text(&cut.steps));
}

#[test]
fn the_blast_radius_tells_who_loses_what_share() {
    let world = World { days: 10, ..World::default() };
    let blast = isolate_plan(&world).blast_radius;
    assert_eq!((blast.replicas, blast.replica_share), (4, 0.25));
    let edges: Vec<(&str, &str, f64, f64)> = blast
        .edges
        .iter()
        .map(|e| (e.peer.as_str(), e.direction.as_str(), e.share, e.connections_per_day))
        .collect();
    // web opened 1000 connections, 800 of them to carts, of whose four workloads one goes.
    assert_eq!(edges, [("svc:web", "inbound", 0.2, 80.0), ("svc:db", "outbound", 0.25, 50.0)]);
}

#[test]
fn an_intruders_own_channel_is_nobodys_loss() {
    const DAY: i64 = 86_400;
    let lost = |first: i64| {
        let world = World { there_since: Some(first), ..World::default() };
        let edges = isolate_plan(&world).blast_radius.edges;
        edges.iter().any(|edge| edge.peer == "203.0.113.0/24")
    };
    assert!(lost(END - 30 * DAY), "a vendor's is");
    assert!(!lost(END) && !lost(END - DAY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_quoted_word_is_the_word_again(word in "[^\0]{0,40}") {
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("printf '%s' {}", quote(&word)))
            .output()
            .unwrap();
        prop_assert!(output.stderr.is_empty());
        prop_assert_eq!(output.stdout, word.into_bytes());
    }
}

#[test]
fn what_a_shell_would_run_is_inert() {
    for word in
        ["`id`", "$(id)", "a\nid\n", "'; id; '", "\\", "\"", "~root", "*", "", "-n", "a b", "!!"]
    {
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("printf '%s' {}", quote(word)))
            .output()
            .unwrap();
        assert_eq!(output.stdout, word.as_bytes());
    }
}
