//! The laws of fold, settle and baseline: order, partition and chunking change nothing (I1), evidence
//! merges exactly (I2), every record is accounted for (I4), caps bound memory (I7).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod fixture;
mod made;

use std::sync::Arc;

use fixture::{T0, WINDOW_SECS};
use ingest::{DecodeOptions, Decoder, Ledger, Origin, RejectReason};
use made::{Delivery, Disorder, IN_ORDER};
use model::activity::Activity;
use model::baseline::{Baseline, Flagged, HOURS_KEPT, Measure, RangesUse, learn, read, write};
use model::fold::{Aggregator, FoldOptions, WindowState};
use proptest::prelude::*;

const DAY_SECS: i64 = 86_400;

fn options() -> FoldOptions {
    FoldOptions::new(WINDOW_SECS)
}

/// Cases enough to break a law that does not hold, few enough for every run of the tests.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_order_partition_and_chunking_settle_the_same(
        talks in made::talks(60),
        delivery in made::deliveries(),
    ) {
        let lines = made::lines(&talks);
        let expected = made::settled(&lines, &IN_ORDER, &options());
        prop_assert!(expected.ledger.balances(), "{}", expected.ledger);
        prop_assert_eq!(made::settled(&lines, &delivery, &options()), expected);
    }

    #[test]
    fn a_stream_within_its_lateness_settles_as_a_batch(
        talks in made::talks(60),
        seed in any::<u64>(),
    ) {
        let lines = made::lines(&talks);
        let streamed = made::streamed(&lines, seed, 1200, &options());
        prop_assert_eq!(streamed.ledger.late, 0);
        prop_assert_eq!(streamed, made::settled(&lines, &IN_ORDER, &options()));
    }

    #[test]
    fn what_comes_late_is_counted(talks in made::talks(60), closed_secs in 0_i64..12_000) {
        let lines = made::lines(&talks);
        let mut ledger = Ledger::default();
        let mut aggregator = Aggregator::new(options());
        assert!(aggregator.close(T0 + closed_secs).is_empty());
        made::push(&mut aggregator, &lines, &IN_ORDER, &mut ledger);
        let border = T0 + closed_secs - closed_secs.rem_euclid(WINDOW_SECS);
        let late = lines.iter().filter(|line| line.end < border).count();
        prop_assert_eq!(aggregator.ledger().late, late as u64);
        ledger.merge(aggregator.ledger());
        ledger.open = aggregator.open_windows().values().map(WindowState::n_records).sum();
        prop_assert!(ledger.balances(), "{}", ledger);
    }

    #[test]
    fn the_ledger_balances_over_a_range_of_time(
        talks in made::talks(60),
        since in prop::option::of(0_i64..12_000),
        until in prop::option::of(0_i64..12_000),
        not_after in prop::option::of(0_i64..12_000),
    ) {
        let [since, until, not_after] =
            [since, until, not_after].map(|secs| secs.map(|secs| T0 + secs));
        let lines = made::lines(&talks);
        let ranged = FoldOptions { since, until, not_after, ..options() };
        let settled = made::settled(&lines, &IN_ORDER, &ranged);
        let is_inside = |end: i64| since.is_none_or(|s| end >= s) && until.is_none_or(|u| end < u);
        let is_past = |end: i64| not_after.is_none_or(|latest| end <= latest);
        let count = |of: &dyn Fn(i64) -> bool| lines.iter().filter(|line| of(line.end)).count() as u64;
        prop_assert_eq!(settled.ledger.outside_range, count(&|end| !is_inside(end)));
        let in_future = settled.ledger.rejected.get(&RejectReason::InFuture).copied().unwrap_or(0);
        prop_assert_eq!(in_future, count(&|end| is_inside(end) && !is_past(end)));
        prop_assert_eq!(settled.ledger.records, lines.len() as u64);
        prop_assert!(settled.ledger.balances(), "{}", settled.ledger);
    }

    #[test]
    fn the_ledger_balances_for_any_bytes(bytes in hostile_text(), chunk_bytes in 1_usize..200) {
        let mut decoder = Decoder::new(
            Arc::new(Origin::default()),
            DecodeOptions::of_columns(Aggregator::columns()),
        );
        for chunk in bytes.chunks(chunk_bytes) {
            if decoder.decode(chunk).is_err() {
                break;
            }
        }
        let _truncated = decoder.finish();
        let mut aggregator = Aggregator::new(options());
        while let Some(batch) = decoder.take_batch() {
            aggregator.push(&batch);
        }
        let mut settler = fixture::Settler::new(model::identity::Directory::new(
            model::identity::IdentityOptions::default(),
        ));
        settler.take(aggregator.close_all());
        let mut ledger = settler.finish(&aggregator).ledger;
        ledger.merge(&decoder.tally().ledger);
        prop_assert!(ledger.balances(), "{}", ledger);
    }

    /// Small caps bite, and leave the same whatever the order.
    #[test]
    fn caps_bite_the_same_in_any_order(talks in made::talks(80), delivery in made::deliveries()) {
        let small = FoldOptions {
            tuples_per_window_max: 6,
            conversations_per_window_max: 5,
            ..options()
        };
        let lines = made::lines(&talks);
        let expected = made::settled(&lines, &IN_ORDER, &small);
        prop_assert!(expected.ledger.balances(), "{}", expected.ledger);
        prop_assert_eq!(made::settled(&lines, &delivery, &small), expected);
    }

    #[test]
    fn evidence_merges_exactly(
        talks in made::talks(60),
        seed in any::<u64>(),
        apart_weeks in apart_weeks(),
    ) {
        let activities = spread(&talks, apart_weeks);
        let whole = learned(&activities);
        let mut disorder = Disorder(seed);
        let mut parts = vec![Vec::new(); 3];
        let mut shuffled = activities.clone();
        disorder.shuffle(&mut shuffled);
        prop_assert_eq!(&learned(&shuffled), &whole);
        for activity in shuffled {
            parts[disorder.below(3)].push(activity);
        }
        let mut merged = Baseline::default();
        for part in &parts {
            merged.merge(&learned(part));
        }
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(file(&merged), file(&whole));
    }

    #[test]
    fn a_baseline_file_holds_everything(
        talks in made::talks(60),
        apart_weeks in apart_weeks(),
    ) {
        let activities = spread(&talks, apart_weeks);
        let baseline = learned(&activities);
        prop_assert_eq!(read(file(&baseline)).unwrap(), baseline);
    }

    /// A second run learns into what the first one saved.
    #[test]
    fn learning_in_two_runs_is_learning_in_one(
        talks in made::talks(60),
        first in 0_usize..40,
        apart_weeks in apart_weeks(),
    ) {
        let activities = spread(&talks, apart_weeks);
        let (before, after) = activities.split_at(first.min(activities.len()));
        let mut resumed = read(file(&learned(before))).unwrap();
        for activity in after {
            learn(&mut resumed, activity, &Flagged::default());
        }
        prop_assert_eq!(file(&resumed), file(&learned(&activities)));
    }
}

