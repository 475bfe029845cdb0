//! Every file of `tests/corpus` decodes to what the `.expect` file beside it says, and decodes to
//! the same however it is compressed and cut.
//!
//! `UPDATE_EXPECT=1 cargo test -p ingest --test corpus` writes the `.expect` files anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use dump::{Decoded, decode, dump};
use expect_test::expect_file;
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::{DecodeOptions, FieldSet, LogFormat};

/// Cargo runs tests in their package's folder. The path compiled in may be another checkout's, where two share
/// a target directory.
fn package() -> PathBuf {
    std::env::current_dir().unwrap()
}

fn corpus() -> PathBuf {
    package().join("../tests/corpus")
}

/// The corpus files with their content and options, by name.
fn entries() -> Vec<(PathBuf, Vec<u8>, DecodeOptions)> {
    let is_aside = |path: &Path| {
        path.extension().is_some_and(|ending| ending == "expect" || ending == "format")
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !is_aside(path))
        .collect();
    paths.sort();
    assert!(paths.len() > 15, "the corpus is not where it should be");
    paths
        .into_iter()
        .map(|path| {
            let content = fs::read(&path).unwrap();
            let options = options_of(&path);
            (path, content, options)
        })
        .collect()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn options_of(path: &Path) -> DecodeOptions {
    let spec = fs::read_to_string(beside(path, ".format")).ok();
    let format = spec.map(|spec| LogFormat::parse(&spec).unwrap());
    DecodeOptions { format, ..DecodeOptions::of_columns(FieldSet::all()) }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn assert_same(path: &Path, how: &str, want: &Decoded, have: &Decoded) {
    assert_eq!(dump(want), dump(have), "{} {how}", path.display());
}

#[test]
fn every_file_decodes_as_expected() {
    for (path, content, options) in entries() {
        let decoded = decode(&options, [content.as_slice()]);
        expect_file![beside(&path, ".expect")].assert_eq(&dump(&decoded));
    }
}

#[test]
fn how_a_file_is_cut_makes_no_difference() {
    for (path, content, options) in entries() {
        let whole = decode(&options, [content.as_slice()]);
        for n_bytes in [1, 2, 7, 64, 1000] {
            let cut = decode(&options, content.chunks(n_bytes));
            assert_same(&path, &format!("in chunks of {n_bytes}"), &whole, &cut);
        }
    }
}

#[test]
fn how_a_file_is_compressed_makes_no_difference() {
    for (path, content, options) in entries() {
        let plain = decode(&options, [content.as_slice()]);
        let (head, tail) = content.split_at(content.len() / 2);
        let members = [gzip(head), gzip(b""), gzip(tail), vec![0; 9]].concat();
        let frames = [head, tail].map(|part| zstd::encode_all(part, 1).unwrap()).concat();
        let forms = [
            ("as gzip", gzip(&content)),
            ("as gzip members", members.clone()),
            ("as gzip members in gzip", gzip(&members)),
            ("as zstd", frames.clone()),
            ("as gzip in zstd", zstd::encode_all(members.as_slice(), 1).unwrap()),
        ];
        for (how, bytes) in &forms {
            assert_same(&path, how, &plain, &decode(&options, [bytes.as_slice()]));
            assert_same(&path, how, &plain, &decode(&options, bytes.chunks(1)));
        }
    }
}

#[test]
fn every_line_is_in_exactly_one_class() {
    for (path, content, options) in entries() {
        let decoded = decode(&options, [content.as_slice()]);
        let tally = &decoded.tally;
        let classed = decoded.n_records()
            + tally.ledger.rejected_total()
            + tally.ledger.control
            + tally.blank_lines
            + tally.header_lines;
        assert_eq!(classed, tally.lines, "{}", path.display());
        assert_eq!(tally.ledger.records, tally.ledger.rejected_total() + tally.ledger.control);
    }
}

/// Records published by AWS and others lie beside the repository on the machines that develop it.
#[test]
fn published_records_decode_without_a_loss() {
    let folder = package().join("../../shared/data/aws-records");
    if !folder.is_dir() {
        println!("skipped: ../shared/data is not here");
        return;
    }
    let expected = [
        ("aws-guide-examples.txt", 21),
        ("cloudwatch-subscription.json", 2),
        ("v2-genuine.log", 775),
        ("v2-s3-with-header.log.gz", 3),
        ("v6-transit-gateway.log", 1),
        ("v7-ecs.log", 1),
        ("v8-fargate.csv", 1),
    ];
    let options = DecodeOptions::of_columns(FieldSet::all());
    for (name, n_records) in expected {
        let content = fs::read(folder.join(name)).unwrap();
        let decoded = decode(&options, [content.as_slice()]);
        assert_eq!(decoded.error, None, "{name}");
        assert_eq!(decoded.tally.samples, std::collections::BTreeMap::new(), "{name}");
        assert_eq!(decoded.n_records(), n_records, "{name}");
    }
}
