//! What a plan would act on, and whether it is still what it was at the event.

use super::Context;
use super::scene::Scene;
use super::shell::is_id;
use crate::Target;

/// All interfaces of the workload's instance: one left out is a way around the plan.
pub(super) fn targets(scene: &Scene<'_>, context: &Context<'_>) -> Vec<Target> {
    let Some(eni) = scene.eni else { return Vec::new() };
    let workload = &scene.finding.workload;
    let still_there = match (context.still_there)(workload) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let target = |eni: &str, address: String| Target {
        account: workload.account.clone(),
        vpc: workload.vpc.clone(),
        eni: eni.to_owned(),
        address,
        instance: workload.instance.clone(),
        still_there: still_there.to_owned(),
    };
    let mut found = vec![target(eni, workload.address.clone())];
    let siblings = scene.details.iter().flat_map(|details| &details.of_instance);
    for other in siblings.filter(|other| other.eni != eni && is_id(&other.eni, "eni-")) {
        let address = other.address.map(|address| address.to_string()).unwrap_or_default();
        found.push(target(&other.eni, address));
    }
    found
}