fn apart_weeks() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 1_i64..6]
}

/// Windows that may lie so far apart that the first hours are forgotten by the last.
fn spread(talks: &[made::Talk], apart_weeks: i64) -> Vec<Activity> {
    let mut activities = made::settled(&made::lines(talks), &IN_ORDER, &options()).activities;
    for (n, activity) in (0..).zip(&mut activities) {
        activity.start += n / 3 * apart_weeks * 7 * DAY_SECS;
    }
    activities
}

fn learned(activities: &[Activity]) -> Baseline {
    let mut baseline = Baseline::default();
    for activity in activities {
        learn(&mut baseline, activity, &Flagged::default());
    }
    baseline
}

fn file(baseline: &Baseline) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(baseline, &mut bytes).unwrap();
    bytes
}

/// Lines with the words of records in them, and any bytes.
fn hostile_text() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("-".to_owned()),
        Just("eni-1".to_owned()),
        Just("10.0.0.1".to_owned()),
        Just("ACCEPT".to_owned()),
        Just("REJECT".to_owned()),
        Just("OK".to_owned()),
        Just("NODATA".to_owned()),
        Just("SKIPDATA".to_owned()),
        Just("srcaddr".to_owned()),
        Just("end".to_owned()),
        Just("tgw-id".to_owned()),
        (0_u64..70_000).prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
    ];
    let record = (0_u32..3, 0_u64..400, prop_oneof![Just("OK"), Just("NODATA"), Just("SKIPDATA")]);
    let record = record.prop_map(|(eni, at, status)| {
        format!("2 1 eni-{eni} 10.0.0.1 10.0.0.2 40000 443 6 1 60 {at} {at} ACCEPT {status}")
    });
    let line = prop_oneof![
        2 => prop::collection::vec(word, 0..20).prop_map(|words| words.join(" ").into_bytes()),
        2 => record.prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ];
    prop::collection::vec(line, 0..30).prop_map(|lines| lines.join(&b'\n'))
}

