//! What is normal: evidence, and what is derived from it.
//!
//! Evidence is an exact commutative monoid of integers and bounded sets: learning in any order,
//! appending a day and merging two accounts give the same content. Everything statistical is derived
//! from it on demand, as of a time, and never stored.

mod bounded;
mod buckets;
mod days;
mod derived;
mod edges;
mod evidence;
mod file;
mod histogram;
mod learn;
mod window;

pub use buckets::{Bucket, bucket_of, bucket_value};
pub use days::{EDGE_DAYS, EdgeDays};
pub use derived::{HourOfWeek, Tail, TailModel, volume_tail};
pub use edges::{Edges, PortEvidence};
pub use evidence::{
    Baseline, Counter, Direction, EDGES_PER_SERVICE_MAX, ENIS_MAX, EdgeEvidence, EdgeKey,
    HOURS_KEPT, Learned, Measure, RangesUse, SERVICES_MAX, Seen, ServiceEvidence,
    WORKLOADS_PER_SERVICE_MAX, is_inside,
};
pub use file::{FORMAT_VERSION, FileError, read, write};
pub(crate) use file::{ledger_classes, ledger_of};
pub use histogram::Histogram;
pub use learn::{Flagged, learn, learn_windows};
pub use window::{WorkloadWindow, workload_key, workload_windows};
