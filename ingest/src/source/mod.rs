//! What brings flow logs from AWS's services. Async lives and dies in here: what is handed out blocks.

#[cfg(any(feature = "cwl", feature = "sqs"))]
mod again;
pub mod aws;
#[cfg(feature = "cwl")]
pub mod cwl;
mod error;
#[cfg(feature = "kinesis")]
pub mod kinesis;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(feature = "sqs")]
pub mod sqs;
pub mod stream;
#[cfg(feature = "kinesis")]
pub mod stream_look;

pub use error::SourceError;
