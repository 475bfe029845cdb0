//! What brings flow logs from AWS's services. Async lives and dies in here: what is handed out blocks.

pub mod aws;
mod error;
#[cfg(feature = "kinesis")]
pub mod kinesis;
#[cfg(feature = "s3")]
pub mod s3;
pub mod stream;

pub use error::SourceError;
