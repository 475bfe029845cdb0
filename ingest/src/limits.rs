//! The caps on what one file may cost. Log content comes from strangers, so everything has one.

/// The caps a decoder keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest line, in bytes; a longer one is rejected and skipped.
    pub line_bytes_max: usize,
    /// The largest JSON envelope, in bytes; a larger one is rejected and skipped.
    pub envelope_bytes_max: usize,
    /// What one file may decompress to, in bytes over all layers; more is an error.
    pub decompressed_bytes_max: u64,
    /// Decompressed bytes per byte of file, once [`Limits::RATIO_FREE_BYTES`] have come out.
    pub decompression_ratio_max: u64,
    /// How many layers of compression may lie around the content.
    pub nesting_max: usize,
    /// Distinct values of one text column in one batch. A batch that has as many is handed over
    /// early, so that the cap costs no record.
    pub distinct_texts_max: usize,
    /// Records per batch.
    pub batch_records: usize,
}

impl Limits {
    /// Every real flow log fits these: AWS rotates text files at 75 MB, and they compress 5 to 15 fold.
    pub const DEFAULT: Self = Self {
        line_bytes_max: 64 << 10,
        envelope_bytes_max: 32 << 20,
        decompressed_bytes_max: 16 << 30,
        decompression_ratio_max: 1000,
        nesting_max: 3,
        distinct_texts_max: 65_536,
        batch_records: 4096,
    };

    /// Small files may compress as well as they like: so many bytes are free of the ratio cap.
    pub const RATIO_FREE_BYTES: u64 = 16 << 20;
}
