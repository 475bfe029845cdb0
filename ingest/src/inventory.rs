//! What the AWS CLI prints about an account: network interfaces, instances and ECS tasks.
//!
//! The output of `aws ec2 describe-network-interfaces`, `aws ec2 describe-instances` and
//! `aws ecs describe-tasks` is read as it is, told apart by its top-level key. Pages may be in an
//! array or follow one another in one file. Unknown keys are ignored and missing ones are empty; a
//! value of the wrong type is an error. What the answers mean is decided in `model`.

pub mod flow_logs;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::ip_ranges::Prefix;

/// The largest inventory file read, bytes: some hundred thousand interfaces.
pub const INVENTORY_BYTES_MAX: usize = 512 << 20;

/// A snapshot of what exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// When the snapshot was taken, Unix seconds, if known.
    pub taken_at: Option<i64>,
    /// Network interfaces as `describe-network-interfaces` prints them.
    pub interfaces: Vec<NetworkInterface>,
    /// EC2 instances.
    pub instances: Vec<Instance>,
    /// ECS tasks.
    pub tasks: Vec<Task>,
}

/// One elastic network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkInterface {
    /// `eni-…`.
    pub id: String,
    /// The account that owns it.
    pub account: Option<String>,
    /// `vpc-…`.
    pub vpc: Option<String>,
    /// `subnet-…`.
    pub subnet: Option<String>,
    /// The region, from the availability zone's name.
    pub region: Option<String>,
    /// The availability zone's name.
    pub zone: Option<String>,
    /// Private IPv4 addresses, the primary first.
    pub addresses: Vec<[u8; 16]>,
    /// IPv6 addresses.
    pub addresses_v6: Vec<[u8; 16]>,
    /// Prefixes delegated to the interface, of both families.
    pub prefixes: Vec<Prefix>,
    /// Public and carrier addresses associated with it.
    pub public_addresses: Vec<[u8; 16]>,
    /// What its creator wrote.
    pub description: String,
    /// `interface`, `nat_gateway`, …: always with underscores, whichever spelling was found.
    pub interface_type: Option<String>,
    /// Whether an AWS service manages it.
    pub requester_managed: bool,
    /// The service or principal that made it.
    pub requester: Option<String>,
    /// The instance it is attached to.
    pub instance: Option<String>,
    /// Security groups: id and name.
    pub security_groups: Vec<(String, String)>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// `in-use`, `available`, ….
    pub status: Option<String>,
}

/// One EC2 instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// The account that owns it.
    pub account: Option<String>,
    /// `vpc-…`.
    pub vpc: Option<String>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// `running`, `terminated`, ….
    pub state: Option<String>,
    /// The instance profile's ARN.
    pub profile_arn: Option<String>,
    /// Its network interfaces; these carry no tags of their own.
    pub interfaces: Vec<NetworkInterface>,
}

/// One ECS task.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// The task's ARN.
    pub arn: String,
    /// The cluster's ARN.
    pub cluster_arn: Option<String>,
    /// `service:NAME` for a service's task, `family:NAME` for one run by itself.
    pub group: Option<String>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// The network interfaces the task has to itself.
    pub interfaces: Vec<String>,
}

impl Task {
    /// The last part of the ARN.
    pub fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    /// The last part of the cluster's ARN.
    pub fn cluster(&self) -> Option<&str> {
        self.cluster_arn.as_deref().and_then(|arn| arn.rsplit('/').next())
    }
}

/// Why an inventory file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// Larger than the cap.
    #[error(
        "{}: {bytes} bytes, at most {INVENTORY_BYTES_MAX} are read; split it by region or VPC",
        file.display()
    )]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// UTF-16, as some shells redirect output.
    #[error("{}: UTF-16 text, expected UTF-8; write the file again as UTF-8", file.display())]
    Utf16 {
        /// The file.
        file: PathBuf,
    },
    /// No JSON at all.
    #[error(
        "{}: no JSON ({cause}); expected what `aws ec2 describe-network-interfaces`, `describe-instances`, \
         `describe-flow-logs` or `aws ecs describe-tasks` prints with --output json",
        file.display()
    )]
    NotJson {
        /// The file.
        file: PathBuf,
        /// Where it ceases to be.
        cause: serde_json::Error,
    },
    /// Not the JSON it should be.
    #[error("{}: at `{at}`: {cause}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The JSON path.
        at: String,
        /// What is wrong there.
        cause: serde_json::Error,
    },
}

/// Reads the bytes of an inventory file; `file` serves error messages and the time in its name.
pub fn read(file: &Path, text: &[u8]) -> Result<Inventory, InventoryError> {
    let text = plain_text(file, text)?;
    let taken_at = file.file_name().and_then(|name| name.to_str()).and_then(time_in_name);
    let mut inventory = Inventory { taken_at, ..Inventory::default() };
    let mut json = serde_json::Deserializer::from_slice(text);
    loop {
        wire::read_pages(&mut json, &mut inventory).map_err(|error| malformed(file, error))?;
        if json.end().is_ok() {
            return Ok(inventory);
        }
    }
}

fn malformed(file: &Path, error: serde_path_to_error::Error<serde_json::Error>) -> InventoryError {
    let at = error.path().to_string();
    let (file, cause) = (file.into(), error.into_inner());
    if cause.is_syntax() {
        InventoryError::NotJson { file, cause }
    } else {
        InventoryError::Malformed { file, at, cause }
    }
}

/// Text that is not too large and is UTF-8 as far as its beginning tells, without a byte order mark.
fn plain_text<'a>(file: &Path, text: &'a [u8]) -> Result<&'a [u8], InventoryError> {
    check_size(file, text.len())?;
    if text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
        return Err(InventoryError::Utf16 { file: file.into() });
    }
    Ok(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
}

fn check_size(file: &Path, bytes: usize) -> Result<(), InventoryError> {
    if bytes > INVENTORY_BYTES_MAX {
        return Err(InventoryError::TooLarge { file: file.into(), bytes });
    }
    Ok(())
}

/// The time a snapshot's name carries: `…-20240131T0915Z.json` is 2024-01-31 09:15 UTC, Unix seconds.
pub fn time_in_name(file_name: &str) -> Option<i64> {
    let (_, stamp) = file_name.strip_suffix("Z.json")?.rsplit_once('-')?;
    let (date, time) = stamp.split_once('T')?;
    let digits =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 4) {
        return None;
    }
    let number = |text: &str| text.parse::<i8>().ok();
    let moment = DateTime::new(
        date.get(..4)?.parse().ok()?,
        number(date.get(4..6)?)?,
        number(date.get(6..)?)?,
        number(time.get(..2)?)?,
        number(time.get(2..)?)?,
        0,
        0,
    );
    Some(moment.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests;
