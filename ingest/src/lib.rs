//! Reads the flow logs AWS writes: fields, formats, decoders and sources.
//!
//! The only crate that knows AWS's wire formats. It ends at [`FlowBatch`]: what the records mean is
//! decided in `model`.

mod batch;
mod columns;
mod content;
mod decoder;
mod envelope;
mod error;
pub mod escape;
mod field;
mod files;
mod format;
mod inflate;
pub mod inventory;
pub mod ip_ranges;
mod key;
mod ledger;
mod limits;
mod messages;
mod meter;
mod parquet;
mod place;
mod range;
mod read;
mod recent;
mod rows;
mod run;
mod sniff;
#[cfg(feature = "aws")]
pub mod source;
mod tally;
mod text;
mod texts;
mod unpack;
mod value;
mod values;
mod words;

pub use batch::{AddressColumn, FlowBatch, Origin, SchemaError, TextColumn};
pub use decoder::{DecodeOptions, Decoder};
pub use error::{DecodeError, ReadError};
pub use field::{Field, FieldSet, Kind};
pub use files::{FindError, LogFile, find_all_files, find_files};
pub use format::{FormatError, LogFormat};
pub use ledger::{Ledger, LedgerClass, RejectReason};
pub use limits::Limits;
pub use messages::Messages;
pub use place::Place;
pub use range::{FILE_SECS, RECORD_SECS_MAX, TimeRange};
pub use read::{Input, ReadOutcome, Reader, read_file};
pub use recent::RecentIds;
pub use tally::{RejectSample, Tally};
