//! The push decoder: bytes in any chunking, batches out.

use std::fmt;
use std::sync::Arc;

use crate::batch::{FlowBatch, Origin};
use crate::content::Content;
use crate::error::DecodeError;
use crate::field::FieldSet;
use crate::format::LogFormat;
use crate::inflate::{GZIP_MAGIC, Gunzip, Unzstd, ZSTD_MAGIC};
use crate::limits::Limits;
use crate::meter::Meter;
use crate::tally::Tally;
use crate::text::Lines;

/// What to decode, and within which caps.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    /// The format of text without a header line; the version 2 default if `None`. A header line
    /// in the text takes precedence.
    pub format: Option<LogFormat>,
    /// Only these fields are decoded. What is not decoded is not checked either.
    pub columns: FieldSet,
    /// The caps.
    pub limits: Limits,
}

impl DecodeOptions {
    /// Decodes these fields, from the default format, within the default caps.
    pub fn of_columns(columns: FieldSet) -> Self {
        Self { format: None, columns, limits: Limits::DEFAULT }
    }
}

/// Decodes one file or stream of text records, plain or compressed, bare or in JSON envelopes.
///
/// Push bytes with [`decode`](Self::decode), take batches with [`take_batch`](Self::take_batch)
/// until there is none, and end with [`finish`](Self::finish). How the bytes are cut makes no
/// difference to the records. A bad line never fails the stream: it is counted in the
/// [`tally`](Self::tally).
pub struct Decoder {
    stage: Stage,
    meter: Meter,
    lines: Lines,
    failed: bool,
}

impl Decoder {
    /// A decoder for one origin.
    pub fn new(origin: Arc<Origin>, options: DecodeOptions) -> Self {
        let meter = Meter::new(origin.name.clone(), options.limits);
        Self { stage: Stage::sniff(0), meter, lines: Lines::new(origin, options), failed: false }
    }

    /// Takes the next bytes.
    ///
    /// After an error the stream is over; what was decoded before it stays available.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.failed {
            return Err(DecodeError::Failed { name: self.meter.name() });
        }
        self.meter.came_in(bytes.len());
        let pushed = self.stage.push(bytes, &mut self.meter, &mut self.lines);
        self.failed = pushed.is_err();
        pushed
    }

    /// The next batch that is ready: every one but the last of a format has
    /// [`Limits::batch_records`] records.
    pub fn take_batch(&mut self) -> Option<FlowBatch> {
        self.lines.take_batch()
    }

    /// Ends the stream: the last line is taken, the last batch made ready.
    ///
    /// Fails if compressed data ends early. What was decoded is made ready all the same.
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        let ended = if self.failed {
            Err(DecodeError::Failed { name: self.meter.name() })
        } else {
            self.stage.finish(&mut self.meter, &mut self.lines)
        };
        self.lines.cut();
        self.failed = true;
        ended
    }

    /// What was counted so far.
    pub fn tally(&self) -> &Tally {
        &self.lines.tally
    }

    /// Gives up the decoder for its counts.
    #[must_use]
    pub fn into_tally(self) -> Tally {
        self.lines.tally
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("meter", &self.meter).finish_non_exhaustive()
    }
}

/// Takes a message that is complete in itself, whatever is in it.
pub(crate) fn decode_whole(bytes: &[u8], name: &str, lines: &mut Lines) -> Result<(), DecodeError> {
    let mut meter = Meter::new(name.to_owned(), lines.options().limits);
    let mut stage = Stage::sniff(0);
    meter.came_in(bytes.len());
    stage.push(bytes, &mut meter, lines)?;
    stage.finish(&mut meter, lines)
}

/// One layer of the stream; compressed layers hold the layer inside them.
enum Stage {
    /// Too few bytes to tell what this layer is.
    Sniff {
        head: Vec<u8>,
        depth: usize,
    },
    Gzip {
        gunzip: Gunzip,
        inside: Box<Stage>,
    },
    Zstd {
        unzstd: Unzstd,
        inside: Box<Stage>,
    },
    Content(Content),
}

pub(crate) const PARQUET_MAGIC: [u8; 4] = *b"PAR1";
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const MAGIC_BYTES: usize = 4;

impl Stage {
    fn sniff(depth: usize) -> Self {
        Self::Sniff { head: Vec::new(), depth }
    }

    fn push(
        &mut self,
        bytes: &[u8],
        meter: &mut Meter,
        lines: &mut Lines,
    ) -> Result<(), DecodeError> {
        match self {
            Self::Sniff { head, depth } => {
                head.extend_from_slice(bytes);
                if head.len() < MAGIC_BYTES {
                    return Ok(());
                }
                let (head, depth) = (std::mem::take(head), *depth);
                *self = Self::recognise(&head, depth, meter)?;
                self.push(without_mark(&head), meter, lines)
            }
            Self::Gzip { gunzip, inside } => {
                gunzip.push(bytes, meter, &mut |block, meter| inside.push(block, meter, lines))
            }
            Self::Zstd { unzstd, inside } => {
                unzstd.push(bytes, meter, &mut |block, meter| inside.push(block, meter, lines))
            }
            Self::Content(content) => {
                content.push(bytes, lines);
                Ok(())
            }
        }
    }

    fn recognise(head: &[u8], depth: usize, meter: &Meter) -> Result<Self, DecodeError> {
        if head.starts_with(&PARQUET_MAGIC) {
            return Err(DecodeError::ParquetInStream { name: meter.name() });
        }
        let is_gzip = head.starts_with(&GZIP_MAGIC);
        if !is_gzip && !head.starts_with(&ZSTD_MAGIC) {
            return Ok(Self::Content(Content::default()));
        }
        if depth >= meter.nesting_max() {
            return Err(meter.limit_reached("nesting_max", meter.nesting_max() as u64));
        }
        let inside = Box::new(Self::sniff(depth + 1));
        Ok(if is_gzip {
            Self::Gzip { gunzip: Gunzip::new(), inside }
        } else {
            Self::Zstd { unzstd: Unzstd::new(meter)?, inside }
        })
    }

    fn finish(&mut self, meter: &mut Meter, lines: &mut Lines) -> Result<(), DecodeError> {
        match self {
            Self::Sniff { head, .. } => {
                // Fewer bytes than any magic has: a very short text, unless a member was begun.
                if head.starts_with(&GZIP_MAGIC) {
                    return Err(meter.truncated("gzip"));
                }
                let mut content = Content::default();
                content.push(without_mark(head), lines);
                content.finish(lines);
                Ok(())
            }
            Self::Gzip { gunzip, inside } => {
                // Where data ends early, the line it cut short is no record.
                gunzip.finish(meter)?;
                inside.finish(meter, lines)
            }
            Self::Zstd { unzstd, inside } => {
                // Where data ends early, the line it cut short is no record.
                unzstd.finish(meter)?;
                inside.finish(meter, lines)
            }
            Self::Content(content) => {
                content.finish(lines);
                Ok(())
            }
        }
    }
}

pub(crate) fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(&BYTE_ORDER_MARK).unwrap_or(head)
}
