//! Who is who: the workload or outside party an address is, as of a time.
//!
//! An address means something only inside its VPC and for an interval of time. It is looked up
//! 1. in the VPC of the interface that saw it, as the latest snapshot at or before the time lists it
//!    and as records since then show it (else the earliest of either after the time);
//! 2. among public addresses associated with interfaces;
//! 3. in the other known VPCs, if exactly one of them has it and it is not within the observing
//!    VPC's own range;
//! 4. in the labels file, by rule and then by network.
//!
//! A private address that is found nowhere is still a workload, and so is an IPv6 address of a subnet
//! (/64) where an interface of the VPC has one: it stays (account, VPC, address). Any other is outside:
//! the AWS service it belongs to, or its /24 or /48. `EC2` is no such service, since those are the
//! machines of strangers.
//!
//! What names a workload's service, in the order of preference ([`Why`] says which it was):
//!
//! | | source | a role? |
//! |---|---|---|
//! | 1 | the labels file's first rule that matches | yes |
//! | 2 | `ecs-service-name` in the records | yes |
//! | 3 | `asg-tag`, `asg-tag-2`, `instance-tag…`, `interface-tag…` in the records | yes |
//! | 4 | the group of the ECS task in the inventory | yes |
//! | 5 | tags in the inventory: `tidegate:service`, `service`, `app`, `app.kubernetes.io/name`, `aws:ecs:serviceName`, `aws:autoscaling:groupName`; of each key the interface's, then the task's, then the instance's | yes |
//! | 6 | the tag `Name`, a replica's number cut off | if several hosts of the VPC share it, or AWS manages the interface |
//! | 7 | a name in the interface's description (`ELB app/NAME/…`, …) | yes |
//! | 8 | the only security group, if somebody named it | as with `Name` |
//! | 9 | the kind of interface: `rds`, `nat-gateway` | yes |
//! | 10 | the workload itself: its instance id or address | no |
//!
//! A role is a name that replicas share, so that a new replica is no news. Tag keys are compared
//! without regard to case. A pod, that is a secondary address or an address from a delegated prefix
//! on a Kubernetes node's interface, keeps its interface but has its own address, and no role unless
//! a rule of the labels file gives it one. The other addresses of an interface are the interface.

mod address;
mod book;
mod cache;
mod directory;
mod estate;
mod facts;
mod kind;
mod labels;
mod listed;
mod memory;
mod naming;
mod party;
mod roles;
mod sources;
mod timeline;

pub use address::Address;
pub use directory::{Directory, IdentityOptions, LONE_ADDRESSES_MAX, ServiceRow};
pub use facts::{EniFacts, RECORDED_ENIS_MAX};
pub use labels::{LABELS_BYTES_MAX, Labels, LabelsError};
pub use memory::{Remembered, RememberedEni, SeenHolder};
pub(crate) use naming::RECORD_TAGS;
pub use party::{Infrastructure, Outside, Party, Tagged, Why, Workload};

#[cfg(test)]
mod tests;