#[test]
fn a_baseline_says_whether_aws_ranges_were_used() {
    let (used, unused, mixed) =
        (Some(RangesUse::Used), Some(RangesUse::Unused), Some(RangesUse::Mixed));
    let with = |ip_ranges| {
        let mut baseline = Baseline::default();
        baseline.learned.ip_ranges = ip_ranges;
        read(file(&baseline)).unwrap()
    };
    for (one, other, both) in [
        (None, None, None),
        (None, unused, unused),
        (used, None, used),
        (used, used, used),
        (used, unused, mixed),
        (mixed, used, mixed),
    ] {
        for (one, other) in [(one, other), (other, one)] {
            let mut merged = with(one);
            merged.merge(&with(other));
            assert_eq!(merged.learned.ip_ranges, both, "{one:?} {other:?}");
        }
    }
}

/// A service that runs for years takes no more memory than one that runs for eight weeks.
#[test]
fn hours_are_forgotten_after_eight_weeks() {
    let activity =
        &made::settled(&made::lines(&made::attacks()), &IN_ORDER, &options()).activities[0];
    let mut baseline = Baseline::default();
    let mut hours = 0..0;
    for n in 0..2 * HOURS_KEPT {
        let activity = Activity { start: activity.start + n * 3600, ..activity.clone() };
        learn(&mut baseline, &activity, &Flagged::default());
        let hour = activity.start.div_euclid(3600);
        hours = hour - HOURS_KEPT.min(n)..hour + 1;
    }
    for (_, service) in baseline.services.iter() {
        let counted = service.measures[&Measure::Connections].iter();
        assert!(counted.map(|(hour, ..)| hour).eq(hours.clone()));
    }
}

/// A cap that bites is counted, and the ledger still balances.
#[test]
fn a_cap_that_bites_is_counted_beside_the_ledger() {
    let talks = made::attacks();
    let small = FoldOptions { conversations_per_window_max: 5, ..options() };
    let settled = made::settled(&made::lines(&talks), &IN_ORDER, &small);
    assert!(settled.ledger.balances());
    let cut = settled.ledger.capped.get("conversations per window").copied();
    assert!(cut.is_some_and(|n| n >= 25), "{}", settled.ledger);
    assert!(settled.activities.iter().all(|activity| activity.conversations.len() <= 5));
}

/// Memory grows with conversations, not with records.
#[test]
fn more_records_of_the_same_conversations_take_no_more_memory() {
    let lines = made::lines(&made::attacks());
    let size = |times: usize| {
        let lines: Vec<_> = std::iter::repeat_n(lines.clone(), times).flatten().collect();
        made::folded(&lines, &Delivery { seed: 1, ..IN_ORDER }, &options()).0.size_bytes()
    };
    assert_eq!(size(20), size(1));
}

/// However many conversations come, a window never holds more than its caps.
#[test]
fn caps_bound_memory() {
    let small =
        FoldOptions { tuples_per_window_max: 64, conversations_per_window_max: 64, ..options() };
    let scan = |n: u16| {
        let mut talks = Vec::new();
        for port in 0..n {
            let mut talk = made::attacks()[0].clone();
            talk.start = 10;
            talk.port = port;
            talk.protocol = if port % 2 == 0 { 6 } else { 17 };
            talks.push(talk);
        }
        made::folded(&made::lines(&talks), &IN_ORDER, &small).0.size_bytes()
    };
    assert!(scan(5000) <= 2 * scan(500));
}
