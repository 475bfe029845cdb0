//! Isolates an EC2 instance: evidence kept, service drained, all its interfaces put into a security
//! group without a rule, live conversations with the outside cut by network ACL.
//!
//! Security groups follow connections: a change lets established ones go on for up to five days. So a
//! plan cuts known remotes by network ACL as well, and checks afterwards what survived.

use super::scene::{Scene, note, step};
use super::shell::{is_id, quote};
use super::{PlanOptions, cut_remote, record, release, withdraw};
use crate::{Alternative, Step};

/// The plan; of a workload without a known interface, only what can be said without one.
pub(super) fn plan(scene: &Scene<'_>, options: &PlanOptions) -> Alternative {
    let group = IsolationGroup::new(options);
    let mut steps = Vec::new();
    if let Some(eni) = scene.eni {
        steps.extend([
            record::preconditions(scene, eni),
            record::state(scene, eni),
            tag(scene, eni),
        ]);
    }
    steps.extend(scene.instance.map(|instance| keep(scene, instance)));
    steps.push(memory());
    steps.extend(withdraw::drain(scene));
    steps.extend(
        scene.instance.map(|instance| withdraw::credentials(scene, instance)).into_iter().flatten(),
    );
    steps.push(group.step(scene));
    steps.extend(forget_tracked(scene));
    steps.push(cut(scene));
    steps.extend(cut_remote::cut(scene).into_iter().flatten());
    steps.extend(scene.instance.map(|instance| snapshot(scene, instance)));
    steps.push(verify(scene));
    steps.push(lapse(scene));
    Alternative {
        action: "isolate-workload".to_owned(),
        why: "stops whatever the workload does, to whomever; the service loses a replica"
            .to_owned(),
        steps,
        undo: release::undo(scene, group.is_made()),
    }
}

/// The security group to isolate into.
#[derive(Clone, Copy, Debug)]
enum IsolationGroup<'a> {
    /// The user's.
    Given(&'a str),
    /// One the plan makes.
    Made,
}

impl<'a> IsolationGroup<'a> {
    fn new(options: &'a PlanOptions) -> Self {
        let given = options.isolation_security_group.as_deref();
        given.filter(|group| is_id(group, "sg-")).map_or(Self::Made, Self::Given)
    }

    fn is_made(self) -> bool {
        matches!(self, Self::Made)
    }

    fn step(self, scene: &Scene<'_>) -> Step {
        let (what, mut commands) = match self {
            Self::Given(group) => {
                ("Take the given isolation group.", vec![format!("quarantine={}", quote(group))])
            }
            Self::Made => (
                "Make a security group without a rule. AWS gives every new group a rule that lets \
                 everything out, to IPv4 and, in a VPC with IPv6, to IPv6: take out both (the second \
                 command fails where there is no IPv6).",
                made(scene),
            ),
        };
        let rules = scene
            .aws()
            .run("ec2 describe-security-group-rules")
            .raw("--filters \"Name=group-id,Values=$quarantine\"")
            .query("length(SecurityGroupRules)");
        commands.push(format!(
            "test \"$({rules})\" = 0 && echo OK || echo 'STOP: the isolation group has rules'"
        ));
        commands.push(format!("echo \"$quarantine\" > {}", quote(&scene.file("quarantine.txt"))));
        step(format!("{what} Go on only if OK is printed."), commands)
    }
}

fn made(scene: &Scene<'_>) -> Vec<String> {
    let aws = scene.aws();
    let mut commands = Vec::new();
    let create = aws.run("ec2 create-security-group");
    let create = create.with("--group-name", &scene.file("quarantine"));
    let create = create.with("--description", "Isolated by a Tidegate plan: no rules");
    let create = match (scene.vpc(), scene.eni) {
        (Some(vpc), _) => create.with("--vpc-id", vpc),
        (None, eni) => {
            let eni =
                aws.run("ec2 describe-network-interfaces").with_all("--network-interface-ids", eni);
            commands.push(eni.query("NetworkInterfaces[0].VpcId").into_variable("vpc"));
            create.raw("--vpc-id \"$vpc\"")
        }
    };
    commands.push(create.query("GroupId").into_variable("quarantine"));
    commands.extend(["[{\"CidrIp\":\"0.0.0.0/0\"}]", "[{\"CidrIpv6\":\"::/0\"}]"].map(|ranges| {
        let family = if ranges.contains("v6") { "Ipv6Ranges" } else { "IpRanges" };
        let permissions = format!("[{{\"IpProtocol\":\"-1\",\"{family}\":{ranges}}}]");
        let revoke = aws.run("ec2 revoke-security-group-egress").raw("--group-id \"$quarantine\"");
        revoke.with("--ip-permissions", &permissions).into()
    }));
    commands
}

fn tag(scene: &Scene<'_>, eni: &str) -> Step {
    let tags = [
        "Key=tidegate:quarantine,Value=pending".to_owned(),
        format!("Key=tidegate:finding,Value={}", scene.id),
        format!("Key=tidegate:expires,Value={}", scene.expires),
    ];
    let create = scene.aws().run("ec2 create-tags");
    let create = create.with_all("--resources", scene.instance.into_iter().chain([eni]));
    step(
        "Tag it, so that whoever finds it cut off knows why and until when.",
        [create.with_all("--tags", tags)],
    )
}

