//! What records taught the directory, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::Field;
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use crate::identity::{Address, EniFacts, Remembered, RememberedEni, SeenHolder};

const PART: &str = "identity";

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Wire {
    newest: Option<i64>,
    enis: Vec<WireEni>,
    accounts: BTreeMap<String, String>,
    holders: Vec<WireHolder>,
}

#[derive(Serialize, Deserialize)]
struct WireEni {
    at: i64,
    account: String,
    eni: String,
    before: WireFacts,
    current: WireFacts,
    /// Who may be known by another account than before.
    account_now: String,
    own: Vec<(String, u64)>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireFacts {
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ecs_cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ecs_service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ecs_task: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireHolder {
    scope: String,
    address: String,
    eni: String,
    first: i64,
    last: i64,
    n_times: u64,
}

/// What records taught, as JSON.
pub fn remembered_to_json(remembered: &Remembered) -> Result<Vec<u8>, SnapshotError> {
    let wire = Wire {
        newest: remembered.newest,
        enis: remembered.enis.iter().map(wire_eni).collect(),
        accounts: remembered
            .accounts
            .iter()
            .map(|(vpc, account)| (vpc.to_string(), account.to_string()))
            .collect(),
        holders: remembered.holders.iter().map(wire_holder).collect(),
    };
    serde_json::to_vec(&wire).map_err(|error| SnapshotError::unwritable(PART, error))
}

/// What [`remembered_to_json`] wrote.
pub fn remembered_from_json(json: &[u8]) -> Result<Remembered, SnapshotError> {
    let wire: Wire =
        serde_json::from_slice(json).map_err(|error| SnapshotError::damaged(PART, error))?;
    let accounts = wire.accounts.into_iter();
    Ok(Remembered {
        newest: wire.newest,
        enis: wire.enis.into_iter().map(eni).collect::<Result<_, _>>()?,
        accounts: accounts.map(|(vpc, account)| (vpc.into(), account.into())).collect(),
        holders: wire.holders.into_iter().map(holder).collect::<Result<_, _>>()?,
    })
}

fn wire_eni(eni: &RememberedEni) -> WireEni {
    WireEni {
        at: eni.at,
        account: eni.before.account.to_string(),
        eni: eni.before.eni.to_string(),
        before: wire_facts(&eni.before),
        current: wire_facts(&eni.current),
        account_now: eni.current.account.to_string(),
        own: eni.own.iter().map(|(address, &n)| (address.to_string(), n)).collect(),
    }
}

fn wire_facts(facts: &EniFacts) -> WireFacts {
    let text = |text: &Option<Arc<str>>| text.as_ref().map(ToString::to_string);
    WireFacts {
        vpc: text(&facts.vpc),
        subnet: text(&facts.subnet),
        instance: text(&facts.instance),
        region: text(&facts.region),
        interface_type: text(&facts.interface_type),
        ecs_cluster: text(&facts.ecs_cluster),
        ecs_service: text(&facts.ecs_service),
        ecs_task: text(&facts.ecs_task),
        tags: facts.tags.iter().map(|(name, tag)| ((*name).to_owned(), tag.to_string())).collect(),
        address: facts.address.map(|address| address.to_string()),
    }
}

fn wire_holder(holder: &SeenHolder) -> WireHolder {
    WireHolder {
        scope: holder.scope.to_string(),
        address: holder.address.to_string(),
        eni: holder.eni.to_string(),
        first: holder.first,
        last: holder.last,
        n_times: holder.n_times,
    }
}

fn eni(wire: WireEni) -> Result<RememberedEni, SnapshotError> {
    let own = wire.own.iter().map(|(text, n)| Ok((address(text)?, *n)));
    let id: Arc<str> = wire.eni.into();
    Ok(RememberedEni {
        at: wire.at,
        before: facts(wire.before, wire.account.into(), Arc::clone(&id))?,
        current: facts(wire.current, wire.account_now.into(), id)?,
        own: own.collect::<Result<_, SnapshotError>>()?,
    })
}

fn facts(wire: WireFacts, account: Arc<str>, eni: Arc<str>) -> Result<EniFacts, SnapshotError> {
    let text = |text: Option<String>| text.map(Arc::from);
    Ok(EniFacts {
        account,
        eni,
        vpc: text(wire.vpc),
        subnet: text(wire.subnet),
        instance: text(wire.instance),
        region: text(wire.region),
        interface_type: text(wire.interface_type),
        ecs_cluster: text(wire.ecs_cluster),
        ecs_service: text(wire.ecs_service),
        ecs_task: text(wire.ecs_task),
        tags: wire.tags.into_iter().map(tag).collect::<Result<_, _>>()?,
        address: wire.address.as_deref().map(address).transpose()?,
    })
}

/// A tag is known by the name of its field.
fn tag((name, value): (String, String)) -> Result<(&'static str, Arc<str>), SnapshotError> {
    let field = Field::from_name(&name)
        .ok_or_else(|| SnapshotError::damaged(PART, format!("no field is named `{name}`")))?;
    Ok((field.name(), value.into()))
}

fn holder(wire: WireHolder) -> Result<SeenHolder, SnapshotError> {
    Ok(SeenHolder {
        scope: wire.scope.into(),
        address: address(&wire.address)?,
        eni: wire.eni.into(),
        first: wire.first,
        last: wire.last,
        n_times: wire.n_times,
    })
}

fn address(text: &str) -> Result<Address, SnapshotError> {
    text.parse().map_err(|error| SnapshotError::damaged(PART, error))
}
