//! What keeps a file from being read to its end.

use std::io;

use crate::place::Place;

/// A stream that cannot be decoded further. What was decoded before stays valid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Compressed data that is damaged.
    #[error("{name}: damaged {codec} data after {decoded_bytes} decompressed bytes: {detail}")]
    Damaged {
        /// The file.
        name: String,
        /// `gzip` or `zstd`.
        codec: &'static str,
        /// How far decoding came, in bytes.
        decoded_bytes: u64,
        /// What the codec says.
        detail: String,
    },
    /// Compressed data that ends early.
    #[error("{name}: {codec} data ends in the middle, after {decoded_bytes} decompressed bytes")]
    Truncated {
        /// The file.
        name: String,
        /// `gzip` or `zstd`.
        codec: &'static str,
        /// How far decoding came, in bytes.
        decoded_bytes: u64,
    },
    /// Bytes after compressed data that are not compressed data.
    #[error("{name}: {codec} data is followed by something else")]
    TrailingBytes {
        /// The file.
        name: String,
        /// `gzip` or `zstd`.
        codec: &'static str,
    },
    /// A cap on what one file may cost was reached.
    #[error("{name}: the {limit} limit of {value} is reached; is this a decompression bomb?")]
    LimitReached {
        /// The file.
        name: String,
        /// Which cap: a field of [`crate::Limits`].
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// Parquet where a stream of text was due: Parquet is read from its end.
    #[error("{name}: Parquet inside a stream; read it as a file instead")]
    ParquetInStream {
        /// The file.
        name: String,
    },
    /// Decoding had failed before.
    #[error("{name}: decoding had failed before")]
    Failed {
        /// The file.
        name: String,
    },
}

/// A file that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system or the service refused.
    #[error("{place}: {source}")]
    Io {
        /// The file.
        place: Place,
        /// Why.
        source: io::Error,
    },
    /// Its content cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is a damaged Parquet file, or none.
    #[error("{place}: not readable as Parquet: {detail}")]
    Parquet {
        /// The file.
        place: Place,
        /// What the Parquet reader says.
        detail: String,
    },
    /// A Parquet column has a type no flow log has.
    #[error("{place}: Parquet column `{column}` is {found}, which no flow log has")]
    ColumnType {
        /// The file.
        place: Place,
        /// The column, escaped.
        column: String,
        /// Its type.
        found: String,
    },
    /// No column is a flow-log field.
    #[error("{place}: no Parquet column is a flow-log field; found {found}")]
    NoKnownColumn {
        /// The file.
        place: Place,
        /// The first columns it has, escaped.
        found: String,
    },
}
