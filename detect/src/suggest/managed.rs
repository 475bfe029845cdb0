//! Isolates what has no interface of its own to change: tasks, functions, databases and pods.

use model::identity::{Address, Infrastructure};

use super::scene::{Scene, note, step};
use super::shell::{quote, token};
use super::{Owner, cut_remote, isolate, withdraw};
use crate::{Alternative, Step};

/// The plan for a workload whose interface's groups are not to be changed; `None` for one whose are.
pub(super) fn plan(
    scene: &Scene<'_>,
    infrastructure: Option<Infrastructure>,
) -> Option<Alternative> {
    let details = scene.details.as_ref();
    let owner = details.map(|details| &details.owner);
    if let Some(address) = pod(scene) {
        return Some(of_pod(scene, address));
    }
    match (owner, infrastructure) {
        (Some(Owner::EcsTask { cluster, task }), _) => Some(of_task(scene, cluster, task)),
        (Some(Owner::Lambda { function }), _) => Some(of_function(scene, function.as_deref())),
        (_, Some(Infrastructure::Lambda)) => Some(of_function(scene, None)),
        (Some(Owner::Rds), _) => Some(of_database(scene)),
        (Some(Owner::Managed), _) | (_, Some(Infrastructure::Managed)) => Some(of_service(scene)),
        _ if details.is_some_and(|details| details.requester_managed) => Some(of_service(scene)),
        _ => None,
    }
}

/// The address of a pod, which is one of its node's, but not the node's own.
fn pod(scene: &Scene<'_>) -> Option<Address> {
    let details = scene.details.as_ref()?;
    let address = scene.address()?;
    let is_node = details.owner == Owner::KubernetesNode;
    let is_own = details.address == Some(address) || details.addresses_v6.contains(&address);
    (is_node && !is_own).then_some(address)
}

fn alternative(why: &str, steps: Vec<Step>, undo: Vec<Step>) -> Alternative {
    Alternative { action: "isolate-workload".to_owned(), why: why.to_owned(), steps, undo }
}

fn approval(scene: &Scene<'_>) -> Step {
    note(format!(
        "Have the approval your process asks for, and keep one shell for all steps. The plan lapses at \
         {}.",
        scene.expires
    ))
}

/// The steps that cut the remotes, if there are any.
fn remotes(scene: &Scene<'_>) -> impl Iterator<Item = Step> {
    cut_remote::cut(scene).into_iter().flatten()
}

fn verify(scene: &Scene<'_>) -> Step {
    note(isolate::verify(scene).what)
}

fn of_task(scene: &Scene<'_>, cluster: &str, task: &str) -> Alternative {
    let aws = scene.aws();
    let (Some(cluster), Some(task)) = (token(cluster), token(task)) else {
        return of_service(scene);
    };
    let describe = aws.run("ecs describe-tasks").with("--cluster", cluster).with("--tasks", task);
    let tag = aws
        .run("ecs tag-resource")
        .raw("--resource-arn \"$task\"")
        .with_all("--tags", [format!("key=tidegate:finding,value={}", scene.id)]);
    let stop = aws
        .run("ecs stop-task")
        .with("--cluster", cluster)
        .with("--task", task)
        .with("--reason", &format!("Tidegate finding {}", scene.id));
    let mut steps = vec![
        approval(scene),
        step(
            "Record the task: its image, its role, its network.",
            [describe.clone().raw("--output json").once_to(&scene.file("task.json"))],
        ),
        step("Tag it.", [describe.query("tasks[0].taskArn").into_variable("task"), tag.into()]),
        withdraw::deregister(scene),
        note(
            "Take what you need of it now (`aws ecs execute-command`, where it is enabled): ECS manages \
             its interface, so its security groups cannot be changed, and stopping it loses its disk. \
             With bridge or host networking the interface is the instance's: isolating that would hit \
             every task on it.",
        ),
    ];
    steps.extend(remotes(scene));
    steps.push(step(
        "Stop the task. Its service starts another from the same image: if the image is what is wrong, \
         deploy a good one first.",
        [stop],
    ));
    steps.push(verify(scene));
    let mut undo =
        vec![note("The service has started a replacement already; nothing is to be undone.")];
    undo.extend(cut_remote::undo(scene));
    alternative("stops whatever the task does; its service starts another", steps, undo)
}

fn of_function(scene: &Scene<'_>, function: Option<&str>) -> Alternative {
    let aws = scene.aws();
    let name = match function.and_then(token) {
        Some(function) => format!("function={}", quote(function)),
        None => "function=${FUNCTION:?set FUNCTION to the name of the Lambda function}".to_owned(),
    };
    let of = |operation| aws.run(operation).raw("--function-name \"$function\"");
    let recorded = of("lambda get-function-concurrency").query("ReservedConcurrentExecutions");
    let code = of("lambda get-function").raw("--output json");
    let stop = of("lambda put-function-concurrency").with("--reserved-concurrent-executions", "0");
    let mut steps = vec![
        approval(scene),
        step(
            "Find the function. Several share the interface if they have the same subnet and groups, so \
             the groups' rules are not to be touched.",
            [name.clone()],
        ),
        step(
            "Record its code, its configuration and its concurrency.",
            [
                code.once_to(&scene.file("function.json")),
                recorded.once_to(&scene.file("concurrency.txt")),
            ],
        ),
        step("Let it run no more.", [stop]),
    ];
    steps.extend(remotes(scene));
    steps.push(verify(scene));
    let file = quote(&scene.file("concurrency.txt"));
    let free = of("lambda delete-function-concurrency");
    let limit =
        of("lambda put-function-concurrency").raw("--reserved-concurrent-executions \"$n\"");
    let mut undo = vec![step(
        "Let it run as before.",
        [name, format!("n=$(cat {file}); if [ \"$n\" = None ]; then {free}; else {limit}; fi")],
    )];
    undo.extend(cut_remote::undo(scene));
    alternative("stops the function, for all its callers", steps, undo)
}

