//! Lines read many at once, column by column, come out as they do when read one by one.
//!
//! Bytes that come one at a time never make a run of lines: they are the measure.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use std::fmt::Write;

use arrow_array::Array;
use arrow_buffer::NullBuffer;
use dump::{Decoded, decode, dump};
use ingest::{DecodeOptions, Field, FieldSet, Kind, Limits, LogFormat};
use proptest::prelude::*;

const V2: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";
/// Text at the end, a tag, and a column nobody knows.
const MIXED: &str = "srcaddr bytes new-thing start end instance-tag flow-direction vpc-id";

/// A shorter header in the middle ends a batch, after texts that came later were already looked at.
const TEXT_FIRST: &str = "interface-id srcaddr start end";

/// Everything a batch has: the distinct texts too, and whether there is a null buffer.
fn whole(decoded: &Decoded) -> String {
    let mut text = dump(decoded);
    for batch in &decoded.batches {
        for &field in Field::ALL.iter().filter(|field| field.kind() == Kind::Text) {
            if let Some(column) = batch.text(field) {
                writeln!(text, "{field:?} {:?}", column.values()).unwrap();
            }
        }
        for column in batch.rows().columns() {
            writeln!(text, "nulls {:?}", column.nulls().map(NullBuffer::null_count)).unwrap();
        }
    }
    text
}

/// A value as a log has it in the field, seldom something else.
fn value(field: Option<Field>) -> BoxedStrategy<String> {
    let usual = match field.map(Field::kind) {
        _ if field == Some(Field::Action) => "ACCEPT|REJECT",
        _ if field == Some(Field::LogStatus) => "OK|OK|OK|NODATA",
        None | Some(Kind::Text) => "eni-0a|eni-0b|123456789012|[a-f0-9]{1,3}|[a-c]{30,36}",
        Some(Kind::Address) => "10\\.[0-9]\\.[1-9]?[0-9]\\.(1[0-9]{2}|25[0-5])",
        Some(Kind::Small) => "[1-9]|1?[1-9][0-9]",
        Some(Kind::Port) => "[1-9][0-9]{0,3}",
        Some(Kind::Count) => "[1-9][0-9]{0,14}",
        Some(Kind::Time) => "17000000[0-9]{2}",
    };
    let odd = "-|00?[0-9]|[0-9]{4,22}|1\\.2\\.3\\.256|1\\.2\\.3|2001:db8::1|a%20b|%zz|é|\\PC{1,3}|[0-9]\\.|[a-z]{1,40}|NODATA|1e3|\\+5";
    prop_oneof![60 => usual.prop_map(|text| text), 1 => odd.prop_map(|text| text)].boxed()
}

fn line(format: &'static str) -> impl Strategy<Value = String> {
    let values: Vec<_> = format.split(' ').map(|name| value(Field::from_name(name))).collect();
    let plain = values.prop_map(|values| values.join(" "));
    let bent = (plain.clone(), any::<prop::sample::Index>(), "[ \n\r\t{}-]|  | x|9{40}");
    let bent = bent.prop_map(|(line, at, put)| {
        let at = at.index(line.len() + 1);
        // Between two characters, or the nearest place before.
        let at = (0..=at).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
        [&line[..at], &put, &line[at..]].concat()
    });
    prop_oneof![
        200 => plain,
        3 => bent,
        1 => Just(format.to_owned()),
        1 => Just(String::new()),
        1 => Just(format!("{{\"message\":\"{format}\"}}")),
        1 => Just("interface-id srcaddr".to_owned()),
    ]
}

fn log(format: &'static str) -> impl Strategy<Value = String> {
    let ends = prop_oneof![1 => Just("\r\n"), 30 => Just("\n")];
    (prop::collection::vec(line(format), 0..80), 0usize..4, ends).prop_map(
        move |(lines, times, end)| {
            // Said several times over, so that runs reach the next look at the dictionaries.
            let lines = lines.join(end) + end;
            format!("{format}\n{}", lines.repeat(times))
        },
    )
}

fn options(format: &str, asked: FieldSet, limits: Limits) -> DecodeOptions {
    let format = Some(LogFormat::parse(format).unwrap());
    DecodeOptions { format, columns: asked, limits }
}

fn check(text: &str, options: &DecodeOptions, cuts: &[usize]) -> Result<(), TestCaseError> {
    let one_by_one = whole(&decode(options, text.as_bytes().chunks(1)));
    prop_assert_eq!(&whole(&decode(options, [text.as_bytes()])), &one_by_one);
    for &n_bytes in cuts {
        prop_assert_eq!(&whole(&decode(options, text.as_bytes().chunks(n_bytes))), &one_by_one);
    }
    Ok(())
}

fn limits() -> impl Strategy<Value = Limits> {
    (1usize..700, 60usize..300, 5usize..100).prop_map(|(batch_records, line_bytes_max, n_texts)| {
        Limits { batch_records, line_bytes_max, distinct_texts_max: n_texts, ..Limits::DEFAULT }
    })
}

proptest! {
    #[test]
    fn runs_of_default_lines_agree_with_single_lines(
        text in log(V2),
        limits in prop_oneof![Just(Limits::DEFAULT), limits()],
        cuts: [u16; 2],
    ) {
        check(&text, &options(V2, FieldSet::all(), limits), &cuts.map(|cut| usize::from(cut) + 1))?;
    }

    #[test]
    fn runs_around_another_header_agree_with_single_lines(text in log(TEXT_FIRST), cut: u16) {
        let options = options(TEXT_FIRST, FieldSet::all(), Limits::DEFAULT);
        check(&text, &options, &[usize::from(cut) + 1])?;
    }

    #[test]
    fn runs_of_other_lines_agree_with_single_lines(
        text in log(MIXED),
        limits in prop_oneof![Just(Limits::DEFAULT), limits()],
        asked: u8,
    ) {
        let names = MIXED.split(' ').filter_map(Field::from_name).enumerate();
        let asked = names.filter(|(at, _)| asked >> at & 1 == 1).map(|(_, field)| field).collect();
        check(&text, &options(MIXED, asked, limits), &[1000])?;
    }
}

#[test]
fn a_batch_without_nulls_has_no_null_buffer() {
    let record = "2 210987654321 eni-0a 10.20.0.5 10.20.1.9 49712 5432 6 12 3480 1700000000 1700000058 ACCEPT OK\n";
    let text = record.repeat(1000);
    let decoded = decode(&options(V2, FieldSet::all(), Limits::DEFAULT), [text.as_bytes()]);
    assert_eq!(decoded.n_records(), 1000);
    let batch = decoded.batches.first().unwrap();
    assert!(batch.rows().columns().iter().all(|column| column.nulls().is_none()));
}
