//! Beacon: a workload that calls, or is called, at regular intervals.
//!
//! Counts answered connections, not records, since a long connection is reported once an interval like
//! clockwork. The statistic is [`super::regular`]'s. Regular traffic is not rare, so a series has to pass
//! gates too: one end outside; no protocol that is periodic by design; not one long connection that
//! reconnects; not one of several connections a program opens together; not one that was there for days,
//! or that several services have; and inbound, regular for long and unlike the other callers of that
//! port. The cut falls with the calls that are looked at. ATT&CK T1071, T1573.

mod usual;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use model::activity::{Conversation, Endpoint};
use model::baseline::{Baseline, Direction, EdgeKey, ServiceEvidence, WorkloadWindow};
use model::identity::{Address, Outside, Party};

use super::history::{self, GAPS};
use super::regular::{self, COLLAPSE_SECS, EVENTS_MAX, EVENTS_MIN, Regularity};
use super::sample;
use crate::deviation::{Deviation, Fact, Kind};

/// The cut for a series with gates passed.
const P_MAX: f64 = 1e-3;

/// Of calls a day that come by chance, so many may be looked at before the cut has to fall: at [`P_MAX`]
/// chance looks regular once in 38 000 of them, so that this is a false alarm in four days.
const CALLS_A_DAY: f64 = 10_000.0;

/// How fast the cut falls with more: for a tenth of the cut, chance looks regular a quarter as often.
const FALL: f64 = 1.5;

/// The cut for one the baseline knows: it had its chance to look regular many times before. A timer
/// passes it with a few beats more.
const LEARNED_P_MAX: f64 = 1e-6;

/// How far the gaps of one clock are from its period.
const BEAT_TOLERANCE: f64 = 0.1;

/// What is so many times over its cut is still a candidate at larger budgets.
const LAX: f64 = 300.0;

/// Faster than this it is polling, and under the resolution of the records.
const PERIOD_SECS_MIN: f64 = 40.0;

/// A caller from outside must have been regular for this long: monitors and bots come and go.
const INBOUND_RUN_SECS: i64 = 6 * 3600;

/// With so many regular callers at one port, regularity is no evidence if it is most of them.
const CROWD_MIN: usize = 6;

/// Series remembered; those idle for longest go first.
const SERIES_MAX: usize = 200_000;

/// A series that is silent for this long starts anew.
const IDLE_SECS: i64 = 2 * 86_400;

/// UDP ports that are periodic by design: DNS, DHCP, NTP, `NetBIOS`, SSDP, `mDNS`, LLMNR.
const PERIODIC_UDP_PORTS: &[u16] = &[53, 67, 68, 123, 137, 138, 546, 547, 1900, 5353, 5355];

/// Shifts by which the chance of a companion is measured, seconds: primes, so that no timer fits.
const SHIFTS: [i64; 4] = [37, 61, -43, -71];

const DAY_SECS: i64 = 86_400;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// One pair of ends and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SeriesKey {
    pub(crate) workload: Arc<str>,
    pub(crate) direction: Direction,
    pub(crate) port: u16,
    pub(crate) protocol: u8,
    pub(crate) other: Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) time: i64,
    /// Whether another connection of the workload to the outside opened with it.
    pub(crate) accompanied: bool,
    /// At how many of the shifts one would have.
    pub(crate) by_chance: u8,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) events: VecDeque<Event>,
    pub(crate) connections: u64,
    pub(crate) records_out: u64,
    pub(crate) first: i64,
    pub(crate) regular_since: Option<i64>,
}

/// The series of all pairs.
#[derive(Clone, Debug)]
pub struct Beacons {
    interval_secs: i64,
    series: BTreeMap<SeriesKey, Series>,
    /// The cut of a window, by its start.
    cut: (i64, f64),
}

impl Beacons {
    /// No series yet; `interval_secs` is the logs' aggregation interval.
    pub fn new(interval_secs: i64) -> Self {
        Self { interval_secs, series: BTreeMap::new(), cut: (i64::MIN, P_MAX) }
    }

