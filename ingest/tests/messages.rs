//! Messages that are complete in themselves: every form, twice delivered ones, damaged ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dump;

use std::io::Write;
use std::sync::Arc;

use dump::{Decoded, decode, dump};
use flate2::Compression;
use flate2::write::GzEncoder;
use ingest::{DecodeOptions, FieldSet, Limits, Messages, Origin, RejectReason};
use proptest::prelude::*;

fn options() -> DecodeOptions {
    DecodeOptions::of_columns(FieldSet::all())
}

fn record(n: u64) -> String {
    format!(
        "2 210987654321 eni-0a 10.20.0.5 10.20.1.9 {} 5432 6 {n} 3480 1700000000 1700000058 ACCEPT OK",
        n % 65_536
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A subscription's envelope, of events by id.
fn envelope(stream: &str, events: &[(&str, String)]) -> String {
    let events: Vec<String> = events
        .iter()
        .map(|(id, message)| format!(r#"{{"id":"{id}","timestamp":1,"message":"{message}"}}"#))
        .collect();
    format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"{stream}","subscriptionFilters":["f"],"logEvents":[{}]}}"#,
        events.join(",")
    )
}

fn taken(options: &DecodeOptions, messages: &[Vec<u8>]) -> Decoded {
    let origin = Arc::new(Origin { name: "stream".to_owned(), ..Origin::default() });
    let mut decoder = Messages::new(options.clone());
    messages.iter().for_each(|message| decoder.take(&origin, message));
    decoder.flush();
    let batches = std::iter::from_fn(|| decoder.take_batch()).collect();
    Decoded { batches, tally: decoder.tally().clone(), error: None }
}

/// The records alone, as text.
fn rows(decoded: &Decoded) -> Vec<String> {
    let text = dump(decoded);
    let is_row = |line: &&str| line.starts_with("  ") && !line.starts_with("  line ");
    text.lines().filter(is_row).map(str::to_owned).collect()
}

fn text(of: &str) -> Vec<u8> {
    of.as_bytes().to_vec()
}

#[test]
fn every_form_gives_the_same_records() {
    let (one, other) = (record(1), record(2));
    let lines = format!("{one}\n{other}\n");
    let events = envelope("s", &[("1", one.clone()), ("2", other.clone())]);
    let firehose = format!(r#"{{"message":"{one}"}}{{"message":"{other}"}}"#);
    let joined = envelope("s", &[("1", format!(r"{one}\n{other}"))]);
    let forms = [
        vec![text(&one), text(&other)],
        vec![text(&lines)],
        vec![text(&format!("\u{feff}{one}\r\n\r\n{other}"))],
        vec![gzip(lines.as_bytes())],
        vec![gzip(&gzip(lines.as_bytes()))],
        vec![gzip(&gzip(&gzip(lines.as_bytes())))],
        vec![zstd::encode_all(lines.as_bytes(), 1).unwrap()],
        vec![[gzip(one.as_bytes()), gzip(b"\n"), gzip(other.as_bytes())].concat()],
        vec![text(&events)],
        vec![gzip(events.as_bytes())],
        vec![gzip(&gzip(events.as_bytes()))],
        vec![gzip(joined.as_bytes())],
        vec![text(&firehose)],
        vec![text(&firehose.replace("}{", "},\n{"))],
        vec![text(&firehose.replace("}{", "}\n{"))],
    ];
    let expected = rows(&taken(&options(), &forms[0]));
    assert_eq!(expected.len(), 2);
    for (n, form) in forms.iter().enumerate() {
        let decoded = taken(&options(), form);
        assert_eq!((rows(&decoded), decoded.batches.len()), (expected.clone(), 1), "form {n}");
        assert_eq!(decoded.tally.ledger.records, 0, "form {n}: {}", decoded.tally.ledger);
    }
}

#[test]
fn an_event_delivered_twice_counts_once() {
    let once = envelope("s", &[("1", record(1)), ("2", record(2))]);
    let again = envelope("s", &[("2", record(2)), ("3", format!(r"{}\n{}", record(3), record(4)))]);
    let third = again.replace("DATA_MESSAGE", "DATA_MESSAGE ");
    // The same ids in another log stream are other events; without an id, and of a number, there are others.
    let elsewhere = envelope("t", &[("1", record(5)), ("", record(6)), ("", record(6))]);
    let numbered = envelope("s", &[("7", record(7)), ("7", record(7))]).replace("\"7\"", "7");
    let messages = [once, again, third, elsewhere, numbered];
    let forms: [fn(&String) -> Vec<u8>; 3] = [
        |message| text(message),
        |message| gzip(message.as_bytes()),
        |message| zstd::encode_all(message.as_bytes(), 1).unwrap(),
    ];
    for form in forms {
        let decoded = taken(&options(), &messages.iter().map(form).collect::<Vec<_>>());
        assert_eq!(decoded.n_records(), 8);
        // Event 2 twice, event 3 with its two records once, event 7 once.
        let ledger = decoded.tally.ledger;
        assert_eq!((ledger.duplicate, ledger.records), (5, 5), "{ledger}");
    }
}

#[test]
fn a_control_message_is_counted() {
    let control = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":0,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis."}]}"#;
    let decoded = taken(&options(), &[gzip(control.as_bytes()), text(control)]);
    assert_eq!((decoded.n_records(), decoded.tally.ledger.control), (0, 2));
}

