//! Parquet as AWS writes it, as others write it, and as nobody should.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use std::fs;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Int32Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, StringViewArray, UInt16Array,
};
use dump::{Decoded, dump};
use expect_test::expect;
use ingest::{DecodeOptions, Field, FieldSet, Limits, LogFile, find_files, read_file};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

fn read(path: &Path, columns: FieldSet) -> Decoded {
    let files: Vec<LogFile> = find_files(path.to_str().unwrap()).unwrap();
    let mut batches = Vec::new();
    let options = DecodeOptions::of_columns(columns);
    let outcome = read_file(&files[0], &options, &mut |batch| batches.push(batch));
    let folder = format!("{}/", path.parent().unwrap().display());
    let error = outcome.error.map(|error| error.to_string().replace(&folder, ""));
    Decoded { batches, tally: outcome.tally, error }
}

fn read_columns(columns: Vec<(&str, ArrayRef)>) -> Decoded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.log.parquet");
    write(&path, columns);
    read(&path, FieldSet::all())
}

fn text(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Three records: traffic, one without data as AWS may write it, one as a careless writer would.
fn as_aws_writes() -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("version", Arc::new(Int32Array::from(vec![2, 2, 2]))),
        ("account_id", text(&[Some("210987654321"); 3])),
        ("interface_id", text(&[Some("eni-0a"), Some("eni-0a"), Some("None")])),
        ("srcaddr", text(&[Some("10.20.0.5"), None, Some("2001:db8::5")])),
        ("dstaddr", text(&[Some("10.20.1.9"), Some("-"), Some("2001:db8::9")])),
        ("srcport", Arc::new(Int32Array::from(vec![Some(49712), None, Some(49713)]))),
        ("dstport", Arc::new(Int32Array::from(vec![Some(5432), None, Some(5432)]))),
        ("protocol", Arc::new(Int32Array::from(vec![Some(6), None, Some(6)]))),
        ("packets", Arc::new(Int64Array::from(vec![Some(12), None, Some(3)]))),
        ("bytes", Arc::new(Int64Array::from(vec![Some(3480), None, Some(180)]))),
        ("start", Arc::new(Int64Array::from(vec![1_700_000_000; 3]))),
        ("end", Arc::new(Int64Array::from(vec![1_700_000_058; 3]))),
        ("action", text(&[Some("ACCEPT"), Some("-"), Some("REJECT")])),
        ("log_status", text(&[Some("OK"), Some("NODATA"), Some("OK")])),
        ("brand_new", text(&[Some("x"); 3])),
    ]
}

