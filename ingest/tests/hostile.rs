//! What damaged, oversized and arbitrary input does: errors and counts, never a panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use std::io::Write;

use dump::{decode, dump};
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::{DecodeOptions, FieldSet, Limits, LogFormat};
use proptest::prelude::*;

const RECORD: &str = "2 210987654321 eni-0a 10.20.0.5 10.20.1.9 49712 5432 6 12 3480 1700000000 1700000058 ACCEPT OK\n";

fn options() -> DecodeOptions {
    DecodeOptions::of_columns(FieldSet::all())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn error_of(options: &DecodeOptions, bytes: &[u8]) -> String {
    decode(options, bytes.chunks(4096)).error.unwrap_or_default()
}

#[test]
fn truncated_gzip_is_an_error_and_keeps_what_came_before() {
    let text: String = (0..5000).map(|n| RECORD.replace("49712", &n.to_string())).collect();
    let whole = gzip(text.as_bytes());
    let (half, _) = whole.split_at(whole.len() / 2);
    let decoded = decode(&options(), half.chunks(1000));
    assert!(decoded.n_records() > 1000, "{}", decoded.n_records());
    assert_eq!(decoded.tally.ledger.rejected_total(), 0);
    let error = decoded.error.unwrap();
    assert!(error.starts_with("stream: gzip data ends in the middle, after "), "{error}");
    for n_bytes in [2, 3, 10, 18] {
        let error = error_of(&options(), &whole[..n_bytes]);
        assert!(error.contains("ends in the middle"), "{n_bytes}: {error}");
    }
}

#[test]
fn truncated_zstd_is_an_error() {
    let whole = zstd::encode_all(RECORD.repeat(100).as_bytes(), 1).unwrap();
    let error = error_of(&options(), &whole[..whole.len() - 3]);
    assert!(error.contains("zstd data ends in the middle"), "{error}");
    assert_eq!(error_of(&options(), &whole), "");
}

#[test]
fn damaged_gzip_is_an_error() {
    let mut bytes = gzip(RECORD.repeat(1000).as_bytes());
    let checksum_at = bytes.len() - 8;
    bytes[checksum_at] ^= 1;
    let decoded = decode(&options(), [bytes.as_slice()]);
    assert!(decoded.error.unwrap().starts_with("stream: damaged gzip data"));
}

#[test]
fn bytes_after_gzip_are_an_error() {
    let bytes = [gzip(RECORD.as_bytes()), b"more".to_vec()].concat();
    let decoded = decode(&options(), [bytes.as_slice()]);
    assert_eq!(decoded.n_records(), 1);
    assert_eq!(decoded.error.unwrap(), "stream: gzip data is followed by something else");
}

#[test]
fn a_decompression_bomb_meets_a_cap() {
    let zeros = vec![b'0'; 64 << 20];
    let bomb = gzip(&gzip(&zeros));
    assert!(bomb.len() < 10_000, "{}", bomb.len());
    assert_eq!(
        error_of(&options(), &bomb),
        "stream: the decompression_ratio_max limit of 1000 is reached; is this a decompression bomb?"
    );
    let limits = Limits { decompressed_bytes_max: 1 << 20, ..Limits::DEFAULT };
    let error = error_of(&DecodeOptions { limits, ..options() }, &gzip(&zeros));
    assert!(error.contains("decompressed_bytes_max limit of 1048576"), "{error}");
}

#[test]
fn compression_within_compression_has_a_cap() {
    let nested = (0..4).fold(RECORD.as_bytes().to_vec(), |bytes, _| gzip(&bytes));
    assert!(error_of(&options(), &nested).contains("nesting_max limit of 3"));
}

#[test]
fn lines_and_envelopes_have_caps() {
    let limits = Limits { line_bytes_max: 120, envelope_bytes_max: 200, ..Limits::DEFAULT };
    let options = DecodeOptions { limits, ..options() };
    let long = format!("{RECORD}{}\n{RECORD}", "x".repeat(300));
    let envelope =
        format!("{{\"message\":\"{}\"}}{{\"message\":\"{}\"}}", "x".repeat(300), RECORD.trim_end());
    for (text, n_records) in [(long, 2), (envelope, 1)] {
        let whole = decode(&options, [text.as_bytes()]);
        assert_eq!((whole.n_records(), whole.tally.ledger.rejected_total()), (n_records, 1));
        assert_eq!(
            dump(&decode(&options, text.as_bytes().chunks(1))).lines().count(),
            dump(&whole).lines().count()
        );
    }
}

#[test]
fn parquet_in_a_stream_is_told() {
    assert_eq!(
        error_of(&options(), b"PAR1...."),
        "stream: Parquet inside a stream; read it as a file instead"
    );
}

#[test]
fn many_distinct_texts_cut_batches_and_cost_no_record() {
    let limits = Limits { distinct_texts_max: 100, ..Limits::DEFAULT };
    let text: String = (0..2000).map(|n| RECORD.replace("eni-0a", &format!("eni-{n}"))).collect();
    let decoded = decode(&DecodeOptions { limits, ..options() }, [text.as_bytes()]);
    assert_eq!(decoded.n_records(), 2000);
    assert!(decoded.batches.iter().all(|batch| batch.n_records() <= 256));
}

#[test]
fn only_the_columns_asked_for_are_decoded() {
    let columns = FieldSet::of(&[ingest::Field::InterfaceId, ingest::Field::AsgTag]);
    let text = format!("{RECORD}version account-id interface-id\n2 210987654321 eni-0b\n");
    let decoded = decode(&DecodeOptions::of_columns(columns), [text.as_bytes()]);
    assert_eq!(decoded.n_records(), 2);
    for batch in &decoded.batches {
        assert_eq!(batch.rows().num_columns(), 1);
    }
    let none = decode(&DecodeOptions::of_columns(FieldSet::default()), [text.as_bytes()]);
    assert_eq!(none.n_records(), 2);
}

/// Lines that are nearly right, which arbitrary bytes hardly ever are.
fn nearly_a_log() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just("2"),
        Just("-"),
        Just("10.0.0.1"),
        Just("2001:db8::1"),
        Just("443"),
        Just("1700000000"),
        Just("ACCEPT"),
        Just("OK"),
        Just("NODATA"),
        Just("eni-1"),
        Just("version"),
        Just("srcaddr"),
        Just("end"),
        Just(""),
        Just("{\"message\":\""),
        Just("\"}"),
        Just("\\"),
        Just("é"),
        Just("\r"),
    ];
    let separator = prop_oneof![4 => Just(" "), 1 => Just("\n"), 1 => Just("\t"), 1 => Just(",")];
    let line = prop_oneof![
        Just(RECORD.to_owned()),
        Just("interface-id srcaddr end\n".to_owned()),
        Just("eni-1 10.0.0.1 1700000000\n".to_owned()),
        Just(format!("{{\"message\":\"{}\"}}", RECORD.trim_end())),
        prop::collection::vec((token, separator), 0..20)
            .prop_map(|parts| parts.into_iter().flat_map(|(a, b)| [a, b]).collect()),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.concat().into_bytes())
}

