//! Unpacks small gzip messages in one go, into buffers that are kept.
//!
//! Only what is as usual: anything else is left to the decoder, which says what is wrong with it.

use std::fmt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::inflate::GZIP_MAGIC;

/// What a message may unpack to here. A subscription's envelope has seldom more.
const PLAIN_BYTES_MAX: usize = 1 << 20;
/// Layers of compression: a subscription's, and Firehose's around it.
const LAYERS_MAX: usize = 2;
/// Magic, method, flags, time, extra flags and system.
const HEADER_BYTES: usize = 10;
const DEFLATE: u8 = 8;

/// The state of unpacking, reused from message to message.
pub(crate) struct Unpacker {
    inflate: Decompress,
    blocks: [Vec<u8>; LAYERS_MAX],
}

impl Unpacker {
    pub(crate) fn new() -> Self {
        Self { inflate: Decompress::new(false), blocks: [Vec::new(), Vec::new()] }
    }

    /// The content of a message, packed once, twice or not at all; `None` if it is not as usual.
    pub(crate) fn unpack<'a>(&'a mut self, message: &'a [u8]) -> Option<&'a [u8]> {
        let mut plain = message;
        for block in &mut self.blocks {
            if !plain.starts_with(&GZIP_MAGIC) {
                return Some(plain);
            }
            block.resize(PLAIN_BYTES_MAX, 0);
            plain = gunzip(&mut self.inflate, plain, block)?;
        }
        (!plain.starts_with(&GZIP_MAGIC)).then_some(plain)
    }
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

/// One gzip member without options in its header, and nothing after it.
fn gunzip<'a>(inflate: &mut Decompress, packed: &[u8], block: &'a mut [u8]) -> Option<&'a [u8]> {
    let (header, rest) = packed.split_at_checked(HEADER_BYTES)?;
    if header.get(2..4) != Some(&[DEFLATE, 0]) {
        return None;
    }
    inflate.reset(false);
    let status = inflate.decompress(rest, block, FlushDecompress::Finish).ok()?;
    if status != Status::StreamEnd {
        return None;
    }
    let plain = block.get(..usize::try_from(inflate.total_out()).ok()?)?;
    let trailer = rest.get(usize::try_from(inflate.total_in()).ok()?..)?;
    let (sum, len) = trailer.split_first_chunk::<4>()?;
    let mut crc = Crc::new();
    crc.update(plain);
    let is_whole = u32::from_le_bytes(*sum) == crc.sum()
        && u32::from_le_bytes(len.try_into().ok()?) == crc.amount();
    is_whole.then_some(plain)
}
