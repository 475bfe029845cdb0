//! What the records mean: services, orientation, conversations, windows, profiles and the baseline.
//!
//! Pure: no clock, no socket, no file, no async. Records come in as [`ingest::FlowBatch`], closed
//! windows go out as activity.

pub mod activity;
pub mod baseline;
pub mod fold;
pub mod identity;
pub mod settle;
pub mod snapshot;
