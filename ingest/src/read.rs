//! Reads one file whole, whatever form it has.

use std::fs::File;
use std::io::{self, Read};

use crate::batch::FlowBatch;
use crate::decoder::{DecodeOptions, Decoder};
use crate::error::ReadError;
use crate::files::LogFile;
use crate::parquet::{self, PARQUET_MAGIC};
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

/// Reads one file, Parquet or anything [`Decoder`] takes, and hands over its batches.
///
/// Batches handed over before an error are valid.
pub fn read_file(
    file: &LogFile,
    options: &DecodeOptions,
    on_batch: &mut dyn FnMut(FlowBatch),
) -> ReadOutcome {
    match open(file) {
        Err(source) => ReadOutcome { tally: Tally::default(), error: Some(io_error(file, source)) },
        Ok((head, input)) if head == PARQUET_MAGIC => parquet::read(file, input, options, on_batch),
        Ok((head, input)) => read_stream(file, &head, input, options, on_batch),
    }
}

/// Opens the file and reads its first bytes. No seeking back: it may be a pipe.
fn open(file: &LogFile) -> io::Result<(Vec<u8>, File)> {
    let mut input = File::open(&file.path)?;
    let mut head = Vec::new();
    input.by_ref().take(PARQUET_MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok((head, input))
}

fn read_stream(
    file: &LogFile,
    head: &[u8],
    mut input: File,
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
    input: &mut File,
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
    ReadError::Io { path: file.path.clone(), source }
}
