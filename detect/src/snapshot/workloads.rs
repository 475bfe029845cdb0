//! Workloads as JSON.

use std::sync::Arc;

use ingest::Field;
use model::identity::{Address, Infrastructure, Tagged, Why, Workload};
use model::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};

const PART: &str = "judge";

#[derive(Serialize, Deserialize)]
pub(super) struct WireWorkload {
    account: String,
    vpc: String,
    eni: Option<String>,
    address: String,
    instance: Option<String>,
    task: Option<String>,
    service: String,
    environment: Option<String>,
    tier: Option<String>,
    infrastructure: Option<String>,
    security_groups: Vec<String>,
    why: WireWhy,
    role_known: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireWhy {
    Label(usize),
    EcsRecord,
    RecordTag(String),
    TaskGroup,
    InterfaceTag(String),
    TaskTag(String),
    InstanceTag(String),
    Description,
    SecurityGroup,
    InterfaceKind,
    Itself,
}

/// Every kind of infrastructure is stored by its name.
const INFRASTRUCTURE: [Infrastructure; 10] = [
    Infrastructure::Bastion,
    Infrastructure::ControlPlane,
    Infrastructure::Directory,
    Infrastructure::Dns,
    Infrastructure::Lambda,
    Infrastructure::LoadBalancer,
    Infrastructure::Managed,
    Infrastructure::NatGateway,
    Infrastructure::TransitGateway,
    Infrastructure::VpcEndpoint,
];

pub(super) fn to_wire(workload: &Workload) -> WireWorkload {
    let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
    WireWorkload {
        account: workload.account.to_string(),
        vpc: workload.vpc.to_string(),
        eni: text(&workload.eni),
        address: workload.address.to_string(),
        instance: text(&workload.instance),
        task: text(&workload.task),
        service: workload.service.to_string(),
        environment: text(&workload.environment),
        tier: text(&workload.tier),
        infrastructure: workload.infrastructure.map(|kind| kind.name().to_owned()),
        security_groups: workload.security_groups.iter().map(ToString::to_string).collect(),
        why: why_to_wire(&workload.why),
        role_known: workload.role_known,
    }
}

pub(super) fn from_wire(wire: WireWorkload) -> Result<Workload, SnapshotError> {
    let text = |text: Option<String>| text.map(Arc::from);
    Ok(Workload {
        account: wire.account.into(),
        vpc: wire.vpc.into(),
        eni: text(wire.eni),
        address: address(&wire.address)?,
        instance: text(wire.instance),
        task: text(wire.task),
        service: wire.service.into(),
        environment: text(wire.environment),
        tier: text(wire.tier),
        infrastructure: wire.infrastructure.as_deref().map(infrastructure).transpose()?,
        security_groups: wire.security_groups.into_iter().map(Arc::from).collect(),
        why: why_from_wire(wire.why)?,
        role_known: wire.role_known,
    })
}

pub(super) fn address(text: &str) -> Result<Address, SnapshotError> {
    text.parse().map_err(|error| SnapshotError::damaged(PART, error))
}

fn infrastructure(name: &str) -> Result<Infrastructure, SnapshotError> {
    let known = INFRASTRUCTURE.into_iter().find(|kind| kind.name() == name);
    known.ok_or_else(|| SnapshotError::damaged(PART, format!("no infrastructure is `{name}`")))
}

fn why_to_wire(why: &Why) -> WireWhy {
    match why {
        Why::Label(rule) => WireWhy::Label(*rule),
        Why::EcsRecord => WireWhy::EcsRecord,
        Why::RecordTag(field) => WireWhy::RecordTag((*field).to_owned()),
        Why::TaskGroup => WireWhy::TaskGroup,
        Why::Tag { key, on: Tagged::Interface } => WireWhy::InterfaceTag(key.to_string()),
        Why::Tag { key, on: Tagged::Task } => WireWhy::TaskTag(key.to_string()),
        Why::Tag { key, on: Tagged::Instance } => WireWhy::InstanceTag(key.to_string()),
        Why::Description => WireWhy::Description,
        Why::SecurityGroup => WireWhy::SecurityGroup,
        Why::InterfaceKind => WireWhy::InterfaceKind,
        Why::Itself => WireWhy::Itself,
    }
}

fn why_from_wire(wire: WireWhy) -> Result<Why, SnapshotError> {
    let tag = |key: String, on| Why::Tag { key: key.into(), on };
    Ok(match wire {
        WireWhy::Label(rule) => Why::Label(rule),
        WireWhy::EcsRecord => Why::EcsRecord,
        WireWhy::RecordTag(name) => {
            let field = Field::from_name(&name);
            let unknown = || SnapshotError::damaged(PART, format!("no field is named `{name}`"));
            Why::RecordTag(field.ok_or_else(unknown)?.name())
        }
        WireWhy::TaskGroup => Why::TaskGroup,
        WireWhy::InterfaceTag(key) => tag(key, Tagged::Interface),
        WireWhy::TaskTag(key) => tag(key, Tagged::Task),
        WireWhy::InstanceTag(key) => tag(key, Tagged::Instance),
        WireWhy::Description => Why::Description,
        WireWhy::SecurityGroup => Why::SecurityGroup,
        WireWhy::InterfaceKind => Why::InterfaceKind,
        WireWhy::Itself => Why::Itself,
    })
}
