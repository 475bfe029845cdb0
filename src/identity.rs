//! Reads the files that say who is who.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use ingest::inventory::{self, Inventory};
use ingest::ip_ranges::IpRanges;
use model::identity::{IdentityOptions, Labels};

/// Reads inventories, labels and address ranges.
pub(crate) fn read(
    inventories: &[PathBuf],
    inventory_time: Option<i64>,
    labels: Option<&Path>,
    ip_ranges: Option<&Path>,
) -> Result<IdentityOptions> {
    let inventories = inventories
        .iter()
        .map(|path| read_inventory(path, inventory_time))
        .collect::<Result<Vec<_>>>()?;
    let labels = match labels {
        Some(path) => Labels::parse(path, &read_text(path)?)?,
        None => Labels::default(),
    };
    let ip_ranges = ip_ranges
        .map(|path| IpRanges::read(path, &read_bytes(path)?).map_err(anyhow::Error::from))
        .transpose()?;
    Ok(IdentityOptions { inventories, labels, ip_ranges })
}

/// An inventory's time is what the user says, what its name says, or the file's own.
fn read_inventory(path: &Path, time: Option<i64>) -> Result<Inventory> {
    let mut inventory = inventory::read(path, &read_bytes(path)?)?;
    if let Some(time) = time {
        inventory.taken_at = Some(time);
    }
    if inventory.taken_at.is_none() {
        inventory.taken_at = modified(path);
    }
    Ok(inventory)
}

fn modified(path: &Path) -> Option<i64> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