    /// Adds one workload's window and judges the series that went on in it.
    pub fn check(
        &mut self,
        baseline: &Baseline,
        window: &WorkloadWindow<'_>,
        start: i64,
        window_secs: i64,
    ) -> Vec<Deviation> {
        if self.cut.0 != start {
            self.cut = (start, cut(self.calls_a_day(start)));
        }
        let name = &window.name;
        let opened = outside_starts(window);
        let out = window.as_client.iter().map(|&c| (Direction::Out, &c.server, c));
        let inward = window.as_server.iter().map(|&c| (Direction::In, &c.client, c));
        let mut found = Vec::new();
        for (direction, other, c) in
            out.chain(inward).filter(|(_, other, c)| is_candidate(other, c))
        {
            let key = SeriesKey {
                workload: Arc::clone(name),
                direction,
                port: c.port,
                protocol: c.protocol,
                other: other.address,
            };
            let series = self.series.entry(key.clone()).or_default();
            let bounds = (start, window_secs);
            if !series.add(c, &opened, bounds) {
                continue;
            }
            let Some(regularity) = self.judge(&key) else { continue };
            let known = usual::known(baseline, window, &key, other);
            let beat_secs = regularity.period_secs.max(window_secs as f64);
            let edge = usual::edge_of(&key, other);
            let service = baseline.service(&window.workload.service);
            if service.is_some_and(|it| usual::is_usual(it, &edge, beat_secs, start))
                || usual::is_common(baseline, window, &edge, beat_secs, start)
                || service.is_some_and(|it| {
                    self.has_moved(it, (&key, &edge), regularity.period_secs, start)
                })
            {
                continue;
            }
            let since = self.series[&key].first;
            let is_learned = known.is_some_and(|edge| usual::was_learned(edge, since));
            if !is_learned || regularity.p_value <= LEARNED_P_MAX * LAX {
                found.push(self.deviation(window, &key, other, c, regularity, is_learned));
            }
        }
        found
    }

    /// Forgets series that have been silent for long.
    pub fn forget_before(&mut self, start: i64) {
        let last = |series: &Series| series.events.back().map_or(i64::MIN, |event| event.time);
        self.series.retain(|_, series| last(series) >= start - IDLE_SECS);
        if self.series.len() > SERIES_MAX {
            let mut by_age: Vec<_> =
                self.series.iter().map(|(key, series)| (last(series), key.clone())).collect();
            by_age.sort();
            for (_, key) in by_age.iter().take(self.series.len() - SERIES_MAX) {
                self.series.remove(key);
            }
        }
    }

    /// Calls a day of the series that might be told, were they regular.
    fn calls_a_day(&self, now: i64) -> f64 {
        let calls = |key: &SeriesKey, series: &Series| {
            let (first, last) = (series.events.front()?.time, series.events.back()?.time);
            let is_told = series.events.len() >= EVENTS_MIN
                && last >= now - DAY_SECS
                && (key.direction == Direction::In || !series.is_accompanied());
            let gaps = series.events.len() as f64 - 1.0;
            is_told.then(|| gaps * DAY_SECS as f64 / (last - first).max(1) as f64)
        };
        self.series.iter().filter_map(|(key, series)| calls(key, series)).sum()
    }

    /// Whether the workload has called another address by the same port and the same clock for a day, without
    /// being told of it: a name that several addresses answer to, one after the other.
    fn has_moved(
        &self,
        service: &ServiceEvidence,
        (key, edge): (&SeriesKey, &EdgeKey),
        period_secs: f64,
        start: i64,
    ) -> bool {
        let is_untold = |other: Address| {
            let bits = if other.is_v4() { 24 } else { 48 };
            let network = Outside::Prefix { network: other.prefix(bits), bits };
            let peer = Party::Outside(network).peer_name();
            let edge = EdgeKey { peer, ..edge.clone() };
            service.edges.get(&edge).is_some_and(|edge| edge.settled <= start - DAY_SECS)
        };
        let mut same_port = self.of_same_port(key).filter(|(other, _)| other.other != key.other);
        key.direction == Direction::Out
            && same_port.any(|(other, series)| {
                series.first <= start - DAY_SECS
                    && series.keeps_time(period_secs)
                    && is_untold(other.other)
            })
    }

    /// A workload's series by one port.
    fn of_same_port(&self, key: &SeriesKey) -> impl Iterator<Item = (&SeriesKey, &Series)> {
        let first = SeriesKey { other: Address::from(0_u128), ..key.clone() };
        let place =
            |key: &SeriesKey| (Arc::clone(&key.workload), key.direction, key.port, key.protocol);
        let wanted = place(key);
        self.series.range(first..).take_while(move |(other, _)| place(other) == wanted)
    }

    fn judge(&mut self, key: &SeriesKey) -> Option<Regularity> {
        let series = self.series.get_mut(key)?;
        let times: Vec<i64> = series.events.iter().map(|event| event.time).collect();
        let regularity = regular::judge(&times)?;
        let is_timed =
            |p_max| regularity.p_value <= p_max && regularity.period_secs >= PERIOD_SECS_MIN;
        series.regular_since = is_timed(P_MAX).then(|| series.regular_since.unwrap_or(times[0]));
        let passes = is_timed(P_MAX * LAX)
            && series.is_short_lived(self.interval_secs, regularity.period_secs)
            && series.is_covering(regularity.period_secs)
            && self.passes_for_direction(key, *times.last()?);
        passes.then_some(regularity)
    }