fn cut_at(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn cuts_make_no_difference(
        text in nearly_a_log(),
        cuts: [prop::sample::Index; 6],
        batch_records in 1usize..5,
        line_bytes_max in 20usize..200,
        compressed: bool,
    ) {
        let limits = Limits { batch_records, line_bytes_max, ..Limits::DEFAULT };
        let options = DecodeOptions { limits, ..options() };
        let bytes = if compressed { gzip(&text) } else { text };
        let whole = decode(&options, [bytes.as_slice()]);
        let pieces = cut_at(&bytes, &cuts);
        let cut = decode(&options, pieces.iter().map(Vec::as_slice));
        prop_assert_eq!(dump(&whole), dump(&cut));
    }

    #[test]
    fn every_line_is_counted_once(text in nearly_a_log()) {
        let decoded = decode(&options(), [text.as_slice()]);
        let tally = &decoded.tally;
        let classed = decoded.n_records() + tally.ledger.records + tally.blank_lines + tally.header_lines;
        prop_assert_eq!(classed, tally.lines);
        prop_assert!(tally.ledger.balances());
        for batch in &decoded.batches {
            prop_assert!(batch.n_records() <= Limits::DEFAULT.batch_records);
        }
    }

    #[test]
    fn plain_lines_are_counted_as_lines(lines in prop::collection::vec("[ -z]{0,30}", 0..20)) {
        prop_assume!(!lines.iter().any(|line| line.starts_with('{')));
        let text = lines.join("\n") + "\n";
        let decoded = decode(&options(), [text.as_bytes()]);
        prop_assert_eq!(decoded.tally.lines, if lines.is_empty() { 1 } else { lines.len() as u64 });
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>, magic in 0usize..4) {
        let magic: &[u8] = [&b""[..], &[0x1f, 0x8b, 8], &[0x28, 0xb5, 0x2f, 0xfd], b"{\""][magic];
        let bytes = [magic, &bytes].concat();
        let decoded = decode(&options(), [bytes.as_slice()]);
        prop_assert!(decoded.tally.ledger.balances());
    }

    #[test]
    fn flipped_bits_in_gzip_do_no_harm(at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = gzip(RECORD.repeat(50).as_bytes());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let decoded = decode(&options(), bytes.chunks(100));
        prop_assert!(decoded.n_records() <= 60);
    }

    #[test]
    fn any_format_string_is_read_or_refused(spec in "([$a-z{} ,-]|version|srcaddr|\\PC){0,40}") {
        let _ = LogFormat::parse(&spec);
    }
}
