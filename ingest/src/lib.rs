//! Reads the flow logs AWS writes: fields, formats, decoders and sources.
//!
//! The only crate that knows AWS's wire formats. It ends at [`FlowBatch`]: what the records mean is
//! decided in `model`.

mod batch;
mod field;
mod ledger;

pub use batch::{AddressColumn, FlowBatch, Origin, SchemaError, TextColumn};
pub use field::{Field, FieldSet, Kind};
pub use ledger::{Ledger, RejectReason};
