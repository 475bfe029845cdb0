//! What tests of the judging share: made-up talks of a few hosts, learned and judged.

use std::collections::BTreeSet;

use detect::suppress::Suppressions;
use detect::{Judge, JudgeOptions, Kind};
use jiff::tz::TimeZone;
use model::activity::Activity;
use model::baseline::{Baseline, Flagged, learn};
use model::fold::FoldOptions;

use crate::fixture::WINDOW_SECS;
use crate::made::{self, Fate, IN_ORDER, Talk};

pub(crate) const HOUR_SECS: i64 = 3600;
pub(crate) const DAY_SECS: i64 = 24 * HOUR_SECS;

pub(crate) fn options() -> FoldOptions {
    FoldOptions::new(WINDOW_SECS)
}

/// A judge at one false finding a day.
pub(crate) fn judge(baseline: Baseline) -> Judge {
    Judge::new(judging(), baseline)
}

/// How it judges.
pub(crate) fn judging() -> JudgeOptions {
    JudgeOptions {
        zone: TimeZone::UTC,
        window_secs: WINDOW_SECS,
        interval_secs: 60,
        warmup_secs: 0,
        budget: detect::Budget::default(),
        blind: BTreeSet::new(),
        accepted: Suppressions::default(),
    }
}

/// Host 0 asks host 4 every window; one talk a window.
pub(crate) fn steady(hours: i64) -> Vec<Talk> {
    (0..hours * HOUR_SECS / WINDOW_SECS)
        .map(|n| talk(4, 5432, n * WINDOW_SECS + 20, 20_000))
        .collect()
}

pub(crate) fn talk(server: u8, port: u16, start: i64, bytes: u64) -> Talk {
    Talk {
        client: 2,
        server,
        client_port: 40_000 + u16::try_from(start % 20_000).unwrap(),
        port,
        protocol: 6,
        start,
        minutes: 0,
        fate: Fate::Answered,
        bytes,
    }
}

pub(crate) fn activities(talks: &[Talk]) -> Vec<Activity> {
    made::settled(&made::lines(talks), &IN_ORDER, &options()).activities
}

pub(crate) fn learned(talks: &[Talk]) -> Baseline {
    let mut baseline = Baseline::default();
    for activity in &activities(talks) {
        learn(&mut baseline, activity, &Flagged::default());
    }
    baseline
}

/// The windows in which each kind of deviation of host 2 went on.
pub(crate) fn windows_of(judge: &mut Judge, kind: Kind) -> u64 {
    let open = judge.episodes().open();
    open.flat_map(|e| &e.windows).filter(|(key, _)| key.kind == kind).map(|(_, n)| n).sum()
}
