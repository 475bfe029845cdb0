//! What came before a deviation, drawn in a line: a person sees at once what stands out.

use std::collections::BTreeMap;

use model::activity::Conversation;
use model::baseline::{
    Baseline, Direction, EDGE_DAYS, EdgeEvidence, EdgeKey, Histogram, Measure, ServiceEvidence,
    WorkloadWindow, bucket_value, workload_key,
};

use crate::deviation::{Deviation, FIRST_MET, Fact, Kind};

/// The evidence's name where hours are drawn.
pub(crate) const HOURS: &str = "history_of_48_hours_and_now";

/// The evidence's name where days are drawn.
pub(crate) const DAYS: &str = "history_of_28_days";

/// The evidence's name where days are drawn on which something new was met.
pub(crate) const NEW_THINGS: &str = "new_things_in_28_days_and_now";

/// The evidence's name where gaps between calls are drawn.
pub(crate) const GAPS: &str = "gaps_between_the_last_calls";

/// The evidence's name where one edge's days are drawn.
pub(crate) const EDGE: &str = "this_edge_in_28_days_and_now";

/// Gaps that are drawn: the last ones.
const N_GAPS: usize = 48;

const N_HOURS: i64 = 48;

const DAY_SECS: i64 = 86_400;

/// Nothing was observed.
const NOTHING: char = '·';

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Levels as a line of blocks, as the square root of the largest; `None` is a dot.
pub(crate) fn line(values: &[Option<f64>]) -> String {
    let level = |value: f64| value.max(0.0).sqrt();
    let most = values.iter().flatten().map(|&value| level(value)).fold(0.0, f64::max);
    let block = |value: f64| {
        let share = if most > 0.0 { level(value) / most } else { 0.0 };
        let step = (share * (LEVELS.len() - 1) as f64).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
        let step = step as usize;
        LEVELS[step.min(LEVELS.len() - 1)]
    };
    values.iter().map(|value| value.map_or(NOTHING, block)).collect()
}

/// What came before, and after a bar what was seen now.
fn line_and_now(before: impl Iterator<Item = Option<f64>>, now: f64) -> Fact {
    let values: Vec<_> = before.chain([Some(now)]).collect();
    barred(&values, values.len() - 1)
}

/// A line with a bar before one of its values.
fn barred(values: &[Option<f64>], at: usize) -> Fact {
    let drawn = line(values);
    let (before, rest): (String, String) =
        (drawn.chars().take(at).collect(), drawn.chars().skip(at).collect());
    Fact::Text(format!("{before}|{rest}"))
}

/// How many new things a service met on each day before this one; `None` before it was there.
pub(crate) fn of_new_things(by_day: impl Iterator<Item = Option<u64>>) -> Fact {
    line_and_now(by_day.map(|n| n.map(|n| n as f64)), 1.0)
}

/// The gaps between the last of these times, seconds: those of a clock are all of one height.
pub(crate) fn of_gaps(times: &[i64]) -> Fact {
    let gaps = times.windows(2).map(|pair| Some((pair[1] - pair[0]) as f64));
    let n_left_out = times.len().saturating_sub(N_GAPS + 1);
    Fact::Text(line(&gaps.skip(n_left_out).collect::<Vec<_>>()))
}

/// The largest window of a service in each hour before this one, and after a bar what was seen now.
pub(crate) fn of_measure(
    service: &ServiceEvidence,
    measure: Measure,
    start: i64,
    observed: u64,
) -> Fact {
    let now = start.div_euclid(3600);
    let largest = service
        .measures
        .get(&measure)
        .map_or_else(BTreeMap::new, |histogram| largest_by_hour(histogram, now - N_HOURS, now));
    line_and_now((now - N_HOURS..now).map(|hour| largest.get(&hour).copied()), observed as f64)
}

