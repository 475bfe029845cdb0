//! Takes an isolation back: restores what was recorded, and refuses what was changed since.

use super::cut_remote;
use super::record::sums_file;
use super::scene::{Scene, step};
use super::shell::quote;
use crate::Step;

/// The steps, the last change first taken back where order matters.
pub(super) fn undo(scene: &Scene<'_>, group_was_made: bool) -> Vec<Step> {
    let mut steps = vec![check_record(scene), restore_groups(scene)];
    steps.extend(cut_remote::undo(scene));
    steps.extend(scene.instance.map(|instance| credentials(scene, instance)));
    steps.push(back_in_service(scene));
    steps.extend(scene.instance.map(|instance| protection(scene, instance)));
    steps.push(clean_up(scene, group_was_made));
    steps
}

fn check_record(scene: &Scene<'_>) -> Step {
    step(
        "In the folder of the plan's files: check that the record is what was written. Stop if not.",
        [format!("sha256sum -c {}", quote(&sums_file(scene)))],
    )
}

fn restore_groups(scene: &Scene<'_>) -> Step {
    let aws = scene.aws();
    let now = aws.run("ec2 describe-network-interfaces").raw("--network-interface-ids \"$eni\"");
    let now = now.query("NetworkInterfaces[0].Groups[].GroupId");
    // The groups are the recorded list: unquoted, so that each is an argument.
    let restore = aws
        .run("ec2 modify-network-interface-attribute")
        .raw("--network-interface-id \"$eni\" --groups $groups");
    step(
        "Give every interface exactly the groups it had. One whose groups are not those of the cut was \
         changed since: it is left alone and named.",
        [
            format!("quarantine=$(cat {})", quote(&scene.file("quarantine.txt"))),
            format!(
                "while read -r eni groups; do if [ \"$({now} </dev/null)\" = \"$quarantine\" ]; then \
                 {restore} </dev/null; else echo \"REFUSED: the groups of $eni were changed since\" \
                 >&2; fi; done < {}",
                quote(&scene.file("groups.tsv"))
            ),
        ],
    )
}

fn credentials(scene: &Scene<'_>, instance: &str) -> Step {
    let associate = scene
        .aws()
        .run("ec2 associate-iam-instance-profile")
        .with("--instance-id", instance)
        .raw("--iam-instance-profile \"Arn=$arn\"");
    step(
        "Give it its instance profile back. If the sessions of the role were ended, that stays: it \
         denies old sessions only.",
        [format!(
            "while read -r association arn; do {associate} </dev/null; done < {}",
            quote(&scene.file("profile.tsv"))
        )],
    )
}

fn back_in_service(scene: &Scene<'_>) -> Step {
    let aws = scene.aws();
    let mut commands = Vec::new();
    if let Some(instance) = scene.instance {
        let exit = aws
            .run("autoscaling exit-standby")
            .with("--instance-ids", instance)
            .raw("--auto-scaling-group-name \"$group\"");
        commands.push(format!(
            "group=$(cat {}); test \"$group\" = None || {exit}",
            quote(&scene.file("scaling-group.txt"))
        ));
    }
    commands.push(register(scene));
    step("Put it back into its Auto Scaling group and its load balancers.", commands)
}

/// Registers the workload with the target groups it was taken out of.
fn register(scene: &Scene<'_>) -> String {
    let register = scene
        .aws()
        .run("elbv2 register-targets")
        .raw("--target-group-arn \"$target\" --targets \"Id=$id,Port=$port\"");
    let file = quote(&scene.file("targets.txt"));
    format!("while read -r target id port; do {register} </dev/null; done < {file}")
}

fn protection(scene: &Scene<'_>, instance: &str) -> Step {
    let modify =
        || scene.aws().run("ec2 modify-instance-attribute").with("--instance-id", instance);
    let device = modify().raw(
        "--block-device-mappings \"[{\\\"DeviceName\\\":\\\"$device\\\",\\\"Ebs\\\":\
         {\\\"DeleteOnTermination\\\":true}}]\"",
    );
    step(
        "Let it be terminated and its volumes be deleted again, if they could be before. Its shutdown \
         behaviour stays `stop`, which loses nothing.",
        [
            format!(
                "test \"$(cat {})\" = True || {}",
                quote(&scene.file("protection.txt")),
                modify().raw("--no-disable-api-termination")
            ),
            format!(
                "while read -r device; do {device} </dev/null; done < {}",
                quote(&scene.file("devices.txt"))
            ),
        ],
    )
}

fn clean_up(scene: &Scene<'_>, group_was_made: bool) -> Step {
    let aws = scene.aws();
    let untag = aws
        .run("ec2 delete-tags")
        .with_all("--resources", scene.instance.into_iter().chain(scene.eni))
        .raw("--tags Key=tidegate:quarantine Key=tidegate:finding Key=tidegate:expires");
    let mut commands: Vec<String> = vec![untag.into()];
    if group_was_made {
        let delete = aws.run("ec2 delete-security-group").raw("--group-id \"$quarantine\"");
        commands.push(delete.into());
    }
    step(
        "Take off the tags, and delete what the plan made. Keep the plan's files: they are the audit.",
        commands,
    )
}
