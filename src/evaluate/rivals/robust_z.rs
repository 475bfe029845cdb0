//! Robust z-scores of a window's volumes: how far `log(1 + x)` is above the service's median, in robust
//! standard deviations, over all windows of the days that are learned.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::activity::Activity;
use model::baseline::Measure;

use super::{About, Alarm, Method, deviation, median, working_windows};

/// A score of 1 is at this z.
const USUAL_CUT: f64 = 3.5;

/// Scores below this are no alarms at any cut worth having.
const SCORE_MIN: f64 = 0.5;

/// The median absolute deviation as a standard deviation, and the least it is taken for.
const TO_STANDARD: f64 = 1.4826;
const SPREAD_MIN: f64 = 0.1;

/// What is measured: bytes to the outside and inside, connections, servers, rejections.
const MEASURES: [Measure; 5] = [
    Measure::BytesOutside,
    Measure::BytesInside,
    Measure::Connections,
    Measure::Fanout,
    Measure::RejectedOut,
];

/// A service's windows, measure by measure.
type Known = BTreeMap<Arc<str>, [Vec<f64>; MEASURES.len()]>;

/// Middle and spread of each measure.
type Usual = [(f64, f64); MEASURES.len()];

/// What services usually do.
#[derive(Clone, Debug, Default)]
pub(super) struct Volumes {
    known: Known,
    usual: Option<BTreeMap<Arc<str>, Usual>>,
}

impl Volumes {
    pub(super) fn learn(&mut self, activity: &Activity) {
        self.usual = None;
        for window in working_windows(activity) {
            let known = self.known.entry(Arc::clone(&window.workload.service)).or_default();
            for (values, measure) in known.iter_mut().zip(MEASURES) {
                values.push((window.measure(measure) as f64).ln_1p());
            }
        }
    }

    pub(super) fn alarms(&mut self, activity: &Activity) -> Vec<Alarm> {
        let known = &mut self.known;
        let usual = self.usual.get_or_insert_with(|| {
            std::mem::take(known).into_iter().map(|(name, values)| (name, summed(values))).collect()
        });
        let mut alarms = Vec::new();
        for window in working_windows(activity) {
            let Some(usual) = usual.get(&window.workload.service) else { continue };
            let z = MEASURES.iter().zip(usual).map(|(&measure, (middle, spread))| {
                ((window.measure(measure) as f64).ln_1p() - middle) / spread
            });
            let score = z.fold(0.0, f64::max) / USUAL_CUT;
            if score >= SCORE_MIN {
                let client = window.workload.address.to_string();
                let span = (activity.start, activity.end() - 1);
                let (peer, port, window) = (None, None, activity.start);
                let about = About { client: &client, peer, port, span, window };
                alarms.push(about.alarm(Method::RobustZ, score));
            }
        }
        alarms
    }
}

/// Middle and spread of numbers, measure by measure.
fn summed(values: [Vec<f64>; MEASURES.len()]) -> Usual {
    values.map(|mut values| {
        let spread = (TO_STANDARD * deviation(&mut values)).max(SPREAD_MIN);
        (median(&mut values), spread)
    })
}