    fn passes_for_direction(&self, key: &SeriesKey, now: i64) -> bool {
        let Some(series) = self.series.get(key) else { return false };
        match key.direction {
            Direction::Out => !series.is_accompanied(),
            Direction::In => {
                series.regular_since.is_some_and(|since| now - since >= INBOUND_RUN_SECS)
                    && !self.is_crowded(key)
            }
        }
    }

    /// Whether most who call this port often are regular: bots knock by the clock.
    fn is_crowded(&self, key: &SeriesKey) -> bool {
        let mut callers = 0;
        let mut regular = 0;
        for (_, series) in
            self.of_same_port(key).filter(|(_, series)| series.events.len() >= EVENTS_MIN)
        {
            callers += 1;
            regular += usize::from(series.regular_since.is_some());
        }
        callers >= CROWD_MIN && 2 * regular >= callers
    }

    fn deviation(
        &self,
        window: &WorkloadWindow<'_>,
        key: &SeriesKey,
        other: &Endpoint,
        c: &Conversation,
        found: Regularity,
        is_learned: bool,
    ) -> Deviation {
        let series = &self.series[key];
        let peer = Arc::clone(&other.peer);
        let mut evidence = BTreeMap::from([
            ("unit", Fact::Text("answered connections at regular intervals".into())),
            ("period_secs", Fact::Number(found.period_secs.round())),
            (GAPS, history::of_gaps(&series.events.iter().map(|e| e.time).collect::<Vec<_>>())),
            ("jitter_ratio", Fact::Number(found.ratio)),
            ("variation", Fact::Number((found.variation * 1000.0).round() / 1000.0)),
            ("aggregation_interval_secs", Fact::Number(self.interval_secs as f64)),
            ("connections_since_first_seen", Fact::Number(series.connections as f64)),
            (
                "would_not_have_fired",
                Fact::Text("if its gaps had varied like those of chance or of bursts".into()),
            ),
        ]);
        if is_learned {
            evidence.insert("seen_while_learning", Fact::Text("yes".into()));
        }
        Deviation {
            kind: Kind::Beacon,
            workload: window.workload.clone(),
            peer,
            peer_address: Some(key.other),
            port: Some(key.port),
            protocol: Some(key.protocol),
            direction: key.direction,
            first: series.events.front().map_or(c.first, |event| event.time),
            last: c.last,
            observed: series.events.len() as f64,
            expected: 0.0,
            p_value: found.p_value.max(1e-12),
            cut_ratio: found.p_value
                / if is_learned { LEARNED_P_MAX.min(self.cut.1) } else { self.cut.1 },
            evidence,
            samples: vec![sample(c)],
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&SeriesKey, &Series)> {
        self.series.iter()
    }

    pub(crate) fn restore(
        interval_secs: i64,
        rows: impl IntoIterator<Item = (SeriesKey, Series)>,
    ) -> Self {
        Self { series: rows.into_iter().collect(), ..Self::new(interval_secs) }
    }
}

/// The cut where so many calls a day are looked at: each is another chance to look regular by chance.
fn cut(calls_a_day: f64) -> f64 {
    P_MAX * (CALLS_A_DAY / calls_a_day.max(CALLS_A_DAY)).powf(FALL)
}

/// When the workload opened answered connections to the outside: (time, other end).
fn outside_starts(window: &WorkloadWindow<'_>) -> Vec<(i64, Address)> {
    let outside = window.as_client.iter().filter(|c| c.server.workload().is_none());
    let mut starts: Vec<_> =
        outside.flat_map(|c| c.answered_at.iter().map(|&time| (time, c.server.address))).collect();
    starts.sort_unstable();
    starts
}

fn is_candidate(other: &Endpoint, c: &Conversation) -> bool {
    let is_stranger = match &other.party {
        // Agents of AWS's own services poll them by design.
        Party::Workload(_) | Party::Outside(Outside::Group | Outside::AwsService(_)) => false,
        Party::Outside(Outside::Network(_) | Outside::Prefix { .. }) => true,
    };
    let speaks = match c.protocol {
        // A handshake that is reset at once is a knock.
        TCP => {
            let n = c.answered + c.continued;
            c.packets_out >= 3 * n && c.packets_in >= 2 * n
        }
        UDP => !PERIODIC_UDP_PORTS.contains(&c.port),
        _ => false,
    };
    is_stranger && speaks && (c.answered > 0 || c.continued > 0) && c.orientation.is_reliable()
}

impl Series {
    /// Adds a window's connections; whether any of them is a new event.
    fn add(&mut self, c: &Conversation, opened: &[(i64, Address)], bounds: (i64, i64)) -> bool {
        self.connections += c.answered;
        self.records_out += c.records_out;
        let mut is_new = false;
        for &time in &c.answered_at {
            if self.events.back().is_some_and(|last| time - last.time < COLLAPSE_SECS) {
                continue;
            }
            if self.events.is_empty() {
                self.first = time;
            }
            self.events.push_back(event(time, c.server.address, opened, bounds));
            is_new = true;
            if self.events.len() > EVENTS_MAX {
                self.events.pop_front();
            }
        }
        is_new
    }

