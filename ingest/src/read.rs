//! Reads one log file whole, whatever form it has and wherever it lies.

use std::fs::File;
use std::io::{self, Read};
#[cfg(any(feature = "s3", feature = "cwl"))]
use std::sync::Arc;

#[cfg(feature = "s3")]
use parquet::errors::ParquetError;

use crate::batch::FlowBatch;
use crate::decoder::{DecodeOptions, Decoder};
use crate::error::ReadError;
use crate::files::LogFile;
use crate::parquet::{self as parquet_log, PARQUET_MAGIC};
use crate::place::Place;
#[cfg(feature = "cwl")]
use crate::source::cwl::{LogGroup, Slice};
#[cfg(feature = "s3")]
use crate::source::s3::{Ahead, Body, Ranges, S3};
use crate::tally::Tally;

/// What came of reading a file: counts, and the error that ended it early, if one did.
#[derive(Debug)]
pub struct ReadOutcome {
    /// Rejects and control messages, up to where reading came.
    pub tally: Tally,
    /// Why the file was not read to its end.
    pub error: Option<ReadError>,
}

/// Small enough that what a hostile file makes of one chunk fits in memory.
const CHUNK_BYTES: usize = 64 << 10;

/// Reads log files, wherever they lie.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    #[cfg(feature = "s3")]
    s3: Option<Arc<(S3, Ahead)>>,
    #[cfg(feature = "cwl")]
    groups: Arc<[LogGroup]>,
}

/// The bytes of a log file, from its beginning.
#[derive(Debug)]
pub enum Input {
    /// A file of this machine.
    File(File),
    /// An object.
    #[cfg(feature = "s3")]
    Object(Body),
    /// A slice of a log group.
    #[cfg(feature = "cwl")]
    Slice(Box<Slice>),
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(into),
            #[cfg(feature = "s3")]
            Self::Object(body) => body.read(into),
            #[cfg(feature = "cwl")]
            Self::Slice(slice) => slice.read(into),
        }
    }
}

impl Reader {
    /// Reads objects too, and fetches those among `files` ahead, in this order.
    #[cfg(feature = "s3")]
    #[must_use]
    pub fn with_s3(self, s3: &S3, files: &[LogFile]) -> Self {
        Self { s3: Some(Arc::new((s3.clone(), s3.ahead(files)))), ..self }
    }

    /// Reads slices of these log groups too.
    #[cfg(feature = "cwl")]
    #[must_use]
    pub fn with_groups(self, groups: &Arc<[LogGroup]>) -> Self {
        Self { groups: Arc::clone(groups), ..self }
    }

    /// Opens a file to read it from its beginning.
    pub fn open(&self, file: &LogFile) -> io::Result<Input> {
        match &file.place {
            Place::File(path) => File::open(path).map(Input::File),
            #[cfg(feature = "s3")]
            Place::Object { .. } => {
                let body = self.s3.as_deref().and_then(|(_, ahead)| ahead.body(file));
                body.map(Input::Object).ok_or_else(no_s3)
            }
            #[cfg(not(feature = "s3"))]
            Place::Object { .. } => Err(no_s3()),
            #[cfg(feature = "cwl")]
            Place::Slice { .. } => {
                let slice = self.groups.iter().find_map(|group| group.open(file));
                slice.map(|slice| Input::Slice(Box::new(slice))).ok_or_else(no_group)
            }
            #[cfg(not(feature = "cwl"))]
            Place::Slice { .. } => Err(no_group()),
        }
    }

    /// Reads a file to its end, Parquet or anything [`Decoder`] takes, and hands over its batches.
    ///
    /// Batches handed over before an error are valid.
    pub fn read(
        &self,
        file: &LogFile,
        options: &DecodeOptions,
        on_batch: &mut dyn FnMut(FlowBatch),
    ) -> ReadOutcome {
        #[cfg(feature = "s3")]
        if let (Some((s3, _)), true) = (self.s3.as_deref(), file.place.is_parquet())
            && let Some(ranges) = Ranges::of(s3, file)
        {
            return read_parts(file, &ranges, options, on_batch);
        }
        match self.open_at_head(file) {
            Err(source) => {
                ReadOutcome { tally: Tally::default(), error: Some(io_error(file, source)) }
            }
            Ok((head, Input::File(input))) if head == PARQUET_MAGIC => {
                parquet_log::read(file, input, &|_| Ok(()), options, on_batch)
            }
            Ok((head, input)) => read_stream(file, &head, input, options, on_batch),
        }
    }

    /// Opens the file and reads its first bytes. No seeking back: it may be a pipe.
    fn open_at_head(&self, file: &LogFile) -> io::Result<(Vec<u8>, Input)> {
        let mut input = self.open(file)?;
        let mut head = Vec::new();
        input.by_ref().take(PARQUET_MAGIC.len() as u64).read_to_end(&mut head)?;
        Ok((head, input))
    }
}

/// Reads one file of this machine: see [`Reader::read`].
pub fn read_file(
    file: &LogFile,
    options: &DecodeOptions,
    on_batch: &mut dyn FnMut(FlowBatch),
) -> ReadOutcome {
    Reader::default().read(file, options, on_batch)
}

fn no_s3() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "objects are not read here")
}

fn no_group() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "log groups are not read here")
}

#[cfg(feature = "s3")]
fn read_parts(
    file: &LogFile,
    ranges: &Ranges,
    options: &DecodeOptions,
    on_batch: &mut dyn FnMut(FlowBatch),
) -> ReadOutcome {
    let fetch = |parts: &[(u64, u64)]| {
        ranges.fetch_all(parts).map_err(|error| ParquetError::External(Box::new(error)))
    };
    parquet_log::read(file, ranges.clone(), &fetch, options, on_batch)
}

fn read_stream(
    file: &LogFile,
    head: &[u8],
    mut input: Input,
    options: &DecodeOptions,
    on_batch: &mut dyn FnMut(FlowBatch),
) -> ReadOutcome {
    let mut decoder = Decoder::new(file.origin.clone(), options.clone());
    let begun = decoder.decode(head).map_err(ReadError::from);
    let read = begun.and_then(|()| push_all(file, &mut input, &mut decoder, on_batch));
    let ended = decoder.finish();
    hand_over(&mut decoder, on_batch);
    let error = read.and(ended.map_err(ReadError::from)).err();
    ReadOutcome { tally: decoder.into_tally(), error }
}

fn push_all(
    file: &LogFile,
    input: &mut Input,
    decoder: &mut Decoder,
    on_batch: &mut dyn FnMut(FlowBatch),
) -> Result<(), ReadError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n_read = match input.read(&mut chunk) {
            Ok(n_read) => n_read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io_error(file, error)),
        };
        let Some(bytes) = chunk.get(..n_read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        let pushed = decoder.decode(bytes);
        hand_over(decoder, on_batch);
        pushed?;
    }
}

fn hand_over(decoder: &mut Decoder, on_batch: &mut dyn FnMut(FlowBatch)) {
    while let Some(batch) = decoder.take_batch() {
        on_batch(batch);
    }
}

fn io_error(file: &LogFile, source: io::Error) -> ReadError {
    ReadError::Io { place: file.place.clone(), source }
}
