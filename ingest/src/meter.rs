//! Watches what a compressed file grows into.

use crate::error::DecodeError;
use crate::limits::Limits;

/// Bytes in and out, against the caps.
#[derive(Debug)]
pub(crate) struct Meter {
    name: String,
    limits: Limits,
    file_bytes: u64,
    decompressed_bytes: u64,
}

impl Meter {
    pub(crate) fn new(name: String, limits: Limits) -> Self {
        Self { name, limits, file_bytes: 0, decompressed_bytes: 0 }
    }

    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn nesting_max(&self) -> usize {
        self.limits.nesting_max
    }

    /// Counts bytes of the file itself.
    pub(crate) fn came_in(&mut self, n_bytes: usize) {
        self.file_bytes += n_bytes as u64;
    }

    /// Counts bytes a layer of compression gave.
    pub(crate) fn came_out(&mut self, n_bytes: usize) -> Result<(), DecodeError> {
        self.decompressed_bytes += n_bytes as u64;
        let ratio_max = self.limits.decompression_ratio_max;
        let by_ratio = self.file_bytes.saturating_mul(ratio_max).max(Limits::RATIO_FREE_BYTES);
        if self.decompressed_bytes > self.limits.decompressed_bytes_max {
            Err(self.limit_reached("decompressed_bytes_max", self.limits.decompressed_bytes_max))
        } else if self.decompressed_bytes > by_ratio {
            Err(self.limit_reached("decompression_ratio_max", ratio_max))
        } else {
            Ok(())
        }
    }

    pub(crate) fn limit_reached(&self, limit: &'static str, value: u64) -> DecodeError {
        DecodeError::LimitReached { name: self.name(), limit, value }
    }

    pub(crate) fn damaged(&self, codec: &'static str, detail: String) -> DecodeError {
        let decoded_bytes = self.decompressed_bytes;
        DecodeError::Damaged { name: self.name(), codec, decoded_bytes, detail }
    }

    pub(crate) fn truncated(&self, codec: &'static str) -> DecodeError {
        let decoded_bytes = self.decompressed_bytes;
        DecodeError::Truncated { name: self.name(), codec, decoded_bytes }
    }
}