    /// Whether most of its gaps are of this length.
    fn keeps_time(&self, period_secs: f64) -> bool {
        let gaps = self.events.iter().zip(self.events.iter().skip(1));
        let is_beat = |gap: i64| (gap as f64 / period_secs - 1.0).abs() <= BEAT_TOLERANCE;
        let n_beats = gaps.filter(|(a, b)| is_beat(b.time - a.time)).count();
        self.events.len() >= EVENTS_MIN && 2 * n_beats >= self.events.len()
    }

    /// Whether its connections end well before the next: else it is one connection that reconnects.
    ///
    /// A connection has one record out for every interval it lives in, and at least one.
    fn is_short_lived(&self, interval_secs: i64, period_secs: f64) -> bool {
        let extra = self.records_out.saturating_sub(self.connections) as f64;
        let last = self.events.back().map_or(self.first, |event| event.time);
        let lived_secs = (last - self.first) as f64 + period_secs;
        extra * interval_secs as f64 <= 0.5 * lived_secs
    }

    /// Whether there are beats in at least half of the places where the period has one.
    fn is_covering(&self, period_secs: f64) -> bool {
        let (Some(first), Some(last)) = (self.events.front(), self.events.back()) else {
            return false;
        };
        let span_secs = (last.time - first.time) as f64;
        self.events.len() as f64 * period_secs >= 0.5 * (span_secs + period_secs)
    }

    /// Whether it is part of a group: connections that open together far more often than by chance.
    fn is_accompanied(&self) -> bool {
        let n = self.events.len() as f64;
        let together = self.events.iter().filter(|event| event.accompanied).count() as f64;
        let by_chance: f64 = self.events.iter().map(|event| f64::from(event.by_chance)).sum();
        let chance = (by_chance / (n * SHIFTS.len() as f64)).max(0.02);
        // Three standard deviations above what chance gives.
        let surprising = together - n * chance > 3.0 * (n * chance * (1.0 - chance)).sqrt();
        2.0 * together >= n && surprising
    }
}

fn event(time: i64, other: Address, opened: &[(i64, Address)], bounds: (i64, i64)) -> Event {
    const TOGETHER_SECS: i64 = 2;
    let (start, window_secs) = bounds;
    let any_at = |at: i64| {
        let from = opened.partition_point(|&(t, _)| t < at - TOGETHER_SECS);
        opened[from..]
            .iter()
            .take_while(|&&(t, _)| t <= at + TOGETHER_SECS)
            .any(|&(_, address)| address != other)
    };
    // A shift that leaves the window comes in again at its other end.
    let shifted = |shift: i64| start + (time + shift - start).rem_euclid(window_secs.max(1));
    let by_chance = SHIFTS.iter().filter(|&&shift| any_at(shifted(shift))).count();
    Event { time, accompanied: any_at(time), by_chance: u8::try_from(by_chance).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series of calls, so many seconds apart.
    fn series(n: i64, apart_secs: i64) -> (SeriesKey, Series) {
        let key = SeriesKey {
            workload: format!("{n} every {apart_secs} s").into(),
            direction: Direction::Out,
            port: 443,
            protocol: TCP,
            other: Address::from(1_u128),
        };
        let event = |i| Event { time: i * apart_secs, accompanied: false, by_chance: 0 };
        (key, Series { events: (0..n).map(event).collect(), ..Series::default() })
    }

    #[test]
    fn the_more_calls_are_looked_at_the_surer_one_has_to_be() {
        assert!((cut(300.0) - P_MAX).abs() < 1e-12 && (cut(CALLS_A_DAY) - P_MAX).abs() < 1e-12);
        let tenfold = cut(10.0 * CALLS_A_DAY);
        assert!(tenfold < P_MAX / 30.0 && cut(100.0 * CALLS_A_DAY) < tenfold / 30.0);
    }

    #[test]
    fn what_cannot_be_told_is_no_chance() {
        let all = [series(25, 3_600), series(i64::try_from(EVENTS_MIN).unwrap() - 1, 60)];
        let beacons = Beacons::restore(60, all);
        assert!((beacons.calls_a_day(DAY_SECS) - 24.0).abs() < 1e-9);
        assert!(beacons.calls_a_day(3 * DAY_SECS).abs() < 1e-9, "silent for two days");
    }
}
