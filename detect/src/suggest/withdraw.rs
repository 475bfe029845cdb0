//! Withdraws a workload: from its load balancers and its Auto Scaling group, and from its credentials.

use super::scene::{Scene, step};
use super::shell::{Aws, quote};
use crate::Step;

/// Load balancers stop sending, and the Auto Scaling group neither kills nor replaces in place.
pub(super) fn drain(scene: &Scene<'_>) -> Vec<Step> {
    let mut steps = vec![deregister(scene)];
    if let Some(instance) = scene.instance {
        let aws = scene.aws();
        let group = aws
            .run("autoscaling describe-auto-scaling-instances")
            .with("--instance-ids", instance)
            .query("AutoScalingInstances[0].AutoScalingGroupName")
            .once_to(&scene.file("scaling-group.txt"));
        let standby = aws
            .run("autoscaling enter-standby")
            .with("--instance-ids", instance)
            .raw("--auto-scaling-group-name \"$group\" --no-should-decrement-desired-capacity");
        let file = quote(&scene.file("scaling-group.txt"));
        steps.push(step(
            "Put it on standby in its Auto Scaling group, if it is in one: else the health check \
             terminates it. The group starts a replacement.",
            [group, format!("group=$(cat {file}); test \"$group\" = None || {standby}")],
        ));
    }
    steps
}

/// Takes the workload out of all target groups it is in, as instance or as address.
pub(super) fn deregister(scene: &Scene<'_>) -> Step {
    let aws = scene.aws();
    let ids = scene.instance.map(str::to_owned).into_iter();
    let ids = ids.chain(scene.address().map(|address| address.to_string()));
    let is_it: Vec<String> = ids.map(|id| format!("Target.Id=='{id}'")).collect();
    let all = aws.run("elbv2 describe-target-groups").query("TargetGroups[].[TargetGroupArn]");
    let registered =
        aws.run("elbv2 describe-target-health").raw("--target-group-arn \"$target\"").query(
            &format!("TargetHealthDescriptions[?{}].[Target.Id,Target.Port]", is_it.join(" || ")),
        );
    let leave = aws
        .run("elbv2 deregister-targets")
        .raw("--target-group-arn \"$target\" --targets \"Id=$id,Port=$port\"");
    let file = quote(&scene.file("targets.txt"));
    step(
        "Take it out of its load balancers' target groups; what is under way drains for up to five \
         minutes.",
        [
            format!(
                "test -s {file} || {all} | while read -r target; do {registered} </dev/null | while \
                 read -r id port; do echo \"$target $id $port\"; done; done > {file}"
            ),
            format!("while read -r target id port; do {leave} </dev/null; done < {file}"),
        ],
    )
}

/// Its own credentials; then, apart, everybody's with the same role.
pub(super) fn credentials(scene: &Scene<'_>, instance: &str) -> [Step; 2] {
    let aws = scene.aws();
    let file = quote(&scene.file("profile.tsv"));
    let leave =
        aws.run("ec2 disassociate-iam-instance-profile").raw("--association-id \"$association\"");
    let profile = Aws::global("iam get-instance-profile")
        .raw("--instance-profile-name \"${arn##*/}\"")
        .query("InstanceProfile.Roles[0].RoleName");
    let deny = Aws::global("iam put-role-policy").raw(
        "--role-name \"$role\" --policy-name AWSRevokeOlderSessions --policy-document \
         \"{\\\"Version\\\":\\\"2012-10-17\\\",\\\"Statement\\\":[{\\\"Effect\\\":\\\"Deny\\\",\
         \\\"Action\\\":\\\"*\\\",\\\"Resource\\\":\\\"*\\\",\\\"Condition\\\":{\\\"DateLessThan\\\":\
         {\\\"aws:TokenIssueTime\\\":\\\"$now\\\"}}}]}\"",
    );
    [
        step(
            format!("Give {instance} no new credentials: take its instance profile away."),
            [format!("while read -r association arn; do {leave} </dev/null; done < {file}")],
        ),
        step(
            "Only if its credentials may be in other hands: end all sessions of its role so far. This \
             denies the healthy workloads with the role too, until they fetch new credentials. Set \
             SHARED_ROLE=yes to say that you know.",
            [
                format!("test -s {file} && read -r association arn < {file} && role=$({profile})"),
                format!(
                    "now=$(date -u +%Y-%m-%dT%H:%M:%SZ); test \"${{SHARED_ROLE:?set it to yes to go \
                     on}}\" = yes && {deny}"
                ),
            ],
        ),
    ]
}
