//! Takes out the security group rule that lets the new conversation in.
//!
//! Flow logs do not say which rule that is, so the commands list the candidates and a person picks.

use std::collections::BTreeSet;

use super::scene::{Scene, note, step};
use super::shell::quote;
use crate::{Alternative, Step};

/// What the plan costs others.
pub(super) const SHARED: &str =
    "every workload in the rule's security group loses what the rule lets in, not this one alone";

/// Rules as `authorize-security-group-ingress` takes them back, whatever they name.
const AS_PERMISSIONS: &str = "[\
     SecurityGroupRules[?CidrIpv4].{IpProtocol:IpProtocol,FromPort:FromPort,ToPort:ToPort,IpRanges:[{CidrIp:CidrIpv4}]},\
     SecurityGroupRules[?CidrIpv6].{IpProtocol:IpProtocol,FromPort:FromPort,ToPort:ToPort,Ipv6Ranges:[{CidrIpv6:CidrIpv6}]},\
     SecurityGroupRules[?PrefixListId].{IpProtocol:IpProtocol,FromPort:FromPort,ToPort:ToPort,PrefixListIds:[{PrefixListId:PrefixListId}]},\
     SecurityGroupRules[?ReferencedGroupInfo].{IpProtocol:IpProtocol,FromPort:FromPort,ToPort:ToPort,UserIdGroupPairs:[{GroupId:ReferencedGroupInfo.GroupId}]}\
     ][]";

/// A port somebody opened to the workload.
type Opened<'a> = (u16, &'a str);

/// The plan; `None` where nothing was opened to the workload or its groups are not known.
pub(super) fn plan(scene: &Scene<'_>) -> Option<Alternative> {
    let groups = scene.security_groups();
    let opened: BTreeSet<Opened<'_>> =
        scene.opened_inbound().filter_map(|d| Some((d.port?, d.protocol.as_deref()?))).collect();
    if groups.is_empty() || opened.is_empty() {
        return None;
    }
    let mut steps = vec![list(scene, &groups, &opened)];
    steps.extend(revoke(scene));
    steps.push(note(
        "Connections under way go on until they end, for security groups follow connections. Find out \
         who added the rule, and take it out where rules are kept as code, else it comes back.",
    ));
    Some(Alternative {
        action: "remove-rule".to_owned(),
        why: format!("closes what was opened, for good; but {SHARED}"),
        steps,
        undo: vec![restore(scene)],
    })
}

fn list(scene: &Scene<'_>, groups: &[&str], opened: &BTreeSet<Opened<'_>>) -> Step {
    let filter = format!("Name=group-id,Values={}", groups.join(","));
    let admits: Vec<String> =
        opened.iter().map(|&(port, protocol)| admits(port, protocol)).collect();
    let query = format!(
        "SecurityGroupRules[?!IsEgress && ({})].[SecurityGroupRuleId,GroupId,IpProtocol,FromPort,ToPort,\
         CidrIpv4,CidrIpv6,PrefixListId,ReferencedGroupInfo.GroupId]",
        admits.join(" || ")
    );
    let rules = scene.aws().run("ec2 describe-security-group-rules").with("--filters", &filter);
    step(
        "List the rules that let it in, and pick the one that should not: the widest, or the youngest.",
        [rules.query(&query)],
    )
}

/// The condition that a rule admits a port, in the query language of the AWS CLI.
fn admits(port: u16, protocol: &str) -> String {
    let protocol: String = protocol.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!(
        "IpProtocol=='-1' || (IpProtocol=='{protocol}' && FromPort<=`{port}` && ToPort>=`{port}`)"
    )
}

fn revoke(scene: &Scene<'_>) -> [Step; 2] {
    let aws = scene.aws();
    let chosen = || {
        let rules = aws.run("ec2 describe-security-group-rules");
        rules.raw("--security-group-rule-ids \"${RULE:?set RULE to the sgr-… id you picked}\"")
    };
    let group = chosen().query("SecurityGroupRules[0].GroupId");
    let permissions = chosen().with("--query", AS_PERMISSIONS).raw("--output json");
    let revoke = aws.run("ec2 revoke-security-group-ingress");
    let users = aws.run("ec2 describe-network-interfaces");
    let users = users.raw("--filters \"Name=group-id,Values=$group\"");
    [
        step(
            "Record the rule, and see who else is in its group: they lose it too. Set RULE first.",
            [
                group.once_to(&scene.file("rule-group.txt")),
                permissions.once_to(&scene.file("rule.json")),
                format!("group=$(cat {})", quote(&scene.file("rule-group.txt"))),
                users.query("NetworkInterfaces[].[NetworkInterfaceId,Description]").into(),
            ],
        ),
        step(
            "Take the rule out.",
            [revoke.raw("--group-id \"$group\" --security-group-rule-ids \"$RULE\"")],
        ),
    ]
}

fn restore(scene: &Scene<'_>) -> Step {
    let authorize = scene.aws().run("ec2 authorize-security-group-ingress");
    let file = format!("file://{}", scene.file("rule.json"));
    step(
        "Put the rule back as it was.",
        [
            format!("group=$(cat {})", quote(&scene.file("rule-group.txt"))),
            authorize.raw("--group-id \"$group\"").with("--ip-permissions", &file).into(),
        ],
    )
}
