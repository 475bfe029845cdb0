//! What is stored and read back goes on as if nothing had happened, and damaged bytes are an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_raw_string_hashes, reason = "what `UPDATE_EXPECT=1` writes")]

mod fixture;
mod made;

use fixture::{Settled, T0, WINDOW_SECS};
use ingest::Ledger;
use made::{IN_ORDER, Line};
use model::activity::Vantage;
use model::fold::{Aggregator, FoldOptions};
use model::identity::{Directory, IdentityOptions, Party};
use model::settle::{Carried, settle};
use model::snapshot::{
    carried_from_bytes, carried_to_bytes, remembered_from_json, remembered_to_json,
    windows_from_bytes, windows_to_batch, windows_to_bytes,
};
use proptest::prelude::*;

fn options() -> FoldOptions {
    FoldOptions::new(WINDOW_SECS)
}

/// All that goes from one run to the next.
struct Run {
    aggregator: Aggregator,
    carried: Carried,
    directory: Directory,
    settled: Settled,
}

impl Run {
    fn new() -> Self {
        Self {
            aggregator: Aggregator::new(options()),
            carried: Carried::default(),
            directory: Directory::new(IdentityOptions::default()),
            settled: Settled { activities: Vec::new(), ledger: Ledger::default() },
        }
    }

    fn take(&mut self, lines: &[Line], closes: Option<i64>) {
        made::push(&mut self.aggregator, lines, &IN_ORDER, &mut self.settled.ledger);
        let closed = match closes {
            Some(watermark) => self.aggregator.close(watermark),
            None => self.aggregator.close_all(),
        };
        for (start, state) in closed {
            let nobody = &|_: &Party, _, _| false;
            let (carried, directory) = (&mut self.carried, &mut self.directory);
            let ledger = &mut self.settled.ledger;
            let activity = settle(start, WINDOW_SECS, &state, carried, directory, nobody, ledger);
            self.settled.activities.push(activity);
        }
    }

    /// Through bytes and back.
    fn stored(self) -> Self {
        let batch = self.aggregator.to_batch().unwrap();
        let carried = carried_to_bytes(&self.carried).unwrap();
        let remembered = remembered_to_json(&self.directory.remembered()).unwrap();
        let mut directory = Directory::new(IdentityOptions::default());
        directory.remember(remembered_from_json(&remembered).unwrap());
        assert_eq!(directory.remembered(), self.directory.remembered());
        let windows = windows_to_bytes(self.aggregator.open_windows()).unwrap();
        let windows = windows_from_bytes(windows.into(), &options()).unwrap();
        assert_eq!(
            windows_to_batch(&windows).unwrap(),
            windows_to_batch(self.aggregator.open_windows()).unwrap()
        );
        Self {
            aggregator: Aggregator::from_batch(options(), &batch).unwrap(),
            carried: carried_from_bytes(carried.into()).unwrap(),
            directory,
            settled: self.settled,
        }
    }
}

/// What a window showed of an interface's address holds in the next run, whose own records could be
/// the peer's as well.
#[test]
fn an_address_known_for_certain_outlasts_a_stop() {
    let take = |mut run: Run, closes: Option<i64>, lines: &str| {
        for batch in fixture::batches(&format!("log fl-a v2\n{lines}")) {
            run.aggregator.push(&batch);
        }
        run.take(&[], closes);
        run
    };
    let first = take(
        Run::new(),
        Some(T0 + WINDOW_SECS),
        "eni-c 10.0.0.9 40000 10.0.0.2 443 6 9 900 @0 @50 ACCEPT
         eni-c 10.0.0.9 40001 10.0.0.3 443 6 9 900 @0 @50 ACCEPT",
    );
    let second =
        take(first.stored(), None, "eni-c 10.0.0.9 40002 10.0.0.2 443 6 9 900 @300 @350 ACCEPT");
    let last = &second.settled.activities.last().unwrap().conversations[0];
    assert_eq!(last.client.workload().unwrap().eni.as_deref(), Some("eni-c"));
    assert_eq!(last.vantage, Vantage::Client);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stopping_and_going_on_changes_nothing(
        talks in made::talks(60),
        cuts in prop::collection::vec(0_i64..12_000, 0..4),
    ) {
        let mut lines = made::lines(&talks);
        lines.sort();
        let mut cuts = cuts;
        cuts.sort_unstable();
        let (mut whole, mut parts) = (Run::new(), Run::new());
        let mut rest = &lines[..];
        for cut in cuts {
            let (now, later) = rest.split_at(rest.partition_point(|line| line.end < T0 + cut));
            whole.take(now, Some(T0 + cut));
            parts.take(now, Some(T0 + cut));
            parts = parts.stored();
            rest = later;
        }
        whole.take(rest, None);
        parts.take(rest, None);
        prop_assert_eq!(whole.aggregator.ledger(), parts.aggregator.ledger());
        prop_assert_eq!(whole.settled, parts.settled);
    }

    #[test]
    fn damaged_parts_are_errors_or_read_but_never_a_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        length in any::<prop::sample::Index>(),
    ) {
        let mut run = Run::new();
        let lines = made::lines(&made::attacks());
        made::push(&mut run.aggregator, &lines, &IN_ORDER, &mut run.settled.ledger);
        let json = remembered_to_json(&run.directory.remembered()).unwrap();
        let mut windows = windows_to_bytes(run.aggregator.open_windows()).unwrap();
        let cut = windows[..length.index(windows.len())].to_vec();
        prop_assert!(windows_from_bytes(cut.into(), &options()).is_err());
        let place = at.index(windows.len());
        windows[place] = byte;
        let _read = windows_from_bytes(windows.into(), &options());
        let cut = &json[..length.index(json.len())];
        prop_assert!(remembered_from_json(cut).is_err());
    }
}
