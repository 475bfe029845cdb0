//! Plans run by a shell, with an `aws` that writes down how it was called and answers from a script.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::fixture::{World, exposed, incident};
use super::isolate_plan;
use crate::{Step, Suggestion};

/// Answers to what the plans ask. `groups-now` holds the groups that an interface has.
const AWS: &str = r#"
sleep() { :; }
tidegate() { :; }
aws() {
  printf '%s' "aws" >> calls; for a in "$@"; do printf ' [%s]' "$a" >> calls; done; echo >> calls
  case "$1 $2 $*" in
    "sts get-caller-identity"*) echo 111122223333 ;;
    "ec2 describe-network-interfaces"*join*) printf 'eni-0a1\tsg-0a sg-0b\neni-0a2\tsg-0c\n' ;;
    "ec2 describe-network-interfaces"*Groups*) cat groups-now ;;
    "ec2 describe-network-interfaces"*InstanceId*) echo i-0abc ;;
    "ec2 describe-instance-attribute"*) echo False ;;
    "ec2 describe-instances"*DeviceName*) printf '/dev/xvda\n/dev/xvdb\n' ;;
    "ec2 describe-iam-instance-profile-associations"*) printf 'iip-1\tarn:aws:iam::1:instance-profile/carts\n' ;;
    "elbv2 describe-target-groups"*) printf 'arn:tg/a\narn:tg/b\n' ;;
    "elbv2 describe-target-health"*tg/a*) printf 'i-0abc\t8080\n' ;;
    "autoscaling describe-auto-scaling-instances"*) echo carts-group ;;
    "ec2 create-security-group"*quarantine*) echo sg-0new ;;
    "ec2 create-security-group"*) echo sg-0open ;;
    "ec2 describe-security-group-rules"*) echo 0 ;;
    "ec2 describe-network-acls"*NetworkAclId*) echo acl-1 ;;
    "ec2 describe-network-acls"*sort*) printf '1\t1\t2\t100\t100\t32767\t32767\n' ;;
    "ec2 describe-network-acls"*length*) echo 2 ;;
    *describe*) echo '{}' ;;
  esac
}
"#;

fn run(dir: &Path, steps: &[Step]) -> String {
    let commands: Vec<&str> =
        steps.iter().flat_map(|step| &step.commands).map(String::as_str).collect();
    let script = format!("{AWS}\n{}\n", commands.join("\n"));
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(dir)
        .env("FLOW_LOGS", "logs")
        .env("SHARED_ROLE", "no")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let calls = fs::read_to_string(dir.join("calls")).unwrap();
    fs::remove_file(dir.join("calls")).unwrap();
    format!("{calls}{said}")
}

fn plan() -> (tempfile::TempDir, Suggestion) {
    let dir = tempfile::tempdir().unwrap();
    (dir, isolate_plan(&World::default()))
}

#[test]
fn the_cut_reaches_every_interface_and_the_lowest_free_rule() {
    let (dir, plan) = plan();
    let calls = run(dir.path(), &plan.steps);
    for eni in ["eni-0a1", "eni-0a2"] {
        let open = format!("[--network-interface-id] [{eni}] [--groups] [sg-0open]");
        let cut = format!("[--network-interface-id] [{eni}] [--groups] [sg-0new]");
        assert!(calls.find(&open).unwrap() < calls.find(&cut).unwrap());
    }
    assert!(calls.contains(
        "[--network-acl-id] [acl-1] [--rule-number] [3] [--protocol=-1] [--rule-action] [deny] \
         [--cidr-block] [203.0.113.9/32] [--egress]"
    ));
    assert!(calls.contains("[--target-group-arn] [arn:tg/a] [--targets] [Id=i-0abc,Port=8080]"));
    assert!(
        calls.contains("[{\"DeviceName\":\"/dev/xvdb\",\"Ebs\":{\"DeleteOnTermination\":false}}]")
    );
    assert!(!calls.contains("put-role-policy"), "a shared role needs a person's word");
}

#[test]
fn the_undo_gives_every_interface_its_own_groups_back() {
    let (dir, plan) = plan();
    run(dir.path(), &plan.steps);
    fs::write(dir.path().join("groups-now"), "sg-0new\n").unwrap();
    let calls = run(dir.path(), &plan.undo);
    assert!(calls.contains("[eni-0a1] [--groups] [sg-0a] [sg-0b]\n"));
    assert!(calls.contains("[eni-0a2] [--groups] [sg-0c]\n"));
    assert!(calls.contains("[--rule-number] [3] [--egress]"));
    assert!(calls.contains("[exit-standby]"));
    assert!(calls.contains("[Arn=arn:aws:iam::1:instance-profile/carts]"));
    assert!(
        calls.contains("[delete-security-group] [--region] [eu-west-1] [--group-id] [sg-0new]")
    );
}

#[test]
fn the_undo_leaves_alone_what_was_changed_since() {
    let (dir, plan) = plan();
    run(dir.path(), &plan.steps);
    fs::write(dir.path().join("groups-now"), "sg-0terraform\n").unwrap();
    let calls = run(dir.path(), &plan.undo);
    assert!(!calls.contains("modify-network-interface-attribute"));
    assert!(calls.contains("REFUSED: the groups of eni-0a1 were changed since"));
}

#[test]
fn a_second_run_keeps_the_first_record() {
    let (dir, plan) = plan();
    run(dir.path(), &plan.steps);
    let record = || fs::read_to_string(dir.path().join("tidegate-f-1-groups.tsv")).unwrap();
    let first = record();
    fs::write(dir.path().join("groups-now"), "sg-0new\n").unwrap();
    run(dir.path(), &plan.steps);
    assert_eq!(record(), first);
}

#[test]
fn every_command_is_a_shell_command() {
    let found = incident();
    let worlds = [
        World::default(),
        World { eni: None, ..World::default() },
        World { eni: Some(exposed("198.51.100.7")), ..World::default() },
    ];
    for world in worlds {
        let plan = world.suggest(&found).unwrap();
        let mut steps = [plan.steps, plan.undo].concat();
        for alternative in plan.alternatives {
            steps.extend([alternative.steps, alternative.undo].concat());
        }
        for command in steps.iter().flat_map(|step| &step.commands) {
            let status = Command::new("sh").args(["-n", "-c", command]).status().unwrap();
            assert!(status.success(), "{command}");
        }
    }
}
