//! Looks at a file's first bytes to tell whether it is a flow log.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::envelope::looks_like_envelope;
use crate::format::LogFormat;
use crate::inflate::{GZIP_MAGIC, ZSTD_MAGIC};

/// Enough for the longest header line, and for an envelope's first keys.
const HEAD_BYTES: u64 = 16 << 10;

/// Whether the file's first line is a header or a record, or its first object an envelope.
pub(crate) fn begins_as_flow_log(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let head = plain_head(read_head(&mut file)?);
    Ok(looks_like_envelope(&head) || looks_like_text(&head))
}

fn read_head(from: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    from.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// The beginning of what is inside; damaged data gives what there is, which decides.
fn plain_head(head: Vec<u8>) -> Vec<u8> {
    if head.starts_with(&GZIP_MAGIC) {
        partial(&mut flate2::read::GzDecoder::new(head.as_slice()))
    } else if head.starts_with(&ZSTD_MAGIC) {
        let decoder = zstd::stream::read::Decoder::with_buffer(head.as_slice());
        decoder.map(|mut decoder| partial(&mut decoder)).unwrap_or_default()
    } else {
        head
    }
}

fn partial(from: &mut dyn Read) -> Vec<u8> {
    let mut head = Vec::new();
    // The head ends in mid-stream, so an error is what to expect.
    let _ = from.take(HEAD_BYTES).read_to_end(&mut head);
    head
}

fn looks_like_text(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    LogFormat::from_header(line).is_some() || has_two_times(line)
}

/// Every record has a start and an end in Unix seconds.
fn has_two_times(line: &[u8]) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b' ' | b'\t' | b',');
    let is_time = |token: &&[u8]| {
        token.len() == 10 && token.starts_with(b"1") && token.iter().all(u8::is_ascii_digit)
    };
    line.split(is_separator).filter(is_time).count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_headers_and_envelopes_are_told_from_the_rest() {
        let record = "2 210987654321 eni-0a - - - - - - - 1700000000 1700000060 - NODATA\n";
        assert!(looks_like_text(record.as_bytes()));
        assert!(looks_like_text(b"version srcaddr dstaddr\n"));
        assert!(!looks_like_text(b"first_seen,last_seen,client,server,port,protocol\n"));
        assert!(!looks_like_text(b"# Notes\n"));
        assert!(looks_like_envelope(br#"{"message":"2 "#));
        assert!(looks_like_envelope(br#" {"messageType":"DATA_MESSAGE""#));
        assert!(!looks_like_envelope(br#"{"NetworkInterfaces":[{"Tags":[{"message":1}]}]}"#));
    }
}
