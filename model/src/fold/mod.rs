//! Records to open windows: the only fold there is.
//!
//! Everything kept is an integer sum, a minimum or a set, so any order, partition or chunking of the
//! same records folds to the same state. What the state means (who is client, whose numbers count)
//! is settled once, when the window closes: see [`crate::settle`].

mod admission;
mod aggregator;
mod counts;
mod index;
mod keep;
mod key;
mod observer;
mod packed;
mod plain;
mod rows;
mod shares;
mod state;
mod tuples;

pub use aggregator::{Aggregator, FoldOptions};
pub use counts::{Flow, FoldCounts, TupleCounts, icmp};
pub use keep::{SampledMap, Smallest, TIMES_MAX};
pub use key::{FoldKey, ObserverId, TupleKey};
pub use observer::{Observed, RecordCounts};
pub use state::WindowState;
pub use tuples::Tuples;
