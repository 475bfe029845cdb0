//! Push decompressors: compressed bytes in, blocks of plain bytes out.

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder as ZstdFrames, InBuffer, Operation, OutBuffer};

use crate::error::DecodeError;
use crate::meter::Meter;

/// Large blocks, so that the cost per block vanishes; small enough to stay in the cache.
const BLOCK_BYTES: usize = 256 << 10;

/// The first bytes of a gzip member.
pub(crate) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The first bytes of a zstd frame.
pub(crate) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Takes plain bytes; an error stops the decompressor.
pub(crate) type OnBlock<'a> = dyn FnMut(&[u8], &mut Meter) -> Result<(), DecodeError> + 'a;

/// Gzip members, one after the other, as one stream.
pub(crate) struct Gunzip {
    /// `None` between members.
    member: Option<Decompress>,
    /// Bytes seen after a member, while they may still be the next one's magic.
    magic_seen: usize,
    /// Zeros after the last member are padding; then nothing but zeros may come.
    padded: bool,
    block: Vec<u8>,
}

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self { member: None, magic_seen: 0, padded: false, block: vec![0; BLOCK_BYTES] }
    }

    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        meter: &mut Meter,
        on_block: &mut OnBlock<'_>,
    ) -> Result<(), DecodeError> {
        while !bytes.is_empty() {
            bytes = match self.member.take() {
                None => self.between(bytes, meter)?,
                Some(member) => self.inflate(member, bytes, meter, on_block)?,
            };
        }
        Ok(())
    }

    /// Looks for the next member's magic, which may come in two pushes.
    fn between<'a>(&mut self, bytes: &'a [u8], meter: &Meter) -> Result<&'a [u8], DecodeError> {
        let Some((&byte, rest)) = bytes.split_first() else { return Ok(bytes) };
        if byte == 0 && self.magic_seen == 0 {
            self.padded = true;
            return Ok(rest);
        }
        if self.padded || GZIP_MAGIC.get(self.magic_seen) != Some(&byte) {
            return Err(DecodeError::TrailingBytes { name: meter.name(), codec: "gzip" });
        }
        self.magic_seen += 1;
        if self.magic_seen == GZIP_MAGIC.len() {
            self.magic_seen = 0;
            self.begin_member(meter)?;
        }
        Ok(rest)
    }

    fn begin_member(&mut self, meter: &Meter) -> Result<(), DecodeError> {
        let mut member = Decompress::new_gzip(15);
        member
            .decompress(&GZIP_MAGIC, &mut self.block, FlushDecompress::None)
            .map_err(|error| meter.damaged("gzip", error.to_string()))?;
        self.member = Some(member);
        Ok(())
    }

    /// Inflates to the end of the member or of the bytes; gives the bytes after the member.
    fn inflate<'a>(
        &mut self,
        mut member: Decompress,
        mut bytes: &'a [u8],
        meter: &mut Meter,
        on_block: &mut OnBlock<'_>,
    ) -> Result<&'a [u8], DecodeError> {
        loop {
            let (in_before, out_before) = (member.total_in(), member.total_out());
            let status = member
                .decompress(bytes, &mut self.block, FlushDecompress::None)
                .map_err(|error| meter.damaged("gzip", error.to_string()))?;
            let n_in = byte_count(member.total_in() - in_before);
            let n_out = byte_count(member.total_out() - out_before);
            bytes = bytes.get(n_in..).unwrap_or_default();
            if n_out > 0 {
                meter.came_out(n_out)?;
                on_block(self.block.get(..n_out).unwrap_or_default(), meter)?;
            }
            if status == Status::StreamEnd {
                return Ok(bytes);
            }
            // All input may be taken while output still waits inside for room.
            if bytes.is_empty() && n_out < BLOCK_BYTES {
                self.member = Some(member);
                return Ok(bytes);
            }
            if n_in == 0 && n_out == 0 {
                return Err(meter.damaged("gzip", "no progress".to_owned()));
            }
        }
    }

    pub(crate) fn finish(&self, meter: &Meter) -> Result<(), DecodeError> {
        let whole = self.member.is_none() && self.magic_seen == 0;
        if whole { Ok(()) } else { Err(meter.truncated("gzip")) }
    }
}

/// Zstd frames, one after the other, as one stream.
pub(crate) struct Unzstd {
    frames: ZstdFrames<'static>,
    /// Whether the last byte seen ended a frame.
    at_frame_end: bool,
    block: Vec<u8>,
}

impl Unzstd {
    pub(crate) fn new(meter: &Meter) -> Result<Self, DecodeError> {
        let frames = ZstdFrames::new().map_err(|error| meter.damaged("zstd", error.to_string()))?;
        Ok(Self { frames, at_frame_end: false, block: vec![0; BLOCK_BYTES] })
    }

    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        meter: &mut Meter,
        on_block: &mut OnBlock<'_>,
    ) -> Result<(), DecodeError> {
        let mut input = InBuffer::around(bytes);
        loop {
            let mut output = OutBuffer::around(self.block.as_mut_slice());
            let in_before = input.pos();
            let left = self
                .frames
                .run(&mut input, &mut output)
                .map_err(|error| meter.damaged("zstd", error.to_string()))?;
            let n_out = output.pos();
            let n_in = input.pos() - in_before;
            // Called with nothing to do, the codec speaks of a frame that has not begun.
            if n_in > 0 || n_out > 0 {
                self.at_frame_end = left == 0;
            }
            if n_out > 0 {
                meter.came_out(n_out)?;
                on_block(self.block.get(..n_out).unwrap_or_default(), meter)?;
            }
            let drained = input.pos() == bytes.len() && n_out < BLOCK_BYTES;
            if drained || (n_in == 0 && n_out == 0) {
                return Ok(());
            }
        }
    }

    pub(crate) fn finish(&self, meter: &Meter) -> Result<(), DecodeError> {
        if self.at_frame_end { Ok(()) } else { Err(meter.truncated("zstd")) }
    }
}

/// Counts of bytes in memory fit a `usize`.
fn byte_count(n_bytes: u64) -> usize {
    usize::try_from(n_bytes).unwrap_or(usize::MAX)
}
