//! Cuts addresses outside off the workload's subnet, by network ACL.
//!
//! Network ACLs keep no state, so this ends conversations that are under way, which a change of
//! security groups does not. It spares everything but the named addresses.

use super::scene::{Remote, Scene, note, step};
use super::shell::quote;
use crate::{Alternative, Step};

/// The plan; `None` where no address outside or no interface is known.
pub(super) fn plan(scene: &Scene<'_>) -> Option<Alternative> {
    let cut = cut(scene)?;
    let waits = scene.settle_secs.div_euclid(60);
    let mut steps = vec![note(
        "Have the approval your process asks for. The rules act on the whole subnet, but only on the \
         named addresses; traffic inside the subnet never meets them. Where rules are kept as code, \
         add them there too, else the next run takes them out.",
    )];
    steps.extend(cut);
    steps.push(note(format!(
        "Check after {waits} minutes, when the records are there, that no conversation with these \
         addresses is accepted any more."
    )));
    Some(Alternative {
        action: "cut-remote".to_owned(),
        why: format!(
            "stops {} at once, live connections too, and leaves the workload in service; an attacker \
             may come back from another address",
            addresses(&scene.remotes)
        ),
        steps,
        undo: undo(scene).into_iter().collect(),
    })
}

/// The steps that deny the addresses.
pub(super) fn cut(scene: &Scene<'_>) -> Option<[Step; 2]> {
    let eni = scene.eni.filter(|_| !scene.remotes.is_empty())?;
    Some([find_acl(scene, eni), deny(scene)])
}

/// The step that takes the rules out again; `None` where none went in.
pub(super) fn undo(scene: &Scene<'_>) -> Option<Step> {
    scene.eni.filter(|_| !scene.remotes.is_empty())?;
    let aws = scene.aws();
    let file = quote(&scene.file("acl-rules.txt"));
    let entry = aws.run("ec2 describe-network-acls").raw(
        "--network-acl-ids \"$acl\" --query \"length(NetworkAcls[0].Entries[?RuleNumber==\\`$n\\` && \
         RuleAction=='deny' && (CidrBlock=='$range' || Ipv6CidrBlock=='$range')])\" --output text",
    );
    let delete = aws
        .run("ec2 delete-network-acl-entry")
        .raw("--network-acl-id \"$acl\" --rule-number \"$n\"");
    Some(step(
        "Take the rules out again; one that was changed since stays, and is named.",
        [format!(
            "while read -r acl n range; do if [ \"$({entry})\" = 2 ]; then {delete} --egress; {delete} \
             --ingress; else echo \"REFUSED: rule $n of $acl was changed since\" >&2; fi; done < {file}"
        )],
    ))
}

fn find_acl(scene: &Scene<'_>, eni: &str) -> Step {
    let aws = scene.aws();
    let subnet = match scene.subnet() {
        Some(subnet) => format!("subnet={}", quote(subnet)),
        None => aws
            .run("ec2 describe-network-interfaces")
            .with("--network-interface-ids", eni)
            .query("NetworkInterfaces[0].SubnetId")
            .into_variable("subnet"),
    };
    let acl = aws
        .run("ec2 describe-network-acls")
        .raw("--filters \"Name=association.subnet-id,Values=$subnet\"")
        .query("NetworkAcls[0].NetworkAclId")
        .into_variable("acl");
    let all = aws.run("ec2 describe-network-acls").raw("--network-acl-ids \"$acl\" --output json");
    step(
        "Find the network ACL of the workload's subnet and record it. It holds 20 rules per direction \
         unless the quota was raised.",
        [subnet, acl, all.once_to(&scene.file("acl.json"))],
    )
}

fn deny(scene: &Scene<'_>) -> Step {
    let commands = scene.remotes.iter().flat_map(|remote| deny_one(scene, remote));
    step(
        format!(
            "Deny {} in both directions, for every protocol and port, under the lowest rule number \
             that is free, so that no rule before it allows what it denies: check that none with a \
             lower number does.",
            addresses(&scene.remotes)
        ),
        commands.collect::<Vec<String>>(),
    )
}

fn deny_one(scene: &Scene<'_>, remote: &Remote) -> [String; 4] {
    let aws = scene.aws();
    let (option, range) = remote.rule_range();
    let taken = aws
        .run("ec2 describe-network-acls")
        .raw("--network-acl-ids \"$acl\"")
        .query("sort(NetworkAcls[0].Entries[].RuleNumber)");
    let entry = |direction: &'static str| {
        let create = aws.run("ec2 create-network-acl-entry");
        let create = create.raw("--network-acl-id \"$acl\" --rule-number \"$n\" --protocol=-1");
        String::from(create.raw("--rule-action deny").with(option, &range).raw(direction))
    };
    [
        // Both directions are in the list, sorted, so a number that is free is free in both.
        format!("n=1; for taken in $({taken}); do [ \"$taken\" -eq \"$n\" ] && n=$((n+1)); done"),
        entry("--egress"),
        entry("--ingress"),
        format!(
            "printf '%s %s %s\\n' \"$acl\" \"$n\" {} >> {}",
            quote(&range),
            quote(&scene.file("acl-rules.txt"))
        ),
    ]
}

fn addresses(remotes: &[Remote]) -> String {
    let names: Vec<String> = remotes.iter().map(|remote| remote.address.to_string()).collect();
    names.join(", ")
}