#[test]
fn aws_types_and_gaps_are_read() {
    expect![[r#"
        3 records of version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status
          2 "210987654321" "eni-0a" 10.20.0.5 10.20.1.9 49712 5432 6 12 3480 1700000000 1700000058 "ACCEPT" "OK"
          2 "210987654321" "eni-0a" - - - - - - - 1700000000 1700000058 - "NODATA"
          2 "210987654321" - 2001:db8::5 2001:db8::9 49713 5432 6 3 180 1700000000 1700000058 "REJECT" "OK"
        3 lines: 0 blank, 0 header, 0 control, 0 rejected
        unknown fields: brand_new
    "#]]
    .assert_eq(&dump(&read_columns(as_aws_writes())));
}

#[test]
fn other_writers_types_are_read() {
    let dictionary: DictionaryArray<Int8Type> = ["ACCEPT", "REJECT"].into_iter().collect();
    let numbers = DictionaryArray::<Int32Type>::new(
        Int32Array::from(vec![Some(0), None]),
        Arc::new(Int64Array::from(vec![3480])),
    );
    let decoded = read_columns(vec![
        ("SrcAddr", Arc::new(LargeStringArray::from(vec!["10.20.0.5", "10.20.0.6"]))),
        ("dst-addr", text(&[Some("x"), Some("y")])),
        ("dstaddr", Arc::new(StringViewArray::from(vec!["10.20.1.9", "None"]))),
        ("dstport", Arc::new(UInt16Array::from(vec![5432, 65535]))),
        ("end", text(&[Some("1700000058"), Some("1700000059")])),
        ("action", Arc::new(dictionary)),
        ("bytes", Arc::new(numbers)),
        ("interface_id", Arc::new(BinaryArray::from(vec![&b"eni-0a"[..], b""]))),
        ("encryption_status", Arc::new(Int32Array::from(vec![1, 2]))),
    ]);
    expect![[r#"
        2 records of interface-id srcaddr dstaddr dstport bytes end action encryption-status
          "eni-0a" 10.20.0.5 10.20.1.9 5432 3480 1700000058 "ACCEPT" "1"
          - 10.20.0.6 - 65535 - 1700000059 "REJECT" "2"
        2 lines: 0 blank, 0 header, 0 control, 0 rejected
        unknown fields: dst-addr
    "#]]
    .assert_eq(&dump(&decoded));
}

#[test]
fn bad_values_are_rejected_and_counted() {
    let decoded = read_columns(vec![
        (
            "srcaddr",
            text(&[Some("10.20.0.5"), Some("nowhere"), Some("10.20.0.5"), Some("10.20.0.5")]),
        ),
        ("srcport", Arc::new(Int32Array::from(vec![-1, 1, 65_536, 65_535]))),
        ("end", Arc::new(Int64Array::from(vec![1_700_000_058; 4]))),
        ("log_status", text(&[Some("OK"); 4])),
    ]);
    expect![[r#"
        1 records of srcaddr srcport end log-status
          10.20.0.5 65535 1700000058 "OK"
        4 lines: 0 blank, 0 header, 0 control, 3 rejected
        rejected as bad-number: 2
          line 1: 10.20.0.5 -1 1700000058 OK 
          line 3: 10.20.0.5 65536 1700000058 OK 
        rejected as bad-address: 1
          line 2: nowhere 1 1700000058 OK 
    "#]]
    .assert_eq(&dump(&decoded));
}

#[test]
fn only_the_columns_asked_for_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.parquet");
    write(&path, as_aws_writes());
    let decoded = read(&path, FieldSet::of(&[Field::Bytes, Field::TcpFlags]));
    assert_eq!(decoded.batches[0].rows().num_columns(), 1);
    assert!(decoded.batches[0].declared().contains(Field::SrcAddr));
    assert_eq!(decoded.n_records(), 3);
    assert_eq!(read(&path, FieldSet::of(&[Field::TcpFlags])).n_records(), 3);
}

#[test]
fn what_is_no_flow_log_is_told_by_name() {
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
    assert_eq!(
        read_columns(vec![("end", Arc::clone(&flags))]).error.unwrap(),
        "flows.log.parquet: Parquet column `end` is Boolean, which no flow log has"
    );
    assert_eq!(
        read_columns(vec![("user", flags)]).error.unwrap(),
        "flows.log.parquet: no Parquet column is a flow-log field; found user"
    );
}

fn whole_file() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.parquet");
    write(&path, as_aws_writes());
    fs::read(path).unwrap()
}

fn read_bytes(bytes: &[u8]) -> Decoded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.parquet");
    fs::write(&path, bytes).unwrap();
    read(&path, FieldSet::all())
}

#[test]
fn a_damaged_footer_is_an_error_that_names_the_file() {
    let whole = whole_file();
    for n_bytes in [4, 5, 12, whole.len() / 2, whole.len() - 1] {
        let error = read_bytes(&whole[..n_bytes]).error.unwrap();
        assert!(error.starts_with("flows.parquet: not readable as Parquet: "), "{error}");
    }
}

#[test]
fn a_file_that_claims_too_much_meets_a_cap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.parquet");
    write(&path, as_aws_writes());
    let file = &find_files(path.to_str().unwrap()).unwrap()[0];
    let limits = Limits { decompressed_bytes_max: 100, ..Limits::DEFAULT };
    let options = DecodeOptions { limits, ..DecodeOptions::of_columns(FieldSet::all()) };
    let error = read_file(file, &options, &mut |_| {}).error.unwrap().to_string();
    assert!(error.contains("decompressed_bytes_max limit of 100"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_bytes_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = whole_file();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let decoded = read_bytes(&bytes);
        prop_assert!(decoded.tally.ledger.balances());
    }
}