/// Adds what the service's edge that a deviation is about carried: of calls by the clock how many bytes in
/// all, since no number of theirs is one, and of all a drawing.
pub(crate) fn add_edge(
    deviation: &mut Deviation,
    baseline: &Baseline,
    windows: &[WorkloadWindow<'_>],
    start: i64,
) {
    let Some(key) = edge_of(deviation) else { return };
    let (service, name) = (&deviation.workload.service, workload_key(&deviation.workload));
    let of_workload = windows.iter().find(|w| w.workload.service == *service && w.name == name);
    let carried = of_workload.and_then(|window| window.edges().find(|(other, _)| **other == key));
    let Some((_, conversations)) = carried else { return };
    let sum = |of: fn(&Conversation) -> u64| conversations.iter().map(|c| of(c)).sum::<u64>();
    let now = [sum(|c| c.bytes_out), sum(|c| c.bytes_in)];
    let edge = baseline.service(service).and_then(|service| service.edges.get(&key));
    if deviation.kind == Kind::Beacon {
        let before = edge.map_or([0; 2], |edge| [edge.bytes_out.total(), edge.bytes_in.total()]);
        let [out, back] = [0, 1].map(|at| Fact::Number((before[at] + now[at]) as f64));
        let is_out = deviation.direction == Direction::Out;
        let (to, from) = if is_out { (out, back) } else { (back, out) };
        deviation.evidence.insert("to_this_peer_bytes", to);
        deviation.evidence.insert("from_this_peer_bytes", from);
    }
    let drawn = drawn(deviation, edge, now.iter().sum(), start);
    deviation.evidence.insert(EDGE, drawn);
}

/// What an edge carried in the largest window of each day before this one, and in this window; what is of the
/// deviation comes after a bar.
fn drawn(deviation: &Deviation, edge: Option<&EdgeEvidence>, now: u64, start: i64) -> Fact {
    let today = start.div_euclid(DAY_SECS);
    let days = today.saturating_sub_unsigned(EDGE_DAYS as u64)..today;
    let begun = begun(deviation, start).div_euclid(DAY_SECS);
    let n_before = usize::try_from(begun - days.start).unwrap_or(0).min(EDGE_DAYS);
    let carried =
        days.map(|day| edge.and_then(|edge| edge.days.largest(day)).map(|bytes| bytes as f64));
    barred(&carried.chain([Some(now as f64)]).collect::<Vec<_>>(), n_before)
}

/// When what a deviation tells of began, Unix seconds.
fn begun(deviation: &Deviation, start: i64) -> i64 {
    match deviation.evidence.get(FIRST_MET) {
        Some(&Fact::Number(ago_secs)) => {
            #[expect(clippy::cast_possible_truncation, reason = "some days in seconds")]
            let ago_secs = ago_secs as i64;
            start.saturating_sub(ago_secs)
        }
        _ => deviation.first,
    }
}

fn edge_of(deviation: &Deviation) -> Option<EdgeKey> {
    let (port, protocol) = (deviation.port?, deviation.protocol?);
    let peer = std::sync::Arc::clone(&deviation.peer);
    Some(EdgeKey { direction: deviation.direction, peer, port, protocol })
}

fn largest_by_hour(histogram: &Histogram, from: i64, until: i64) -> BTreeMap<i64, f64> {
    let mut largest = BTreeMap::new();
    for (hour, bucket, _) in histogram.between(from..until) {
        let value = largest.entry(hour).or_insert(0.0_f64);
        *value = value.max(bucket_value(bucket) as f64);
    }
    largest
}

#[cfg(test)]
mod tests {
    use model::baseline::Counter;

    use super::*;

    #[test]
    fn the_largest_is_a_full_block_and_what_was_not_observed_a_dot() {
        let drawn = line(&[None, Some(0.0), Some(10.0), Some(1e6)]);
        assert_eq!(drawn.chars().count(), 4);
        assert!(drawn.starts_with("·▁") && drawn.ends_with('█'), "{drawn}");
    }

    #[test]
    fn calls_of_a_clock_are_all_of_one_height() {
        let drawn = of_gaps(&(0..60).map(|n| n * 300).collect::<Vec<_>>());
        assert_eq!(drawn, Fact::Text("█".repeat(N_GAPS)));
        assert_eq!(of_gaps(&[0, 100, 500]), Fact::Text("▅█".to_owned()));
    }

    #[test]
    fn hours_without_a_window_are_dots_and_now_comes_after_a_bar() {
        let mut service = ServiceEvidence::default();
        let histogram = service.measures.entry(Measure::Fanout).or_default();
        histogram.add(99, 4, Counter { clean: 3, flagged: 0 });
        let Fact::Text(drawn) = of_measure(&service, Measure::Fanout, 100 * 3600, 70) else {
            panic!("it is text");
        };
        let expected = format!("{}▃|█", "·".repeat(47));
        assert_eq!(drawn, expected);
    }
}
