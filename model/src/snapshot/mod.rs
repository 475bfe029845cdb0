//! What a run leaves for the next one, as bytes: open windows, what settling carries, and what records
//! said of interfaces.
//!
//! Domain types are mapped here and nowhere else, so that no format is frozen by accident. The whole
//! of it, with the judge's memory, is put together above this crate; here are the parts, and the
//! [`Sections`] that hold them.
//!
//! Upgrade rule: a reader takes any version up to its own and refuses later ones; sections, columns
//! and JSON members are only ever added, and an absent one means what an empty one does.

mod aggregator;
mod carried;
mod columns;
mod identity;
mod parquet;
mod sections;
mod window_rows;
mod windows;

use std::fmt::Display;

pub use carried::{carried_from_bytes, carried_to_bytes};
pub use identity::{remembered_from_json, remembered_to_json};
pub use sections::{FORMAT_VERSION, SNAPSHOT_BYTES_MAX, Sections};
pub use windows::{windows_from_batch, windows_from_bytes, windows_to_batch, windows_to_bytes};

/// Why a snapshot could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Something else altogether.
    #[error("it does not begin as a state file does")]
    NotASnapshot,
    /// Written by a later program.
    #[error("its format version is {found}; this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The version found.
        found: u32,
    },
    /// Larger than any state this program writes.
    #[error("it has {bytes} bytes; at most {SNAPSHOT_BYTES_MAX} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not as it was written.
    #[error("its part `{part}` is damaged: {detail}")]
    Damaged {
        /// The section.
        part: &'static str,
        /// What is wrong there.
        detail: String,
    },
    /// A part could not be built.
    #[error("its part `{part}` cannot be written: {detail}")]
    Unwritable {
        /// The section.
        part: &'static str,
        /// Why.
        detail: String,
    },
}

impl SnapshotError {
    /// A part that is not as it was written; what is said of it is cut to a line.
    pub fn damaged(part: &'static str, detail: impl Display) -> Self {
        Self::Damaged { part, detail: detail.to_string().chars().take(200).collect() }
    }

    pub(crate) fn unwritable(part: &'static str, detail: impl Display) -> Self {
        Self::Unwritable { part, detail: detail.to_string() }
    }
}

#[cfg(test)]
mod tests;
