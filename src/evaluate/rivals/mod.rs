//! The methods people use today, from their definitions, on the windows the judge sees.
//!
//! Each gives scored alarms, the higher the surer; where a method has a usual cut, a score of 1 is at
//! it. Each is given the most favourable reading where its definition leaves one: answered connections
//! only, clients of our own only, alarms counted as findings are.

mod first_seen;
mod rita;
mod robust_z;
mod zeek;

use std::collections::BTreeSet;

use detect::Kind;
use model::activity::{Activity, Conversation};
use model::baseline::{WorkloadWindow, workload_windows};
use model::identity::Infrastructure;

use super::truth::Trace;

/// A compared method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    /// This program, at the budget given and at stricter cuts of its p-values.
    Tidegate,
    /// RITA's beacon score over a day.
    Rita,
    /// Zeek's rule for address and port scans.
    Zeek,
    /// Two addresses and a port that never talked before.
    FirstSeenAddress,
    /// Two services and a port that never talked before.
    FirstSeenService,
    /// The robust z-score of a window's volumes.
    RobustZ,
    /// Outliers by the empirical distributions of a window's features.
    Ecod,
    /// Outliers by histograms of a window's features.
    Hbos,
    /// Outliers by how soon random cuts isolate a window.
    IsolationForest,
}

impl Method {
    /// All of them, this program first.
    pub(crate) const ALL: [Self; 9] = [
        Self::Tidegate,
        Self::Rita,
        Self::Zeek,
        Self::FirstSeenAddress,
        Self::FirstSeenService,
        Self::RobustZ,
        Self::Ecod,
        Self::Hbos,
        Self::IsolationForest,
    ];

    /// Whether it judges elsewhere, and what came of it is read.
    pub(crate) fn is_read(self) -> bool {
        matches!(self, Self::Ecod | Self::Hbos | Self::IsolationForest)
    }

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::Rita => "RITA beacon score",
            Self::Zeek => "Zeek scan rule",
            Self::FirstSeenAddress => "first-seen edge, by address",
            Self::FirstSeenService => "first-seen edge, by service",
            Self::RobustZ => "robust z of volumes",
            Self::Ecod => "ECOD",
            Self::Hbos => "HBOS",
            Self::IsolationForest => "Isolation Forest",
        }
    }
}

/// What a method says of one workload in one window, or of several.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    pub(crate) method: Method,
    pub(crate) trace: Trace,
}

/// All methods, side by side.
#[derive(Clone, Debug, Default)]
pub(super) struct Rivals {
    rita: rita::Pairs,
    by_address: first_seen::Edges,
    by_service: first_seen::Edges,
    robust_z: robust_z::Volumes,
    alarms: Vec<Alarm>,
}

impl Rivals {
    /// Takes in a window of the days that are learned.
    pub(super) fn learn(&mut self, activity: &Activity) {
        self.by_address.learn(activity, first_seen::by_address);
        self.by_service.learn(activity, first_seen::by_service);
        self.robust_z.learn(activity);
    }

    /// Judges a window.
    pub(super) fn judge(&mut self, activity: &Activity) {
        let alarms = &mut self.alarms;
        alarms.extend(zeek::alarms(activity));
        let (by_address, by_service) = (Method::FirstSeenAddress, Method::FirstSeenService);
        alarms.extend(self.by_address.alarms(activity, first_seen::by_address, by_address));
        alarms.extend(self.by_service.alarms(activity, first_seen::by_service, by_service));
        alarms.extend(self.robust_z.alarms(activity));
        self.rita.take(activity);
        if activity.end().rem_euclid(rita::DAY_SECS) == 0 {
            alarms.extend(self.rita.end_day(activity.end()));
        }
    }

    /// All alarms.
    pub(super) fn into_alarms(mut self) -> Vec<Alarm> {
        let last = self.rita.end_day(i64::MAX);
        self.alarms.extend(last);
        self.alarms
    }
}

/// What an alarm is about.
struct About<'a> {
    client: &'a str,
    peer: Option<String>,
    port: Option<u16>,
    span: (i64, i64),
    window: i64,
}

impl About<'_> {
    fn alarm(self, method: Method, score: f64) -> Alarm {
        let trace = Trace {
            // Only what this program finds is told by kind.
            kind: Kind::Incident,
            workloads: BTreeSet::from([self.client.to_owned()]),
            peer_address: self.peer,
            port: self.port,
            span: self.span,
            windows: vec![self.window],
            score,
        };
        Alarm { method, trace }
    }
}

/// The conversations that one of our own opened, with its address.
fn opened(activity: &Activity) -> impl Iterator<Item = &Conversation> {
    activity.conversations.iter().filter(|c| {
        c.client.workload().is_some_and(|w| !w.infrastructure.is_some_and(Infrastructure::relays))
    })
}

/// The windows of workloads that do work of their own.
pub(super) fn working_windows(activity: &Activity) -> impl Iterator<Item = WorkloadWindow<'_>> {
    let relays =
        |w: &WorkloadWindow<'_>| w.workload.infrastructure.is_some_and(Infrastructure::relays);
    workload_windows(activity).into_iter().filter(move |window| !relays(window))
}

/// The middle of numbers, which are brought into order.
pub(super) fn median(numbers: &mut [f64]) -> f64 {
    quantile(numbers, 0.5)
}

/// The quantile of numbers, interpolated; they are brought into order. 0 of none.
fn quantile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let at = share * numbers.len().saturating_sub(1) as f64;
    let (low, high) = (at.floor(), at.ceil());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the length")]
    let of = |place: f64| numbers.get(place as usize).copied().unwrap_or(0.0);
    of(low) + (of(high) - of(low)) * (at - low)
}

/// The median absolute deviation from the median.
pub(super) fn deviation(numbers: &mut [f64]) -> f64 {
    let middle = median(numbers);
    let mut off: Vec<f64> = numbers.iter().map(|number| (number - middle).abs()).collect();
    median(&mut off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles_are_interpolated() {
        assert!((quantile(&mut [4.0, 1.0, 3.0, 2.0], 0.5) - 2.5).abs() < 1e-12);
        assert!((quantile(&mut [1.0, 2.0, 3.0, 4.0, 5.0], 0.25) - 2.0).abs() < 1e-12);
        assert!((deviation(&mut [1.0, 2.0, 3.0, 4.0, 100.0]) - 1.0).abs() < 1e-12);
        assert!(median(&mut []).abs() < 1e-12);
    }
}
