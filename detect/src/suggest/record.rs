//! The first steps of every plan: is this still the workload, and what is its state now?

use super::scene::{Scene, step};
use super::shell::{Aws, quote};
use crate::Step;

/// Interfaces with their groups as lines `eni sg sg …`.
pub(super) const GROUPS_QUERY: &str =
    "NetworkInterfaces[].[NetworkInterfaceId,join(' ',Groups[].GroupId)]";

/// Checks that the account and the interface are the right ones.
pub(super) fn preconditions(scene: &Scene<'_>, eni: &str) -> Step {
    let workload = &scene.finding.workload;
    let (has, want) = match (scene.instance, scene.address()) {
        (Some(instance), _) => ("Attachment.InstanceId", instance.to_owned()),
        (None, Some(address)) if !address.is_v4() => {
            ("Ipv6Addresses[0].Ipv6Address", address.to_string())
        }
        (None, Some(address)) => ("PrivateIpAddress", address.to_string()),
        (None, None) => ("NetworkInterfaceId", eni.to_owned()),
    };
    let now = scene
        .aws()
        .run("ec2 describe-network-interfaces")
        .with("--network-interface-ids", eni)
        .query(&format!("NetworkInterfaces[0].{has}"));
    let what = format!(
        "Have the approval your process asks for, and be in account {} in one shell for all steps. Go \
         on only if the second command prints OK: else the interface is somebody else's by now.",
        plain(&workload.account),
    );
    step(
        what,
        [
            Aws::global("sts get-caller-identity").query("Account").into(),
            format!(
                "test \"$({now})\" = {} && echo OK || echo 'STOP: not the workload of the finding'",
                quote(&want)
            ),
        ],
    )
}

/// Records all interfaces of the instance with their groups, and the instance, before anything changes.
pub(super) fn state(scene: &Scene<'_>, eni: &str) -> Step {
    let aws = scene.aws();
    let filter = match scene.instance {
        Some(instance) => format!("Name=attachment.instance-id,Values={instance}"),
        None => format!("Name=network-interface-id,Values={eni}"),
    };
    let interfaces = || aws.run("ec2 describe-network-interfaces").with("--filters", &filter);
    let groups = interfaces().query(GROUPS_QUERY);
    let mut commands = vec![
        groups.once_to(&scene.file("groups.tsv")),
        interfaces().raw("--output json").once_to(&scene.file("interfaces.json")),
    ];
    if let Some(instance) = scene.instance {
        commands.extend(instance_state(scene, instance));
    }
    let sums = quote(&sums_file(scene));
    commands.push(format!("test -s {sums} || sha256sum {}* > {sums}", quote(&scene.file(""))));
    let what = "Record the state to come back to: every interface of the instance with its security \
                groups, the secondary ones too, the instance and its addresses. A second run keeps \
                what the first one recorded.";
    step(format!("{what}{}", known_groups(scene)), commands)
}

/// The file with the checksums of what was recorded.
pub(super) fn sums_file(scene: &Scene<'_>) -> String {
    format!("sha256-{}.txt", scene.file("record"))
}

fn instance_state(scene: &Scene<'_>, instance: &str) -> [String; 4] {
    let aws = scene.aws();
    let attribute = aws
        .run("ec2 describe-instance-attribute")
        .with("--instance-id", instance)
        .with("--attribute", "disableApiTermination")
        .query("DisableApiTermination.Value");
    let kept = aws.run("ec2 describe-instances").with("--instance-ids", instance);
    let devices =
        "Reservations[0].Instances[0].BlockDeviceMappings[?Ebs.DeleteOnTermination].[DeviceName]";
    let profile = aws
        .run("ec2 describe-iam-instance-profile-associations")
        .with_all(
            "--filters",
            [format!("Name=instance-id,Values={instance}"), "Name=state,Values=associated".into()],
        )
        .query("IamInstanceProfileAssociations[].[AssociationId,IamInstanceProfile.Arn]");
    [
        kept.clone().raw("--output json").once_to(&scene.file("instance.json")),
        attribute.once_to(&scene.file("protection.txt")),
        kept.query(devices).once_to(&scene.file("devices.txt")),
        profile.once_to(&scene.file("profile.tsv")),
    ]
}

/// The groups as the inventory has them, for a person to compare.
fn known_groups(scene: &Scene<'_>) -> String {
    let enis = scene.details.iter().flat_map(|details| &details.of_instance);
    let lines: Vec<String> = enis
        .filter(|eni| !eni.security_groups.is_empty())
        .map(|eni| format!("{} has {}", plain(&eni.eni), plain(&eni.security_groups.join(" "))))
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!(" In the inventory {}.", lines.join("; "))
    }
}

/// A name for a sentence: what is not a letter, digit, space or `-` becomes `?`.
fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_ascii_alphanumeric() || " -".contains(c) { c } else { '?' };
    text.chars().take(200).map(shown).collect()
}