#[test]
fn a_poison_message_is_a_counted_reject_and_no_more() {
    let good = gzip(envelope("s", &[("1", record(1))]).as_bytes());
    let mut damaged = good.clone();
    let sum_at = damaged.len() - 8;
    damaged[sum_at] ^= 1;
    let bomb = gzip(&gzip(&vec![b' '; 64 << 20]));
    let poison = [
        (good[..good.len() / 2].to_vec(), RejectReason::Undecodable),
        ([good.clone(), b"more".to_vec()].concat(), RejectReason::Undecodable),
        (bomb, RejectReason::Undecodable),
        (b"PAR1....".to_vec(), RejectReason::Undecodable),
        (vec![0x1f, 0x8b], RejectReason::Undecodable),
        (b"{\"messageType\":\"DATA_MESSAGE\"".to_vec(), RejectReason::BadEnvelope),
        (b"{\"a\":1}".to_vec(), RejectReason::BadEnvelope),
        (vec![0xff; 40], RejectReason::TooFewFields),
    ];
    for (message, reason) in poison {
        let decoded = taken(&options(), &[text(&record(8)), message, text(&record(9))]);
        let rejected = &decoded.tally.ledger.rejected;
        assert_eq!(rejected.iter().collect::<Vec<_>>(), [(&reason, &1)], "{rejected:?}");
        assert_eq!(decoded.tally.samples[&reason].len(), 1);
        // What was whole before the damage counts.
        assert!((2..=3).contains(&decoded.n_records()), "{reason:?}: {}", decoded.n_records());
    }
    // Nothing is believed of a message whose sum is wrong: whole, it is no duplicate.
    let decoded = taken(&options(), &[damaged, good]);
    assert_eq!((decoded.n_records(), decoded.tally.ledger.duplicate), (1, 0));
}

#[test]
fn a_header_line_holds_for_its_message_alone() {
    let header = "version account-id interface-id srcaddr dstaddr start end";
    let short = "2 210987654321 eni-0a 10.20.0.5 10.20.1.9 1700000000 1700000058";
    let with_header = format!("{header}\n{short}\n{short}");
    let event = envelope("s", &[("1", header.to_owned()), ("2", short.to_owned())]);
    let messages = [text(&record(1)), text(&with_header), gzip(event.as_bytes()), text(&record(2))];
    let decoded = taken(&options(), &messages);
    assert_eq!((decoded.n_records(), decoded.tally.ledger.rejected_total()), (5, 0));
    assert_eq!(decoded.tally.header_lines, 2);
}

#[test]
fn rows_of_two_origins_are_in_two_batches() {
    let origins = ["a", "b"].map(|name| Origin { name: name.to_owned(), ..Origin::default() });
    let [one, other] = origins.map(Arc::new);
    let equal = Arc::new(Origin::clone(&one));
    let mut decoder = Messages::new(options());
    decoder.take(&one, record(1).as_bytes());
    decoder.take(&equal, record(2).as_bytes());
    decoder.take(&other, record(3).as_bytes());
    decoder.flush();
    let batches = std::iter::from_fn(|| decoder.take_batch());
    let counts: Vec<_> =
        batches.map(|batch| (batch.origin().name.clone(), batch.n_records())).collect();
    assert_eq!(counts, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
}

/// Lines and objects, good and bad, as they may stand in a message.
fn any_content() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => (0..99_u64).prop_map(|n| record(n) + "\n"),
        2 => (0..99_u64).prop_map(|n| format!("{{\"message\":\"{}\"}}", record(n))),
        2 => (0..99_u64, 0..99_u64).prop_map(|(n, m)| envelope("s", &[("", record(n)), ("", record(m))])),
        1 => Just("version srcaddr dstaddr start end\n2 10.0.0.1 10.0.0.2 1700000000 1700000001\n".to_owned()),
        1 => Just("2 210987654321 eni-0a - - - - - - - 1700000000 1700000060 - NODATA\r\n".to_owned()),
        1 => "[ \\n\\r\\t,]{1,3}",
        1 => "[{}\"a-z: 0-9]{0,12}\n?",
        1 => Just("{\"message\":\"version srcaddr\"}{\"message\":\"{}\"}".to_owned()),
        1 => Just("2 too few\n".to_owned()),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Messages give what each gives when it is decoded alone, the way a file is.
    #[test]
    fn messages_are_read_as_files_are(contents in proptest::collection::vec((any_content(), 0..4_u8), 0..8)) {
        let messages: Vec<Vec<u8>> = contents
            .iter()
            .map(|(content, form)| match form {
                0 => gzip(content.as_bytes()),
                1 => zstd::encode_all(content.as_bytes(), 1).unwrap(),
                _ => text(content),
            })
            .collect();
        let together = taken(&options(), &messages);
        let alone: Vec<Decoded> =
            messages.iter().map(|message| decode(&options(), [message.as_slice()])).collect();
        let mut expected: Vec<String> = alone.iter().flat_map(rows).collect();
        let mut found = rows(&together);
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
        let mut rejected = alone.iter().fold(ingest::Ledger::default(), |mut sum, decoded| {
            sum.merge(&decoded.tally.ledger);
            sum
        });
        rejected.duplicate = together.tally.ledger.duplicate;
        prop_assert_eq!(&together.tally.ledger, &rejected);
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, cut in 0..200_usize) {
        let limits = Limits { line_bytes_max: 60, envelope_bytes_max: 90, ..Limits::DEFAULT };
        let good = gzip(envelope("s", &[("1", record(1))]).as_bytes());
        let begun = [&good[..cut.min(good.len())], &bytes].concat();
        taken(&DecodeOptions { limits, ..options() }, &[bytes, begun, text("{"), good]);
    }
}