fn of_database(scene: &Scene<'_>) -> Alternative {
    let aws = scene.aws();
    let database = "database=${DATABASE:?set DATABASE to the DB instance identifier}";
    let groups = aws
        .run("rds describe-db-instances")
        .raw("--db-instance-identifier \"$database\"")
        .query("DBInstances[0].VpcSecurityGroups[].VpcSecurityGroupId");
    let modify = |groups: &'static str| {
        aws.run("rds modify-db-instance")
            .raw("--db-instance-identifier \"$database\" --apply-immediately")
            .raw(groups)
    };
    let mut steps = vec![
        approval(scene),
        note(
            "Cut off the client rather than the database, if the client is yours: a database serves \
             many. Rotate the secrets it was reached with.",
        ),
        step(
            "Record its security groups.",
            [database.to_owned(), groups.once_to(&scene.file("groups.txt"))],
        ),
        step(
            "Give it a security group without rules in place of all it has. Open sessions go on: end \
             them in the database.",
            [modify(
                "--vpc-security-group-ids \"${QUARANTINE:?set QUARANTINE to a group without rules}\"",
            )],
        ),
    ];
    steps.extend(remotes(scene));
    steps.push(verify(scene));
    let mut undo = vec![step(
        "Give it back the groups it had.",
        [
            database.to_owned(),
            format!("groups=$(cat {})", quote(&scene.file("groups.txt"))),
            modify("--vpc-security-group-ids $groups").into(),
        ],
    )];
    undo.extend(cut_remote::undo(scene));
    alternative("cuts the database off from all its clients", steps, undo)
}

fn of_service(scene: &Scene<'_>) -> Alternative {
    let mut steps = vec![
        approval(scene),
        note(
            "An AWS service manages the interface and would refuse or revert a change of its security \
             groups: change them where the service is configured, and cut off the client rather than \
             the server if the client is yours.",
        ),
    ];
    steps.extend(remotes(scene));
    steps.push(verify(scene));
    let undo = cut_remote::undo(scene).into_iter().collect();
    alternative("what can be done from outside the service", steps, undo)
}

fn of_pod(scene: &Scene<'_>, address: Address) -> Alternative {
    let field = |name: &str, path: &str| {
        format!(
            "{name}=$(kubectl get pods --all-namespaces --field-selector {} -o {})",
            quote(&format!("status.podIP={address}")),
            quote(&format!("jsonpath={{.items[0].{path}}}"))
        )
    };
    let found = [
        field("pod", "metadata.name"),
        field("namespace", "metadata.namespace"),
        field("node", "spec.nodeName"),
    ];
    let label = format!("tidegate-quarantine={}", scene.id);
    let policy = serde_json::json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": { "name": scene.file("quarantine").to_lowercase() },
        "spec": {
            "podSelector": { "matchLabels": { "tidegate-quarantine": scene.id } },
            "policyTypes": ["Ingress", "Egress"],
        },
    });
    let policy = quote(&policy.to_string());
    let kubectl = |verb: &str| format!("kubectl --namespace \"$namespace\" {verb}");
    let mut steps = vec![
        approval(scene),
        step(
            "Find the pod. Its node's security groups are not to be changed: they hold for every pod on \
             it. Go on only if the names are those of the workload.",
            found.iter().cloned().chain(["echo \"$namespace/$pod on $node\"".to_owned()]),
        ),
        step(
            "Record the pod, and let nothing new be scheduled beside it.",
            [
                kubectl(&format!("get pod \"$pod\" -o yaml > {}", quote(&scene.file("pod.yaml")))),
                "kubectl cordon \"$node\"".to_owned(),
            ],
        ),
        step(
            "Deny it everything, in and out. This holds where the network plugin enforces policies; one \
             that allows, of another policy, adds up, so look for such.",
            [
                kubectl(&format!("label pod \"$pod\" {} --overwrite", quote(&label))),
                format!("printf '%s' {policy} | {}", kubectl("apply -f -")),
            ],
        ),
    ];
    steps.extend(remotes(scene));
    steps.push(verify(scene));
    let mut undo = vec![step(
        "Take the policy, the label and the cordon off again, in the same shell or with its variables \
         set.",
        [
            kubectl(&format!(
                "delete networkpolicy {}",
                quote(&scene.file("quarantine").to_lowercase())
            )),
            kubectl("label pod \"$pod\" tidegate-quarantine-"),
            "kubectl uncordon \"$node\"".to_owned(),
        ],
    )];
    undo.extend(cut_remote::undo(scene));
    alternative("cuts off the pod, and leaves its neighbours alone", steps, undo)
}
