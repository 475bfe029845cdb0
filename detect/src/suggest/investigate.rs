//! What to look at before anything is cut: commands that only read.

use super::scene::{Scene, note, step};
use super::shell::quote;
use crate::{Alternative, Step};

/// The steps to look closer.
pub(super) fn plan(scene: &Scene<'_>) -> Alternative {
    let mut steps = vec![step(
        "Read what was seen, what was expected and why it was told.",
        [format!(
            "tidegate explain {} --findings \"${{FINDINGS:?set FINDINGS to the file of --findings}}\"",
            quote(&scene.id)
        )],
    )];
    steps.extend(scene.eni.map(|eni| who_has(scene, eni)));
    steps.extend(scene.instance.map(|instance| what_happened(scene, instance)));
    steps.push(note(
        "Ask the owner of the service whether a deployment, a new dependency or a maintenance job \
         explains it. If one does, `tidegate accept` it with a reason and a date.",
    ));
    Alternative {
        action: "investigate".to_owned(),
        why: "looking costs nobody anything".to_owned(),
        steps,
        undo: Vec::new(),
    }
}

fn who_has(scene: &Scene<'_>, eni: &str) -> Step {
    let now =
        scene.aws().run("ec2 describe-network-interfaces").with("--network-interface-ids", eni);
    let picked = "NetworkInterfaces[0].{description:Description,address:PrivateIpAddress,\
                  instance:Attachment.InstanceId,groups:Groups,tags:TagSet}";
    step(
        "See who has the interface now; an address may have moved on since the event.",
        [now.with("--query", picked).raw("--output json")],
    )
}

fn what_happened(scene: &Scene<'_>, instance: &str) -> Step {
    let events = scene
        .aws()
        .run("cloudtrail lookup-events")
        .with(
            "--lookup-attributes",
            &format!("AttributeKey=ResourceName,AttributeValue={instance}"),
        )
        .query("Events[].[EventTime,Username,EventName]");
    step("See who changed the instance lately: logins, role changes, new rules.", [events])
}