fn keep(scene: &Scene<'_>, instance: &str) -> Step {
    let modify =
        || scene.aws().run("ec2 modify-instance-attribute").with("--instance-id", instance);
    let kept = modify().raw(
        "--block-device-mappings \"[{\\\"DeviceName\\\":\\\"$device\\\",\\\"Ebs\\\":\
         {\\\"DeleteOnTermination\\\":false}}]\"",
    );
    step(
        "Keep the evidence: nobody terminates the instance by mistake, a shutdown stops it only, and \
         its volumes outlive it. (An instance of an Auto Scaling group is terminated all the same: the \
         group lets go of it below.)",
        [
            modify().raw("--disable-api-termination").into(),
            modify().with("--instance-initiated-shutdown-behavior", "Value=stop").into(),
            format!(
                "while read -r device; do {kept} </dev/null; done < {}",
                quote(&scene.file("devices.txt"))
            ),
        ],
    )
}

fn memory() -> Step {
    note(
        "If you want its memory, take it now: the cut ends the agent's own connections too (SSM, EDR). \
         Do not reboot or stop it before.",
    )
}

/// Makes tracked connections untracked, so that the cut ends them too.
///
/// For a moment the workload lets everything in and out. That is only for one that nobody outside can
/// reach; for another, or where it is not known, the plan says what survives instead.
fn forget_tracked(scene: &Scene<'_>) -> Vec<Step> {
    let is_sheltered = scene.details.as_ref().is_some_and(|details| !details.is_exposed());
    if !is_sheltered {
        return vec![note(
            "Know what the cut below leaves: connections under way that the present groups track go on \
             until they are idle for up to five days. Letting everything in and out first would end \
             them, but the workload has a public or IPv6 address, or may have, so that is not in this \
             plan: the network ACL rules end those with the named addresses, and stopping the instance \
             ends all.",
        )];
    }
    vec![all_access(scene)]
}

fn all_access(scene: &Scene<'_>) -> Step {
    let aws = scene.aws();
    let everything = "[{\"IpProtocol\":\"-1\",\"IpRanges\":[{\"CidrIp\":\"0.0.0.0/0\"}],\
                      \"Ipv6Ranges\":[{\"CidrIpv6\":\"::/0\"}]}]";
    let everything_v6 = "[{\"IpProtocol\":\"-1\",\"Ipv6Ranges\":[{\"CidrIpv6\":\"::/0\"}]}]";
    let create = aws.run("ec2 create-security-group").with("--group-name", &scene.file("open"));
    let create = create.with("--description", "Passing through, by a Tidegate plan");
    let vpc = aws.run("ec2 describe-security-groups").raw("--group-ids \"$quarantine\"");
    let allow = |operation| aws.run(operation).raw("--group-id \"$open\"");
    step(
        "End connections under way: pass through a group that allows everything, to and from IPv4 and \
         IPv6. A connection such rules allow is no longer tracked, and the cut that follows ends it. \
         The workload has no public and no IPv6 address; inside the VPC it is open for these seconds. \
         (AWS may have put an IPv6 rule there itself: then the last allowance fails, and all is well.)",
        [
            vpc.query("SecurityGroups[0].VpcId").into_variable("vpc"),
            create.raw("--vpc-id \"$vpc\"").query("GroupId").into_variable("open"),
            allow("ec2 authorize-security-group-ingress")
                .with("--ip-permissions", everything)
                .into(),
            allow("ec2 authorize-security-group-egress")
                .with("--ip-permissions", everything_v6)
                .into(),
            replace_groups(scene, "open"),
            "sleep 15".to_owned(),
        ],
    )
}

/// Gives every recorded interface one group in place of all it had: groups add up, so one that stayed
/// would let in what it let in before.
fn replace_groups(scene: &Scene<'_>, variable: &'static str) -> String {
    let modify = scene.aws().run("ec2 modify-network-interface-attribute");
    let modify = modify.raw("--network-interface-id \"$eni\" --groups");
    format!(
        "while read -r eni groups; do {modify} \"${variable}\" </dev/null; done < {}",
        quote(&scene.file("groups.tsv"))
    )
}

fn cut(scene: &Scene<'_>) -> Step {
    let now = format!("date -u +%Y-%m-%dT%H:%M:%SZ > {}", quote(&scene.file("cut-at.txt")));
    let mut commands = vec![replace_groups(scene, "quarantine"), now];
    if scene.details.as_ref().is_some_and(|details| !details.is_exposed()) {
        let delete = scene.aws().run("ec2 delete-security-group").raw("--group-id \"$open\"");
        commands.push(delete.into());
    }
    step(
        "Cut: the isolation group in place of all groups, on every interface of the instance. Where \
         Terraform, CloudFormation, AWS Config or Firewall Manager own the groups, stop them from \
         putting the old ones back.",
        commands,
    )
}

fn snapshot(scene: &Scene<'_>, instance: &str) -> Step {
    let snapshot = scene
        .aws()
        .run("ec2 create-snapshots")
        .with("--instance-specification", &format!("InstanceId={instance}"))
        .with("--description", &format!("Tidegate finding {}", scene.id))
        .with("--copy-tags-from-source", "volume");
    step("Take snapshots of its volumes.", [snapshot])
}

/// Reads in the flow logs whether the cut holds.
pub(super) fn verify(scene: &Scene<'_>) -> Step {
    let eni = scene.eni.unwrap_or("the interface");
    let minutes = scene.settle_secs.div_euclid(60);
    step(
        format!(
            "Check after {minutes} minutes (the logs' interval, and ten to be delivered): since the \
             cut no record of {eni} may say ACCEPT. One that does is a connection that survived: deny \
             its address in the network ACL, or stop the instance."
        ),
        [format!(
            "tidegate detect \"${{FLOW_LOGS:?set FLOW_LOGS to where the flow logs are}}\" --since \
             \"$(cat {})\" --output json",
            quote(&scene.file("cut-at.txt"))
        )],
    )
}

fn lapse(scene: &Scene<'_>) -> Step {
    note(format!(
        "Decide until {}: release it by the undo, or replace it for good. The plan is for what was seen \
         until the event, and lapses then.",
        scene.expires
    ))
}
